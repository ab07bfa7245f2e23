#!/usr/bin/env python3
"""A store's writer is killed with -9 at random moments, and so is PostgreSQL's server: what was
acknowledged is found again, and of what was under way all or nothing.

usage: keys_crash.py KILN KEYS_STORE_TOOL sqlite|postgresql [SEED]
"""

import random
import select
import signal
import sys

from harness.keys_store import Store, each_kind, read_batches, read_rest, verify

ROUNDS = 200
kiln, tool, kind = sys.argv[1:4]
seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.SystemRandom().randrange(1 << 30)
dice = random.Random(seed)


def run_writer(store, base, kill):
    """Writes until kill(writer) was called, at some moment after the first acknowledgement."""
    with store.work("write", base, dice.randrange(1 << 30)) as writer:
        # The moment: so many acknowledged batches later, and then anywhere within a batch.
        out = read_batches(writer, 1)
        out = read_batches(writer, out.count(b"ok\n") + dice.randrange(0, 12), out)
        # Anywhere in what a batch takes: not a wait for something.
        select.select([], [], [], dice.random() * 0.004)
        kill(writer)
        return read_rest(writer, out)


def rounds(store, kill, after=lambda: None):
    batches = more = 0
    for i in range(ROUNDS):
        text = run_writer(store, i * 10000, kill)
        after()
        here, beyond = verify(store, i * 10000, text)
        batches += here
        more += beyond
    print(f"{kind}: {ROUNDS} kills, {batches} acknowledged batches found again; "
          f"{more} times the one under way was committed too")
    assert batches >= ROUNDS


def postgresql(store, server):
    killed = {"servers": 0, "down": False}

    def kill(writer):
        what = dice.randrange(16)  # the server seldom: it is its restart that takes time
        if what > 1:
            writer.kill()
            return
        killed["servers"] += 1
        killed["down"] = True
        if what == 0:
            server.kill_all()
        else:
            server.stop("immediate")
        if dice.random() < 0.5:
            writer.kill()  # otherwise it has to see it for itself, and acknowledge nothing

    def after():
        if killed["down"]:
            server.start()
            killed["down"] = False

    rounds(store, kill, after)
    print(f"postgresql: {killed['servers']} of them of the server")
    assert killed["servers"] > 0


def run(folder, where, server):
    store = Store(kiln, tool, where, folder / "key")
    if server:
        postgresql(store, server)
    else:
        rounds(store, lambda writer: writer.kill())


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    print(f"seed {seed}", flush=True)
    sys.exit(each_kind(kind, run))
