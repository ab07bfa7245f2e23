"""Records after the handshake: those that are not data, those that nobody should send, and ends of
every kind. A connection beside them echoes all the while."""

import contextlib
import socket
import threading
import unittest

from harness import settings
from harness.backends import reset
from harness.case import SharedServer, main
from harness.rawtls import ALERT, CHANGE_CIPHER_SPEC, HANDSHAKE, Alert, RawTls, connect_raw
from harness.sockets import (connect, connect_tls, pattern, receive_all, receive_exactly,
                             server_context, wait_taken)


class RecordTest(SharedServer):
    def peer(self):
        """Connected all the way: the target has echoed."""
        peer = connect_raw(self.gateway.listen)
        peer.send(b"hello")
        self.assertEqual(peer.read(5), b"hello")
        return peer

    def still_echoes(self, peer, data=b"and on"):
        peer.send(data)
        self.assertEqual(peer.read(len(data)), data)

    def end(self, peer):
        peer.close_notify()
        self.assertEqual(peer.read_to_end(), b"")
        peer.sock.close()
        self.wait_conn(path=self.gateway.path)


class KeyUpdates(RecordTest):
    """RFC 8446 4.6.3. A kernel that cannot change keys ends the connection cleanly."""

    def setUp(self):
        super().setUp()
        self.can_follow = self.gateway.path != "ktls" or settings.KERNEL_REKEYS

    def follows(self, change):
        peer = self.peer()
        self.addCleanup(peer.sock.close)
        if not self.can_follow:
            self.target.may_reset = True
            with contextlib.suppress(OSError):  # it ends while we still talk
                change(peer)
            peer.expect_alert("internal_error")
            self.wait_conn(close="tls_key_update", alert_sent="internal_error", path="ktls")
            self.assertEqual(self.counted("key_update_impossible"), 1)
            self.target.wait_reset()
            return
        change(peer)
        self.still_echoes(peer)
        self.end(peer)
        self.wait_conn(close="ok")
        self.assertEqual(self.counted("key_update_impossible"), 0)

    def test_one(self):
        self.follows(lambda peer: peer.key_update())
        if self.can_follow:
            self.assertEqual(self.counted("key_updates"), 1)

    def test_one_that_asks_for_one(self):
        self.follows(lambda peer: peer.key_update(request=True))
        if self.can_follow:
            self.assertEqual(self.counted("key_updates"), 2)

    def test_many_with_data_between(self):
        def change(peer):
            for number in range(20):
                peer.key_update(request=number % 2 == 0)
                peer.send(b"%02d" % number)
            if self.can_follow:
                self.assertEqual(peer.read(40), b"".join(b"%02d" % n for n in range(20)))
        self.follows(change)

    def test_what_came_before_is_delivered(self):
        """Also where the connection ends with it, and the target is slow."""
        data = pattern(300_000)
        go, got = threading.Event(), []

        def slow(sock):
            go.wait(settings.PATIENCE)
            got.append(receive_exactly(sock, len(data)))
            if self.can_follow:
                return
            with self.assertRaises(ConnectionResetError):
                sock.recv(1)
        target = self.backend(slow)
        gateway = self.server(target=target.address)
        counter = "key_updates" if self.can_follow else "key_update_impossible"
        with connect_raw(gateway.listen) as peer:
            peer.send_data(data)
            peer.key_update()
            settings.wait_until("the gateway to see the update",
                                lambda: gateway.counters()[counter] == 1)
            if not self.can_follow:
                peer.expect_alert("internal_error")  # before the target has read anything
            go.set()
            if self.can_follow:
                self.assertEqual(peer.read_to_end(), b"")
                peer.close_notify()
            gateway.wait_conn(bytes_up=len(data),
                              close="ok" if self.can_follow else "tls_key_update")
        target.wait_idle()
        self.assert_bytes(got[0], data)

    def test_many_in_a_row(self):
        def change(peer):
            for _ in range(10):
                peer.key_update()
        self.follows(change)

    def test_while_much_data_flows_both_ways(self):
        if not self.can_follow:
            raise unittest.SkipTest("this kernel cannot change keys; the other tests show how "
                                    "that ends")
        peer = self.peer()
        data = pattern(1_000_000)
        got = bytearray()
        for at in range(0, len(data), 50_000):
            peer.key_update(request=True)
            peer.send_data(data[at:at + 50_000])
            got += peer.read(50_000)
        self.assert_bytes(bytes(got), data)
        self.end(peer)

    def test_own_updates_after_so_many_records(self):
        """--rekey-after-records: the gateway changes its own keys, and asks for the peer's."""
        gateway = self.server("--rekey-after-records", "10", target=self.target.address)
        peer = connect_raw(gateway.listen)
        if not self.can_follow:
            self.target.may_reset = True
            with peer, self.assertRaisesRegex(Alert, "internal_error"):
                for _ in range(50):
                    self.still_echoes(peer)
            gateway.wait_conn(close="tls_record_limit")
            self.assertEqual(gateway.counters()["record_limit"], 1)
            return
        for _ in range(50):
            self.still_echoes(peer)
        self.assertGreater(gateway.counters()["key_updates"], 3)
        peer.close_notify()
        self.assertEqual(peer.read_to_end(), b"")
        peer.sock.close()
        gateway.settle()


