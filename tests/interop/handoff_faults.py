"""Hand-off when something is not as it should be: an application that is not there, dies, does not
read, or is another user's; a gateway that stops, reloads, or dies. Nobody waits for ever, nothing is
served twice, nothing is left over."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import unittest

from handoff_case import HandoffTest, as_nobody
from harness import settings
from harness.case import main
from harness.rawtls import Alert
from harness.settings import once, wait_until
from harness.sockets import pattern

NOBODY = as_nobody()
# One that everybody may run.
PYTHON = shutil.which("python3", path="/usr/bin:/bin") or sys.executable

# Listens at a path and takes connections, but no message; or connects there and waits.
LISTEN = """
import os, socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o777)
sock.listen()
print("ready", flush=True)
kept = []
while True:
    kept.append(sock.accept()[0])
"""
CONNECT = """
import socket, sys
sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
sock.connect(sys.argv[1])
sock.settimeout(60)
print(repr(sock.recv(100)), flush=True)
"""


class Faults(HandoffTest):
    def script(self, text, **options):
        process = subprocess.Popen([PYTHON, "-c", text, self.path],
                                   stdout=subprocess.PIPE, **options)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        return process

    def listen_without_reading(self, **options):
        process = self.script(LISTEN, **options)
        self.assertEqual(process.stdout.readline(), b"ready\n")
        return process

    def refused(self, gateway, peer, **fields):
        peer.expect_alert("internal_error")
        peer.sock.close()
        return gateway.wait_event("handoff", **fields)

    # ---- the application

    def test_not_there(self):
        gateway = self.gateway("--connect-timeout", "1s")
        line = self.refused(gateway, self.connect(gateway), outcome="timeout")
        self.assertEqual(line["path"], gateway.path)
        gateway.wait_event("handoff_unreachable", error="No such file or directory")
        gateway.settle()
        counters = gateway.counters()
        self.assertEqual((counters["handed_off"], counters["handoff_failed"]), (0, 1))

    def test_comes_later(self):
        """A connection waits for it within its deadline, with what the client says meanwhile."""
        gateway = self.gateway()
        peer = self.connect(gateway)
        peer.send(b"are you there?")
        gateway.wait_event("handoff_unreachable")
        self.application()
        self.assertEqual(peer.read(14), b"are you there?")
        self.goodbye(peer)
        self.assertEqual(gateway.counters()["handoff_failed"], 0)

    def test_killed_and_restarted(self):
        gateway, application = self.both()
        peer = self.connect(gateway)
        self.echo(peer, b"first")
        os.kill(application.process.pid, signal.SIGKILL)
        with self.assertRaises((EOFError, ConnectionResetError, Alert)):
            peer.receive_data()
        gateway.wait_event("handoff_lost")
        application.process.wait()
        self.application()  # in the place of the socket that was left over
        peer = self.connect(gateway)
        self.echo(peer, b"second")
        self.goodbye(peer)
        self.wait_handed_off(gateway, 2)

    def test_killed_with_connections_unread(self):
        """What it has not taken goes to its successor: once, and with its first bytes."""
        stuck = self.listen_without_reading()
        gateway = self.gateway()
        peers = [self.connect(gateway) for _ in range(5)]
        for number, peer in enumerate(peers):
            peer.send(b"number %d" % number)
        gateway.wait_event("handoff_connected")
        self.assertEqual(gateway.active(), 5)
        stuck.kill()
        stuck.wait()
        application = self.application()
        for number, peer in enumerate(peers):
            self.assertEqual(peer.read(8), b"number %d" % number)
            self.goodbye(peer)
        self.assertEqual(len(application.all("taken", 5)), 5)
        self.wait_handed_off(gateway, 5)

    def test_never_reads(self):
        """More than its queue holds; each client gets its alert at its own deadline."""
        self.listen_without_reading()
        gateway = self.gateway("--connect-timeout", "3s")
        count = 250 if not settings.EXPECT_PATH else 40
        peers = [self.connect(gateway) for _ in range(count)]
        for peer in peers:
            peer.expect_alert("internal_error")
            peer.sock.close()
        wait_until("connections to go", lambda: gateway.active() == 0)
        counters = gateway.counters()
        self.assertEqual((counters["handed_off"], counters["handoff_failed"]), (0, count))

    def test_comes_too_late(self):
        """What the worker gave up is dead when somebody takes it after all."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(self.path)
            listener.listen()
            gateway = self.gateway("--connect-timeout", "1s")
            self.refused(gateway, self.connect(gateway), outcome="timeout")
            wait_until("the connection to go", lambda: gateway.active() == 0)
            channel, _ = listener.accept()
            with channel:
                message, fds, _, _ = socket.recv_fds(channel, 100_000, 4)
                self.assertEqual(message[:4], b"KLNH")
                with socket.socket(fileno=fds[0]) as late:
                    late.settimeout(settings.PATIENCE)
                    self.assertEqual(late.recv(1), b"")
                for fd in fds[1:]:
                    os.close(fd)
                for _ in range(2):  # late: counted, and said once
                    channel.send(b"KLNH\0\1\0\2" + message[8:16])
                wait_until("the gateway to hear of it",
                           lambda: gateway.counters()["handoff_late"] == 2)
        self.assertEqual(len(gateway.find("handoff_late")), 1)

    @once
    def test_talks_nonsense(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(self.path)
            listener.listen()
            gateway = self.gateway("--connect-timeout", "2s")
            peer = self.connect(gateway)
            channel, _ = listener.accept()
            with channel:
                message, fds, _, _ = socket.recv_fds(channel, 100_000, 4)
                for nonsense in (b"x", b"KLNH", message[:16], message, b"KLNH\0\1\0\2" + bytes(8),
                                 b"KLNH\0\1\0\2" + b"\xff" * 8, bytes(400)):
                    channel.send(nonsense)
                for fd in fds:
                    os.close(fd)
                self.refused(gateway, peer, outcome="timeout")
        self.assertEqual(gateway.counters()["handed_off"], 0)

    def test_refuses(self):
        """An application's refusal is heard at once."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener:
            listener.bind(self.path)
            listener.listen()
            gateway = self.gateway("--connect-timeout", "0")
            peer = self.connect(gateway)
            channel, _ = listener.accept()
            with channel:
                message, fds, _, _ = socket.recv_fds(channel, 100_000, 4)
                text = b"no room"
                channel.send(b"KLNH\0\1\0\3" + message[8:16] + b"\0\x19" +
                             len(text).to_bytes(4, "big") + text)
                for fd in fds:
                    os.close(fd)
                line = self.refused(gateway, peer, outcome="target")
                self.assertRegex(line["error"], "refused it: no room")

    # ---- users

    @once
    @unittest.skipUnless(NOBODY, "only root may start a process of another user")
    def test_application_of_another_user(self):
        os.chmod(self.folder, 0o777)
        self.listen_without_reading(**NOBODY)
        gateway = self.gateway("--connect-timeout", "1s")
        self.refused(gateway, self.connect(gateway), outcome="timeout")
        gateway.wait_event("handoff_unreachable",
                           error="another user listens there (--handoff-user)")

    @once
    @unittest.skipUnless(NOBODY, "only root may start a process of another user")
    def test_application_of_the_user_that_was_named(self):
        os.chmod(self.folder, 0o777)
        self.listen_without_reading(**NOBODY)
        gateway = self.gateway("--connect-timeout", "1s", "--handoff-user", "nobody")
        self.refused(gateway, self.connect(gateway), outcome="timeout")
        gateway.wait_event("handoff_connected")

    @once
    @unittest.skipUnless(NOBODY, "only root may start a process of another user")
    def test_gateway_of_another_user(self):
        """The application closes the channel of who is not expected, and hears nothing of it."""
        os.chmod(self.folder, 0o755)
        application = self.application("--file-mode", "0777")
        process = self.script(CONNECT, **NOBODY)
        self.assertEqual(process.stdout.readline(), b"b''\n")
        gateway = self.gateway("--user", "nobody", "--handoff-user", "root",
                               "--connect-timeout", "1s")
        self.refused(gateway, self.connect(gateway), outcome="timeout")
        self.assertEqual(application.find("taken"), [])

    @once
    @unittest.skipUnless(NOBODY, "only root may start a process of another user")
    def test_gateway_of_the_user_that_was_named(self):
        os.chmod(self.folder, 0o755)
        self.application("--file-mode", "0777", "--user", "nobody")
        gateway = self.gateway("--user", "nobody")
        peer = self.connect(gateway)
        self.echo(peer, b"let in")
        self.goodbye(peer)

    @once
    def test_socket_is_its_owners(self):
        self.application()
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o600)

    # ---- the gateway

    def test_reload(self):
        gateway, _ = self.both()
        peer = self.connect(gateway)
        gateway.signal(signal.SIGHUP)
        gateway.wait_event("reloaded")
        self.echo(peer, b"an old one")
        later = self.connect(gateway)
        self.echo(later, b"a new one")
        self.goodbye(peer)
        self.goodbye(later)

    def test_stop(self):
        """Handed-off connections are the application's; relayed ones are waited for."""
        gateway, _ = self.both()
        peer = self.connect(gateway)
        self.echo(peer, b"before")
        gateway.signal(signal.SIGTERM)
        gateway.wait_event("stopping")
        if self.on_ktls(gateway):
            gateway.wait_exit()
        self.echo(peer, pattern(100_000))
        self.goodbye(peer)
        gateway.wait_exit()

    def test_stop_while_one_waits(self):
        gateway = self.gateway("--connect-timeout", "2s")
        peer = self.connect(gateway)
        gateway.wait_event("handoff_unreachable")
        gateway.signal(signal.SIGTERM)
        peer.expect_alert("internal_error")
        peer.sock.close()
        gateway.wait_exit()

    def test_worker_dies(self):
        gateway, application = self.both()
        peer = self.connect(gateway)
        self.echo(peer, b"before")
        gateway.signal(signal.SIGKILL, gateway.workers()[0])
        gateway.wait_event("worker_died")
        if self.on_ktls(gateway):
            self.echo(peer, pattern(100_000))
            self.goodbye(peer)
            self.assertEqual(application.wait("end")["end"], "close_notify")
        else:  # no end, for neither of them
            self.assertEqual(application.wait("end")["end"], "tls_truncated")
            with self.assertRaises((EOFError, ConnectionResetError)):
                peer.receive_data()
        later = self.connect(gateway)
        self.echo(later, b"with the next worker")
        self.goodbye(later)

    @once
    def test_no_other_address(self):
        """Nothing but a Unix socket takes descriptors."""
        done = subprocess.run([settings.KILN, "server", "--listen", ":0", "--handoff",
                               "127.0.0.1:1"], capture_output=True, check=False)
        self.assertEqual(done.returncode, 2)
        self.assertIn(b"unix:PATH", done.stderr)


if __name__ == "__main__":
    main()
