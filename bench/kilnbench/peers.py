"""The proxies that are compared: how each is configured, started, and told apart.

Every one gets the same: one worker, TLS 1.3 only, the same certificate, no tickets, no session
cache, no access log where that can be chosen, its own defaults for everything else.
"""

import os
import pathlib
import shutil

from . import host

NGINX_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_stream_module.so")
IDLE_SECONDS = 7200


class Peer:
    """One way to run one proxy."""

    program = None
    package = None
    ktls = None  # which directions the kernel must encrypt for this peer: None, "tx", "both"
    ours = False

    def __init__(self, name, label):
        self.name = name
        self.label = label

    def missing(self):
        """Why it cannot run here, with the way out; None when it can."""
        if self.ktls and not host.has_ktls():
            return "this kernel has no kTLS (the counted runs have it)"
        if not self.path():
            return f"{self.program} is not installed: apt-get install {self.package}"
        return None

    def path(self):
        return shutil.which(self.program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")

    def version(self):
        return None

    def command(self, setup):
        """Writes what configuration it needs into setup.folder; the argument list."""
        raise NotImplementedError

    def _write(self, setup, text):
        file = setup.folder / f"{self.name}.conf"
        file.write_text(text, encoding="ascii")
        return str(file)


class Direct(Peer):
    """No proxy and no TLS: what the load generator and the backend cost by themselves."""

    def missing(self):
        return None

    def command(self, setup):
        return None


class Nginx(Peer):
    program = "nginx"
    package = "nginx libnginx-mod-stream"

    def __init__(self, name, label, ktls=False):
        super().__init__(name, label)
        self.ktls = "tx" if ktls else None

    def _is_static(self):
        return bool(host.first_line([self.path(), "-V"], r"(--with-stream)(?:\s|$)"))

    def missing(self):
        reason = super().missing()
        if reason or NGINX_MODULE.exists() or self._is_static():
            return reason
        return f"nginx has no stream module: apt-get install {self.package}"

    def version(self):
        return host.first_line([self.path(), "-v"], r"(nginx/\S+)")

    def command(self, setup):
        load = f"load_module {NGINX_MODULE};" if NGINX_MODULE.exists() else ""
        conf = self._write(setup, f"""{load}
daemon off;
worker_processes 1;
worker_rlimit_nofile {2 * setup.most + 1000};
pid {setup.folder}/{self.name}.pid;
error_log stderr error;
events {{ worker_connections {2 * setup.most + 100}; }}
stream {{
    server {{
        listen 127.0.0.1:{setup.port} ssl backlog=4096;
        ssl_certificate {setup.cert};
        ssl_certificate_key {setup.key};
        ssl_protocols TLSv1.3;
        ssl_session_tickets off;
        ssl_session_cache off;
        {"ssl_conf_command Options KTLS;" if self.ktls else ""}
        proxy_pass 127.0.0.1:{setup.backend};
        proxy_timeout {IDLE_SECONDS}s;
    }}
}}
""")
        return [self.path(), "-p", str(setup.folder), "-e", "stderr", "-c", conf]


class HAProxy(Peer):
    program = "haproxy"
    package = "haproxy"

    def version(self):
        return host.first_line([self.path(), "-v"], r"(?i)(haproxy version \S+)")

    def command(self, setup):
        conf = self._write(setup, f"""global
    nbthread 1
    maxconn {setup.most}
    tune.ssl.cachesize 0
    ssl-default-bind-options ssl-min-ver TLSv1.3 no-tls-tickets
defaults
    mode tcp
    timeout connect 30s
    timeout client {IDLE_SECONDS}s
    timeout server {IDLE_SECONDS}s
frontend tls
    bind 127.0.0.1:{setup.port} ssl crt {setup.pem} backlog 4096
    default_backend plain
backend plain
    server one 127.0.0.1:{setup.backend}
""")
        return [self.path(), "-db", "-f", conf]


class Hitch(Peer):
    program = "hitch"
    package = "hitch"

    def version(self):
        return host.first_line([self.path(), "--version"], r"(hitch \S+)")

    def command(self, setup):
        conf = self._write(setup, f"""frontend = "[127.0.0.1]:{setup.port}"
backend = "[127.0.0.1]:{setup.backend}"
pem-file = "{setup.pem}"
workers = 1
daemon = off
backlog = 4096
tls-protos = TLSv1.3
ciphersuites = "TLS_AES_128_GCM_SHA256"
user = "nobody"
group = "nogroup"
""")
        return [self.path(), f"--config={conf}"]


class Stunnel(Peer):
    program = "stunnel"
    package = "stunnel4"

    def version(self):
        return host.first_line([self.path(), "-version"], r"(stunnel \d\S+)")

    def command(self, setup):
        conf = self._write(setup, f"""foreground = yes
debug = err
socket = l:TCP_NODELAY=1
socket = r:TCP_NODELAY=1
[tls]
accept = 127.0.0.1:{setup.port}
connect = 127.0.0.1:{setup.backend}
cert = {setup.cert}
key = {setup.key}
sslVersionMin = TLSv1.3
options = NO_TICKET
sessionCacheSize = 1
TIMEOUTidle = {IDLE_SECONDS}
""")
        return [self.path(), conf]


class Kiln(Peer):
    program = "kiln"
    package = "(build it: cmake --build --preset release)"
    ours = True
    binary = None  # set by the session: the one that was just built

    def __init__(self, name, label, ktls, engine):
        super().__init__(name, label)
        self.ktls = "both" if ktls else None
        self.engine = engine

    def path(self):
        return self.binary if self.binary and os.access(self.binary, os.X_OK) else None

    def missing(self):
        reason = super().missing()
        return f"kiln is not built at {self.binary}" if reason and not self.path() else reason

    def version(self):
        return host.first_line([self.path(), "--version"], r"(kiln \S+)")

    def command(self, setup):
        return [self.path(), "server", "--listen", f"127.0.0.1:{setup.port}",
                "--target", f"127.0.0.1:{setup.backend}", "--cert", str(setup.cert),
                "--key", str(setup.key), "--disable-client-auth", "--workers", "1",
                "--max-connections", str(setup.most),
                "--handshake-timeout", "60s",  # as nginx has it: emulation is slow
                "--ktls", "require" if self.ktls else "off", "--engine", self.engine]


ALL = [
    Direct("direct", "no proxy, no TLS"),
    Kiln("kiln-ktls", "Kiln, kTLS, io_uring", True, "io_uring"),
    Kiln("kiln-ktls-epoll", "Kiln, kTLS, epoll", True, "epoll"),
    Kiln("kiln", "Kiln, user space, io_uring", False, "io_uring"),
    Kiln("kiln-epoll", "Kiln, user space, epoll", False, "epoll"),
    Nginx("nginx", "nginx stream"),
    Nginx("nginx-ktls", "nginx stream, kTLS (send only)", ktls=True),
    HAProxy("haproxy", "HAProxy"),
    Hitch("hitch", "hitch"),
    Stunnel("stunnel", "stunnel"),
]
BY_NAME = {peer.name: peer for peer in ALL}
BASELINE = "nginx"
