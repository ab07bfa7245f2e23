"""What keeps a gateway from starting: its exit status, and a message that names the thing at fault.

Exit status 2: the command line cannot be understood. 1: it can, but this cannot be had.
"""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import unittest

from harness import settings
from harness.case import KilnTest, main
from harness.backends import echo
from harness.gateway import children, descriptors
from harness.settings import key, pem, wait_until
from harness.sockets import connect_tls, receive_exactly

CERT = ("--cert", pem("server"), "--key", key("server"))


class Refused(KilnTest):
    def run_kiln(self, *arguments, wrapper=(), env=None):
        return subprocess.run([*wrapper, settings.KILN, *arguments], stdin=subprocess.DEVNULL,
                              check=False, capture_output=True, text=True,
                              timeout=settings.PATIENCE, env={**os.environ, **(env or {})})

    def server_flags(self, *flags):
        return ("server", "--target", "127.0.0.1:1", *flags)

    def check_usage(self, message, *arguments):
        with self.subTest(arguments=arguments):
            result = self.run_kiln(*arguments)
            self.assertEqual(result.returncode, 2, result)
            self.assertEqual(result.stdout, "")
            self.assertRegex(result.stderr, message)

    def check_cannot(self, message, *flags, listen="127.0.0.1:0", access="--disable-client-auth",
                     env=None):
        with self.subTest(flags=flags, listen=listen, env=env):
            access = (access,) if access else ()
            result = self.run_kiln(*self.server_flags(*access, "--log-format", "json",
                                                      "--listen", listen, *flags), env=env)
            self.assertEqual(result.returncode, 1, result)
            lines = [json.loads(line) for line in result.stderr.splitlines()]
            self.assertEqual([e["event"] for e in lines if e["level"] == "error"],
                             ["cannot_start"])
            self.assertRegex(lines[-1]["error"], message)
            self.assertNotIn("ready", [e["event"] for e in lines])

    def test_an_sts_that_is_refused(self):
        """Not "ready", and no identity ever."""
        roast = ("--roast", "--allow-role", "arn:aws:iam::123456789012:role/Orders")
        for url, why in (("http://127.0.0.1:4566", "loopback.*--development-sts"),
                         ("https://sts.evil.example", "only STS of AWS is believed"),
                         ("http://sts.us-east-1.amazonaws.com", "must be https")):
            for name in ("AWS_ENDPOINT_URL_STS", "AWS_ENDPOINT_URL"):
                self.check_cannot(why, *roast, access=None, env={name: url})

    def test_command_line(self):
        listen = ("--listen", "127.0.0.1:0", "--disable-client-auth")
        self.check_usage("usage:")
        self.check_usage("no command 'nonsense'", "nonsense")
        self.check_usage("--listen is missing", *self.server_flags(*CERT))
        self.check_usage("--target is missing", "server", *listen, *CERT)
        self.check_usage("--cert is missing", *self.server_flags(*listen, *CERT[2:]))
        self.check_usage("--key is missing", *self.server_flags(*listen, *CERT[:2]))
        self.check_usage("who may connect",
                         *self.server_flags("--listen", "127.0.0.1:0", *CERT))
        self.check_usage("unknown flag --nonsense", *self.server_flags(*listen, *CERT, "--nonsense"))
        self.check_usage("--handshake-timeout: 'soon'", *self.server_flags(
            *listen, *CERT, "--handshake-timeout", "soon"))
        self.check_usage("--workers: '-1'", *self.server_flags(*listen, *CERT, "--workers", "-1"))
        self.check_usage("--listen: 'nowhere' has no port",
                         *self.server_flags("--listen", "nowhere", *CERT))
        self.check_usage("'127.0.0.1:0' is given twice", *self.server_flags(
            *listen, *CERT, "--listen", "127.0.0.1:0"))
        self.check_usage("'stray' is no flag", *self.server_flags(*listen, *CERT, "stray"))

    def test_certificates(self):
        junk, empty, none, fifo = (f"{self.folder}/{name}"
                                   for name in ("junk", "empty", "none", "fifo"))
        os.mkfifo(fifo)
        pathlib.Path(junk).write_text("this is no certificate\n", encoding="ascii")
        pathlib.Path(empty).write_bytes(b"")
        self.check_cannot(f"--cert {none} cannot be opened: No such file",
                          "--cert", none, *CERT[2:])
        self.check_cannot(f"--key {none} cannot be opened: No such file", *CERT[:2], "--key", none)
        self.check_cannot(f"no PEM certificate in --cert {junk}", "--cert", junk, *CERT[2:])
        self.check_cannot(f"no PEM private key in --key {junk}", *CERT[:2], "--key", junk)
        self.check_cannot(f"--key {empty} is no file of 1 byte", *CERT[:2], "--key", empty)
        self.check_cannot(f"--cert {re.escape(self.folder)} is no file", "--cert", self.folder,
                          *CERT[2:])
        self.check_cannot(f"--cert {fifo} is no file", "--cert", fifo, *CERT[2:])
        self.check_cannot(f"--key {fifo} is no file", *CERT[:2], "--key", fifo)
        self.check_cannot(f"--cacert {fifo} is no file", *CERT, "--cacert", fifo,
                          access="--allow-all")
        self.check_cannot("does not belong to the certificate", *CERT[:2], "--key", key("server2"))

    @unittest.skipIf(os.geteuid() != 0, "only root can make a file that another user cannot read, "
                                        "and then be that user")
    def test_key_that_this_user_may_not_read(self):
        cert, private = f"{self.folder}/cert.pem", f"{self.folder}/key.pem"
        pathlib.Path(cert).write_bytes(pathlib.Path(pem("server")).read_bytes())
        pathlib.Path(private).write_bytes(pathlib.Path(key("server")).read_bytes())
        os.chmod(self.folder, 0o755)
        os.chmod(private, 0o600)
        result = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", settings.KILN,
             *self.server_flags("--listen", "127.0.0.1:0", "--disable-client-auth",
                                "--cert", cert, "--key", private)],
            stdin=subprocess.DEVNULL, check=False, capture_output=True, text=True,
            timeout=settings.PATIENCE)
        self.assertEqual(result.returncode, 1, result)
        self.assertIn(f"--key {private} cannot be opened: Permission denied", result.stderr)

    @unittest.skipIf(os.geteuid() != 0, "only root can give up the right to change its user")
    def test_worker_that_cannot_start(self):
        """It says why, and the supervisor how it ended."""
        result = self.run_kiln(
            *self.server_flags("--listen", "127.0.0.1:0", "--disable-client-auth", *CERT,
                               "--user", "nobody", "--workers", "1", "--log-format", "json"),
            wrapper=("setpriv", "--bounding-set=-setuid,-setgid", "--inh-caps=-setuid,-setgid"))
        self.assertEqual(result.returncode, 1, result)
        errors = [e for e in map(json.loads, result.stderr.splitlines()) if e["level"] == "error"]
        self.assertEqual([e["event"] for e in errors], ["worker_failed", "worker_died", "stopped"])
        self.assertIn("--user nobody", errors[0]["error"])
        self.assertEqual(errors[1]["exit"], 1)

    def test_addresses(self):
        self.check_cannot("cannot look up 'no.such.host.invalid'", *CERT,
                          listen="no.such.host.invalid:1")
        self.check_cannot("the folder of a Unix socket must exist", *CERT,
                          listen=f"unix:{self.folder}/none/socket")
        self.check_cannot("this machine has no such address", *CERT, listen="192.0.2.1:0")

    def test_port_of_another_program(self):
        for where in ("127.0.0.1", "::1"):
            family = socket.AF_INET6 if ":" in where else socket.AF_INET
            with socket.socket(family) as other:
                other.bind((where, 0))
                other.listen()
                port = other.getsockname()[1]
                listen = f"[{where}]:{port}" if ":" in where else f"{where}:{port}"
                self.check_cannot("in use; another program has it", *CERT, listen=listen)
                self.check_cannot("in use; another program has it", *CERT, listen=f":{port}")

    def test_port_of_a_gateway_to_replace(self):
        """One after the other, and every connection finds one of them."""
        first = self.server(workers=2)
        for _ in range(3):
            second = self.server("--reuse-port", listen=first.listen, workers=2)
            first.stop()
            for _ in range(20):
                with connect_tls(second.listen) as peer:
                    peer.sendall(b"x")
                    self.assertEqual(receive_exactly(peer, 1), b"x")
            first = second

    def test_port_of_another_gateway(self):
        """It would share the port, and take connections that are the other's."""
        first = self.server(workers=2)
        self.check_cannot("in use; another program has it", *CERT, listen=first.listen)
        for _ in range(4):
            with connect_tls(first.listen) as peer:
                peer.sendall(b"x")
                self.assertEqual(receive_exactly(peer, 1), b"x")

    def test_port_again_after_a_stop(self):
        """Connections of before, in TIME_WAIT, do not keep the port."""
        first = self.server()
        with connect_tls(first.listen) as peer:
            peer.sendall(b"x")
            receive_exactly(peer, 1)
        first.settle()
        first.stop()
        second = self.server(listen=first.listen)
        with connect_tls(second.listen) as peer:
            peer.sendall(b"x")
            self.assertEqual(receive_exactly(peer, 1), b"x")


