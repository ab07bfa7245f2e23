"""What the target sees at the end of a stream: an end when it is one, a reset when it is not, and
that at once; and what is counted while a worker replaces another."""

import signal
import socket
import threading

from harness import settings
from harness.case import KilnTest, main
from harness.rawtls import connect_raw
from harness.sockets import connect_tls, pattern, receive_all, receive_exactly

SIZE = 300_000


class Witness:
    """A backend that answers with what it got, and notes how its stream ends."""

    def __init__(self):
        self.end = None
        self.over = threading.Event()

    def __call__(self, sock):
        try:
            while data := sock.recv(1 << 16):
                sock.sendall(data)
            self.end = "end"
        except ConnectionResetError:
            self.end = "reset"
        self.over.set()

    def wait(self, test):
        test.assertTrue(self.over.wait(settings.PATIENCE), "the stream at the target has no end")
        return self.end


class Resets(KilnTest):
    def test_killed_worker(self):
        witness = Witness()
        gateway = self.server(target=self.backend(witness).address, workers=1)
        with connect_raw(gateway.listen) as peer:
            peer.send_data(b"ping")
            peer.read(4)
            gateway.signal(signal.SIGKILL, gateway.workers()[0])
            self.assertEqual(witness.wait(self), "reset")
        gateway.wait_event("worker_started")

    def test_broken_stream_is_reset_before_its_peer_has_gone(self):
        witness = Witness()
        gateway = self.server(target=self.backend(witness).address, workers=1)
        with connect_raw(gateway.listen) as peer:
            peer.send_data(b"ping")
            peer.read(4)
            peer.send(b"x" * 20, kind=99)  # what no TLS peer sends: it gets an alert, and time
            end = witness.wait(self)
            lines = gateway.find("conn")  # to read it, during which the connection is still there
            self.assertEqual((end, lines), ("reset", []))
            peer.expect_alert("unexpected_message")
        gateway.wait_conn(alert_sent="unexpected_message")

    def test_end_with_bytes_under_way(self):
        """The gateway is through with the connection before the target has read any of it."""
        logged = threading.Event()
        got = []

        def late_reader(sock):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # most waits on our side
            sock.sendall(b"!")
            sock.shutdown(1)
            logged.wait(settings.PATIENCE)
            got.append(receive_all(sock))

        backend = self.backend(late_reader)
        gateway = self.server(target=backend.address, workers=1)
        with connect_tls(gateway.listen) as sock:
            receive_exactly(sock, 1)
            sock.sendall(pattern(SIZE))
        gateway.wait_conn(bytes_up=SIZE, close="ok")
        logged.set()
        backend.wait_idle()
        self.assert_bytes(got[0], pattern(SIZE))


class Counters(KilnTest):
    def test_retired_worker_keeps_its_counters(self):
        """A worker that drains and its successor both count, each its own connections."""
        gateway = self.server(workers=1)
        with connect_tls(gateway.listen) as old:
            old.sendall(b"x")
            receive_exactly(old, 1)
            gateway.signal(signal.SIGTERM, gateway.workers()[0])
            gateway.wait_event("worker_started")
            with connect_tls(gateway.listen) as new:
                new.sendall(b"x")
                receive_exactly(new, 1)
                self.assertEqual(gateway.active(), 2)
            gateway.settle(active=1)
        gateway.settle()
        self.assertEqual(gateway.counters()["accepted"], 2)


if __name__ == "__main__":
    main()
