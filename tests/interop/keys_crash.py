#!/usr/bin/env python3
"""A store's writer is killed with -9 at random moments, and so is PostgreSQL's server: what was
acknowledged is found again, and of what was under way all or nothing.

usage: keys_crash.py KILN KEYS_STORE_TOOL sqlite|postgresql [SEED]
"""

import os
import pathlib
import random
import select
import signal
import subprocess
import sys
import tempfile

from harness import postgres

ROUNDS = 200
kiln, tool, kind = sys.argv[1:4]
seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.SystemRandom().randrange(1 << 30)
dice = random.Random(seed)


def init(where, key):
    subprocess.run([kiln, "keys", "init", "--store", where, "--key-file", key], check=True,
                   stdout=subprocess.DEVNULL, timeout=60)


def read_some(pipe, timeout):
    if not select.select([pipe], [], [], timeout)[0]:
        return b""
    return os.read(pipe.fileno(), 1 << 20)


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


def run_writer(where, key, base, kill):
    """Writes until kill(writer) was called, at some moment after the first acknowledgement."""
    writer = subprocess.Popen([tool, "write", where, key, str(base), str(dice.randrange(1 << 30))],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    out = b""
    while b"ok\n" not in out:
        some = read_some(writer.stdout, 60)
        assert some, "the writer acknowledged nothing"
        out += some
    # The moment: so many acknowledged batches later, and then anywhere within a batch.
    target = out.count(b"ok\n") + dice.randrange(0, 12)
    while out.count(b"ok\n") < target:
        some = read_some(writer.stdout, 60)
        assert some, "the writer stopped"
        out += some
    # Anywhere in what a batch takes: not a wait for something.
    select.select([], [], [], dice.random() * 0.004)
    kill(writer)
    while some := read_some(writer.stdout, 60):
        out += some
    writer.wait(timeout=60)
    text = out.decode()
    if not text.endswith("\n"):  # torn by the kill: it was not acknowledged
        text = text[:text.rfind("\n") + 1]
    return text


def verify(where, key, base, text):
    acknowledged, tried, batches = parse(text)
    users = max([*acknowledged, *tried], default=base) - base + 2
    done = subprocess.run([tool, "dump", where, key, str(base), str(users)], check=False,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, text=True)
    assert done.returncode == 0, f"the store does not open: {done.stderr}"
    found = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    found = {int(user): state for user, state in found.items() if state != "absent"}
    assert found in (acknowledged, {**acknowledged, **tried}), \
        f"found {found}\nacknowledged {acknowledged}\nunder way {tried}"
    return batches, found != acknowledged


def rounds(where, key, kill, after=lambda: None):
    batches = more = 0
    init(where, key)
    for i in range(ROUNDS):
        text = run_writer(where, key, i * 10000, kill)
        after()
        here, beyond = verify(where, key, i * 10000, text)
        batches += here
        more += beyond
    print(f"{kind}: {ROUNDS} kills, {batches} acknowledged batches found again; "
          f"{more} times the one under way was committed too")
    assert batches >= ROUNDS


def sqlite(folder):
    rounds(str(folder / "store"), str(folder / "key"), lambda writer: writer.kill())


def postgresql(folder):
    with postgres.Postgres() as server:
        killed = {"servers": 0, "down": False}

        def kill(writer):
            what = dice.randrange(8)
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

        rounds(f"postgresql:{server.settings}", str(folder / "key"), kill, after)
        print(f"postgresql: {killed['servers']} of them of the server")
        assert killed["servers"] > 0


def main():
    print(f"seed {seed}", flush=True)
    if kind == "postgresql" and (missing := postgres.why_not()):
        print(f"skipped: {missing}")
        return 77
    with tempfile.TemporaryDirectory(prefix="kiln-crash.") as folder:
        {"sqlite": sqlite, "postgresql": postgresql}[kind](pathlib.Path(folder))
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    sys.exit(main())
