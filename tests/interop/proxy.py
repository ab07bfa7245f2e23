"""The PROXY protocol, version 2, on both sides of the gateway (proxy-protocol.txt, section 2.2)."""

import re
import socket
import struct

from harness.case import KilnTest, main
from harness.rawtls import RawTls, connect_raw
from harness.settings import any_kernel, spki
from harness.sockets import client_context, connect, receive_exactly, wait_taken

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LOCAL, PROXY = 0x20, 0x21
TCP4, TCP6, UNSPEC = 0x11, 0x21, 0x00
ALPN, AUTHORITY, CRC32C, NOOP, SSL = 0x01, 0x02, 0x03, 0x04, 0x20
V4 = socket.inet_aton("192.0.2.1") + socket.inet_aton("198.51.100.7") + struct.pack(">HH", 50000, 443)
V6 = (socket.inet_pton(socket.AF_INET6, "2001:db8::1") + socket.inet_pton(socket.AF_INET6, "::1") +
      struct.pack(">HH", 4660, 443))


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82f63b78 if crc & 1 else 0)
    return crc ^ 0xffffffff


def tlv(kind, value):
    return struct.pack(">BH", kind, len(value)) + value


def header(command=PROXY, family=TCP4, body=V4):
    return SIGNATURE + struct.pack(">BBH", command, family, len(body)) + body


def checked(body):
    """The same with its CRC-32C."""
    body += tlv(CRC32C, bytes(4))
    return header(body=body[:-4] + struct.pack(">I", crc32c(header(body=body))))


def parse_tlvs(data):
    tlvs = {}
    while data:
        kind, size = struct.unpack(">BH", data[:3])
        tlvs[kind] = data[3:3 + size]
        data = data[3 + size:]
    return tlvs


def read_header(sock):
    """(command, family, addresses, tlvs) of the header that a target gets; its sum is checked."""
    fixed = receive_exactly(sock, 16)
    assert fixed[:12] == SIGNATURE, fixed
    command, family, size = struct.unpack(">BBH", fixed[12:])
    body = receive_exactly(sock, size)
    addresses = body[:{TCP4: 12, TCP6: 36}.get(family, 0)]
    tlvs = parse_tlvs(body[len(addresses):])
    zeroed = (fixed + body).replace(tlv(CRC32C, tlvs[CRC32C]), tlv(CRC32C, bytes(4)))
    assert crc32c(zeroed) == struct.unpack(">I", tlvs[CRC32C])[0], "the header's sum is wrong"
    return command, family, addresses, tlvs


class In(KilnTest):
    """--accept-proxy-protocol"""

    def setUp(self):
        super().setUp()
        self.gateway = self.server("--accept-proxy-protocol", "--handshake-timeout", "2s")

    def echo_behind(self, *pieces):
        """A TLS connection behind a header that comes in pieces."""
        sock = connect(self.gateway.listen)
        for piece in pieces:
            sock.sendall(piece)
            wait_taken(sock)
        with RawTls(sock, client_context()) as peer:
            peer.handshake()
            peer.send(b"hello")
            self.assertEqual(peer.read(5), b"hello")
            peer.close_notify()
            self.assertEqual(peer.read_to_end(), b"")
        return self.gateway.wait_conn(close="ok")

    def test_ipv4(self):
        self.assertEqual(self.echo_behind(header())["client"], "192.0.2.1:50000")

    def test_ipv6(self):
        line = self.echo_behind(header(family=TCP6, body=V6))
        self.assertEqual(line["client"], "[2001:db8::1]:4660")

    @any_kernel
    def test_local(self):
        self.assertNotIn("client", self.echo_behind(header(LOCAL, UNSPEC, b"")))

    @any_kernel
    def test_with_checked_sum_and_unknown_tlvs(self):
        body = V4 + tlv(0xea, b"\1vpce-0123") + tlv(NOOP, b"") + tlv(AUTHORITY, b"a.example")
        self.assertEqual(self.echo_behind(checked(body))["client"], "192.0.2.1:50000")

    def test_in_pieces(self):
        whole = header()
        self.echo_behind(whole[:1], whole[1:13], whole[13:16], whole[16:17], whole[17:])

    def test_glued_to_the_hello(self):
        sock = connect(self.gateway.listen)
        with RawTls(sock, client_context()) as peer:
            sendall, first = sock.sendall, [header()]

            class Glue:
                """The first thing that is sent has the header in front."""
                def __getattr__(self, name):
                    return getattr(sock, name)

                def sendall(self, data):
                    sendall((first.pop() if first else b"") + data)

            peer.sock = Glue()
            peer.handshake()
            peer.send(b"hello")
            self.assertEqual(peer.read(5), b"hello")
            peer.close_notify()
            self.assertEqual(peer.read_to_end(), b"")
        self.assertEqual(self.gateway.wait_conn(close="ok")["client"], "192.0.2.1:50000")

    def refused(self, data, error):
        with connect(self.gateway.listen) as sock:
            sock.sendall(data)
            try:
                self.assertEqual(sock.recv(1), b"")
            except ConnectionResetError:
                pass
        self.gateway.wait_conn(close="proxy_header", error=re.compile(error))

    @any_kernel
    def test_tls_without_header(self):
        self.refused(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(50), "TLS")

    @any_kernel
    def test_wrong_sum(self):
        good = checked(V4)
        self.refused(good[:-1] + bytes([good[-1] ^ 1]), "(?i)crc")

    @any_kernel
    def test_addresses_too_short(self):
        self.refused(header(body=V4[:7]), "")

    @any_kernel
    def test_too_long(self):
        self.refused(SIGNATURE + struct.pack(">BBH", PROXY, TCP4, 0xffff), "")

    @any_kernel
    def test_tlv_overruns(self):
        self.refused(header(body=V4 + b"\x02\x00\xff" + b"x"), "")

    @any_kernel
    def test_never_comes(self):
        with connect(self.gateway.listen) as sock:
            sock.sendall(SIGNATURE)
            self.assertEqual(sock.recv(1), b"")
        self.gateway.wait_conn(close="timeout", error=re.compile("PROXY"))


