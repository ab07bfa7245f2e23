"""Hand-off: what the application gets is the client's stream, to the byte and to the end, and what
is known of the client; and the gateway keeps nothing of it."""

import hashlib
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess

from handoff_case import HandoffTest
from harness import settings
from harness.case import main
from harness.memory import has_sanitizer
from harness.rawtls import ALERT, Alert
from harness.settings import pem, spki, wait_until
from harness.sockets import pattern
from harness_life import Load, note
from proxy import TCP6, V6, header

CONNECTIONS = 500
OPENING_PATIENCE = settings.PATIENCE + CONNECTIONS * 0.5


class Known(HandoffTest):
    """What comes with a connection."""

    def test_nobody(self):
        gateway, application = self.both("--alpn", "kiln/1")
        peer = self.connect(gateway, alpn=["kiln/1"])
        own = [f"{a[0]}:{a[1]}" for a in (peer.sock.getsockname(), peer.sock.getpeername())]
        taken = application.wait("taken")
        self.assertEqual((taken["proof"], taken["name"], taken["spki"]), ("none", "", "00" * 32))
        self.assertEqual((taken["alpn"], taken["server_name"]), ("kiln/1", "localhost"))
        self.assertEqual([taken["peer"], taken["local"]], own)
        self.assertEqual((taken["client"], taken["destination"]), ("", ""))
        self.assertEqual(taken["cipher"], peer.suite)
        self.assertEqual(taken["path"], gateway.path)
        self.assertEqual(taken["path_reason"] == "", self.on_ktls(gateway))
        self.goodbye(peer)
        line = gateway.wait_event("handoff", outcome="taken", path=gateway.path, peer=own[0])
        self.assertEqual(line["id"], taken["id"])
        self.wait_handed_off(gateway, 1)

    def test_certificate(self):
        gateway, application = self.both(access=("--allow-all",), ca="ca")
        peer = self.connect(gateway, cert="alice")
        taken = application.wait("taken")
        self.assertEqual(taken["proof"], "pki")
        self.assertEqual(taken["name"], "spiffe://kiln.test/prod/alice")
        self.assertRegex(taken["subject"], "CN=alice")
        self.assertEqual(taken["spki"], spki("alice"))
        self.goodbye(peer)
        gateway.wait_event("handoff", identity="spiffe://kiln.test/prod/alice")

    def test_who_is_not_let_in_is_not_handed_off(self):
        gateway, application = self.both(access=("--allow-cn", "bob"), ca="ca")
        peer = self.connect(gateway, cert="alice")
        peer.expect_alert("access_denied")
        gateway.settle()
        self.assertEqual(application.find("taken"), [])

    def test_behind_a_load_balancer(self):
        gateway, application = self.both("--accept-proxy-protocol")
        peer = self.connect(gateway, handshake=False)
        peer.sock.sendall(header(family=TCP6, body=V6))
        peer.handshake()
        taken = application.wait("taken")
        source, destination = (socket.inet_ntop(socket.AF_INET6, V6[i:i + 16]) for i in (0, 16))
        ports = [int.from_bytes(V6[i:i + 2], "big") for i in (32, 34)]
        self.assertEqual(taken["client"], f"[{source}]:{ports[0]}")
        self.assertEqual(taken["destination"], f"[{destination}]:{ports[1]}")
        self.goodbye(peer)

    def exporter(self, gateway, label):
        """As OpenSSL computes it on the client's side."""
        command = ["openssl", "s_client", "-connect", gateway.listen, "-CAfile", pem("ca"),
                   "-servername", "localhost", "-keymatexport", label, "-keymatexportlen", "32"]
        done = subprocess.run(command, input=b"", capture_output=True, timeout=settings.PATIENCE,
                              check=True)
        return re.search(rb"Keying material: ([0-9A-F]+)", done.stdout)[1].decode().lower()

    def test_exporter(self):
        gateway, application = self.both()
        value = self.exporter(gateway, "EXPORTER-Channel-Binding")
        taken = application.wait("taken")
        self.assertEqual(taken["label"], "EXPORTER-Channel-Binding")
        self.assertEqual(taken["exporter"], value)

    def test_exporter_of_another_label(self):
        gateway, application = self.both("--handoff-exporter", "EXPORTER-kiln-keys/1")
        value = self.exporter(gateway, "EXPORTER-kiln-keys/1")
        self.assertEqual(application.wait("taken")["exporter"], value)


