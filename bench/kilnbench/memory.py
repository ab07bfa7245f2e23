"""Memory of processes and of the kernel.

Process: the sum of Pss over the proxy's processes (/proc/PID/smaps_rollup).

Kernel: the slab caches (/proc/slabinfo: sockets, files, kTLS contexts, io_uring's requests ...),
kernel stacks, page tables and per-CPU memory (/proc/meminfo). Slab caches of file systems are
left out: they grow with whatever else the machine reads.
This sum has the client's and the backend's sockets in it; the summary subtracts the same sum of
the `direct` run, which has those two sockets and no proxy. As a check, what is neither free, nor
page cache, nor anonymous memory is recorded as `unattributed`: coarser, but it hides
nothing. Buffers that hold data are not in it: an idle connection has none.
"""

import os
import pathlib
import re
import time

# Only caches that the kernel never merges with others of the same object size.
FILE_SYSTEMS = re.compile(r"(?<!sock_)(?<!lsm_)inode_cache|_inode$|radix_tree_node|buffer_head|"
                          r"kernfs|jbd2")
SETTLED = 0.002
POLL_SECONDS = 0.25


def _fields(path):
    text = pathlib.Path(path).read_text(encoding="ascii", errors="replace")
    return {k: int(v) for k, v in re.findall(r"^(\w+(?:\(\w+\))?):\s+(\d+) kB", text, re.M)}


def processes_kib(pids):
    return sum(_fields(f"/proc/{pid}/smaps_rollup").get("Pss", 0) for pid in pids)


def slab_caches():
    """{cache: KiB}; empty without the right to read it."""
    try:
        lines = pathlib.Path("/proc/slabinfo").read_text(encoding="ascii").splitlines()[2:]
    except OSError:
        return {}
    page_kib = os.sysconf("SC_PAGE_SIZE") // 1024
    words = [line.split() for line in lines]
    return {w[0]: int(w[14]) * int(w[5]) * page_kib for w in words}


def kernel_kib():
    info = _fields("/proc/meminfo")
    caches = slab_caches()
    kept = sum(kib for name, kib in caches.items() if not FILE_SYSTEMS.search(name))
    others = sum(info.get(name, 0) for name in ("KernelStack", "PageTables", "Percpu"))
    users = info["MemFree"] + info["Buffers"] + info["Cached"] + info["AnonPages"]
    return {"kernel_gross": (kept if caches else info["Slab"]) + others,
            "unattributed_gross": info["MemTotal"] - users}


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


def grown(before, after, count, top=12):
    """The caches that grew most, in bytes per connection."""
    deltas = {k: (after[k] - before.get(k, 0)) * 1024 / count for k in after}
    names = sorted(deltas, key=deltas.get, reverse=True)[:top]
    return {k: round(deltas[k]) for k in names if deltas[k] >= 16}
