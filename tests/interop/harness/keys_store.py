"""What the tests of the key server's store share: the operator's commands, a writer, and whether
what it acknowledged is there (tools/keys_store_tool.c)."""

import json
import os
import pathlib
import select
import subprocess
import tempfile

from . import postgres


class Store:
    """An empty store and its key, in a folder."""

    def __init__(self, kiln, tool, where, key):
        self.kiln, self.tool, self.where, self.key = kiln, tool, str(where), str(key)
        self.ran("init", "--key-file", self.key)

    def command(self, name, *flags, timeout=60):
        return subprocess.run([self.kiln, "keys", name, "--store", self.where, *map(str, flags)],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, check=False, timeout=timeout)

    def ran(self, name, *flags):
        done = self.command(name, *flags)
        assert done.returncode == 0, f"{name} {flags}: {done.returncode} {done.stderr}"
        return done.stdout

    def check(self, *flags):
        """The report, of a store that is well."""
        report = json.loads(self.ran("check", "--json", *(flags or ("--key-file", self.key))))
        assert report["good"] and report["found"] == 0, report
        return report

    def work(self, what, *arguments, key=None, **options):
        return subprocess.Popen([self.tool, what, self.where, key or self.key,
                                 *map(str, arguments)], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, **options)

    def worked(self, what, *arguments, key=None):
        """All of its output; it ends well."""
        with self.work(what, *arguments, key=key) as process:
            out, err = process.communicate(timeout=120)
        assert process.returncode == 0, f"{what}: {process.returncode} {err.decode()}"
        return out.decode()

    def users(self, base, count, key=None):
        """{user: state} of those that are there; everything in the store was looked at."""
        lines = self.worked("dump", base, count, key=key).splitlines()
        found = {int(user): state for user, state in (line.split(" ", 1) for line in lines)}
        return {user: state for user, state in found.items() if state != "absent"}


def read_some(pipe, timeout):
    if not select.select([pipe], [], [], timeout)[0]:
        return b""
    return os.read(pipe.fileno(), 1 << 20)


def read_batches(writer, count, out=b""):
    """Its output until so many batches are acknowledged."""
    while out.count(b"ok\n") < count:
        some = read_some(writer.stdout, 60)
        assert some, f"the writer stopped: {writer.poll()}"
        out += some
    return out


def read_rest(writer, out):
    """Of a writer that ends by itself, or was killed: all that it said in whole lines."""
    while some := read_some(writer.stdout, 60):
        out += some
    writer.wait(timeout=60)
    text = out.decode()
    return text[:text.rfind("\n") + 1]


def parse(text):
    """What is acknowledged, and what was tried last without an answer: {user: state} each."""
    acknowledged, tried, batches = {}, {}, 0
    for line in text.splitlines():
        if line == "try":
            tried = {}
        elif line == "ok":
            acknowledged.update(tried)
            tried = {}
            batches += 1
        elif line != "fail":
            user, _, state = line.partition(" ")
            tried[int(user)] = state
    return acknowledged, tried, batches


def verify(store, base, text, key=None):
    """All that was acknowledged is there, and of what was under way all or nothing. How many
    batches, and was the one under way committed?"""
    acknowledged, tried, batches = parse(text)
    users = max([*acknowledged, *tried], default=base) - base + 2
    found = store.users(base, users, key)
    assert found in (acknowledged, {**acknowledged, **tried}), \
        f"found {found}\nacknowledged {acknowledged}\nunder way {tried}"
    return batches, found != acknowledged


def each_kind(kind, run):
    """run(folder, where, server) with an empty place for a store; 77 where it cannot be."""
    with tempfile.TemporaryDirectory(prefix="kiln-store.") as name:
        folder = pathlib.Path(name)
        if kind == "sqlite":
            run(folder, str(folder / "store"), None)
            return 0
        if missing := postgres.why_not():
            print(f"skipped: {missing}")
            return 77
        with postgres.Postgres() as server:
            run(folder, f"postgresql:{server.settings}", server)
        return 0
