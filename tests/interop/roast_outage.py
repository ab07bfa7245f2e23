"""STS stops in the middle of the work of two gateways that speak Roast: what stands goes on, what
is new fails in bounded time and says why, and when STS is there again everything is as before.

KILN_CONNECTIONS says how many connections stand (500 at most).
"""

import os
import signal
import socket
import threading
import time

from harness import settings
from harness.case import main
from harness.settings import wait_until
from harness.sockets import connect, receive_exactly
from harness.sts import Sts
from roast import CLIENT, SERVER, RoastTest

STANDING = min(500, settings.CONNECTIONS)
BATCH = 50       # handshakes at once while they are being opened
NEW = 40         # connections that come while STS is away
BOUND = 15       # seconds that a new one may take to fail


class Outage(RoastTest):
    sts_flags = ()

    def setUp(self):
        super().setUp()
        echo = self.echo_program()
        self.server = self.party("server", echo.address, "--roast-rate", "0", name="Ledger",
                                 allow=CLIENT)
        self.client = self.party("client", self.server.listen, "--roast-rate", "0", name="Orders",
                                 allow=SERVER)

    def open_all(self):
        socks = []
        for at in range(0, STANDING, BATCH):
            batch = [connect(self.client.listen) for _ in range(min(BATCH, STANDING - at))]
            for sock in batch:
                self.addCleanup(sock.close)
            self.each_echoes(batch, b"first")
            socks += batch
        return socks

    def each_echoes(self, socks, word):
        for i, sock in enumerate(socks):
            sock.sendall(b"%s %04d" % (word, i))
        for i, sock in enumerate(socks):
            wanted = b"%s %04d" % (word, i)
            self.assertEqual(receive_exactly(sock, len(wanted)), wanted)

    def try_new(self):
        """Seconds until a new connection has come to nothing."""
        begin = time.monotonic()
        try:
            with connect(self.client.listen) as sock:
                sock.sendall(b"x")
                self.assertEqual(sock.recv(1), b"")
        except (ConnectionResetError, BrokenPipeError):
            pass
        return time.monotonic() - begin

    def new_ones_fail(self, codes, reason):
        """NEW of them, at the same time; each for one of those codes, and the server says why."""
        took = []
        since = self.server.position()
        threads = [threading.Thread(target=lambda: took.append(self.try_new()))
                   for _ in range(NEW)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(settings.PATIENCE)
        self.assertEqual(len(took), NEW)
        self.assertLess(max(took), BOUND + settings.slack() / 5)
        self.server.wait_event("conn", since, count=NEW)
        lines = self.server.find("conn", since)
        self.assertEqual(len(lines), NEW)
        for line in lines:
            self.assertIn(line["close"], codes, line)
            self.assertRegex(line["error"], reason)

    def works(self):
        try:
            with connect(self.client.listen) as sock:
                sock.sendall(b"new")
                return receive_exactly(sock, 3) == b"new"
        except (ConnectionResetError, BrokenPipeError, AssertionError):
            return False

    def test_sts_hangs_dies_and_comes_back(self):
        standing = self.open_all()
        since = self.server.position(), self.client.position()
        workers = self.server.workers() + self.client.workers()

        os.kill(self.sts.process.pid, signal.SIGSTOP)
        self.new_ones_fail({"sts", "timeout"}, "STS")
        self.each_echoes(standing, b"hangs")

        self.sts.kill()
        self.new_ones_fail({"sts"}, "STS")
        self.each_echoes(standing, b"is dead")

        self.sts = Sts(f"{self.folder}/keys", listen=self.sts.listen)
        self.addCleanup(self.sts.kill)
        wait_until("service as before", self.works)
        self.each_echoes(standing, b"is back")
        self.assertEqual(self.server.workers() + self.client.workers(), workers)
        for gateway, at in zip((self.server, self.client), since):
            self.assertEqual(gateway.find("agent_died", at), [])
            self.assertGreaterEqual(gateway.active(), STANDING)
        for sock in standing:
            sock.shutdown(socket.SHUT_WR)
        for sock in standing:
            self.assertEqual(sock.recv(1), b"")


if __name__ == "__main__":
    main()
