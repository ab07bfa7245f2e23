"""SIGHUP and SIGTERM while the gateway works: nothing that has begun may fail.

  load ──TLS── kiln server ──plain── echo      signals go to the supervisor
"""

import contextlib
import os
import pathlib
import re
import signal
import socket
import time

from harness import settings
from harness.case import main
from harness.rawtls import Alert, connect_raw
from harness.settings import any_kernel, wait_until
from harness.sockets import client_context, connect, connect_tls, receive_exactly
from harness_life import CHURN, PERSISTENT, REQUESTS, LoadedTest, note, serial_of

def stops_listening(where):
    """Nobody takes connections there any more. While the last ones are let in, SYNs are dropped;
    a connection attempt must then be given up, or it would be one of them."""
    with contextlib.suppress(ConnectionRefusedError, TimeoutError), socket.socket() as probe:
        probe.settimeout(1)
        host, _, port = where.rpartition(":")
        probe.connect((host, int(port)))
        return False
    return True


class Reload(LoadedTest):
    def reload(self, gateway, event="reloaded", **fields):
        since = gateway.position()
        gateway.signal(signal.SIGHUP)
        return gateway.wait_event(event, since, **fields)

    def test_new_certificate_under_load(self):
        gateway = self.own_server()
        stay, churn = self.loads(gateway)
        self.assertEqual(set(churn.stat()["total"]["serials"]), {"1001"})
        self.install("server2")
        begin = time.monotonic()
        self.reload(gateway)
        took = time.monotonic() - begin
        for _ in range(8):  # whichever worker takes it
            self.assertEqual(serial_of(gateway.listen), 1002)
        stay.wait_all_move()
        churn.wait_requests(10 * CHURN * REQUESTS)  # those with the old one have come and gone
        seen = churn.wait_requests(10 * CHURN * REQUESTS)["since_mark"]["serials"]
        self.assertEqual(set(seen), {"1002"})
        self.assertEqual(set(stay.finish()["serials"]), {"1001"})
        total = churn.finish()
        note(f"SIGHUP: reloaded in {1000 * took:.0f} ms, {PERSISTENT} connections went on, "
             f"{total['opened']} came and went, {total['requests']} requests, 0 failed")

    def test_many_reloads_under_load(self):
        gateway = self.own_server()
        stay, churn = self.loads(gateway)
        for number in range(10):
            self.install("server2" if number % 2 == 0 else "server")
            self.reload(gateway)
        stay.wait_all_move()
        churn.wait_requests(CHURN * REQUESTS)
        for load in (stay, churn):
            load.finish()
        self.assertEqual(gateway.find("reload_failed"), [])

    def check_refused(self, gateway, error):
        line = self.reload(gateway, "reload_failed")
        self.assertRegex(line["error"], error)
        self.assertEqual(line["hint"], "the previous certificates stay in use")
        self.assertEqual(serial_of(gateway.listen), 1001)

    @any_kernel
    def test_bad_certificate_changes_nothing(self):
        gateway = self.own_server()
        stay, churn = self.loads(gateway)
        pathlib.Path(self.cert).write_text("this is no certificate\n", encoding="ascii")
        self.check_refused(gateway, f"no PEM certificate in --cert {re.escape(self.cert)}")
        os.unlink(self.cert)
        self.check_refused(gateway, f"--cert {re.escape(self.cert)} cannot be opened: No such")
        os.mkdir(self.cert)
        self.check_refused(gateway, f"--cert {re.escape(self.cert)} is no file")
        os.rmdir(self.cert)
        self.install("server2", key_name="server")
        self.check_refused(gateway, f"--key {re.escape(self.key)} does not belong to the cert")
        self.install("server2")
        pathlib.Path(self.key).write_bytes(b"")
        self.check_refused(gateway, f"--key {re.escape(self.key)} is no file")
        self.install("server2")
        self.reload(gateway)
        self.assertEqual(serial_of(gateway.listen), 1002)
        for load in (stay, churn):
            load.finish()

    @any_kernel
    def test_client_shows_its_new_certificate(self):
        server = self.server(ca="ca", access=("--allow-all",))
        self.install("alice")
        client = self.client("--cert", self.cert, "--key", self.key, target=server)
        for name in ("alice", "bob"):
            if name == "bob":
                self.install("bob")
                self.reload(client)
            since = server.position()
            with connect(client.listen) as peer:
                peer.sendall(b"x")
                receive_exactly(peer, 1)
            server.wait_conn(since, identity=re.compile(name))

    def test_worker_that_is_started_later_has_the_new_certificate(self):
        gateway = self.own_server(workers=1)
        self.install("server2")
        self.reload(gateway)
        since = gateway.position()
        gateway.signal(signal.SIGKILL, gateway.workers()[0])
        gateway.wait_event("worker_started", since)
        self.assertEqual(serial_of(gateway.listen), 1002)


