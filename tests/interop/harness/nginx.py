"""nginx, as what stands between a program and `kiln sts`: TLS with certificates of our choice."""

import pathlib
import shutil
import socket

from .programs import Program, free_port
from .settings import key, pem, wait_until

PATH = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

CONFIG = """
daemon off;
master_process off;
pid nginx.pid;
error_log stderr;
events {{ worker_connections 256; }}
http {{
    default_type application/json;
    client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi; scgi_temp_path scgi;
    log_format kiln '$server_port $server_protocol $connection $status $request_uri';
    access_log requests.log kiln;
    absolute_redirect off; # to this very port, whatever host was asked for
    proxy_set_header Host $http_host;
    {servers}
}}
"""

SERVER = """
    server {{
        listen 127.0.0.1:{port} ssl {protocol};
        ssl_certificate {cert};
        ssl_certificate_key {key};
        {content}
    }}
"""


class Site:
    """One port of it: what it shows, and what it answers, in nginx's words."""

    def __init__(self, content, cert="server", protocol="http2"):
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.text = SERVER.format(port=self.port, protocol=protocol, cert=pem(cert),
                                  key=key(cert), content=content)


class Nginx:
    def __init__(self, folder, sites):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        conf = self.folder / "nginx.conf"
        conf.write_text(CONFIG.format(servers="".join(site.text for site in sites)),
                        encoding="ascii")
        self.program = Program(PATH, "-p", self.folder, "-e", "stderr", "-c", conf)
        try:
            for site in sites:
                wait_until("nginx listens", lambda site=site: self._listens(site.port))
        except BaseException:
            self.program.close()
            raise

    def _listens(self, port):
        assert self.program.process.poll() is None, self.program.text()
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", port)) == 0

    def requests(self, site):
        """What came to it: (protocol, connection, status, path and query) of each."""
        lines = (self.folder / "requests.log").read_text(encoding="ascii").splitlines()
        return [line.split(" ")[1:] for line in lines if line.startswith(f"{site.port} ")]

    def close(self):
        self.program.close()
