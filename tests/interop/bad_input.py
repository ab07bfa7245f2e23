"""What a peer may get wrong, or do on purpose: each has its alert, its log line, and no other effect.

A canary connection echoes before and after every case; gateways are checked for leaks at the end.
"""

import contextlib
import re
import socket
import ssl
import struct

from harness.case import KilnTest, main
from harness.rawtls import ALERT, DATA, HANDSHAKE, Alert, connect_raw
from harness.settings import any_kernel, key, pem
from harness.sockets import client_context, connect, receive_all, receive_exactly


def reset(sock):
    """Closes with a RST."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class WithCanary(KilnTest):
    """A gateway before an echo, and a connection that must not notice anything."""

    FLAGS = ()
    ACCESS = {"access": ("--disable-client-auth",)}

    def setUp(self):
        super().setUp()
        self.echo = self.backend()
        self.echo.may_reset = True
        self.gateway = self.server(*self.FLAGS, target=self.echo.address, **self.ACCESS)
        self.canary = self.raw()
        self.sing()
        self.since = self.gateway.position()

    def context(self):
        return client_context()

    def raw(self, handshake=True):
        return connect_raw(self.gateway.listen, self.context(), handshake)

    def sing(self):
        self.canary.send(b"still here")
        self.assertEqual(self.canary.read(10), b"still here")

    def ended(self, **fields):
        """The access line of the case; the canary is well, and its goodbye is the last."""
        line = self.gateway.wait_conn(self.since, **fields)
        self.sing()
        self.canary.close_notify()
        self.canary.sock.shutdown(socket.SHUT_WR)
        self.assertEqual(self.canary.read_to_end(), b"")
        self.canary.sock.close()
        return line

    def first_record(self, sock):
        """(type, content) of a plain record: an alert before the handshake got anywhere."""
        header = receive_exactly(sock, 5)
        return header[0], receive_exactly(sock, int.from_bytes(header[3:5], "big"))


class FirstBytes(WithCanary):
    @any_kernel
    def test_plain_http(self):
        with connect(self.gateway.listen) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(receive_all(sock), b"")
        self.ended(close="not_tls", error=re.compile("GET /"))

    @any_kernel
    def test_garbage(self):
        with connect(self.gateway.listen) as sock:
            sock.sendall(bytes(range(128, 256)))
            with contextlib.suppress(ConnectionResetError):
                self.assertEqual(receive_all(sock), b"")
        self.ended(close="not_tls", error=re.compile("0x80"))

    @any_kernel
    def test_tls_1_2_only(self):
        context = client_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        with connect(self.gateway.listen) as sock, self.assertRaises(ssl.SSLError) as refused:
            context.wrap_socket(sock, server_hostname="localhost")
        self.assertIn("PROTOCOL_VERSION", refused.exception.reason)
        self.ended(close="tls_version", alert_sent="protocol_version")

    def client_hello(self):
        peer = connect_raw(self.gateway.listen, self.context(), handshake=False)
        with contextlib.suppress(ssl.SSLWantReadError):
            peer.tls.do_handshake()
        return peer, peer.outgoing.read()

    @any_kernel
    def test_cut_off_hello(self):
        peer, hello = self.client_hello()
        peer.sock.sendall(hello[:60])
        peer.sock.shutdown(socket.SHUT_WR)
        peer.expect_end()
        peer.sock.close()
        self.ended(close="tls_truncated", error=re.compile("during the handshake"))

    @any_kernel
    def test_hello_byte_by_byte(self):
        peer, hello = self.client_hello()
        for i in range(len(hello)):
            peer.sock.sendall(hello[i:i + 1])
        peer.incoming.write(b"".join(peer._read_record()))  # pylint: disable=protected-access
        peer.handshake()
        peer.send(b"slowly")
        self.assertEqual(peer.read(6), b"slowly")
        peer.close_notify()
        self.assertEqual(peer.read_to_end(), b"")
        peer.sock.close()
        self.ended(close="ok", bytes_up=6)

    def test_record_too_long(self):
        with connect(self.gateway.listen) as sock:
            sock.sendall(b"\x16\x03\x01\xff\xff" + bytes(100))
            kind, content = self.first_record(sock)
            self.assertEqual((kind, content[1]), (ALERT, 22))  # record_overflow
        self.ended(close="tls_handshake", alert_sent="record_overflow")

    @any_kernel
    def test_reset_in_the_handshake(self):
        peer, hello = self.client_hello()
        peer.sock.sendall(hello)
        receive_exactly(peer.sock, 5)
        reset(peer.sock)
        self.ended(close=re.compile("system|tls_truncated"))


class Silence(WithCanary):
    FLAGS = ("--handshake-timeout", "700ms")

    @any_kernel
    def test_never_speaks(self):
        with connect(self.gateway.listen) as sock:
            self.assertEqual(sock.recv(1), b"")
        line = self.ended(close="timeout", error=re.compile("TLS handshake"))
        self.assertGreaterEqual(line["duration_ms"], 690)

    @any_kernel
    def test_stops_half_way(self):
        with connect(self.gateway.listen) as sock:
            sock.sendall(b"\x16\x03\x01\x02\x00\x01")
            with contextlib.suppress(ConnectionResetError):
                receive_all(sock)
        self.ended(close="timeout")


class Certificates(WithCanary):
    ACCESS = {"access": ("--allow-uri", "spiffe://kiln.test/prod/*"), "ca": "ca"}

    def context(self):
        return client_context(cert="alice")

    def refused(self, cert, alert, **fields):
        context = client_context()
        if cert:
            context.load_cert_chain(pem(cert), key(cert))
        peer = connect_raw(self.gateway.listen, context)
        with self.assertRaises(Alert) as seen:
            peer.read_to_end()
        self.assertEqual(seen.exception.name, alert)
        peer.sock.close()
        self.assertEqual(self.echo.count, 1, "the target heard of a client that was refused")
        return self.ended(alert_sent=alert, **fields)

    @any_kernel
    def test_none(self):
        self.refused(None, "certificate_required", close="cert_required")

    @any_kernel
    def test_not_on_the_list(self):
        self.refused("bob", "access_denied", close="access_denied",
                     error=re.compile("spiffe://kiln.test/stage/bob"))

    @any_kernel
    def test_unknown_authority(self):
        self.refused("stranger", "unknown_ca", close="cert_invalid")

    @any_kernel
    def test_expired(self):
        self.refused("bob-old", "certificate_expired", close="cert_invalid")

    @any_kernel
    def test_wrong_use(self):
        self.refused("wrong-use", "unsupported_certificate", close="cert_invalid")


class AfterTheHandshake(WithCanary):
    def refused(self, alert, send, **fields):
        with self.raw() as peer:
            peer.send(b"good")
            self.assertEqual(peer.read(4), b"good")
            send(peer)
            peer.expect_alert(alert)
        self.ended(alert_sent=alert, **fields)

    def test_tampered_record(self):
        def send(peer):
            record = bytearray(peer.tx.seal(b"evil"))
            record[-1] ^= 1
            peer.sock.sendall(record)
        self.refused("bad_record_mac", send, close="tls_decrypt")

    def test_no_tls_any_more(self):
        self.refused("unexpected_message",
                     lambda peer: peer.sock.sendall(b"GET / HTTP/1.1\r\n\r\n" + bytes(100)),
                     close="tls_record")

    def test_record_too_long(self):
        self.refused("record_overflow",
                     lambda peer: peer.sock.sendall(b"\x17\x03\x03\xff\xff" + bytes(20000)),
                     close="tls_record")

    def test_second_hello(self):
        hello = b"\x01\x00\x00\x20" + bytes(32)
        self.refused("unexpected_message", lambda peer: peer.send(hello, HANDSHAKE),
                     close="tls_message")

    def test_records_without_data(self):
        def send(peer):
            ticket = b"\x04\x00\x00\x0d" + bytes(8) + b"\0" + b"\0\1x" + b"\0\0"
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                for _ in range(100):
                    peer.send(ticket[:4] + bytes(13), HANDSHAKE)
        self.refused("unexpected_message", send, close="tls_message")

    def test_gone_without_goodbye(self):
        with self.raw() as peer:
            peer.send(b"abc")
            self.assertEqual(peer.read(3), b"abc")
        self.echo.wait_reset()
        self.ended(close="tls_truncated", bytes_up=3)

    def test_reset(self):
        peer = self.raw()
        peer.send(b"abc")
        self.assertEqual(peer.read(3), b"abc")
        reset(peer.sock)
        self.echo.wait_reset()
        self.ended(close="tls_truncated")

    def test_fatal_alert(self):
        with self.raw() as peer:
            peer.send(bytes([2, 80]), ALERT)
            peer.expect_end()
        self.ended(close="tls_alert", alert_received="internal_error")

    def test_data_after_goodbye(self):
        with self.raw() as peer:
            peer.send(b"abc")
            peer.close_notify()
            peer.send(b"ignored", DATA)
            self.assertEqual(peer.read_to_end(), b"abc")
        self.ended(close="ok", bytes_up=3)


class NeverReads(WithCanary):
    FLAGS = ("--send-timeout", "700ms")

    def test_client(self):
        with connect(self.gateway.listen) as plain:
            sock = client_context().wrap_socket(plain, server_hostname="localhost")
            sock.settimeout(0.2)
            block = bytes(1 << 16)
            with contextlib.suppress(TimeoutError, OSError):
                while True:  # the echo comes back until nobody has room for more
                    sock.sendall(block)
            line = self.ended(close="timeout", error=re.compile("did not read"))
            self.assertGreaterEqual(line["duration_ms"], 690)
            sock.close()


if __name__ == "__main__":
    main()