class Stop(LoadedTest):
    def test_no_request_fails(self):
        gateway = self.own_server()
        stay, churn = self.loads(gateway)
        begin = time.monotonic()
        gateway.signal(signal.SIGTERM)
        self.assertGreaterEqual(gateway.wait_event("stopping")["connections"], PERSISTENT)
        churn.mark()
        churn.wait_stat("the listeners to close", lambda s: s["since_mark"]["refused"] > 0)
        stay.wait_all_move()
        self.assertIsNone(gateway.process.poll(), "it ended before its connections did")
        churned = churn.finish()
        stayed = stay.finish()
        gateway.wait_exit(0)
        self.assertEqual(gateway.find("conn", close=re.compile("^(?!ok$)")), [])
        note(f"SIGTERM: {PERSISTENT} connections went on to their end, "
             f"{stayed['requests'] + churned['requests']} requests, 0 failed, "
             f"exit status 0 after {time.monotonic() - begin:.1f} s")

    def test_through_client_and_server(self):
        server = self.own_server()
        client = self.client(target=server)
        stay = self.load(client, PERSISTENT, tls=False)
        churn = self.load(client, CHURN, tls=False, churn=REQUESTS)
        for load in (stay, churn):
            load.wait_up()
        client.signal(signal.SIGTERM)
        client.wait_event("stopping")
        churn.mark()
        churn.wait_stat("the listeners to close", lambda s: s["since_mark"]["refused"] > 0)
        stay.wait_all_move()
        for load in (churn, stay):
            load.finish()
        client.wait_exit(0)

    def test_process_ends_with_its_last_connection(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(signal=number):
                gateway = self.own_server()
                with connect_tls(gateway.listen) as last:
                    with connect_tls(gateway.listen) as first:
                        for peer in (first, last):
                            peer.sendall(b"x")
                            receive_exactly(peer, 1)
                        gateway.signal(number)
                        gateway.wait_event("stopping", connections=2)
                    gateway.wait_conn(close="ok")
                    last.sendall(b"y")
                    self.assertEqual(receive_exactly(last, 1), b"y")
                    self.assertIsNone(gateway.process.poll())
                gateway.wait_exit(0)

    def test_handshake_that_has_begun_is_finished(self):
        gateway = self.own_server()
        with connect_raw(gateway.listen, handshake=False) as peer:
            flight = peer.handshake(hold=True)
            gateway.signal(signal.SIGTERM)
            gateway.wait_event("stopping", connections=1)
            wait_until("the listeners to close", lambda: stops_listening(gateway.listen))
            peer.sock.sendall(flight)
            peer.send(b"hello")
            self.assertEqual(peer.read(5), b"hello")
            peer.close_notify()
            self.assertEqual(peer.read_to_end(), b"")
        gateway.wait_exit(0)

    def open_raw(self, gateway, count):
        peers = []
        for _ in range(count):
            peers.append(connect_raw(gateway.listen, client_context()))
            self.addCleanup(peers[-1].sock.close)
            peers[-1].send(b"x")
            self.assertEqual(peers[-1].read(1), b"x")
        return peers

    def check_cut_off(self, gateway, peers):
        """What is cut must not look like what came to its end."""
        for peer in peers:
            with self.assertRaises(Alert) as caught:
                peer.read_to_end()
            self.assertEqual(caught.exception.name, "internal_error")
        gateway.wait_exit(0)
        lines = gateway.find("conn", close="timeout", alert_sent="internal_error",
                             error=re.compile("--shutdown-timeout"))
        self.assertEqual(len(lines), len(peers), gateway.log())

    def may_reset(self):
        """A target that may be cut off, and says whether it was."""
        target = self.backend()
        target.may_reset = True
        return target

    def test_shutdown_timeout_cuts_off_the_rest(self):
        target = self.may_reset()
        gateway = self.server("--shutdown-timeout", "1s", target=target.address)
        self.learn_slack(gateway)
        peers = self.open_raw(gateway, 3)
        silent = connect(gateway.listen)
        self.addCleanup(silent.close)
        wait_until("the silent one to be accepted", lambda: gateway.active() == 4)
        begin = time.monotonic()
        gateway.signal(signal.SIGTERM)
        gateway.wait_event("stopping", connections=4)
        self.check_cut_off(gateway, peers)
        took = time.monotonic() - begin
        self.assertGreaterEqual(took, 1)
        self.assertLess(took, 1 + settings.slack())
        target.wait_idle()
        self.assertEqual(target.resets, len(peers))

    def test_second_sigterm_is_at_once(self):
        target = self.may_reset()
        gateway = self.server("--shutdown-timeout", "1h", target=target.address)
        peers = self.open_raw(gateway, 3)
        gateway.signal(signal.SIGTERM)
        gateway.wait_event("stopping", connections=3)
        peers[0].send(b"y")
        self.assertEqual(peers[0].read(1), b"y")
        gateway.signal(signal.SIGTERM)
        self.check_cut_off(gateway, peers)

    @any_kernel
    def test_no_connection_no_waiting(self):
        gateway = self.own_server()
        self.learn_slack(gateway)
        gateway.settle()
        begin = time.monotonic()
        gateway.signal(signal.SIGTERM)
        gateway.wait_exit(0)
        self.assertLess(time.monotonic() - begin, 1 + settings.slack())

    @any_kernel
    def test_unix_listener(self):
        path = f"{self.folder}/listen"
        server = self.own_server()
        client = self.client(target=server, listen=f"unix:{path}")
        with connect(client.listen) as peer:
            peer.sendall(b"x")
            receive_exactly(peer, 1)
            client.signal(signal.SIGTERM)
            client.wait_event("stopping", connections=1)
            wait_until("the socket's file to go", lambda: not os.path.exists(path))
            peer.sendall(b"y")
            self.assertEqual(receive_exactly(peer, 1), b"y")
        client.wait_exit(0)


if __name__ == "__main__":
    main()
