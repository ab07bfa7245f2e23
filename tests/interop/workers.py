"""One worker process ends, and the others do not notice.

  load on CPU 0 ──TLS── worker 0 ┐
                                 ├──plain── echo           signals go to one worker
  load on CPU 1 ──TLS── worker 1 ┘
"""

import contextlib
import os
import pathlib
import signal
import time

from harness import settings
from harness.case import main
from harness.gateway import fd_count
from harness.rawtls import connect_raw
from harness.settings import wait_until
from harness.sockets import connect_tls, receive_exactly
from harness_life import CHURN, PERSISTENT, REQUESTS, LoadedTest, note, serial_of

# Handshakes are what an emulated processor is slowest at.
TURNS = 5 if settings.EXPECT_PATH else 20


class SpreadLoad:
    """Connections that stay, on both workers: each CPU's connections go to its own."""

    def __init__(self, test, gateway):
        cpus = sorted(os.sched_getaffinity(0))[:2]
        self.loads = [test.load(gateway, PERSISTENT, cpu=cpu) for cpu in cpus]
        self.connections = PERSISTENT * len(cpus)
        for load in self.loads:
            load.wait_up()

    def failed(self):
        return sum(load.total()["failed"] for load in self.loads)

    def wait_rest_move(self):
        """Until each connection has had one more answer, or is known to have failed: the load may
        hear of that later than we do."""
        for load in self.loads:
            try:
                load.mark()
                load.wait_stat("those that are left to go on", lambda s, load=load:
                               s["moved"] + s["total"]["failed"] == load.connections)
            except (BrokenPipeError, AssertionError):
                # One that has no connection left ends, and says so.
                if load.wait("end")["total"]["failed"] != load.connections:
                    raise

    def finish(self):
        """Returns how many have failed in all."""
        return sum(load.finish(failed=load.total()["failed"])["failed"] for load in self.loads)


