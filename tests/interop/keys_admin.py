#!/usr/bin/env python3
"""`kiln keys init|check|backup|restore|anchor`: what they make is private, they overwrite nothing,
they work while a writer writes, and what they refuse they say with the way out.

usage: keys_admin.py KILN KEYS_STORE_TOOL sqlite|postgresql
"""

import json
import os
import pathlib
import resource
import shutil
import signal
import stat
import subprocess
import sys

from harness.keys_store import Store, each_kind, parse, read_batches, read_rest, verify

kiln, tool, kind = sys.argv[1:4]
PAGE = 4096  # SQLite's


def private(*paths):
    for path in paths:
        mode = stat.S_IMODE(os.stat(path).st_mode)
        assert mode == 0o600, f"{path}: {mode:o}"


def refused(done, *words, status=1):
    """With that status, on standard error alone, and a sentence with those words."""
    assert done.returncode == status, done
    assert not done.stdout, done.stdout
    for word in words:
        assert word in done.stderr, (word, done.stderr)


def keys(store, folder):
    """Wrong, missing, open to others, of another size."""
    other, short, open_to_all = folder / "other", folder / "short", folder / "open"
    for path, content in ((other, os.urandom(32)), (short, b"abc"),
                          (open_to_all, pathlib.Path(store.key).read_bytes())):
        path.write_bytes(content)
        path.chmod(0o600)
    open_to_all.chmod(0o644)
    for name, more in (("check", ()), ("backup", ("--to", folder / "none"))):
        for key, word in ((other, "does not open the store"), (folder / "gone", "No such file"),
                          (short, "no store key"), (open_to_all, "chmod 600")):
            refused(store.command(name, "--key-file", key, *more), word)
        refused(store.command(name, *more), "--key-file", status=2)
    refused(store.command("init", "--key-file", store.key),
            "there is a store" if kind == "postgresql" else "nothing is overwritten")
    assert not (folder / "none").exists() and not (folder / "none.partial").exists()
    with open(store.key, "rb") as key:
        done = subprocess.run([kiln, "keys", "check", "--store", store.where, "--key-fd",
                               str(key.fileno())], pass_fds=[key.fileno()], check=False,
                              stdout=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 0 and "All is well." in done.stdout, done


def while_written(store, folder):
    """Backup and check beside a writer; the backup has all that was acknowledged before."""
    backup = folder / "backup"
    with store.work("write", 0, 1) as writer:
        try:
            before = read_batches(writer, 20)
            store.check()
            store.ran("backup", "--key-file", store.key, "--to", backup)
            after = read_batches(writer, before.count(b"ok\n") + 3, before)  # it was not held up
        finally:
            writer.kill()
        text = read_rest(writer, after)
    verify(store, 0, text)
    private(backup)
    assert not list(folder.glob("backup?*")), list(folder.glob("backup?*"))
    refused(store.command("backup", "--key-file", store.key, "--to", backup), str(backup), "exists")
    held = parse(before.decode()[:before.rfind(b"\n") + 1])[0]
    return backup, held


def restores(store, folder, backup, held):
    """Into SQLite, whatever it came from; not over a store."""
    refused(store.command("restore", "--key-file", store.key, "--from", backup), "move it away")
    place = folder / "restored"
    anchor = folder / "anchor"
    again = Store.__new__(Store)
    again.kiln, again.tool, again.where, again.key = kiln, tool, str(place), store.key
    again.ran("restore", "--key-file", store.key, "--from", backup, "--anchor", anchor)
    private(place, anchor)
    assert not list(folder.glob("backup?*")), list(folder.glob("backup?*"))  # it is one file
    found = again.users(0, max(held) + 1)
    assert held.keys() <= found.keys(), held.keys() - found.keys()
    for user, state in held.items():  # numbers only rise: generation, keys ever made, lines
        was, now = list(map(int, state.split())), list(map(int, found[user].split()))
        assert now[0] >= was[0] and now[1] + now[2] >= was[1] + was[2] and now[3] >= was[3]
    return again, anchor


def anchors(again, folder, anchor):
    """An older copy is refused with the anchor of the later one."""
    again.check("--key-file", again.key, "--anchor", anchor)
    refused(again.command("anchor", "--key-file", again.key, "--anchor", anchor), "File exists")
    refused(again.command("anchor", "--key-file", again.key), "--anchor FILE", status=2)
    copy = folder / "older"
    again.ran("backup", "--key-file", again.key, "--to", copy)
    later = folder / "anchor2"
    again.ran("anchor", "--key-file", again.key, "--anchor", later)
    private(later)
    again.check("--key-file", again.key, "--anchor", later)
    shutil.copy(copy, again.where)
    for end in ("-wal", "-shm"):
        pathlib.Path(again.where + end).unlink(missing_ok=True)
    done = again.command("check", "--key-file", again.key, "--anchor", later)
    refused(done, "older than its anchor", status=3)


def leftovers(store, folder, backup):
    """A log that a moved store left behind: SQLite would remove it."""
    place = folder / "again"
    log = folder / "again-wal"
    log.write_bytes(b"what was written last")
    refused(store.command("restore", "--key-file", store.key, "--from", backup, "--store", place),
            "more than once", status=2)
    again = Store.__new__(Store)
    again.kiln, again.tool, again.where, again.key = kiln, tool, str(place), store.key
    refused(again.command("restore", "--key-file", store.key, "--from", backup), str(log),
            "together with that store")
    refused(again.command("init", "--key-file", store.key), str(log))
    assert log.read_bytes() == b"what was written last" and not place.exists()


def moved_away(store, folder, backup):
    """A store that was moved away under who has it open: the lock stays theirs."""
    place = folder / "held"
    again = Store.__new__(Store)
    again.kiln, again.tool, again.where, again.key = kiln, tool, str(place), store.key
    again.ran("restore", "--key-file", store.key, "--from", backup)
    with again.work("write", 70000, 1) as writer:
        try:
            read_batches(writer, 1)
            refused(again.command("init", "--key-file", store.key), "nothing is overwritten")
            for end in ("", "-wal", "-shm"):
                pathlib.Path(f"{place}{end}").rename(folder / f"away{end}")
            for _ in range(2):
                refused(again.command("restore", "--key-file", store.key, "--from", backup),
                        f"in use by process {writer.pid}:")
                assert not place.exists()
        finally:
            writer.kill()


def unsaid(store):
    """What nobody can read was not said."""
    for flags in ((), ("--json",)):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([kiln, "keys", "check", "--store", store.where, "--key-file",
                                   store.key, *flags], stdout=full, stderr=subprocess.PIPE,
                                  check=False, timeout=60)
        assert done.returncode == 1 and b"standard output" in done.stderr, done


def flags_that_make_no_sense(store, folder):
    refused(store.command("backup", "--key-file", store.key, "--to", "--json"), "--to", status=2)
    refused(store.command("rotate-key", "--key-file", store.key, "--new-key-file", folder / "n",
                          "--other-key-file", store.key), "has no flag", status=2)
    done = store.command("check", "--key-file", folder / "gone", "--json")
    assert done.returncode == 1 and "No such file" in json.loads(done.stdout)["problem"], done


def no_room(store, folder, backup):
    """What could not be made is not there, and does not bar the next try."""
    place = folder / "small"
    again = Store.__new__(Store)
    again.kiln, again.tool, again.where, again.key = kiln, tool, str(place), store.key
    done = subprocess.run([kiln, "keys", "restore", "--store", place, "--key-file", store.key,
                           "--from", backup], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                          text=True, check=False, timeout=60, preexec_fn=small_files)
    refused(done)
    assert not list(folder.glob("small*")), list(folder.glob("small*"))
    refused(again.command("restore", "--key-file", store.key, "--from", backup, "--anchor",
                          backup), "File exists")
    assert not place.exists()
    again.ran("restore", "--key-file", store.key, "--from", backup)


def small_files():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))