class Allowed(RecordTest):
    def test_empty_records(self):
        peer = self.peer()
        for _ in range(3):
            for _ in range(5):
                peer.send(b"")
            self.still_echoes(peer)
        self.end(peer)

    def test_padded_records(self):
        peer = self.peer()
        for pad in (1, 100, 16000):
            peer.send(b"padded", pad=pad)
            self.assertEqual(peer.read(6), b"padded")
        peer.send(b"x" * 16384)
        self.assertEqual(peer.read(16384), b"x" * 16384)
        self.end(peer)

    def test_user_canceled_before_close_notify(self):
        peer = self.peer()
        peer.send(b"\1\x5a", ALERT)
        self.end(peer)
        self.wait_conn(close="ok")

    def test_data_behind_close_notify_is_ignored(self):
        peer = self.peer()
        peer.sock.sendall(peer.tx.seal(b"\1\0", ALERT) + peer.tx.seal(b"ignored"))
        self.assertEqual(peer.read_to_end(), b"")
        peer.sock.close()
        self.wait_conn(close="ok", bytes_up=5)


class Refused(RecordTest):
    """Each ends the connection with the right alert, resets the target, and disturbs nobody."""

    def setUp(self):
        super().setUp()
        self.target.may_reset = True

    def refused(self, bad, *wanted, ktls=None):
        """wanted, and ktls where the kernel judges otherwise: the alert that the peer gets, and the
        reason in the log."""
        alert, close = ktls if ktls and self.gateway.path == "ktls" else wanted
        with connect_tls(self.gateway.listen) as canary:
            canary.sendall(b"before")
            self.assertEqual(receive_exactly(canary, 6), b"before")
            with self.peer() as peer:
                peer.sock.sendall(bad(peer))
                peer.expect_alert(alert)
            line = self.wait_conn(close=close)
            self.assertEqual(line["path"], self.gateway.path)
            self.assertEqual(line.get("alert_sent"), alert, line)
            self.assertIn("error", line)
            self.target.wait_reset()
            canary.sendall(b"after")
            self.assertEqual(receive_exactly(canary, 5), b"after")

    def test_bytes_that_are_no_record(self):
        self.refused(lambda peer: b"GET / HTTP/1.1\r\nHost: kiln\r\n\r\n",
                     "unexpected_message", "tls_record")

    def test_a_record_that_does_not_verify(self):
        def bad(peer):
            record = bytearray(peer.tx.seal(b"forged"))
            record[7] ^= 0x40
            return bytes(record)
        self.refused(bad, "bad_record_mac", "tls_decrypt")

    def test_a_record_sent_twice(self):
        def bad(peer):
            record = peer.tx.seal(b"")
            return record + record
        self.refused(bad, "bad_record_mac", "tls_decrypt")

    def test_a_record_longer_than_allowed(self):
        self.refused(lambda peer: b"\x17\x03\x03" + (16384 + 257).to_bytes(2, "big") + bytes(100),
                     "record_overflow", "tls_record")

    def test_more_content_than_allowed(self):
        self.refused(lambda peer: peer.tx.seal(b"x" * 16385), "record_overflow", "tls_record")

    def test_a_record_shorter_than_its_tag(self):
        self.refused(lambda peer: b"\x17\x03\x03\0\x10" + bytes(16),
                     "bad_record_mac", "tls_record", ktls=("bad_record_mac", "tls_decrypt"))

    def test_nothing_but_padding(self):
        self.refused(lambda peer: peer.tx.seal(b"", kind=0, pad=50),
                     "unexpected_message", "tls_record", ktls=("bad_record_mac", "tls_decrypt"))

    def test_a_plaintext_alert(self):
        self.refused(lambda peer: b"\x15\x03\x03\0\2\1\0",
                     "unexpected_message", "tls_record", ktls=("bad_record_mac", "tls_decrypt"))

    def test_change_cipher_spec(self):
        self.refused(lambda peer: b"\x14\x03\x03\0\1\1",
                     "unexpected_message", "tls_record", ktls=("bad_record_mac", "tls_decrypt"))

    def test_an_encrypted_change_cipher_spec(self):
        self.refused(lambda peer: peer.tx.seal(b"\1", CHANGE_CIPHER_SPEC),
                     "unexpected_message", "tls_record")

    def test_a_handshake_message_that_may_not_come(self):
        self.refused(lambda peer: peer.tx.seal(b"\1\0\0\4\3\3\0\0", HANDSHAKE),
                     "unexpected_message", "tls_message")

    def test_an_empty_handshake_record(self):
        self.refused(lambda peer: peer.tx.seal(b"", HANDSHAKE), "unexpected_message", "tls_record")

    def test_an_empty_alert(self):
        self.refused(lambda peer: peer.tx.seal(b"", ALERT), "decode_error", "tls_record")

    def test_data_inside_a_handshake_message(self):
        self.refused(lambda peer: peer.tx.seal(b"\x18\0\0", HANDSHAKE) + peer.tx.seal(b"x"),
                     "unexpected_message", "tls_message")

    def test_an_alert_inside_a_handshake_message(self):
        self.refused(lambda peer: peer.tx.seal(b"\x18\0\0", HANDSHAKE) +
                     peer.tx.seal(b"\1\0", ALERT), "unexpected_message", "tls_message")

    def test_bytes_behind_a_key_update(self):
        self.refused(lambda peer: peer.tx.seal(b"\x18\0\0\1\0\x18", HANDSHAKE),
                     "unexpected_message", "tls_message")

    def test_a_key_update_that_asks_for_something_unknown(self):
        self.refused(lambda peer: peer.tx.seal(b"\x18\0\0\1\2", HANDSHAKE), "illegal_parameter",
                     "tls_message")

    def test_empty_records_without_end(self):
        if self.gateway.path == "ktls":
            raise unittest.SkipTest("the kernel swallows empty records, and nobody can count them")
        self.refused(lambda peer: b"".join(peer.tx.seal(b"") for _ in range(200)),
                     "unexpected_message", "tls_message")

    def test_a_ticket_from_a_client(self):
        ticket = b"\4" + (8 + 1 + 2 + 1 + 2).to_bytes(3, "big") + bytes(9) + b"\0\1t\0\0"
        self.refused(lambda peer: peer.tx.seal(ticket, HANDSHAKE), "unexpected_message",
                     "tls_message")

    def test_user_canceled_without_end(self):
        self.refused(lambda peer: b"".join(peer.tx.seal(b"\1\x5a", ALERT) for _ in range(200)),
                     "unexpected_message", "tls_message")


