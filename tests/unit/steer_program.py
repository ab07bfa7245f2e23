#!/usr/bin/env python3
"""The program with two workers and one client process on one CPU, whose connections stay open:
each worker must get a fair part of them. usage: steer_program.py KILN"""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import unittest

PATIENCE = 60
HELD = 200
FAIR = HELD * 3 // 10  # by the rule for a share it is a third, when nothing else moves
SKIPPED = 77

KILN = sys.argv[1]


class Target:
    """Accepts and keeps: the connections are there to be held."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.address = "127.0.0.1:%d" % self.listener.getsockname()[1]
        self.kept = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                self.kept.append(self.listener.accept()[0])
            except OSError:
                return

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for sock in self.kept:
            sock.close()


class Gateway:
    """`kiln server` with two workers. Its log is a file: it drops lines rather than wait for a full
    pipe."""

    def __init__(self, folder, target):
        subprocess.run([KILN, "certs", "--out", folder], check=True, stdout=subprocess.DEVNULL)
        self.path = f"{folder}/log"
        with open(self.path, "w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [KILN, "server", "--listen", "127.0.0.1:0", "--target", target, "--workers", "2",
                 "--cert", f"{folder}/server.pem", "--key", f"{folder}/server.key",
                 "--disable-client-auth", "--log-format", "json", "--shutdown-timeout", "30s",
                 "--handshake-timeout", "10m"], stderr=log)
        self.ready = self.wait("ready")
        self.port = int(self.ready["listen"].rpartition(":")[2])

    def lines(self, event):
        """What it has logged of that event."""
        with open(self.path, encoding="utf-8") as log:
            whole = [text for text in log if text.endswith("\n")]
        return [line for line in map(json.loads, whole) if line["event"] == event]

    def wait(self, event):
        """The first line of that event."""
        deadline = time.monotonic() + PATIENCE
        while not (lines := self.lines(event)):
            assert self.process.poll() is None and time.monotonic() < deadline, f"no {event} came"
            time.sleep(0.01)
        return lines[0]

    def kill_first_worker(self):
        pid = self.process.pid
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as children:
            os.kill(int(children.read().split()[0]), signal.SIGKILL)

    def stop(self):
        """It ends when all connections have."""
        self.process.terminate()
        return self.process.wait(PATIENCE)

    def close(self):
        self.process.kill()
        self.process.wait()


class Spread(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kiln-")
        self.addCleanup(folder.cleanup)
        self.target = Target()
        self.addCleanup(self.target.close)
        self.gateway = Gateway(folder.name, self.target.address)
        self.addCleanup(self.gateway.close)
        if self.gateway.ready["steering"] != "ebpf":
            self.skipTest("connections are not steered here: no right to load eBPF")
        self.context = ssl.create_default_context(cafile=f"{folder.name}/ca.pem")
        self.everywhere = os.sched_getaffinity(0)
        self.addCleanup(os.sched_setaffinity, 0, self.everywhere)
        os.sched_setaffinity(0, {min(self.everywhere)})

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.gateway.port), PATIENCE)

    def wrap(self, sock):
        return self.context.wrap_socket(sock, server_hostname="localhost")

    def parts(self, held, also=()):
        """Closes all; each one of held's access line names its worker."""
        parts = {"0": 0, "1": 0}
        ports = {sock.getsockname()[1] for sock in held}
        for sock in (*held, *also):
            sock.close()
        self.assertEqual(self.gateway.stop(), 0)
        for line in self.gateway.lines("conn"):
            if int(line["peer"].rpartition(":")[2]) in ports:
                parts[str(line["worker"])] += 1
        print(f"{self.id().rpartition('.')[2]}: {parts}", file=sys.stderr)
        return parts

    def assert_fair(self, held):
        parts = self.parts(held)
        self.assertEqual(sum(parts.values()), HELD)
        self.assertGreaterEqual(min(parts.values()), FAIR, parts)

    def test_one_after_the_other(self):
        self.assert_fair([self.wrap(self.connect()) for _ in range(HELD)])

    def test_all_at_once(self):
        """A worker counts a connection from its first moment: none of these begins a handshake."""
        self.assert_fair([self.connect() for _ in range(HELD)])

    def test_a_killed_workers_number_is_forgotten(self):
        """The first worker, which has the CPU, was over its share when it died. Its successor has no
        connection, so it gets all that come."""
        if len(self.everywhere) < 2:
            self.skipTest("both workers are on the only CPU")
        before = [self.wrap(self.connect()) for _ in range(HELD)]
        self.gateway.kill_first_worker()
        self.assertEqual(str(self.gateway.wait("worker_started")["worker"]), "0")
        parts = self.parts([self.wrap(self.connect()) for _ in range(30)], before)
        self.assertEqual(parts, {"0": 30, "1": 0})


if __name__ == "__main__":
    result = unittest.main(argv=sys.argv[:1], exit=False, verbosity=2).result
    if not result.wasSuccessful():
        sys.exit(1)
    sys.exit(SKIPPED if len(result.skipped) == result.testsRun else 0)
