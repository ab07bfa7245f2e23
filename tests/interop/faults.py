"""Faults behind the gateway, and the limits of the gateway itself: a target that is down, slow or
gone, descriptors that run out, connections that are too many."""

import contextlib
import re
import socket
import struct
import time

from harness.case import KilnTest, main
from harness.programs import free_port
from harness.rawtls import Alert, connect_raw
from harness.settings import any_kernel, wait_until
from harness.sockets import client_context, connect, connect_tls, pattern, receive_exactly


def closed_port():
    """A loopback address where nobody listens."""
    return f"127.0.0.1:{free_port()}"


class Target(KilnTest):
    def refused(self, target, *flags, **fields):
        gateway = self.server(*flags, target=target)
        with connect_raw(gateway.listen) as peer:
            with self.assertRaises(Alert) as seen:
                peer.read_to_end()
            self.assertEqual(seen.exception.name, "internal_error")
        return gateway.wait_conn(alert_sent="internal_error", **fields)

    def test_refused(self):
        where = closed_port()
        self.refused(where, close="target", error=re.compile(re.escape(where)))

    def test_no_such_socket(self):
        self.refused(f"unix:{self.folder}/nobody", close="target", error=re.compile("nobody"))

    def test_does_not_answer(self):
        with socket.socket() as full:  # one waits in the backlog, the others are not answered
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            where = "127.0.0.1:%d" % full.getsockname()[1]
            with contextlib.ExitStack() as stack:
                for _ in range(4):
                    sock = stack.enter_context(socket.socket())
                    sock.setblocking(False)
                    sock.connect_ex(full.getsockname())
                line = self.refused(where, "--connect-timeout", "700ms", close="timeout",
                                    error=re.compile("connecting"))
                self.assertGreaterEqual(line["duration_ms"], 690)

    def test_breaks_off(self):
        """A reset must not look like an end."""
        def breaks(sock):
            sock.sendall(b"some")
            receive_exactly(sock, 2)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        gateway = self.server(target=self.backend(breaks).address)
        with connect_raw(gateway.listen) as peer:
            self.assertEqual(peer.read(4), b"some")
            peer.send(b"go")
            peer.expect_alert("internal_error")
        gateway.wait_conn(close="target", bytes_down=4)

    def test_ends_at_once(self):
        gateway = self.server(target=self.backend(lambda sock: None).address)
        with connect_raw(gateway.listen) as peer:
            self.assertEqual(peer.read_to_end(), b"")
            peer.close_notify()
        gateway.wait_conn(close="ok")

    def test_never_reads(self):
        hold = self.backend(lambda sock: wait_until("the end", lambda: hold.closing))
        hold.may_reset = True
        gateway = self.server("--send-timeout", "700ms", target=hold.address)
        with connect_raw(gateway.listen) as peer:
            peer.sock.settimeout(0.2)
            with contextlib.suppress(TimeoutError, OSError):
                while True:
                    peer.send_data(bytes(1 << 18))
            gateway.wait_conn(close="timeout", error=re.compile("plain side did not read"))


class Limits(KilnTest):
    def resettable(self):
        """An echo whose streams may be cut."""
        target = self.backend()
        target.may_reset = True
        return target.address

    def test_idle(self):
        gateway = self.server("--idle-timeout", "700ms", target=self.resettable())
        with connect_raw(gateway.listen) as peer:
            peer.send(b"x")
            self.assertEqual(peer.read(1), b"x")
            line = gateway.wait_conn(close="timeout", error=re.compile("idle"))
        self.assertGreaterEqual(line["duration_ms"], 690)

    def test_half_closed(self):
        """The peer has ended, the target never does."""
        hold = self.backend(lambda sock: wait_until("the end", lambda: hold.closing))
        gateway = self.server("--close-timeout", "700ms", target=hold.address)
        with connect_raw(gateway.listen) as peer:
            peer.close_notify()
            gateway.wait_conn(close="timeout", error=re.compile("close timeout"))

    def held(self, gateway, count):
        """So many connections that have echoed once."""
        peers = []
        for _ in range(count):
            peer = connect_raw(gateway.listen)
            self.addCleanup(peer.sock.close)
            peer.send(b"x")
            self.assertEqual(peer.read(1), b"x")
            peers.append(peer)
        return peers

    def release(self, peers):
        for peer in peers:
            peer.close_notify()
            self.assertEqual(peer.read_to_end(), b"")
            peer.sock.close()

    @any_kernel
    def test_max_connections(self):
        gateway = self.server("--max-connections", "5", workers=1)
        peers = self.held(gateway, 5)
        gateway.wait_event("connection_limit")
        with connect(gateway.listen) as waits:  # in the backlog: neither served nor refused
            self.assertEqual(gateway.active(), 5)
            self.release(peers[:1])
            tls = client_context().wrap_socket(waits, server_hostname="localhost")
            tls.sendall(b"at last")
            self.assertEqual(receive_exactly(tls, 7), b"at last")
            tls.unwrap()
        self.release(peers[1:])

    def test_descriptors_run_out(self):
        """accept fails with EMFILE; who is connected goes on, and who waits is served later."""
        gateway = self.server(workers=1, wrapper=("prlimit", "--nofile=32:32"))
        canary = self.held(gateway, 1)
        waiting = [connect(gateway.listen) for _ in range(40)]
        warned = time.monotonic()
        gateway.wait_event("accept_failed")
        canary[0].send(b"still here")
        self.assertEqual(canary[0].read(10), b"still here")
        for sock in waiting[:-1]:
            sock.close()
        tls = client_context().wrap_socket(waiting[-1], server_hostname="localhost")
        tls.sendall(b"later")
        self.assertEqual(receive_exactly(tls, 5), b"later")
        tls.unwrap()
        seconds = time.monotonic() - warned
        self.assertLessEqual(len(gateway.find("accept_failed")), seconds + 3, "a flood of warnings")
        tls.close()
        self.release(canary)

    def test_slow_readers_share_few_buffers(self):
        """With the smallest pool, readers that stall hold what they have, and others go on."""
        gateway = self.server("--buffer-memory", "1MiB", "--send-timeout", "0", workers=1,
                              target=self.resettable())
        stalled = []
        for _ in range(80):
            plain = connect(gateway.listen)
            self.addCleanup(plain.close)
            sock = client_context().wrap_socket(plain, server_hostname="localhost")
            sock.settimeout(0.02)
            with contextlib.suppress(TimeoutError, OSError):
                sock.sendall(bytes(200_000))
            stalled.append(sock)
        worker = gateway.workers()[0]
        with open(f"/proc/{worker}/status", encoding="ascii") as status:
            rss = [int(line.split()[1]) for line in status if line.startswith("VmRSS")][0]
        self.assertLess(rss, 120_000, "KiB of a worker whose pool is as small as can be")
        for sock in stalled:
            sock.close()
        with connect_tls(gateway.listen) as sock:
            data = pattern(300_000)
            sock.sendall(data[:100])
            self.assert_bytes(receive_exactly(sock, 100), data[:100])


if __name__ == "__main__":
    main()
