"""Bytes through the gateway: every size, both ways, every kind of address, and both kinds of end.

  peer ──TLS── kiln server ──plain── backend
  peer ──plain── kiln client ──TLS── kiln server ──plain── backend
"""

import hashlib
import pathlib
import selectors
import socket
import unittest

from harness import settings
from harness.backends import digest, source
from harness.case import KilnTest, main
from harness.rawtls import connect_raw
from harness.sockets import connect, connect_tls, pattern, receive_all, receive_exactly

SIZES = [0, 1, 16383, 16384, 16385, 65535, 65536, 65537, 250_001]


def expected_answer(data):
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}\n".encode()


class Sizes(KilnTest):
    def upload(self, gateway, data):
        """The peer ends first; the answer comes through the half that is still open."""
        with connect_raw(gateway.listen) as peer:
            peer.send_data(data)
            peer.close_notify()
            peer.sock.shutdown(socket.SHUT_WR)
            self.assertEqual(peer.read_to_end(), expected_answer(data))
            peer.expect_end()

    def test_upload_through_server(self):
        gateway = self.server(target=self.backend(digest).address)
        for size in SIZES:
            with self.subTest(size=size):
                self.upload(gateway, pattern(size))
                gateway.wait_conn(bytes_up=size, close="ok")
        self.check_path(gateway)

    def test_download_through_server(self):
        answer = source(*SIZES)
        target = self.backend(answer)
        gateway = self.server(target=target.address)
        for number, size in enumerate(SIZES):
            with self.subTest(size=size), connect_raw(gateway.listen) as peer:
                self.assert_bytes(peer.read_to_end(), pattern(size))
                peer.send(b"heard")  # the target ended first: our half is still open
                peer.close_notify()
                peer.sock.shutdown(socket.SHUT_WR)
                peer.expect_end()
                gateway.wait_conn(bytes_down=size, bytes_up=5, close="ok")
                target.wait_idle()
                self.assertEqual(answer.received[number], b"heard")
        self.check_path(gateway)

    def test_both_ways_through_client_and_server(self):
        server = self.server(target=self.backend(digest).address)
        client = self.client(target=server)
        for size in SIZES:
            with self.subTest(size=size), connect(client.listen) as peer:
                data = pattern(size)
                peer.sendall(data)
                peer.shutdown(socket.SHUT_WR)
                self.assertEqual(receive_all(peer), expected_answer(data))
                client.wait_conn(bytes_up=size, close="ok")
                server.wait_conn(bytes_up=size, close="ok")
        self.check_path(server)
        self.check_path(client)

    def test_target_ends_first_through_client_and_server(self):
        answer = source(65537)
        target = self.backend(answer)
        server = self.server(target=target.address)
        client = self.client(target=server)
        with connect(client.listen) as peer:
            self.assert_bytes(receive_all(peer), pattern(65537))
            peer.sendall(pattern(65537, 1))
            peer.shutdown(socket.SHUT_WR)
            client.wait_conn(bytes_up=65537, bytes_down=65537, close="ok")
        target.wait_idle()
        self.assert_bytes(answer.received[0], pattern(65537, 1))


class Bulk(KilnTest):
    """KILN_BULK_BYTES each way, by a client that reads and writes as an ordinary program does."""

    def test_up(self):
        gateway = self.server(target=self.backend(digest).address)
        client = self.client(target=gateway)
        with connect(client.listen) as peer:
            hasher = hashlib.sha256()
            block = pattern(1_000_003)
            left = settings.BULK_BYTES
            while left > 0:
                part = block[:left]
                peer.sendall(part)
                hasher.update(part)
                left -= len(part)
            peer.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(peer).decode(),
                             f"{settings.BULK_BYTES} {hasher.hexdigest()}\n")
        gateway.wait_conn(bytes_up=settings.BULK_BYTES, close="ok")

    def test_down(self):
        gateway = self.server(target=self.backend(source(settings.BULK_BYTES)).address)
        with connect_tls(gateway.listen) as peer:
            hasher = hashlib.sha256()
            while part := peer.recv(1 << 18):
                hasher.update(part)
        self.assertEqual(hasher.hexdigest(),
                         hashlib.sha256(pattern(settings.BULK_BYTES)).hexdigest())
        gateway.wait_conn(bytes_down=settings.BULK_BYTES)

    def test_both_ways_at_once(self):
        gateway = self.server()
        client = self.client(target=gateway)
        size = min(settings.BULK_BYTES, 10_000_000)
        data = pattern(size)
        with connect(client.listen) as peer:
            peer.setblocking(False)
            sent, received = 0, bytearray()
            with selectors.DefaultSelector() as selector:
                selector.register(peer, selectors.EVENT_READ | selectors.EVENT_WRITE)
                while len(received) < size:
                    (_, events), = selector.select(settings.PATIENCE)
                    if events & selectors.EVENT_WRITE and sent < size:
                        sent += peer.send(data[sent:sent + 100_000])
                        if sent == size:
                            peer.shutdown(socket.SHUT_WR)
                            selector.modify(peer, selectors.EVENT_READ)
                    if events & selectors.EVENT_READ:
                        received += peer.recv(1 << 18)
            self.assertEqual(hashlib.sha256(received).digest(), hashlib.sha256(data).digest())
        gateway.wait_conn(bytes_up=size, bytes_down=size, close="ok")


