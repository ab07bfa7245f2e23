"""The load and transfer programs, for tests that do something to a gateway while it works."""

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time

from harness import settings
from harness.case import KilnTest
from harness.settings import key, pem
from harness.sockets import connect_tls

PERSISTENT = 20
CHURN = 8
REQUESTS = 3  # of a connection that comes and goes


def note(text):
    """A figure worth reading; tests/vm/must-show repeats it in its table."""
    print(f"note: {text}", file=sys.stderr, flush=True)


class Program:
    """A helper program that prints lines of JSON; the lines are kept."""

    def __init__(self, name, *arguments, cpu=None):
        self.name = name
        pin = ["taskset", "-c", str(cpu)] if cpu is not None else []
        self.events = []
        self.lines = threading.Condition()
        self.ended = False
        self.process = subprocess.Popen([*pin, settings.TOOLS / name, *map(str, arguments)],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self):
        for raw in self.process.stdout:
            with self.lines:
                self.events.append(json.loads(raw))
                self.lines.notify_all()
        with self.lines:
            self.ended = True
            self.lines.notify_all()

    def find(self, event, since=0):
        with self.lines:
            return [e for e in self.events[since:] if e["event"] == event]

    def wait(self, event, since=0, patience=settings.PATIENCE):
        end = time.monotonic() + patience
        with self.lines:
            while not (found := self.find(event, since)):
                left = end - time.monotonic()
                assert left > 0 and not self.ended, \
                    f"{self.name}: no event {event}; it said {self.events[-5:]}"
                self.lines.wait(left)
            return found[0]

    def wait_exit(self, status=0, patience=settings.PATIENCE):
        got = self.process.wait(patience)
        self.reader.join(patience)
        assert got == status, f"{self.name}: exit status {got}, not {status}: {self.events[-5:]}"

    def close(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(settings.PATIENCE)
        self.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()


class Bulk(Program):
    """One end of a large transfer; see tools/bulk.c."""

    def __init__(self, *arguments):
        super().__init__("interop_bulk", *arguments)

    @property
    def address(self):
        return f"127.0.0.1:{self.wait('listening')['port']}"

    def bytes_done(self):
        found = self.find("end") or self.find("progress")
        return found[-1]["bytes"] if found else 0


class Load(Program):
    """Connections that send and compare without a pause, until they are stopped; see
    tools/load.c. With churn each makes so many requests, and then connects again."""

    def __init__(self, where, connections, tls=True, churn=0, size=1024, cpu=None, digest=False):
        self.connections = connections
        flags = ["--tls", pem("ca")] if tls else []
        flags += ["--digest"] if digest else []
        flags += ["--churn", "--requests", churn] if churn else []
        super().__init__("interop_load", "--connect", where, "--connections", connections,
                         "--size", size, *flags, cpu=cpu)

    def command(self, text):
        self.process.stdin.write(f"{text}\n".encode())
        self.process.stdin.flush()

    def stat(self):
        with self.lines:
            since = len(self.events)
        self.command("stat")
        return self.wait("stat", since)

    def total(self):
        """Of the whole time; also when all its connections have failed, and so it has ended."""
        try:
            return self.stat()["total"]
        except (BrokenPipeError, AssertionError):
            return self.wait("end")["total"]

    def mark(self):
        """From here on since_mark counts anew. What has happened to connections before this call
        is counted before it: the first answer proves that all of it was seen."""
        self.stat()
        self.command("mark")

    def wait_stat(self, what, condition):
        def look():
            stat = self.stat()
            return stat if condition(stat) else None
        try:
            return settings.wait_until(what, look)
        except AssertionError as error:
            raise AssertionError(f"{error}; the load: {self.stat()}") from None

    def wait_up(self, patience=settings.PATIENCE):
        return self.wait("up", patience=patience)

    def wait_all_move(self, count=None):
        """Until each connection (or so many) has had one more answer."""
        count = self.connections if count is None else count
        self.mark()
        return self.wait_stat(f"{count} connections to go on", lambda s: s["moved"] == count)

    def wait_requests(self, count):
        """So many more, and as many connections when they come and go."""
        self.mark()
        return self.wait_stat(f"{count} requests",
                              lambda s: s["since_mark"]["requests"] >= count)

    def finish(self, failed=0):
        """Ends what is under way, and closes; so many must have failed in all."""
        with contextlib.suppress(BrokenPipeError):
            self.command("stop")
        self.wait_exit(status=1 if failed else 0)
        total = self.find("end")[0]["total"]
        failures = self.find("failure")
        assert total["failed"] == failed == len(failures), \
            f"{total['failed']} failed, not {failed}: {failures[:5]}"
        return total


def serial_of(where):
    """Of the certificate that a new connection is shown."""
    with connect_tls(where) as peer:
        return int(peer.getpeercert()["serialNumber"], 16)


class LoadedTest(KilnTest):
    """A server with a certificate of its own, and load on it."""

    def setUp(self):
        super().setUp()
        self.cert, self.key = f"{self.folder}/cert.pem", f"{self.folder}/cert.key"

    def install(self, name, key_name=None):
        """Replaces the certificate as careful tools do: each file at once."""
        for source, place in ((pem(name), self.cert), (key(key_name or name), self.key)):
            shutil.copy(source, f"{place}.new")
            os.rename(f"{place}.new", place)

    def own_server(self, *flags, **options):
        self.install("server")
        return self.start("server", "--cert", self.cert, "--key", self.key,
                          "--disable-client-auth", *flags,
                          target=self.echo_program().address, **options)

    def load(self, gateway, connections, **options):
        load = Load(gateway.listen, connections, **options)
        self.addCleanup(load.close)
        return load

    def loads(self, gateway):
        """Connections that stay, and connections that come and go; all are at work."""
        loads = [self.load(gateway, PERSISTENT), self.load(gateway, CHURN, churn=REQUESTS)]
        for load in loads:
            load.wait_up()
        return loads
