#!/usr/bin/env python3
"""PostgreSQL hangs (its processes are stopped), or is away: every wait has an end and says why,
what was acknowledged is there, and a process that stays goes on when the server is back.

usage: keys_outage.py KILN KEYS_STORE_TOOL KEYS_STORE_PEERS
"""

import concurrent.futures
import contextlib
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time

from harness import postgres
from harness.keys_store import Store, read_batches, read_rest, read_some, verify

WRITERS = 4
HUNG_S = 45  # 20 s for an answer, 8 s to learn what became of a commit, and a busy machine
kiln, tool, peers = sys.argv[1:4]


def children(server):
    pid = server.pid()
    return list(map(int, pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def is_backend(pid):
    with contextlib.suppress(FileNotFoundError):
        return b"postgres: kiln " in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


def send(pids, what):
    for pid in pids:
        os.kill(pid, what)


def answers(store):
    """A new connection reads everything: none of those that are stopped stands in its way. Below the
    5 s for which a writer waits for another one's row."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        return store.command("check", "--key-file", store.key, timeout=3).returncode == 0
    return False


def stop_backends(store, server, writers, outs):
    """At a moment at which the server itself goes on. One that is stopped within a lock of the
    server's own (a page's, the log's) stops all of it, which is the other case."""
    for _ in range(20):
        stopped = list(filter(is_backend, children(server)))
        send(stopped, signal.SIGSTOP)
        if answers(store):
            return stopped, outs
        send(stopped, signal.SIGCONT)
        outs = [read_batches(writer, out.count(b"ok\n") + 3, out)
                for writer, out in zip(writers, outs)]
    raise AssertionError("wherever its processes were stopped, the server stood still")


def outcome(writer, out, begin):
    """All that it says until it gives up. One that had nothing under way, and asked for a transaction,
    goes on with another connection: that is seen, and it is ended."""
    while not out.endswith(b"fail\n"):
        some = read_some(writer.stdout, 60)
        assert some, f"it neither gave up nor went on: {out[-200:]}"
        out += some
        if b"ok\n" in some and time.monotonic() - begin > 15:
            writer.kill()
            break
    return read_rest(writer, out)


def said_why(writer):
    """The third: it waited for a row that one which hangs has locked."""
    said = writer.stderr.read().decode()
    assert re.search("PostgreSQL did not answer within 20 s|lost during a commit|"
                     "due to lock timeout|no connection to PostgreSQL: .*timeout", said), said
    return said


def hang(folder, server, whole):
    """The writers' own processes in the server hang, or all of the server."""
    store = Store(kiln, tool, f"postgresql:{server.settings}", folder / "key")
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(store.work("write", i * 10000, i + 1))
                   for i in range(WRITERS)]
        for writer in writers:
            stack.callback(writer.kill)  # before it is waited for, whatever happens
        outs = [read_batches(writer, 3) for writer in writers]
        if whole:
            stopped = [server.pid(), *children(server)]
            send(stopped, signal.SIGSTOP)
        else:
            stopped, outs = stop_backends(store, server, writers, outs)
        begin = time.monotonic()
        try:
            assert len(stopped) >= WRITERS
            if whole:
                unanswered(store)
            with concurrent.futures.ThreadPoolExecutor(WRITERS) as pool:
                texts = list(pool.map(lambda w, o: outcome(w, o, begin), writers, outs))
            took = time.monotonic() - begin
        finally:
            send(stopped, signal.SIGCONT)
        gave_up = [said_why(writer) for writer, text in zip(writers, texts)
                   if text.endswith("fail\n")]
    assert len(gave_up) == WRITERS or not whole, "a hung server answered"
    assert took < HUNG_S, took
    wait_until_left(store)
    for i, text in enumerate(texts):
        verify(store, i * 10000, text)
    return f"{'server' if whole else 'backends'} hung: {len(gave_up)} of {WRITERS} writers gave up, " \
        f"all within {took:.1f} s"


def wait_until_left(store, deadline=60):
    """What hung goes on with what it was told, and so does what a client left that was killed: until
    it has ended, a commit may still come."""
    end = time.monotonic() + deadline
    settings = pathlib.Path(store.where.split(":", 1)[1]).read_text(encoding="ascii").strip()
    question = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'kiln-keys'"
    while subprocess.run([postgres.binaries() / "psql", "-X", "-At", "-d", settings, "-c", question],
                         stdout=subprocess.PIPE, text=True, check=True,
                         timeout=60).stdout.strip() != "0":
        assert time.monotonic() < end, "connections that their client left are still there"


def unanswered(store):
    begin = time.monotonic()
    done = store.command("check", "--key-file", store.key)
    took = time.monotonic() - begin
    assert done.returncode == 1 and "no connection to PostgreSQL: " in done.stderr, done
    assert "timeout" in done.stderr and took < 15, f"{took} {done}"


class Keeper:
    """Registers a name after the other, and tells each outcome."""

    def __init__(self, store):
        self.process = subprocess.Popen([peers, "keep", store.where, store.key, "0"],
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.changed = [], threading.Condition()
        self.reader = threading.Thread(target=self.read)
        self.reader.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip("\n").split(" ", 3))
                self.changed.notify()

    def wait(self, outcome, count, since, timeout):
        """Until there are so many of that outcome from a line on; the number of all lines."""
        with self.changed:
            good = self.changed.wait_for(
                lambda: sum(line[1] == outcome for line in self.lines[since:]) >= count, timeout)
            assert good, f"no {outcome}: {self.lines[-3:]}"
            return len(self.lines)

    def end(self):
        self.process.kill()
        self.reader.join()
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


def away(folder, server):
    """For longer than the first attempts to connect again; a process that stays goes on."""
    store = Store(kiln, tool, f"postgresql:{server.settings}", folder / "key")
    keeper = Keeper(store)
    try:
        seen = keeper.wait("ok", 5, 0, 60)
        server.stop("immediate")
        down = time.monotonic()
        # A commit that was under way is asked for during 8 s; then each is refused at once.
        seen = keeper.wait("fail", 300, seen, 60)
        done = store.command("check", "--json", "--key-file", store.key)
        assert done.returncode == 1 and "no connection to PostgreSQL" in done.stdout, done
        down = time.monotonic() - down
        server.start()
        back = time.monotonic()
        keeper.wait("ok", 5, seen, 40)
        back = time.monotonic() - back
    finally:
        keeper.end()
    failed = [line for line in keeper.lines if line[1] == "fail"]
    slow = max(int(line[2]) for line in failed)
    assert slow < 15000, f"one waited {slow} ms"
    for line in failed:
        assert "PostgreSQL" in line[3] and len(line[3]) > 20, line
    wait_until_left(store)
    acknowledged = {line[0] for line in keeper.lines if line[1] == "ok"}
    with subprocess.Popen([peers, "names", store.where, store.key, "0", str(len(keeper.lines) + 2)],
                          stdout=subprocess.PIPE, text=True) as names:
        there = set(names.communicate(timeout=60)[0].split())
    unknown = {line[0] for line in failed} | {str(len(keeper.lines))}  # the last: it was killed
    assert acknowledged <= there <= acknowledged | unknown, there ^ acknowledged
    assert store.check()["users"] == len(there)
    return (f"away for {down:.1f} s: {len(failed)} batches refused, the slowest after {slow} ms; "
            f"back after {back:.1f} s; {len(acknowledged)} names there")


def on_a_server(what, *arguments):
    with tempfile.TemporaryDirectory(prefix="kiln-outage.") as folder, \
            postgres.Postgres() as server:
        print(what(pathlib.Path(folder), server, *arguments), flush=True)


def main():
    if missing := postgres.why_not():
        print(f"skipped: {missing}")
        return 77
    with concurrent.futures.ThreadPoolExecutor() as pool:
        cases = [pool.submit(on_a_server, hang, False), pool.submit(on_a_server, hang, True),
                 pool.submit(on_a_server, away)]
        for case in cases:
            case.result()
    return 0


if __name__ == "__main__":
    sys.exit(main())
