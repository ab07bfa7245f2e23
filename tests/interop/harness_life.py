"""The load and transfer programs, for tests that do something to a gateway while it works."""

import json
import subprocess
import sys
import threading
import time

from harness import settings
from harness.settings import pem


def note(text):
    """A figure worth reading; tests/vm/must-show repeats it in its table."""
    print(f"note: {text}", file=sys.stderr, flush=True)


class Program:
    """A helper program that prints lines of JSON; the lines are kept."""

    def __init__(self, name, *arguments):
        self.name = name
        self.events = []
        self.lines = threading.Condition()
        self.ended = False
        self.process = subprocess.Popen([settings.TOOLS / name, *map(str, arguments)],
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