def has_ended(pid):
    """True also for one that nobody has waited for yet."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii")
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rpartition(")")[2].split()[0] == "Z"


class Workers(LoadedTest):
    def two_workers(self):
        gateway = self.own_server(workers=2)
        self.fds_at_start = {pid: fd_count(pid) for pid in gateway.workers()}
        return gateway

    def connections_of(self, pid):
        """Each has two descriptors in its worker."""
        extra = fd_count(pid) - self.fds_at_start[pid]
        self.assertEqual(extra % 2, 0)
        return extra // 2

    def spread_load(self, gateway):
        load = SpreadLoad(self, gateway)
        shares = {pid: self.connections_of(pid) for pid in gateway.workers()}
        self.assertEqual(sum(shares.values()), load.connections)
        self.assertTrue(all(shares.values()), f"one worker has no connection: {shares}")
        return load, shares

    def learn_request(self, gateway):
        """A connection, its handshake and an echo, as slow as this machine now is."""
        slowest = 0
        for _ in range(5):
            begin = time.monotonic()
            self.echo_once(gateway)
            slowest = max(slowest, time.monotonic() - begin)
        return slowest

    def echo_once(self, gateway):
        with connect_tls(gateway.listen) as peer:
            peer.sendall(b"x")
            self.assertEqual(receive_exactly(peer, 1), b"x")

    def kill(self, gateway, pid):
        """Returns when the supervisor has noticed, and says so."""
        since = gateway.position()
        number = gateway.workers().index(pid)
        gateway.signal(signal.SIGKILL, pid)
        line = gateway.wait_event("worker_died", since, pid=pid, signal="KILL")
        self.assertEqual(line["level"], "error")
        self.assertEqual(line["worker"], number)
        return gateway.wait_event("worker_started", since, worker=number)

    def test_killed_worker_takes_only_its_own_connections(self):
        gateway = self.two_workers()
        load, shares = self.spread_load(gateway)
        victim, lost = next(iter(shares.items()))
        self.kill(gateway, victim)
        load.wait_rest_move()
        self.assertEqual(load.failed(), lost)
        self.assertEqual(len(gateway.workers()), 2)
        for _ in range(8):
            self.echo_once(gateway)
        self.assertEqual(load.finish(), lost)
        gateway.settle()
        note(f"kill -9: {lost} connections of that worker ended, the other "
             f"{load.connections - lost} went on, 0 failed of them")

    def test_nothing_fails_once_the_new_worker_is_there(self):
        gateway = self.two_workers()
        churn = self.load(gateway, CHURN, churn=REQUESTS)
        churn.wait_up()
        self.kill(gateway, gateway.workers()[0])
        churn.mark()
        failed = churn.stat()["total"]["failed"]
        self.assertLessEqual(failed, CHURN)
        self.assertEqual(churn.wait_requests(TURNS * CHURN * REQUESTS)["since_mark"]["failed"], 0)
        churn.finish(failed=failed)

    def test_new_worker_serves_within_a_second(self):
        """The only one: whoever connects meanwhile waits in the queue for its successor."""
        gateway = self.own_server(workers=1)
        limit = max(1, 20 * self.learn_request(gateway))
        victim, = gateway.workers()
        begin = time.monotonic()
        gateway.signal(signal.SIGKILL, victim)
        wait_until("it to die", lambda: has_ended(victim))  # until then it may accept
        self.echo_once(gateway)
        took = time.monotonic() - begin
        self.assertLess(took, limit)
        note(f"a new worker served {1000 * took:.0f} ms after the kill (limit {limit:.1f} s)")
        gateway.wait_event("worker_died", signal="KILL")

    def test_sigterm_drains_one_worker(self):
        gateway = self.two_workers()
        load, shares = self.spread_load(gateway)
        churn = self.load(gateway, CHURN, churn=REQUESTS)
        churn.wait_up()
        victim = next(iter(shares))
        since = gateway.position()
        gateway.signal(signal.SIGTERM, victim)
        gateway.wait_event("worker_draining", since, pid=victim)
        gateway.wait_event("worker_started", since)
        churn.wait_requests(TURNS * CHURN * REQUESTS)
        load.wait_rest_move()
        churn.finish()
        without_listener = self.fds_at_start[victim] - 1
        wait_until("the draining one to keep what it had, and no more", lambda: fd_count(victim)
                   == without_listener + 2 * shares[victim])
        self.assertFalse(has_ended(victim))
        self.assertEqual(len(gateway.workers()), 3)
        self.assertEqual(load.finish(), 0)
        gateway.wait_event("worker_drained", since, pid=victim)
        self.assertEqual(gateway.find("worker_died"), [])
        self.assertEqual(len(gateway.workers()), 2)
        note(f"SIGTERM to one worker: its {shares[victim]} connections went on, a new one took "
             "over, 0 failed")

    def test_stop_waits_for_a_draining_worker(self):
        gateway = self.own_server(workers=1)
        with connect_tls(gateway.listen) as peer:
            peer.sendall(b"x")
            receive_exactly(peer, 1)
            gateway.signal(signal.SIGTERM, gateway.workers()[0])
            gateway.wait_event("worker_started")
            gateway.signal(signal.SIGTERM)
            gateway.wait_event("stopping", connections=1)
            peer.sendall(b"y")
            self.assertEqual(receive_exactly(peer, 1), b"y")
            self.assertIsNone(gateway.process.poll())
        gateway.wait_exit(0)

    def held_connection(self, gateway):
        """One that is open until the test ends, or its worker."""
        peer = connect_raw(gateway.listen)
        self.addCleanup(peer.sock.close)
        peer.send(b"x")
        self.assertEqual(peer.read(1), b"x")

    def test_death_during_the_stop_is_told(self):
        gateway = self.own_server(workers=1)
        self.held_connection(gateway)
        victim, = gateway.workers()
        gateway.signal(signal.SIGTERM)
        gateway.wait_event("stopping", connections=1)
        gateway.signal(signal.SIGKILL, victim)
        gateway.wait_exit(1)
        line, = gateway.find("worker_died", pid=victim, worker=0, signal="KILL", connections=1)
        self.assertNotIn("restart_in_ms", line)
        self.assertEqual(gateway.find("stopped")[0]["level"], "error")

    def test_death_of_a_draining_worker_is_told(self):
        gateway = self.own_server(workers=1)
        self.held_connection(gateway)
        victim, = gateway.workers()
        gateway.signal(signal.SIGTERM, victim)
        gateway.wait_event("worker_started")
        gateway.signal(signal.SIGKILL, victim)
        line = gateway.wait_event("worker_died", pid=victim, worker=0, signal="KILL")
        self.assertEqual(line["connections"], 1)
        self.assertNotIn("restart_in_ms", line)
        self.assertEqual(len(gateway.workers()), 1)
        gateway.stop()

    def test_worker_that_does_not_end_is_killed_and_named(self):
        gateway = self.own_server("--shutdown-timeout", "100ms", workers=1)
        self.held_connection(gateway)
        victim, = gateway.workers()
        gateway.signal(signal.SIGSTOP, victim)
        gateway.signal(signal.SIGTERM)
        gateway.wait_exit(1)
        gateway.wait_event("worker_killed", pid=victim, worker=0, connections=1)
        self.assertEqual(gateway.find("worker_died"), [])

    def test_worker_that_hangs_is_reported_and_passed_over(self):
        """It is asked to reload as well, and does not answer."""
        gateway = self.two_workers()
        victim = gateway.workers()[0]
        number = 0
        cpus = os.sched_getaffinity(0)
        self.addCleanup(os.sched_setaffinity, 0, cpus)
        os.sched_setaffinity(0, {min(cpus)})  # whose connections are the first worker's
        gateway.signal(signal.SIGSTOP, victim)
        self.addCleanup(resume, victim)
        gateway.signal(signal.SIGHUP)
        gateway.wait_event("worker_stuck", pid=victim, worker=number, level="error")
        gateway.wait_event("worker_slow", pid=victim, worker=number, waiting_for="reload")
        gateway.wait_event("reload_failed", worker=number)
        if gateway.ready["steering"] == "ebpf":
            since = gateway.position()
            for _ in range(8):
                self.echo_once(gateway)
            gateway.wait_event("conn", since, count=8, worker=1 - number)
        resume(victim)
        gateway.wait_event("worker_turns", pid=victim, worker=number)
        gateway.wait_event("reloaded_late", worker=number)
        if gateway.ready["steering"] == "ebpf":
            wait_until("it to get connections again", lambda: self.echo_once(gateway) or
                       gateway.find("conn", worker=number))
        self.assertEqual(gateway.find("reloaded"), [])

    def test_without_supervisor_workers_end_with_their_connections(self):
        gateway = self.two_workers()
        load, shares = self.spread_load(gateway)
        gateway.signal(signal.SIGKILL)
        gateway.process.wait(settings.PATIENCE)
        load.wait_rest_move()
        self.assertFalse(any(has_ended(pid) for pid in shares))
        self.assertEqual(load.finish(), 0)
        for pid in shares:
            wait_until("the workers to end", lambda pid=pid: has_ended(pid))

    def test_supervisor_can_be_started_again_at_once(self):
        """Though workers of the one that was killed still serve what they had."""
        first = self.two_workers()
        load, _ = self.spread_load(first)
        self.install("server2")
        first.signal(signal.SIGKILL)
        first.process.wait(settings.PATIENCE)
        wait_until("its listeners to close", lambda: not listens(first.listen))
        second = self.start("server", "--cert", self.cert, "--key", self.key,
                            "--disable-client-auth", listen=first.listen,
                            target=self.backends[0].address)
        for _ in range(8):
            self.assertEqual(serial_of(second.listen), 1002)
        load.wait_rest_move()
        self.assertEqual(load.finish(), 0)


def resume(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


def listens(where):
    """Without a connection that somebody would have to serve."""
    port = "%04X" % int(where.rpartition(":")[2])
    with open("/proc/net/tcp", encoding="ascii") as lines:
        rows = [line.split() for line in lines][1:]
    return any(row[1].endswith(f":{port}") and row[3] == "0A" for row in rows)


if __name__ == "__main__":
    main()
