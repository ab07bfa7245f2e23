#!/usr/bin/env python3
"""`kiln keys rotate-key` is killed with -9 at random moments and called again: meanwhile the store
opens with both keys, for a writer too, and with neither alone; afterwards the old key opens
nothing and every row is as it was.

usage: keys_rotate.py KILN KEYS_STORE_TOOL sqlite|postgresql [SEED]
"""

import pathlib
import random
import select
import subprocess
import sys
import time

from harness.keys_store import Store, each_kind, read_batches, read_rest, verify

ROTATIONS, KILLS, USERS, BETWEEN = 40, 10, 1500, 3  # at most; until so many times between
kiln, tool, kind = sys.argv[1:4]
seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.SystemRandom().randrange(1 << 30)
dice = random.Random(seed)
filled = {user: "1 1 0 2" for user in range(USERS)}


class Rotations:
    def __init__(self, store, folder):
        self.store, self.folder = store, folder
        self.kills = self.between = self.whole = 0
        self.took = 0.0
        self.base = 100000  # of the writers' users
        self.written = []

    def rotate(self, old, new, kill_after=None):
        """True when it was not killed before its end."""
        begin = time.monotonic()
        with subprocess.Popen([kiln, "keys", "rotate-key", "--store", self.store.where,
                               "--key-file", old, "--new-key-file", new],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            if kill_after is not None:
                select.select([process.stdout], [], [], kill_after)
                process.kill()
            out, err = process.communicate(timeout=120)
        if process.returncode == 0:
            assert "nothing under the old key" in out, out
            self.took = max(self.took, time.monotonic() - begin)
            return True
        assert kill_after is not None and process.returncode == -9, f"{process.returncode} {err}"
        return False

    def write_between(self, old, new):
        """A server with both keys writes, and is killed too."""
        both = f"{new},{old}"
        with self.store.work("write", self.base, dice.randrange(1 << 30), key=both) as writer:
            out = read_batches(writer, 5)
            writer.kill()
            text = read_rest(writer, out)
        verify(self.store, self.base, text, key=both)
        self.written.append((self.base, text))
        self.base += 10000

    def look_between(self, old, new):
        """After a kill: the old key alone, both, or the new one alone, as far as it came."""
        self.kills += 1
        alone = self.store.command("check", "--json", "--key-file", old)
        if not pathlib.Path(new).exists():  # killed before all else
            assert alone.returncode == 0, alone.stdout
            return
        report = self.store.check("--key-file", new, "--other-key-file", old)
        if not report["rotating"]:
            done = self.store.command("check", "--json", "--key-file", new).returncode == 0
            assert (alone.returncode == 0) != done, alone.stdout
            self.whole += 1
            return
        self.between += 1
        for key in (old, new):
            said = self.store.command("check", "--key-file", key)
            assert said.returncode == 1 and "--other-key-file" in said.stderr, said
        exchanged = self.store.command("rotate-key", "--key-file", new, "--new-key-file", old)
        assert exchanged.returncode == 1 and "exchanged" in exchanged.stderr, exchanged
        if self.between % 3 == 1:
            self.write_between(old, new)

    def end(self, old, new):
        while not self.rotate(old, new):
            pass
        again = self.store.ran("rotate-key", "--key-file", old, "--new-key-file", new)
        assert "(0 rows" in again, again
        refused = self.store.command("check", "--key-file", old)
        assert refused.returncode == 1 and "does not open the store" in refused.stderr, refused
        self.store.key = new
        assert not self.store.check()["rotating"]
        assert self.store.users(0, USERS + 1) == filled
        for base, text in self.written:
            verify(self.store, base, text)


def run(folder, where, _):
    store = Store(kiln, tool, where, folder / "key0")
    store.worked("fill", USERS)
    r = Rotations(store, folder)
    rotations = 0
    while r.between < BETWEEN and rotations < ROTATIONS:
        i = rotations
        rotations += 1
        old, new = str(folder / f"key{i}"), str(folder / f"key{i + 1}")
        for _ in range(KILLS if i > 0 else 0):  # the first measures how long one takes
            # Everything is looked at before the first row is written: more often in the later part.
            if r.rotate(old, new, dice.choice([dice.random(), dice.uniform(0.6, 1)]) * r.took):
                break
            r.look_between(old, new)
        r.end(old, new)
    print(f"{kind}: {rotations} new keys, {r.took:.2f} s each; {r.kills} kills: {r.between} times "
          f"between two keys, {r.whole} times before or after all; {len(r.written)} writers")
    assert r.between >= BETWEEN and r.written


if __name__ == "__main__":
    print(f"seed {seed}", flush=True)
    sys.exit(each_kind(kind, run))
