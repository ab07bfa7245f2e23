"""Memory of processes and of the kernel.

Process: the sum of Pss over the proxy's processes (/proc/PID/smaps_rollup).
Kernel: what is neither free, nor page cache, nor anonymous memory of programs, by /proc/meminfo.
That holds sockets, kTLS contexts, io_uring's requests, page tables and everything else, so nothing
can hide; the slab part of it is kept beside it. The kernel's figure has both ends of both
connections in it; the session subtracts the same figure of the `direct` run, which has one
connection and no proxy.
"""

import pathlib
import re
import time

SETTLED = 0.002
POLL_SECONDS = 0.25


def _fields(path):
    text = pathlib.Path(path).read_text(encoding="ascii", errors="replace")
    return {k: int(v) for k, v in re.findall(r"^(\w+(?:\(\w+\))?):\s+(\d+) kB", text, re.M)}


def processes_kib(pids):
    return sum(_fields(f"/proc/{pid}/smaps_rollup").get("Pss", 0) for pid in pids)


def kernel_kib():
    info = _fields("/proc/meminfo")
    user = info["MemFree"] + info["Buffers"] + info["Cached"] + info["AnonPages"]
    return {"all": info["MemTotal"] - user, "slab": info["Slab"]}


def sample(pids):
    return {"process": processes_kib(pids), **kernel_kib()}


def settled(pids, seconds=20):
    """A sample once two in a row agree: the kernel frees some of its memory a little later."""
    deadline = time.monotonic() + seconds
    last = sample(pids)
    while True:
        time.sleep(POLL_SECONDS)
        now = sample(pids)
        if all(abs(now[k] - last[k]) <= SETTLED * now[k] for k in now):
            return now
        if time.monotonic() > deadline:
            return now
        last = now


def slab_caches():
    """{cache: KiB}; empty without the right to read it."""
    try:
        lines = pathlib.Path("/proc/slabinfo").read_text(encoding="ascii").splitlines()[2:]
    except OSError:
        return {}
    page = 4
    found = {}
    for line in lines:
        words = line.split()
        found[words[0]] = int(words[14]) * int(words[5]) * page
    return found


def grown(before, after, count, top=12):
    """The caches that grew most, in bytes per connection."""
    deltas = {k: (after[k] - before.get(k, 0)) * 1024 / count for k in after}
    names = sorted(deltas, key=deltas.get, reverse=True)[:top]
    return {k: round(deltas[k]) for k in names if deltas[k] >= 16}