class Out(KilnTest):
    """--proxy-protocol"""

    def seen(self, *flags, listen="127.0.0.1:0", alpn=None, cert=None, behind=b""):
        """What the target is told, and the connection's own addresses."""
        got = []

        def target(sock):
            got.append(read_header(sock))
            sock.sendall(b"seen")

        access = ("--allow-all",) if cert else ("--disable-client-auth",)
        gateway = self.server(*flags, target=self.backend(target).address, listen=listen,
                              access=access, ca="ca" if cert else None)
        sock = connect(gateway.listen)
        sock.sendall(behind)
        with RawTls(sock, client_context(cert=cert, alpn=alpn)) as peer:
            own = sock.getsockname(), sock.getpeername()
            peer.handshake()
            self.assertEqual(peer.read_to_end(), b"seen")
            peer.close_notify()
        gateway.wait_conn(close="ok")
        return (*got[0], own)

    def test_ipv4(self):
        command, family, addresses, _, own = self.seen("--proxy-protocol")
        self.assertEqual((command, family), (PROXY, TCP4))
        self.assertEqual(addresses, b"".join(socket.inet_aton(a[0]) for a in own) +
                         struct.pack(">HH", own[0][1], own[1][1]))

    def test_ipv6(self):
        command, family, addresses, _, own = self.seen("--proxy-protocol", listen="[::1]:0")
        self.assertEqual((command, family), (PROXY, TCP6))
        self.assertEqual(addresses[32:], struct.pack(">HH", own[0][1], own[1][1]))

    def test_unix(self):
        command, family, *_ = self.seen("--proxy-protocol", listen=f"unix:{self.folder}/in")
        self.assertEqual((command, family), (PROXY, UNSPEC))

    def test_tls(self):
        tlvs = self.seen("--proxy-protocol-mode", "tls-full", "--alpn", "kiln/1", alpn=["kiln/1"],
                         cert="alice")[3]
        self.assertEqual(tlvs[ALPN], b"kiln/1")
        self.assertEqual(tlvs[AUTHORITY], b"localhost")
        client, verify = struct.unpack(">BI", tlvs[SSL][:5])
        ssl_tlvs = parse_tlvs(tlvs[SSL][5:])
        self.assertEqual((client & 3, verify), (3, 0))
        self.assertEqual(ssl_tlvs[0x21], b"TLSv1.3")
        self.assertEqual(ssl_tlvs[0x22], b"alice")
        self.assertEqual(ssl_tlvs[0x23][:4], b"TLS_")
        self.assertEqual(tlvs[0xe5], b"spiffe://kiln.test/prod/alice")
        self.assertEqual(tlvs[0xe6].hex(), spki("alice"))

    def test_passed_on(self):
        """What a load balancer said of the client is what the target hears."""
        _, family, addresses, *_ = self.seen("--proxy-protocol", "--accept-proxy-protocol",
                                             behind=header(family=TCP6, body=V6))
        self.assertEqual((family, addresses), (TCP6, V6))


if __name__ == "__main__":
    main()