def listens_at(path):
    """By the flag __SO_ACCEPTCON; connecting would be a connection."""
    sockets = pathlib.Path("/proc/net/unix").read_text(encoding="utf-8").splitlines()[1:]
    return any(line.split()[3] == "00010000" for line in sockets if line.split()[7:] == [path])


class Inherited(KilnTest):
    """What the one who starts a gateway leaves it, or does not."""

    def run_server(self, *wrapper, **options):
        """Without a log that could be read: it is up when the kernel says that its socket listens,
        which its file is there before."""
        listen = f"{self.folder}/listen"
        process = subprocess.Popen(
            [*wrapper, settings.KILN, "server", "--listen", f"unix:{listen}", "--target",
             self.backend(echo).address, *CERT, "--disable-client-auth", "--workers", "2"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, **options)

        def end():
            process.terminate()
            process.wait(settings.PATIENCE)
        self.addCleanup(end)
        wait_until("the gateway to listen", lambda: listens_at(listen))
        return process, f"unix:{listen}"

    def echo_once(self, where):
        with connect_tls(where) as peer:
            peer.sendall(b"x")
            self.assertEqual(receive_exactly(peer, 1), b"x")

    def test_closed_standard_descriptors(self):
        """They must not become a listener or a connection, which log lines would then go to."""
        process, listen = self.run_server("sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh")
        for _ in range(4):
            self.echo_once(listen)
        everybody = [process.pid, *children(process.pid)]
        self.assertEqual(len(everybody), 3)
        for pid in everybody:
            standard = {n: name for n, name in descriptors(pid).items() if n <= 2}
            self.assertEqual(standard, dict.fromkeys(range(3), "/dev/null"))

    def test_log_whose_reader_has_gone(self):
        """A socket, as the journal's: the first line after that must not be the end."""
        ours, theirs = socket.socketpair()
        process, listen = self.run_server(stderr=theirs)
        theirs.close()
        self.echo_once(listen)
        seen = b""
        while b"event=conn " not in seen:  # with lines unread the end would be an error at once
            seen += ours.recv(4096)
        ours.close()
        process.send_signal(signal.SIGUSR1)
        process.send_signal(signal.SIGHUP)
        for _ in range(4):
            self.echo_once(listen)
        process.terminate()
        self.assertEqual(process.wait(settings.PATIENCE), 0)

    def test_a_worker_has_only_what_is_its_own(self):
        """Its log, its listener, its engine, its signals and its supervisor; and nothing of those,
        nor of whoever started the gateway and left files open."""
        leak = ("sh", "-c", 'exec 3</dev/zero 9</dev/full "$@"', "sh")
        for engine, own in (("io_uring", "anon_inode:[io_uring]"),
                            ("epoll", "anon_inode:[eventpoll]")):
            with self.subTest(engine=engine):
                gateway = self.server(engine=engine, workers=3, wrapper=leak)
                for pid in gateway.workers():
                    names = [re.sub(r":\[\d+\]", "", name) for name in descriptors(pid).values()]
                    self.assertEqual(sorted(names), sorted(
                        ["/dev/null", "/dev/null", "pipe", "socket", "socket",
                         "anon_inode:[signalfd]", own]))
                supervisor = descriptors(gateway.process.pid).values()
                self.assertNotIn("/dev/zero", supervisor)
                self.assertNotIn("/dev/full", supervisor)


if __name__ == "__main__":
    main()
