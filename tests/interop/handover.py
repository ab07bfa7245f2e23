"""The moment the keys change hands: what comes with the last handshake message, in whole or in
part, is the connection's first data, and not a byte of it may be lost, doubled or reordered.

  write 1: ... Finished | record | rec        write 2: ord | ...
"""

import socket
import threading

from harness.case import KilnTest, SharedServer, main
from harness.rawtls import ALERT, HANDSHAKE, RawTls, connect_raw
from harness.sockets import (connect, pattern, receive_all, server_context, wait_taken)


class WithFinished(SharedServer):
    """`kiln server`, and clients that send at once what they have."""

    flags = ("--handshake-timeout", "0")

    def connect(self):
        peer = connect_raw(self.gateway.listen, handshake=False)
        return peer, peer.handshake(hold=True)

    def finish(self, peer, expected):
        self.assert_bytes(peer.read(len(expected)), expected)
        peer.send(b"and later")
        self.assertEqual(peer.read(9), b"and later")
        peer.close_notify()
        self.assertEqual(peer.read_to_end(), b"")
        peer.sock.close()
        self.wait_conn(path=self.gateway.path, close="ok")

    def test_one_record(self):
        peer, flight = self.connect()
        peer.sock.sendall(flight + peer.tx.seal(b"hello"))
        self.finish(peer, b"hello")

    def test_many_records(self):
        data = pattern(300_000)
        peer, flight = self.connect()
        records = b"".join(peer.tx.seal(data[i:i + 16384]) for i in range(0, len(data), 16384))
        sender = threading.Thread(target=peer.sock.sendall, args=(flight + records,))
        sender.start()
        self.finish(peer, data)
        sender.join()

    def test_many_small_records(self):
        peer, flight = self.connect()
        records = b"".join(peer.tx.seal(bytes([i])) for i in range(200))
        peer.sock.sendall(flight + records)
        self.finish(peer, bytes(range(200)))

    def test_part_of_a_record_and_the_rest_later(self):
        data = pattern(1000)
        for cut in (1, 4, 5, 6, 500, 1020):
            with self.subTest(cut=cut):
                peer, flight = self.connect()
                record = peer.tx.seal(data)
                self.assertLess(cut, len(record))
                peer.sock.sendall(flight + record[:cut])
                wait_taken(peer.sock)
                peer.sock.sendall(record[cut:])
                self.finish(peer, data)

    def test_a_record_and_part_of_the_next(self):
        data = pattern(40_000)
        for cut in (3, 5, 10_000):
            with self.subTest(cut=cut):
                peer, flight = self.connect()
                records = [peer.tx.seal(data[i:i + 16384]) for i in range(0, len(data), 16384)]
                peer.sock.sendall(flight + records[0] + records[1][:cut])
                wait_taken(peer.sock)
                peer.sock.sendall(records[1][cut:] + records[2])
                self.finish(peer, data)

    def test_the_rest_of_a_record_byte_by_byte(self):
        peer, flight = self.connect()
        record = peer.tx.seal(b"hello")
        peer.sock.sendall(flight + record[:2])
        for at in range(2, len(record)):
            wait_taken(peer.sock)
            peer.sock.sendall(record[at:at + 1])
        self.finish(peer, b"hello")

    def test_padded_and_empty_records(self):
        peer, flight = self.connect()
        peer.sock.sendall(flight + peer.tx.seal(b"") + peer.tx.seal(b"he", pad=500) +
                          peer.tx.seal(b"", pad=3) + peer.tx.seal(b"llo", pad=1))
        self.finish(peer, b"hello")

    def test_finished_itself_in_pieces(self):
        peer, flight = self.connect()
        for at in range(len(flight)):
            peer.sock.sendall(flight[at:at + 1])
            wait_taken(peer.sock)
        peer.sock.sendall(peer.tx.seal(b"hello"))
        self.finish(peer, b"hello")

    def test_key_update(self):
        """The peer's key changes before the kernel has seen the first one: every kernel can."""
        peer, flight = self.connect()
        message = peer.tx.seal(b"old") + peer.tx.seal(b"\x18\0\0\1\0", HANDSHAKE)
        peer.tx.update()
        peer.sock.sendall(flight + message + peer.tx.seal(b"new"))
        self.finish(peer, b"oldnew")
        self.assertEqual(self.counted("key_updates"), 1)

    def test_close_notify(self):
        peer, flight = self.connect()
        peer.sock.sendall(flight + peer.tx.seal(b"\1\0", ALERT))
        self.assertEqual(peer.read_to_end(), b"")
        peer.expect_end()
        peer.sock.close()
        self.wait_conn(close="ok", bytes_up=0)

    def test_data_close_notify_and_the_end_of_the_socket(self):
        """Everything the client will ever say, in one write: `printf x | client`."""
        data = pattern(20_000)
        peer, flight = self.connect()
        peer.sock.sendall(flight + peer.tx.seal(data[:16384]) + peer.tx.seal(data[16384:]) +
                          peer.tx.seal(b"\1\0", ALERT))
        peer.sock.shutdown(socket.SHUT_WR)
        self.assert_bytes(peer.read_to_end(), data)
        peer.sock.close()
        self.wait_conn(close="ok", bytes_up=20_000, bytes_down=20_000)

    def test_data_and_then_no_close_notify(self):
        self.target.may_reset = True
        peer, flight = self.connect()
        peer.sock.sendall(flight + peer.tx.seal(b"hello"))
        peer.sock.shutdown(socket.SHUT_WR)
        self.wait_conn(bytes_up=5, close="tls_truncated")
        self.target.wait_reset()
        peer.sock.close()

    def test_a_fatal_alert(self):
        self.target.may_reset = True
        peer, flight = self.connect()
        peer.sock.sendall(flight + peer.tx.seal(b"\2\x50", ALERT))
        self.wait_conn(close="tls_alert", alert_received="internal_error")
        peer.sock.close()

    def test_a_record_that_does_not_verify(self):
        self.target.may_reset = True
        peer, flight = self.connect()
        record = bytearray(peer.tx.seal(b"hello"))
        record[-1] ^= 1
        peer.sock.sendall(flight + record)
        peer.expect_alert("bad_record_mac")
        peer.sock.close()
        line = self.wait_conn(close="tls_decrypt", alert_sent="bad_record_mac", bytes_up=0)
        # Where the kernel was to take the keys, it had not yet.
        self.assertEqual(line.get("path"), None if self.gateway.path == "ktls" else "userspace")
        self.assertIn("cipher", line)