class Streams(HandoffTest):
    def test_echo(self):
        gateway, application = self.both()
        data = pattern(2_000_000)
        peer = self.connect(gateway)
        for at in range(0, len(data), 100_000):
            self.echo(peer, data[at:at + 100_000])
        self.goodbye(peer)
        end = application.wait("end")
        digest = hashlib.sha256(data).hexdigest()
        self.assertEqual((end["sha256_in"], end["sha256_out"]), (digest, digest))
        self.assertEqual(end["end"], "close_notify")

    def glued(self, size, cut=None):
        """What comes in one piece with Finished, or begins in it, is not lost."""
        gateway, application = self.both()
        data = pattern(size)
        peer = self.connect(gateway, handshake=False)
        flight = peer.handshake(hold=True)
        flight += b"".join(peer.tx.seal(data[i:i + 16384]) for i in range(0, size, 16384))
        peer.sock.sendall(flight[:cut])
        if cut is not None:
            wait_until("the first part to be read", lambda: gateway.active() == 1)
            peer.sock.sendall(flight[cut:])
        self.assert_bytes(peer.read(size), data)
        self.echo(peer, b"and later")
        self.goodbye(peer)
        self.assertEqual(application.wait("end")["bytes_in"], size + 9)
        return application.wait("taken")["pending"]

    def test_one_record_with_finished(self):
        self.glued(5)

    def test_many_records_with_finished(self):
        self.glued(150_000)

    def test_part_of_a_record_with_finished(self):
        self.glued(16384, cut=-9000)

    def test_end_with_finished(self):
        gateway, application = self.both(mode="sink")
        peer = self.connect(gateway, handshake=False)
        flight = peer.handshake(hold=True)
        peer.sock.sendall(flight + peer.tx.seal(b"all") + peer.tx.seal(b"\1\0", ALERT))
        digest = hashlib.sha256(b"all").hexdigest()
        self.assertEqual(peer.read_to_end(), f"3 {digest}\n".encode())
        peer.sock.close()
        self.assertEqual(application.wait("end")["end"], "close_notify")

    def test_client_ends_first(self):
        """Half a connection is one: the answer comes behind the client's end."""
        gateway, application = self.both(mode="sink")
        peer = self.connect(gateway)
        data = pattern(300_000)
        peer.send_data(data)
        peer.close_notify()
        peer.sock.shutdown(socket.SHUT_WR)
        answer = f"{len(data)} {hashlib.sha256(data).hexdigest()}\n".encode()
        self.assertEqual(peer.read_to_end(), answer)
        self.assertEqual(application.wait("end")["end"], "close_notify")

    def test_application_ends_first(self):
        gateway, application = self.both(mode="bye")
        peer = self.connect(gateway)
        self.assertEqual(peer.read_to_end(), b"bye")
        data = pattern(300_000)
        peer.send_data(data)
        peer.close_notify()
        end = application.wait("end")
        self.assertEqual(end["sha256_in"], hashlib.sha256(data).hexdigest())
        self.assertEqual(end["end"], "close_notify")
        peer.sock.close()

    def test_application_closes(self):
        gateway, application = self.both(mode="close")
        peer = self.connect(gateway)
        peer.send(b"GET / HTTP/1.0")
        self.assertEqual(peer.read_to_end(), b"bye")  # the end is a close_notify
        peer.sock.close()
        self.assertEqual(application.wait("end")["end"], "closed")

    def test_application_closes_with_the_end_unread(self):
        """All of its closing is there before the worker sees any of it."""
        gateway, application = self.both(mode="leave")
        worker = gateway.workers()[0]
        peer = self.connect(gateway)
        peer.send(b"GET / HTTP/1.0")
        peer.close_notify()
        peer.sock.shutdown(socket.SHUT_WR)
        self.wait_stopped(application.process.pid)
        os.kill(worker, signal.SIGSTOP)
        self.addCleanup(os.kill, worker, signal.SIGCONT)
        self.wait_stopped(worker)
        os.kill(application.process.pid, signal.SIGCONT)
        self.assertEqual(application.process.wait(settings.PATIENCE), 0)
        os.kill(worker, signal.SIGCONT)
        self.assertEqual(peer.read_to_end(), b"bye")
        peer.sock.close()
        if not self.on_ktls(gateway):
            gateway.wait_event("conn", close="ok")

    def wait_stopped(self, pid):
        wait_until(f"{pid} to stop", lambda: pathlib.Path(f"/proc/{pid}/stat").read_text(
            encoding="ascii").rpartition(")")[2].split()[0] == "T")

    def test_truncation(self):
        """A FIN without close_notify is no end, and the application is told so."""
        gateway, application = self.both()
        peer = self.connect(gateway)
        self.echo(peer, b"not all")
        peer.sock.close()
        end = application.wait("end")
        self.assertEqual((end["end"], end["bytes_in"]), ("tls_truncated", 7))

    def test_alert_of_the_client(self):
        gateway, application = self.both()
        peer = self.connect(gateway)
        self.echo(peer, b"so far")
        peer.send(b"\2\x50", ALERT)
        end = application.wait("end")
        self.assertEqual((end["end"], end["alert"]), ("tls_alert", "internal_error"))

    def test_application_dies(self):
        """Which is no end either, and the client is not told one."""
        gateway, _ = self.both(mode="die")
        peer = self.connect(gateway)
        peer.send(b"x")
        with self.assertRaises((EOFError, ConnectionResetError, Alert)) as got:
            peer.receive_data()
        if not self.on_ktls(gateway):
            self.assertEqual(got.exception.name, "internal_error")

    def test_key_updates(self):
        gateway, application = self.both()
        peer = self.connect(gateway)
        self.echo(peer, b"under the first keys")
        if self.on_ktls(gateway) and not settings.KERNEL_REKEYS:
            peer.key_update()
            peer.expect_alert("internal_error")
            self.assertEqual(application.wait("end")["end"], "tls_key_update")
            return
        for request in (False, True) * 5:
            peer.key_update(request)
            self.echo(peer, pattern(50_000))
        self.goodbye(peer)
        self.assertEqual(application.wait("end")["end"], "close_notify")