def trims(again):
    """The writer's lines are of 1970; who has what stays."""
    def users():  # without what a state ends with, how many lines there are
        return {n: state.split()[:-1] for n, state in again.users(0, 10000).items()}
    before, had = again.check()["audit_lines"], users()
    refused(again.command("trim-audit", "--key-file", again.key), "--audit-days N", status=2)
    refused(again.command("trim-audit", "--key-file", again.key, "--audit-days", 0), "1 to 36500",
            status=2)
    said = again.ran("trim-audit", "--key-file", again.key, "--audit-days", 36500)
    assert said.startswith("0 lines older") and f"{before} lines stay" in said, said
    said = again.ran("trim-audit", "--key-file", again.key, "--audit-days", 1)
    assert said.startswith(f"{before} lines older than 1 days") and " 0 lines stay" in said, said
    assert again.check()["audit_lines"] == 0
    assert had and users() == had


def damaged(store, folder, backup):
    """A spot in each page: it is not well, and no store is made of it."""
    bad = folder / "bad"
    data = bytearray(backup.read_bytes())
    for at in range(PAGE // 2, len(data), PAGE):
        data[at:at + 64] = bytes(64)
    bad.write_bytes(data)
    bad.chmod(0o600)
    done = subprocess.run([kiln, "keys", "check", "--store", bad, "--key-file", store.key],
                          check=False, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60)
    assert done.returncode == 3 and "amaged" in done.stdout + done.stderr, done
    new = folder / "new"
    done = subprocess.run([kiln, "keys", "restore", "--store", new, "--key-file", store.key,
                           "--from", bad], check=False, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, timeout=60)
    refused(done, "damaged")
    assert not new.exists()


def run(folder, where, _):
    store = Store(kiln, tool, where, folder / "key")
    private(store.key, *([where] if kind == "sqlite" else []))
    keys(store, folder)
    backup, held = while_written(store, folder)
    again, anchor = restores(store, folder, backup, held)
    trims(again)
    anchors(again, folder, anchor)
    leftovers(store, folder, backup)
    no_room(store, folder, backup)
    moved_away(store, folder, backup)
    unsaid(store)
    flags_that_make_no_sense(store, folder)
    damaged(store, folder, backup)
    print(f"{kind}: a backup beside a writer has its {len(held)} users")


if __name__ == "__main__":
    sys.exit(each_kind(kind, run))