class FromServers(KilnTest):
    """`kiln client`, and servers that send at once what they have."""

    def connect(self, talk, tickets=0):
        """A gateway in front of a server that calls talk(peer, flight)."""
        def handler(sock):
            context = server_context()
            context.num_tickets = tickets
            peer = RawTls(sock, context, server=True)
            talk(peer)
        target = self.backend(handler)
        self.gateway = self.client("--verify-dns", "localhost", target=target)
        return connect(self.gateway.listen)

    def finish(self, sock, expected):
        with sock:
            sock.shutdown(socket.SHUT_WR)
            self.assert_bytes(receive_all(sock), expected)
        self.gateway.settle()
        self.check_path(self.gateway)

    @staticmethod
    def end(peer):
        while peer.receive_data() is not None:
            pass
        peer.close_notify()

    def test_data_before_the_clients_finished(self):
        """RFC 8446 4.4.4: a server may send as soon as its own Finished is out."""
        def talk(peer):
            peer.handshake_with_early(b"welcome")
            self.end(peer)
        self.finish(self.connect(talk), b"welcome")

    def test_tickets_then_data_in_one_write(self):
        def talk(peer):
            flight = peer.handshake(hold=True)
            peer.sock.sendall(flight + peer.tx.seal(b"hello"))
            self.end(peer)
        self.finish(self.connect(talk, tickets=2), b"hello")

    def test_tickets_between_data(self):
        ticket = b"\4" + (4 + 4 + 1 + 2 + 8 + 2).to_bytes(3, "big") + bytes(8) + b"\0" + \
            b"\0\x08" + b"ticket.." + b"\0\0"

        def talk(peer):
            peer.handshake()
            for part in (b"one", b"two", b"three"):
                peer.send(part)
                peer.send(ticket, HANDSHAKE)
                peer.send(ticket[:7], HANDSHAKE)
                peer.send(ticket[7:] + ticket, HANDSHAKE)
            self.end(peer)
        self.finish(self.connect(talk), b"onetwothree")

    def test_a_ticket_over_several_records(self):
        body = bytes(8) + b"\0" + (60_000).to_bytes(2, "big") + bytes(60_000) + b"\0\0"
        ticket = b"\4" + len(body).to_bytes(3, "big") + body

        def talk(peer):
            peer.handshake()
            for at in range(0, len(ticket), 16384):
                peer.send(ticket[at:at + 16384], HANDSHAKE)
            peer.send(b"hello")
            self.end(peer)
        self.finish(self.connect(talk), b"hello")

    def test_the_clients_first_bytes_are_sent_once_the_server_is_known(self):
        got = []

        def talk(peer):
            peer.handshake()
            got.append(peer.read(100_000))
            peer.close_notify()
            self.assertIsNone(peer.receive_data())
        sock = self.connect(talk)
        with sock:
            sock.sendall(pattern(100_000))
            self.assertEqual(receive_all(sock), b"")
        self.gateway.settle()
        self.assert_bytes(got[0], pattern(100_000))
        self.check_path(self.gateway)


if __name__ == "__main__":
    main()