class Example(HandoffTest):
    """docs/examples/handoff_echo.c, as it is."""

    def example(self):
        program = settings.TOOLS.parent.parent / "docs" / "handoff_echo"
        application = subprocess.Popen([program, self.path], stderr=subprocess.PIPE)
        self.addCleanup(application.stderr.close)
        self.addCleanup(application.wait)
        self.addCleanup(application.kill)
        self.assertEqual(application.stderr.readline(), b"listening\n")
        return application

    def test_echo(self):
        application = self.example()
        gateway = self.gateway(access=("--allow-all",), ca="ca")
        for end in ("close_notify", "truncation"):
            peer = self.connect(gateway, handshake=False, cert="alice")
            flight = peer.handshake(hold=True)
            peer.sock.sendall(flight + peer.tx.seal(b"early"))
            self.assertEqual(peer.read(5), b"early")
            self.echo(peer, pattern(200_000))
            self.assertEqual(application.stderr.readline().decode(),
                             "a certificate: spiffe://kiln.test/prod/alice, "
                             f"path {gateway.path}\n")
            if end == "close_notify":
                self.goodbye(peer)
            else:
                peer.sock.close()
                self.assertIn(b"close_notify", application.stderr.readline())

    def test_goes_on_after_a_shortage(self):
        """Who cannot be served for want of descriptors ends no loop."""
        application = self.example()
        gateway = self.gateway()
        self.served(gateway, application)
        limits = resource.prlimit(application.pid, resource.RLIMIT_NOFILE)
        used = len(list(pathlib.Path(f"/proc/{application.pid}/fd").iterdir()))
        resource.prlimit(application.pid, resource.RLIMIT_NOFILE, (used, limits[1]))
        peer = self.connect(gateway)
        peer.expect_alert("internal_error")
        peer.sock.close()
        self.assertIn(b"Too many open files", application.stderr.readline())
        resource.prlimit(application.pid, resource.RLIMIT_NOFILE, limits)
        self.served(gateway, application)

    def served(self, gateway, application):
        peer = self.connect(gateway)
        self.echo(peer, b"served")
        self.assertIn(b"nobody in particular", application.stderr.readline())
        descriptors = pathlib.Path(f"/proc/{application.pid}/fd")
        before = len(list(descriptors.iterdir()))
        self.goodbye(peer)
        wait_until("it to be closed", lambda: len(list(descriptors.iterdir())) < before)


