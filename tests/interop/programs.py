"""Real programs as TLS peers, on both sides: openssl, curl, gnutls, Python's own."""

import http.server
import os
import ssl
import threading
import urllib.request

from harness import settings
from harness.backends import echo
from harness.case import KilnTest, SharedServer, main
from harness.programs import Program, free_port, needs, run, s_client, s_server
from harness.settings import any_kernel, key, pem
from harness.sockets import (client_context, connect, connect_tls, pattern, receive_all,
                             receive_exactly, server_context)

SUITES = ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
PAGE = pattern(3_000_000)


class Web(http.server.BaseHTTPRequestHandler):
    """GET /N: N bytes. POST: back comes what was sent."""

    protocol_version = "HTTP/1.1"

    def answer(self, body):
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):  # pylint: disable=invalid-name
        self.answer(PAGE[:int(self.path[1:])])

    def do_POST(self):  # pylint: disable=invalid-name
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *_):
        pass


def web(test, context=None):
    """An HTTP server, or an HTTPS one; its address."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Web)
    server.daemon_threads = True
    if context:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    test.addCleanup(thread.join)
    test.addCleanup(server.server_close)
    test.addCleanup(server.shutdown)
    return "127.0.0.1:%d" % server.server_address[1]


class OpensslClient(SharedServer):
    def echoes(self, client):
        client.wait_for(rb"Verify return code: 0|Verification: OK")
        client.send(b"through and back\n")
        client.wait_for(rb"\nthrough and back\n")

    def test_each_cipher_suite(self):
        for suite in SUITES:
            with self.subTest(suite=suite), \
                    s_client(self.gateway.listen, "-ciphersuites", suite) as client:
                self.echoes(client)
                self.assertEqual(client.wait(), 0)
                self.wait_conn(cipher=suite, path=self.gateway.path, close="ok")

    @any_kernel
    def test_no_session_is_resumed(self):
        """-reconnect connects five times more with the session it has, if it has one."""
        self.target.may_reset = True  # it drops connections without a goodbye
        with s_client(self.gateway.listen, "-reconnect") as client:
            for _ in range(5):
                client.wait_for(rb"drop connection and then reconnect")
            client.wait_for(rb"(?s)(New, TLSv1.3.*){6}")
            self.assertNotIn("Reused, ", client.text())

    @any_kernel
    def test_no_ticket_is_issued(self):
        with s_client(self.gateway.listen) as client:
            self.echoes(client)
            self.assertEqual(client.wait(), 0)
            self.assertNotIn("New Session Ticket arrived", client.text())

    def key_update(self, command):
        follows = self.gateway.path != "ktls" or settings.KERNEL_REKEYS
        self.target.may_reset = not follows
        with s_client(self.gateway.listen) as client:
            self.echoes(client)
            client.send(command)
            client.wait_for(rb"KEYUPDATE")
            if follows:
                client.send(b"under the new key\n")
                client.wait_for(rb"\nunder the new key\n")
                self.assertEqual(client.wait(), 0)
                self.wait_conn(close="ok")
                self.assertEqual(self.counted("key_updates"), 2 if command == b"K\n" else 1)
            else:
                client.wait_for(rb"alert internal error")
                self.wait_conn(close="tls_key_update")
                self.assertEqual(self.counted("key_update_impossible"), 1)

    def test_key_update(self):
        self.key_update(b"k\n")

    def test_key_update_that_asks_for_ours(self):
        self.key_update(b"K\n")

    @any_kernel
    def test_tls_1_2_is_refused(self):
        with s_client(self.gateway.listen, "-tls1_2") as client:
            client.wait_for(rb"alert protocol version")
            self.assertNotEqual(client.wait(), 0)
        self.wait_conn(close="tls_version", alert_sent="protocol_version")


class OtherClients(KilnTest):
    def test_hello_retry_request(self):
        """The gateway takes one group only, and the client guesses another first."""
        config = f"{self.folder}/openssl.cnf"
        with open(config, "w", encoding="ascii") as file:
            file.write("openssl_conf = o\n[o]\nssl_conf = s\n[s]\nsystem_default = d\n"
                       "[d]\nGroups = P-384\n")
        gateway = self.server(env={"OPENSSL_CONF": config})
        with s_client(gateway.listen, "-groups", "X25519:P-384", "-msg") as client:
            client.wait_for(rb"(?s)ClientHello.*ClientHello.*Verification: OK")
            client.send(b"hello\n")
            client.wait_for(rb"\nhello\n")
            self.assertEqual(client.wait(), 0)
        gateway.wait_conn(close="ok", path=gateway.path)

    @needs("curl")
    def test_curl(self):
        gateway = self.server(target=web(self))
        url = f"https://localhost:{gateway.listen.rpartition(':')[2]}"
        curl = ["curl", "-sS", "--fail", "--ipv4", "--http1.1", "--cacert", pem("ca"),
                "--tlsv1.3"]
        status, out, err = run(*curl, f"{url}/3000000")
        self.assertEqual((status, err), (0, ""))
        self.assert_bytes(out, PAGE)
        status, out, err = run(*curl, "--data-binary", "@-", f"{url}/", data=PAGE[:1_000_000])
        self.assertEqual((status, err), (0, ""))
        self.assert_bytes(out, PAGE[:1_000_000])
        gateway.settle()
        since = gateway.position()
        status, out, err = run(*curl, f"{url}/10", f"{url}/20", f"{url}/30")
        self.assertEqual((status, err), (0, ""))
        self.assert_bytes(out, PAGE[:10] + PAGE[:20] + PAGE[:30])
        gateway.settle()
        self.assertEqual(len(gateway.find("conn", since, close="ok")), 1, "one connection for all")
        self.check_path(gateway)

    @needs("gnutls-cli")
    def test_gnutls(self):
        gateway = self.server()
        port = gateway.listen.rpartition(":")[2]
        for cipher in ("AES-128-GCM", "AES-256-GCM", "CHACHA20-POLY1305"):
            priority = f"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+{cipher}"
            with self.subTest(cipher=cipher), \
                    Program("gnutls-cli", "--x509cafile", pem("ca"), "--priority", priority,
                            "-p", port, "localhost") as client:
                client.wait_for(rb"Handshake was completed")
                client.send(b"hello from gnutls\n")
                client.wait_for(rb"\nhello from gnutls\n")
                self.assertEqual(client.wait(), 0)
        gateway.settle()
        self.assertEqual(len(gateway.find("conn", close="ok")), 3)
        self.check_path(gateway)

    @any_kernel
    @needs("gnutls-cli")
    def test_gnutls_resumes_nothing(self):
        gateway = self.server()
        self.backends[0].may_reset = True  # it drops the first connection without a goodbye
        port = gateway.listen.rpartition(":")[2]
        with Program("gnutls-cli", "--resume", "--x509cafile", pem("ca"), "-p", port,
                     "localhost") as client:
            client.wait_for(rb"(?s)Handshake was completed.*Handshake was completed")
            self.assertNotIn("This is a resumed session", client.text())
            client.send(b"hello\n")
            client.wait_for(rb"\nhello\n")

    def test_alpn_and_server_name(self):
        gateway = self.server("--alpn", "h2,http/1.1")
        with connect_tls(gateway.listen, client_context(alpn=["http/1.1", "h2"]),
                         "server.kiln.test") as sock:
            self.assertEqual(sock.selected_alpn_protocol(), "h2", "the server's preference counts")
        with connect_tls(gateway.listen) as sock:
            self.assertIsNone(sock.selected_alpn_protocol())
        with self.assertRaisesRegex(ssl.SSLError, "no application protocol"):
            with connect_tls(gateway.listen, client_context(alpn=["smtp"])):
                pass
        gateway.wait_conn(close="tls_handshake", alert_sent="no_application_protocol")


class Servers(KilnTest):
    """`kiln client` in front of other people's servers."""

    def reverses(self, gateway):
        with connect(gateway.listen) as sock:
            sock.sendall(b"stressed\n")
            self.assertEqual(receive_exactly(sock, 9), b"desserts\n")
        self.assertEqual(gateway.wait_conn()["path"], gateway.path)

    def s_server(self, *options):
        server, where = s_server(*options)
        self.addCleanup(server.close)
        return server, where

    def test_each_cipher_suite_with_tickets(self):
        for suite in SUITES:
            with self.subTest(suite=suite):
                _, where = self.s_server("-rev", "-ciphersuites", suite, "-num_tickets", "8")
                gateway = self.client("--server-name", "localhost", target=where, workers=1)
                self.reverses(gateway)
                gateway.wait_conn(cipher=suite, close="ok", identity="localhost")

    def test_hello_retry_request(self):
        _, where = self.s_server("-rev", "-groups", "P-384")
        gateway = self.client(target=where, workers=1)
        self.reverses(gateway)
        gateway.wait_conn(close="ok")

    def key_update(self, command):
        server, where = self.s_server()
        gateway = self.client(target=where, workers=1)
        follows = gateway.path != "ktls" or settings.KERNEL_REKEYS
        with connect(gateway.listen) as sock:
            sock.sendall(b"hello\n")
            server.wait_for(rb"\nhello\n")
            server.send(command)
            settings.wait_until("the key update to arrive", lambda: sum(
                gateway.counters()[name] for name in ("key_updates", "key_update_impossible")))
            if follows:
                server.send(b"under the new key\n")
                self.assertEqual(receive_exactly(sock, 18), b"under the new key\n")
                sock.sendall(b"and back\n")
                server.wait_for(rb"\nand back\n")
            else:
                with self.assertRaises(ConnectionResetError):
                    receive_exactly(sock, 1)
                gateway.wait_conn(close="tls_key_update")
        gateway.settle()
        counters = gateway.counters()
        self.assertEqual(counters["key_update_impossible"], 0 if follows else 1)
        self.assertEqual(counters["key_updates"], {b"K\n": 2, b"k\n": 1}[command] * follows)

    def test_key_update(self):
        self.key_update(b"k\n")

    def test_key_update_that_asks_for_ours(self):
        self.key_update(b"K\n")

    def test_a_file_from_s_server(self):
        with open(f"{self.folder}/page", "wb") as file:
            file.write(PAGE[:500_000])
        port = free_port()
        server = Program("sh", "-c", f"cd {self.folder} && exec openssl s_server -WWW -accept "
                         f"127.0.0.1:{port} -cert {pem('server')} -key {key('server')}")
        self.addCleanup(server.close)
        server.wait_for(rb"ACCEPT")
        gateway = self.client(target=f"127.0.0.1:{port}", workers=1)
        with connect(gateway.listen) as sock:
            sock.sendall(b"GET /page HTTP/1.0\r\n\r\n")
            self.assert_bytes(receive_all(sock).partition(b"\r\n\r\n")[2], PAGE[:500_000])
        gateway.wait_conn(close="ok", path=gateway.path)

    def test_an_https_server_of_python(self):
        gateway = self.client(target=web(self, server_context()), workers=1)
        url = f"http://{gateway.listen}/3000000"
        with urllib.request.urlopen(url, timeout=settings.PATIENCE) as answer:
            self.assert_bytes(answer.read(), PAGE)
        gateway.wait_conn(path=gateway.path)

    @needs("gnutls-serv")
    def test_gnutls_serv(self):
        port = free_port()
        server = Program("gnutls-serv", "--echo", "--x509certfile", pem("server"),
                         "--x509keyfile", key("server"), "-p", port, "--disable-client-cert")
        self.addCleanup(server.close)
        server.wait_for(rb"(?i)listening on .*\d+\.\.\.done")
        gateway = self.client(target=f"127.0.0.1:{port}", workers=1)
        with connect(gateway.listen) as sock:
            sock.sendall(b"hello gnutls\n")
            self.assertEqual(receive_exactly(sock, 13), b"hello gnutls\n")
        gateway.wait_conn(path=gateway.path)


if __name__ == "__main__":
    main()