class Addresses(KilnTest):
    def echo_once(self, where, tls=True):
        with connect_tls(where) if tls else connect(where) as sock:
            sock.sendall(b"hello")
            self.assertEqual(receive_exactly(sock, 5), b"hello")

    def test_ipv6_listener_and_target(self):
        gateway = self.server(listen="[::1]:0", target=self.backend(host="::1").address)
        self.echo_once(gateway.listen)
        self.assertRegex(gateway.wait_conn()["peer"], r"^\[::1\]:\d+$")

    def test_one_listener_for_both_families(self):
        gateway = self.server(listen=":0")
        port = gateway.listen.rpartition(":")[2]
        self.echo_once(f"127.0.0.1:{port}")
        self.echo_once(f"[::1]:{port}")
        self.assertRegex(gateway.wait_conn()["peer"], r"^127\.0\.0\.1:\d+$")

    def test_several_listeners(self):
        gateway = self.server(listen=["127.0.0.1:0", "[::1]:0"])
        gateway.wait_event("ready", count=2)
        for line in gateway.find("ready"):
            self.echo_once(line["listen"])
        self.assertEqual(len(gateway.find("ready")), 2)

    def test_unix_target(self):
        gateway = self.server(target=self.backend(unix=f"{self.folder}/target").address)
        self.echo_once(gateway.listen)
        gateway.wait_conn(path=gateway.path)

    def test_unix_listener_of_server_stays_in_user_space(self):
        path = f"{self.folder}/listen"
        gateway = self.server(listen=f"unix:{path}")
        self.echo_once(f"unix:{path}")
        line = gateway.wait_conn()
        self.assertEqual(line["path"], "userspace")
        if gateway.path == "ktls":
            self.assertEqual(line["path_reason"], "unix_socket")
        gateway.settle()
        gateway.stop()
        self.assertFalse(pathlib.Path(path).exists(), "the socket's file is left behind")

    def test_unix_listener_of_client(self):
        server = self.server()
        client = self.client(target=server, listen=f"unix:{self.folder}/listen")
        self.echo_once(f"unix:{self.folder}/listen", tls=False)
        client.wait_conn(path=client.path)

    def test_half_close_over_unix_sockets(self):
        server = self.server(target=self.backend(digest, unix=f"{self.folder}/target").address)
        client = self.client(target=server, listen=f"unix:{self.folder}/listen")
        with connect(client.listen) as peer:
            peer.sendall(pattern(100_000))
            peer.shutdown(socket.SHUT_WR)
            self.assertEqual(receive_all(peer), expected_answer(pattern(100_000)))
        server.wait_conn(close="ok")


@unittest.skipUnless(settings.EXPECT_PATH == "ktls" and settings.ENGINE != "epoll",
                     "ktls_data does it, while nothing else runs")
class KernelCounts(KilnTest):
    """/proc/net/tls_stat says what really happened."""

    @staticmethod
    def read():
        with open("/proc/net/tls_stat", encoding="ascii") as lines:
            return {name: int(value) for name, value in (line.split() for line in lines)}

    def test_connections_are_counted_by_the_kernel_while_they_are_open(self):
        server = self.server()
        client = self.client(target=server)
        if server.path != "ktls":
            raise unittest.SkipTest("this kernel has no kTLS to count")
        before = self.read()
        peers = []
        for _ in range(3):
            peers.append(connect(client.listen))
            peers[-1].sendall(b"x")
            receive_exactly(peers[-1], 1)
        now = self.read()
        for name in ("TlsCurrTxSw", "TlsCurrRxSw"):  # at both ends of the TLS connection
            self.assertEqual(now[name] - before[name], 2 * 3, name)
        for peer in peers:
            peer.close()
        settings.wait_until("the counts to go down",
                            lambda: self.read()["TlsCurrTxSw"] == before["TlsCurrTxSw"])
        self.assertEqual(self.read()["TlsDecryptError"], before["TlsDecryptError"])


if __name__ == "__main__":
    main()
