#!/usr/bin/env python3
"""Two processes register the same names, each at once, on one PostgreSQL: of each name exactly one
is told that it has it, and it has. On SQLite the second process is refused.

usage: keys_peers.py KILN KEYS_STORE_TOOL KEYS_STORE_PEERS sqlite|postgresql
"""

import subprocess
import sys

from harness.keys_store import Store, each_kind, read_batches, read_rest, verify

NAMES = 400
OK, TAKEN = 0, 2
kiln, tool, peers, kind = sys.argv[1:5]


def postgresql(store):
    done = subprocess.run([peers, "race", store.where, store.key, str(NAMES)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=120)
    assert done.returncode == 0, f"{done.returncode} {done.stderr}"
    rounds = [[int(field) for field in line.split()] for line in done.stdout.splitlines()]
    assert len(rounds) == NAMES, len(rounds)
    for number, first, second, winner in rounds:
        assert sorted((first, second)) == [OK, TAKEN], f"name {number}: {first} and {second}"
        assert winner == (0 if first == OK else 1), f"name {number}: {winner} has it"
    won = sum(1 for _, first, _, _ in rounds if first == OK)
    report = store.check()
    assert report["users"] == NAMES, report
    print(f"postgresql: {NAMES} names, one OK each; {won} and {NAMES - won}")
    assert 0 < won < NAMES, "one of the two always came first: they were not at once"


def sqlite(store):
    with store.work("write", 0, 1) as writer:
        out = read_batches(writer, 3)
        second = store.work("write", 10000, 2)
        said, err = second.communicate(timeout=60)
        assert second.returncode == 3 and not said, f"{second.returncode} {said}"
        assert f"in use by process {writer.pid}:" in err.decode(), err
        assert "PostgreSQL" in err.decode(), err
        out = read_batches(writer, out.count(b"ok\n") + 3, out)
        writer.kill()
        text = read_rest(writer, out)
    verify(store, 0, text)  # and the lock went with the process
    print("sqlite: the second process is refused")


def run(folder, where, server):
    store = Store(kiln, tool, where, folder / "key")
    (postgresql if server else sqlite)(store)


if __name__ == "__main__":
    sys.exit(each_kind(kind, run))