class Ends(RecordTest):
    def test_a_fatal_alert_resets_the_target(self):
        self.target.may_reset = True
        with self.peer() as peer:
            peer.send(b"\2\x28", ALERT)
            self.wait_conn(close="tls_alert", alert_received="handshake_failure")
            self.target.wait_reset()

    def test_an_end_without_close_notify_resets_the_target(self):
        self.target.may_reset = True
        with self.peer() as peer:
            peer.sock.shutdown(socket.SHUT_WR)
            self.wait_conn(close="tls_truncated")
            self.target.wait_reset()
        self.assertEqual(self.counted("truncated"), 1)

    def test_what_came_before_a_truncation_is_delivered(self):
        """A reset overtakes bytes on the way: it has to wait for a target that reads slowly."""
        data = pattern(300_000)  # more than a receive buffer takes, less than it and a send buffer
        go, got = threading.Event(), []

        def slow(sock):
            go.wait(settings.PATIENCE)
            got.append(receive_exactly(sock, len(data)))
            with self.assertRaises(ConnectionResetError):
                sock.recv(1)
        target = self.backend(slow)
        gateway = self.server(target=target.address)
        with connect_raw(gateway.listen) as peer:
            peer.send_data(data)
            wait_taken(peer.sock)
            peer.sock.shutdown(socket.SHUT_WR)
            settings.wait_until("the gateway to see the end",
                                lambda: gateway.counters()["truncated"] == 1)
            go.set()
            gateway.wait_conn(close="tls_truncated", bytes_up=len(data))
        target.wait_idle()
        self.assert_bytes(got[0], data)

    def test_an_end_inside_a_record_resets_the_target(self):
        self.target.may_reset = True
        with self.peer() as peer:
            peer.sock.sendall(peer.tx.seal(b"never complete")[:20])
            peer.sock.shutdown(socket.SHUT_WR)
            self.wait_conn(close="tls_truncated", bytes_up=5)
            self.target.wait_reset()

    def test_a_reset_resets_the_target(self):
        self.target.may_reset = True
        with self.peer() as peer:
            reset(peer.sock)
            self.wait_conn(close="tls_truncated")
            self.target.wait_reset()

    def test_an_end_after_our_close_notify_is_no_failure(self):
        """The target has ended and still reads; the peer knows, and just closes."""
        got = []

        def ended(sock):
            sock.shutdown(socket.SHUT_WR)
            got.append(receive_exactly(sock, 4))
            with self.assertRaises(ConnectionResetError):
                sock.recv(1)
        target = self.backend(ended)
        gateway = self.server(target=target.address)
        for how in (lambda sock: sock.shutdown(socket.SHUT_WR), reset):
            since = gateway.position()
            with connect_raw(gateway.listen) as peer:
                self.assertEqual(peer.read_to_end(), b"")
                peer.send(b"said")
                wait_taken(peer.sock)
                how(peer.sock)
                line = gateway.wait_conn(since, close="ok_no_close_notify", bytes_up=4)
                self.assertEqual(line["level"], "info")
                self.assertNotIn("error", line)
            target.wait_idle()
        self.assertEqual(got, [b"said"] * 2)
        counters = gateway.counters()
        self.assertEqual((counters["no_close_notify"], counters["truncated"]), (2, 0))

    def test_close_notify_leaves_our_half_open(self):
        """RFC 8446 6.1: the other direction goes on."""
        with self.peer() as peer:
            peer.close_notify()
            self.assertEqual(peer.read_to_end(), b"")  # the echo ends when it has read the end
        self.wait_conn(close="ok")

    def test_close_notify_of_a_server_ends_the_clients_stream(self):
        def talk(sock):
            peer = RawTls(sock, server_context(), server=True)
            peer.handshake()
            peer.send(b"bye")
            peer.close_notify()
            self.assertEqual(peer.read_to_end(), b"still here")
        client = self.client(target=self.backend(talk), workers=1)
        with connect(client.listen) as sock:
            self.assertEqual(receive_all(sock), b"bye")
            sock.sendall(b"still here")
        client.wait_conn(close="ok")

    def test_a_server_that_ends_without_close_notify_resets_the_client(self):
        def talk(sock):
            peer = RawTls(sock, server_context(), server=True)
            peer.handshake()
            peer.send(b"half an ans")
        client = self.client(target=self.backend(talk), workers=1)
        with connect(client.listen) as sock, self.assertRaises(ConnectionResetError):
            receive_exactly(sock, 11)
            receive_all(sock)
        client.wait_conn(close="tls_truncated")


if __name__ == "__main__":
    main()
