"""Runs `kiln server` and `kiln client`, and reads what they log."""

import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import threading
import time

from . import settings
from .settings import pem, key, wait_until


class Gateway:
    """A running kiln. Its log is read as JSON; a line that is none is a failure."""

    def __init__(self, mode, *flags, listen="127.0.0.1:0", target=None, handoff=None, workers=2,
                 engine=None, wrapper=(), env=None, pin=True):
        self.mode = mode
        self.engine = engine or settings.ENGINE
        where = ["--handoff", handoff] if handoff else ["--target", target]
        command = [*wrapper, settings.KILN, mode, *where, "--log-format", "json",
                   "--workers", str(workers), "--engine", self.engine, *flags]
        for address in [listen] if isinstance(listen, str) else listen:
            command += ["--listen", address]
        if not pin:
            command += ["--pin-workers", "off"]
        self.command = command
        self.events = []
        self.noise = []
        self.lines = threading.Condition()
        self.ended = False
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL, env={**os.environ, **(env or {})})
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        try:
            self._start()
        except BaseException:
            self.process.kill()
            raise

    def _start(self):
        ready = self.wait_event("ready")
        self.ready = ready
        self.listen = ready["listen"]
        self.path = ready["path"]
        assert ready["workers"] == len(self.workers()), (ready, self.workers())
        if settings.EXPECT_PATH:
            assert self.path == settings.EXPECT_PATH or "--ktls" in self.command, ready
        self.base_fds = self.fds()

    def _read(self):
        for raw in self.process.stderr:
            with self.lines:
                try:
                    self.events.append(json.loads(raw))
                except ValueError:
                    self.noise.append(raw.decode(errors="replace").rstrip())
                self.lines.notify_all()
        with self.lines:
            self.ended = True
            self.lines.notify_all()

    # ---- the log

    def position(self):
        """Where the log is now, for `since`."""
        with self.lines:
            return len(self.events)

    def find(self, event, since=0, **fields):
        with self.lines:
            return [e for e in self.events[since:] if e["event"] == event and
                    all(matches(e.get(k), v) for k, v in fields.items())]

    def wait_event(self, event, since=0, count=1, patience=settings.PATIENCE, **fields):
        """The count-th line of that event whose fields have those values (or match a pattern)."""
        end = time.monotonic() + patience
        with self.lines:
            while True:
                found = self.find(event, since, **fields)
                if len(found) >= count:
                    return found[count - 1]
                left = end - time.monotonic()
                if left <= 0 or self.ended:
                    raise AssertionError(
                        f"no event {event} with {fields} {'before the end' if self.ended else ''}"
                        f"; the log:\n{self.log()}")
                self.lines.wait(left)

    def wait_conn(self, since=0, **fields):
        return self.wait_event("conn", since, **fields)

    def log(self, last=40):
        with self.lines:
            return "\n".join([json.dumps(e) for e in self.events[-last:]] + self.noise)

    # ---- processes

    def signal(self, number, pid=None):
        os.kill(pid or self.process.pid, number)

    def workers(self):
        return [pid for pid in children(self.process.pid) if is_worker(pid)]

    def agent(self):
        """The identity agent; None while there is none."""
        return next((pid for pid in children(self.process.pid) if is_agent(pid)), None)

    def fds(self):
        """Open descriptors of all workers."""
        return sum(fd_count(pid) for pid in self.workers())

    def counters(self):
        """Asked for again when they do not come: a line that the log has no room for is dropped, as
        happens when this reader gets no processor while thousands are refused."""
        position = self.position()
        end = time.monotonic() + settings.PATIENCE
        while True:
            self.signal(signal.SIGUSR1)
            try:
                return self.wait_event("counters", position, patience=20)
            except AssertionError:
                if self.ended or time.monotonic() > end:
                    raise

    def active(self):
        return self.counters()["active"]

    def settle(self, active=0):
        """Waits until no connection (or so many) and no descriptor of one is left."""
        wait_until(f"connections to go; the log:\n{self.log()}", lambda: self.active() == active)
        if active == 0:
            try:
                wait_until("descriptors to go", lambda: self.fds() == self.base_fds)
            except AssertionError:
                raise AssertionError(f"{self.fds()} descriptors are open, {self.base_fds} were "
                                     f"at the start:\n{self.log()}") from None

    def stop(self, status=0):
        """SIGTERM; returns when it has exited with that status, and without complaints."""
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        self.wait_exit(status)

    def wait_exit(self, status=0):
        try:
            got = self.process.wait(settings.PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it did not end:\n{self.log()}") from None
        self.reader.join(settings.PATIENCE)
        assert got == status, f"exit status {got}, not {status}:\n{self.log()}"
        self.check_clean()

    def check_clean(self):
        """Sanitizers and libraries write lines that are no JSON."""
        assert not self.noise, "\n".join(self.noise)

    def kill(self):
        """For cleaning up: everything, at once."""
        with contextlib.suppress(OSError):
            for pid in self.workers():
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait()
        self.reader.join(settings.PATIENCE)
        self.process.stderr.close()


def matches(value, wanted):
    if isinstance(wanted, re.Pattern):
        return isinstance(value, str) and wanted.search(value) is not None
    return value == wanted


def children(pid):
    text = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(p) for p in text.split()]


def is_agent(pid):
    return name_of(pid) == "kiln-agent\n"


def is_worker(pid):
    """And neither the identity agent nor one that looks a name up."""
    return name_of(pid) == "kiln-worker\n"


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="ascii")
    except OSError:
        return None


def descriptors(pid):
    """Number and target of each that is open; one that is closed meanwhile is not."""
    found = {}
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found[int(link.name)] = os.readlink(link)
    return found


def fd_count(pid):
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except FileNotFoundError:
        return 0


def server_flags(cert="server", access=("--disable-client-auth",), ca=None):
    flags = ["--cert", pem(cert), "--key", key(cert), *access]
    return flags + (["--cacert", pem(ca)] if ca else [])


def client_flags(ca="ca", cert=None, key_of=None):
    flags = ["--cacert", pem(ca)]
    return flags + (["--cert", pem(cert), "--key", key(key_of or cert)] if cert else [])


def address(text):
    """HOST:PORT or [V6]:PORT as Python's sockets want it; a path for unix:PATH."""
    if text.startswith("unix:"):
        return text[5:]
    host, _, port = text.rpartition(":")
    return host.strip("[]"), int(port)
