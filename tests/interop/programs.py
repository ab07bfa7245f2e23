"""Real programs as peers of both sides: openssl, curl, gnutls-cli."""

import http.server
import pathlib
import re
import shutil
import subprocess
import threading

from harness import settings
from harness.case import KilnTest, main
from harness.rawtls import SUITES
from harness.settings import key, pem, spki, wait_until
from harness.sockets import connect, pattern, receive_all, receive_exactly


def run(*command, data=b"", status=0):
    """Runs a program to its end; its output, both streams."""
    done = subprocess.run(command, input=data, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=settings.PATIENCE, check=False)
    text = done.stdout.decode(errors="replace")
    if status is not None:
        assert done.returncode == status, f"{command}: exit {done.returncode}\n{text}"
    return text


class Talk:
    """A client program that is spoken to, and told to end by the end of its input."""

    def __init__(self, *command):
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT)
        self.text = b""
        self.changed = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        while data := self.process.stdout.read1(65536):
            with self.changed:
                self.text += data
                self.changed.notify_all()

    def say(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def wait(self, pattern_text, count=1):
        pattern_text = pattern_text.encode()
        with self.changed:
            assert self.changed.wait_for(lambda: self.text.count(pattern_text) >= count,
                                         settings.PATIENCE), self.text.decode(errors="replace")

    def end(self):
        self.process.stdin.close()
        try:
            return self.process.wait(settings.PATIENCE)
        finally:
            self.process.kill()
            self.process.stdout.close()


def s_client(listen, *flags):
    return ("openssl", "s_client", "-connect", listen, "-CAfile", pem("ca"), "-servername",
            "localhost", "-verify_return_error", "-tls1_3", *flags)


class OpenSslClient(KilnTest):
    def test_every_cipher(self):
        gateway = self.server()
        for suite in SUITES:
            with self.subTest(suite=suite):
                talk = Talk(*s_client(gateway.listen, "-ciphersuites", suite, "-brief"))
                talk.say(b"hello\n")
                talk.wait("hello\n")
                talk.end()
                gateway.wait_conn(cipher=suite, bytes_up=6, bytes_down=6)
        self.check_path(gateway)

    def test_every_group(self):
        """A group that the server has to ask for costs a HelloRetryRequest."""
        gateway = self.server()
        for group in ("X25519", "P-256", "P-521:X25519", "P-384"):
            with self.subTest(group=group):
                talk = Talk(*s_client(gateway.listen, "-groups", group, "-brief"))
                talk.say(b"hello\n")
                talk.wait("hello\n")
                talk.end()

    def test_key_updates(self):
        """`k` changes the client's key, `K` asks for a new one of ours as well."""
        gateway = self.server()
        follows = gateway.path == "userspace" or settings.KERNEL_REKEYS
        talk = Talk(*s_client(gateway.listen))
        talk.wait("Verify return code")
        talk.say(b"one\n")
        talk.wait("one\n")
        if follows:
            for count, letter in enumerate((b"k\n", b"K\n", b"k\n"), 1):
                talk.say(letter)
                talk.wait("KEYUPDATE", count)  # it takes a letter only at the start of a read
                talk.say(b"after %d\n" % count)
                talk.wait(f"after {count}\n")
            talk.say(b"Q\n")
            talk.end()
            gateway.wait_conn(close="ok")
            self.assertEqual(gateway.counters()["key_updates"], 4)
        else:
            self.backends[0].may_reset = True
            talk.say(b"k\n")
            gateway.wait_conn(close="tls_key_update", alert_sent="internal_error")
            talk.end()
            self.assertEqual(gateway.counters()["key_update_impossible"], 1)

    def test_resumption_is_not_offered(self):
        gateway = self.server()
        session = f"{self.folder}/session"
        for flag in ("-sess_out", "-sess_in"):
            if flag == "-sess_in" and not pathlib.Path(session).exists():
                break  # no ticket came, so there is nothing to present
            text = run(*s_client(gateway.listen, flag, session), data=b"Q\n")
            self.assertIn("New, TLSv1.3", text)
            self.assertNotIn("Reused", text)

    def test_client_certificate(self):
        gateway = self.server(access=("--allow-spki", spki("alice")), ca="ca")
        talk = Talk(*s_client(gateway.listen, "-cert", pem("alice"), "-key", key("alice"), "-brief"))
        talk.say(b"hello\n")
        talk.wait("hello\n")
        talk.end()
        self.assertEqual(gateway.wait_conn(bytes_up=6)["identity"], "spiffe://kiln.test/prod/alice")
        self.backends[0].may_reset = True
        talk = Talk(*s_client(gateway.listen, "-cert", pem("bob"), "-key", key("bob"), "-brief"))
        talk.wait("alert access denied")
        talk.end()

    def test_alpn(self):
        gateway = self.server("--alpn", "h2,http/1.1")
        text = run(*s_client(gateway.listen, "-alpn", "spdy,http/1.1"), data=b"Q\n")
        self.assertIn("ALPN protocol: http/1.1", text)
        text = run(*s_client(gateway.listen, "-alpn", "spdy"), status=1)
        self.assertIn("alert no application protocol", text)


class SilentHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


class Curl(KilnTest):
    def test_download(self):
        data = pattern(1_000_003)
        (pathlib.Path(self.folder) / "file").write_bytes(data)

        def handler(*args):
            return SilentHandler(*args, directory=self.folder)

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
            threading.Thread(target=web.serve_forever, daemon=True).start()
            gateway = self.server(target="127.0.0.1:%d" % web.server_port)
            out = f"{self.folder}/got"
            run("curl", "--silent", "--show-error", "--fail", "--cacert", pem("ca"), "--tlsv1.3",
                "-o", out, f"https://{gateway.listen}/file", "-o", out + "2",
                f"https://{gateway.listen}/file")
            web.shutdown()
        self.assert_bytes(pathlib.Path(out).read_bytes(), data)
        self.assert_bytes(pathlib.Path(out + "2").read_bytes(), data)
        self.check_path(gateway)


class GnuTls(KilnTest):
    def setUp(self):
        if not shutil.which("gnutls-cli"):
            self.skipTest("gnutls-cli is not installed (apt-get install gnutls-bin)")
        super().setUp()

    def test_echo(self):
        gateway = self.server(access=("--allow-cn", "alice"), ca="ca")
        host, port = gateway.listen.split(":")
        for priority in ("NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-128-GCM",
                         "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+AES-256-GCM",
                         "NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+CHACHA20-POLY1305"):
            with self.subTest(priority=priority):
                talk = Talk("gnutls-cli", "--x509cafile", pem("ca"), "--x509certfile", pem("alice"),
                            "--x509keyfile", key("alice"), "--priority", priority,
                            "--verify-hostname", "localhost", "-p", port, host)
                talk.wait("Simple Client Mode")
                talk.say(b"hello from gnutls\n")
                talk.wait("hello from gnutls\n")
                talk.end()
        gateway.wait_event("conn", count=3, bytes_up=18, bytes_down=18)
        self.check_path(gateway)


class OpenSslServer(KilnTest):
    """`kiln client` before `openssl s_server`, which sends tickets after the handshake."""

    def s_server(self, *flags, cert="server"):
        process = subprocess.Popen(
            ["openssl", "s_server", "-accept", "127.0.0.1:0", "-cert", pem(cert), "-key", key(cert),
             "-naccept", "1", "-rev", *flags], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stdin.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        for raw in process.stdout:
            found = re.match(rb"ACCEPT (.*:\d+)", raw)
            if found:
                return found.group(1).decode()
        raise AssertionError("s_server did not start")

    def test_echo_with_tickets(self):
        for flags in (("-num_tickets", "2"), ("-num_tickets", "0"), ("-num_tickets", "9")):
            with self.subTest(flags=flags):
                gateway = self.client("--server-name", "localhost", target=self.s_server(*flags),
                                      workers=1)
                with connect(gateway.listen) as sock:
                    for _ in range(3):  # s_server -rev answers a line with its reverse
                        sock.sendall(b"stressed\n")
                        self.assertEqual(receive_exactly(sock, 9), b"desserts\n")
                line = gateway.wait_conn(close="ok")
                self.assertEqual(line["identity"], "localhost")

    def refused(self, *flags, close, ca="ca", cert="server"):
        gateway = self.client(*flags, target=self.s_server(cert=cert), ca=ca, workers=1)
        with connect(gateway.listen) as sock:
            sock.sendall(b"secret\n")
            try:
                self.assertEqual(receive_all(sock), b"")
            except ConnectionResetError:
                pass
        line = gateway.wait_conn(close=close)
        self.assertEqual(line["bytes_up"], 0, "bytes went to a server that was not trusted")

    def test_wrong_name(self):
        self.refused("--server-name", "elsewhere.example", close="name_mismatch")

    def test_wrong_key(self):
        self.refused("--verify-spki", "00" * 32, close="name_mismatch")

    def test_unknown_authority(self):
        self.refused("--server-name", "localhost", cert="impostor", close="cert_invalid")

    def test_expired(self):
        self.refused("--server-name", "localhost", cert="server-old", close="cert_invalid")

    def test_right_key(self):
        gateway = self.client("--verify-spki", spki("server"), target=self.s_server(), workers=1)
        with connect(gateway.listen) as sock:
            sock.sendall(b"stressed\n")
            self.assertEqual(receive_exactly(sock, 9), b"desserts\n")
        wait_until("its access line", lambda: gateway.find("conn", close="ok"))


if __name__ == "__main__":
    main()