class Many(HandoffTest):
    def rss(self, gateway):
        return sum(int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text(
            encoding="ascii"))[1]) for pid in gateway.workers())

    def check_streams(self, load, application, count):
        """Both ends have seen the same bytes, connection by connection."""
        clients = {s["port"]: s for s in load.find("stream")}
        self.assertEqual(len(clients), count)
        ends = {int(e["peer"].rpartition(":")[2]): e for e in application.all("end", count)}
        for port, client in clients.items():
            end = ends[port]
            self.assertEqual(end["end"], "close_notify")
            self.assertEqual(end["bytes_in"], client["bytes"])
            self.assertEqual({end["sha256_in"], end["sha256_out"], client["sha256_sent"]},
                             {client["sha256_received"]})

    def test_under_traffic(self):
        """They send from their first moment on, and never stop."""
        # Emulated, the application gets to the last of them late: the first ones never stop.
        gateway, application = self.both("--handshake-timeout", "5m", "--connect-timeout", "5m",
                                         workers=2)
        ktls = self.on_ktls(gateway)
        count = CONNECTIONS // 5 if has_sanitizer(gateway.workers()[0]) else CONNECTIONS
        load = Load(gateway.listen, count, size=4096, digest=True)
        self.addCleanup(load.close)
        load.wait_up(OPENING_PATIENCE)
        self.assertEqual(len(application.all("taken", count)), count)
        self.wait_handed_off(gateway, count)
        wait_until("what is left", lambda: gateway.active() == (0 if ktls else count))
        if ktls:  # nothing of them is left in the gateway: one descriptor a worker, its channel
            wait_until("descriptors to go",
                       lambda: gateway.fds() <= gateway.base_fds + len(gateway.workers()))
        load.wait_all_move()
        total = load.finish()
        self.assertEqual((total["opened"], total["closed"]), (count, count))
        self.check_streams(load, application, count)
        note(f"{count} connections handed off under traffic ({gateway.path}), "
             f"{total['requests']} requests of 4 KiB, every SHA-256 right")

    def test_memory(self):
        """What was handed off costs the worker nothing: with what it keeps of each it would grow every
        time, and not only when the kernel gives it a huge page, or it first has so many at once."""
        gateway, application = self.both()
        peers, grown = [], []
        for _ in range(4):
            before = self.rss(gateway)
            peers += [self.connect(gateway) for _ in range(60)]
            application.all("taken", len(peers))
            if not self.on_ktls(gateway):
                self.assertEqual(gateway.active(), len(peers))
                continue
            wait_until("the worker to hear of it", lambda: gateway.active() == 0)
            grown.append(self.rss(gateway) - before)
        if grown and has_sanitizer(gateway.workers()[0]):
            self.skipTest("the address sanitizer keeps what is freed")
        if grown:
            note(f"a worker grew by {grown} KiB with 60 connections each time handed off and alive")
            self.assertLess(min(grown), 40)  # a link of each and nothing else would be 48
        for peer in peers:
            self.goodbye(peer)


if __name__ == "__main__":
    main()
