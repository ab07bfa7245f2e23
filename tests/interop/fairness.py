"""Clients that do not read what they asked for, beside those that do, in the smallest of pools."""

import contextlib
import threading
import time

from harness import settings
from harness.case import KilnTest, main
from harness.settings import wait_until
from harness.sockets import client_context, connect, connect_tls, pattern, receive_exactly

CROWD = 30  # of 64 buffers
ROUND = 100_000


class Fountain:
    """A backend that answers "!" with bytes without end, and anything else with itself."""

    def __init__(self):
        self.lock = threading.Lock()
        self.sent = 0

    def __call__(self, sock):
        first = sock.recv(1)
        if first != b"!":
            sock.sendall(first)
            while data := sock.recv(1 << 16):
                sock.sendall(data)
            return
        sock.settimeout(None)
        try:
            while True:
                count = sock.send(bytes(1 << 16))
                with self.lock:
                    self.sent += count
        except OSError:
            pass  # its client has gone

    def is_stuck(self):
        before = self.sent
        time.sleep(0.3)  # what is observed: nothing moves for so long
        return before == self.sent


class Fairness(KilnTest):
    def setUp(self):
        super().setUp()
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)

    def connect_rudely(self, gateway):
        """Nothing is unwrapped at the end: there is too much to read first."""
        sock = connect(gateway.listen)
        return self.stack.enter_context(
            client_context().wrap_socket(sock, server_hostname="localhost"))

    def test_readers_beside_those_that_do_not_read(self):
        fountain = Fountain()
        gateway = self.server("--buffer-memory", "4MiB", "--send-timeout", "30m",
                              target=self.backend(fountain).address, workers=1)
        for _ in range(CROWD):
            sock = self.connect_rudely(gateway)
            sock.sendall(b"!")
            receive_exactly(sock, 1)
        wait_until("the backend is stuck", fountain.is_stuck)
        honest = [self.stack.enter_context(connect_tls(gateway.listen)) for _ in range(CROWD)]
        for seed, sock in enumerate(honest):
            sock.settimeout(settings.PATIENCE)
            data = pattern(ROUND, seed)
            sock.sendall(data)
            self.assert_bytes(receive_exactly(sock, ROUND), data)
        self.assertEqual(gateway.active(), 2 * CROWD)
        self.stack.close()


if __name__ == "__main__":
    main()
