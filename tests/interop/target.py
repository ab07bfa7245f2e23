"""A target that has a name, and moves; and a resolver that fails, or says nothing at all.

  peer ──TLS── kiln server ──plain── one of two backends      the name's address is asked of
                    └──DNS── the test                         this test itself
"""

import contextlib
import os
import random
import re
import signal
import socket
import struct
import subprocess
import threading
import unittest

from harness import settings
from harness.case import main
from harness.settings import wait_until
from harness.sockets import connect_tls, receive_exactly
from harness_life import LoadedTest, serial_of

NAME = "target.kiln.test"
A = 1


class Resolver:
    """Answers questions for NAME with `address`; None: there is no such name. Silent on demand."""

    def __init__(self):
        self.address, self.silent, self.asked = "127.0.0.1", False, 0
        self.sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while True:  # resolv.conf(5) has no ports, so each test needs an address of its own
            self.at = ".".join(["127", *(str(random.randrange(1, 255)) for _ in range(3))])
            with contextlib.suppress(OSError):
                self.sock.bind((self.at, 53))
                break
        self.thread = threading.Thread(target=self._serve, daemon=True)
        self.thread.start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while (packet := self.sock.recvfrom(512))[0]:
                self.asked += 1
                if not self.silent:
                    self.sock.sendto(self._answer(packet[0]), packet[1])

    def _answer(self, question):
        """RFC 1035 section 4: the question again, and one address if one was asked for."""
        end = question.index(b"\0", 12) + 5
        kind, = struct.unpack_from("!H", question, end - 4)
        address = self.address if kind == A else None
        no_such_name = 3 if self.address is None else 0
        head = struct.pack("!2sHHHHH", question[:2], 0x8180 | no_such_name, 1,
                           1 if address else 0, 0, 0)
        answer = struct.pack("!HHHIH4s", 0xc00c, A, 1, 1, 4, socket.inet_aton(address)) \
            if address else b""
        return head + question[12:end] + answer

    def close(self):
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()
        self.thread.join(settings.PATIENCE)


def may_replace_files():
    return os.geteuid() == 0 and \
        subprocess.run(["unshare", "-m", "true"], check=False, stderr=subprocess.DEVNULL).returncode == 0


@unittest.skipIf(not may_replace_files(), "only root can give a process another /etc/resolv.conf")
class MovingTarget(LoadedTest):
    def setUp(self):
        super().setUp()
        self.resolver = Resolver()
        self.addCleanup(self.resolver.close)
        self.here, self.there = self.two_backends()

    def two_backends(self):
        """On one port of two addresses; each says which it is."""
        def named(letter):
            def handler(sock):
                while sock.recv(1):
                    sock.sendall(letter)
            return handler
        here = self.backend(named(b"1"))
        port = here.address.rpartition(":")[2]
        there = self.backend(named(b"2"), host="127.0.0.2", port=int(port))
        return here, there

    def named_server(self, *flags):
        files = {"resolv.conf": f"nameserver {self.resolver.at}\noptions timeout:30 attempts:1\n",
                 "nsswitch.conf": "hosts: dns\n"}
        binds = []
        for name, text in files.items():
            with open(f"{self.folder}/{name}", "w", encoding="ascii") as file:
                file.write(text)
            binds.append(f"mount --bind {self.folder}/{name} $(readlink -f /etc/{name})")
        wrapper = ("unshare", "-m", "sh", "-c", " && ".join([*binds, 'exec "$@"']), "sh")
        port = self.here.address.rpartition(":")[2]
        self.install("server")
        return self.start("server", "--cert", self.cert, "--key", self.key,
                          "--disable-client-auth", *flags, target=f"{NAME}:{port}",
                          wrapper=wrapper)

    def who_answers(self, gateway):
        with connect_tls(gateway.listen) as peer:
            peer.sendall(b"x")
            return receive_exactly(peer, 1)

    def hang_up(self, gateway):
        """SIGHUP with a new certificate, which goes on whatever the resolver does."""
        since = gateway.position()
        self.install("server2")
        gateway.signal(signal.SIGHUP)
        gateway.wait_event("reloaded", since)
        self.assertEqual(serial_of(gateway.listen), 1002)
        return since

    def test_sighup_follows_the_name(self):
        gateway = self.named_server()
        self.assertEqual(self.who_answers(gateway), b"1")
        with connect_tls(gateway.listen) as open_before:
            open_before.sendall(b"x")
            self.assertEqual(receive_exactly(open_before, 1), b"1")
            self.resolver.address = "127.0.0.2"
            line = gateway.wait_event("target_changed", self.hang_up(gateway))
            self.assertIn("127.0.0.2:", line["addresses"])
            wait_until("new connections to go there", lambda: self.who_answers(gateway) == b"2")
            for _ in range(8):
                self.assertEqual(self.who_answers(gateway), b"2")
            open_before.sendall(b"x")
            self.assertEqual(receive_exactly(open_before, 1), b"1")

    def test_failed_lookup_keeps_the_target(self):
        gateway = self.named_server()
        self.resolver.address = None
        line = gateway.wait_event("lookup_failed", self.hang_up(gateway), level="warning")
        self.assertEqual(line["target"].partition(":")[0], NAME)
        self.assertIn("cannot look up", line["error"])
        self.assertEqual(self.who_answers(gateway), b"1")
        self.assertEqual(gateway.find("target_changed"), [])

    def test_silent_resolver_holds_nothing_up(self):
        gateway = self.named_server()
        self.resolver.silent = True
        asked = self.resolver.asked
        since = self.hang_up(gateway)
        wait_until("the question", lambda: self.resolver.asked > asked)
        victim = next(pid for pid in gateway.workers() if "kiln-worker" in comm(pid))
        gateway.signal(signal.SIGKILL, victim)
        gateway.wait_event("worker_started", since)
        self.assertEqual(self.who_answers(gateway), b"1")
        self.assertEqual(gateway.find("lookup_failed", since), [], "it waited for the resolver")
        line = gateway.wait_event("lookup_failed", since)
        self.assertIn("no answer within 5 s", line["error"])
        wait_until("the lookup's process to go", lambda: len(gateway.workers()) == 2)

    def test_sigterm_does_not_wait_for_the_resolver(self):
        gateway = self.named_server()
        self.resolver.silent = True
        asked = self.resolver.asked
        since = self.hang_up(gateway)
        wait_until("the question", lambda: self.resolver.asked > asked)
        gateway.stop()
        self.assertEqual(gateway.find("lookup_failed", since), [])

    def test_refresh(self):
        gateway = self.named_server("--target-refresh", "1s")
        self.resolver.address = "127.0.0.2"
        gateway.wait_event("target_changed", addresses=re.compile("^127.0.0.2:"))
        wait_until("new connections to go there", lambda: self.who_answers(gateway) == b"2")
        self.resolver.address = None
        gateway.wait_event("lookup_failed", count=2)
        self.resolver.address = "127.0.0.1"
        gateway.wait_event("target_changed", addresses=re.compile("^127.0.0.1:"))
        wait_until("new connections to go back", lambda: self.who_answers(gateway) == b"1")


def comm(pid):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="ascii") as file:
        return file.read()
    return ""


if __name__ == "__main__":
    main()
