"""Starting, finding and ending the programs of a measurement."""

import ctypes
import os
import pathlib
import resource
import signal
import socket
import subprocess
import time

PR_SET_PDEATHSIG = 1
WANTED_FILES = 200000
_libc = ctypes.CDLL(None, use_errno=True)


class Failed(Exception):
    """A program did not do what it had to."""


def raise_file_limit():
    """For all that is started from here: root may go beyond the limit that it was given."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limit in (max(hard, WANTED_FILES), hard):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
            return limit
        except (ValueError, OSError):
            continue
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def _in_child(cpus):
    """Nothing outlives the benchmark."""
    def prepare():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if cpus:
            os.sched_setaffinity(0, cpus)
    return prepare


def start(command, cpus, **options):
    return subprocess.Popen(command, start_new_session=True, preexec_fn=_in_child(cpus),
                            **options)


def stop(process, grace=5.0):
    """Asks it to end, then ends it and all its children."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    process.wait()


def cpu_clock(pid):
    """The clock of a process's processor time: clock_getcpuclockid of the C library."""
    return ~pid << 3 | 2


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for_port(port, process, name, seconds=60):
    """Until something accepts on the port; the process must live that long."""
    deadline = time.monotonic() + seconds
    while True:
        if process.poll() is not None:
            raise Failed(f"{name} ended with status {process.returncode} instead of listening")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise Failed(f"{name} did not listen on port {port} within {seconds} s") from None
            time.sleep(0.05)


def _parents():
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                stat = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            except OSError:
                continue
            yield int(entry.name), int(stat.rsplit(")", 1)[1].split()[1])


def tree(root):
    """The process and all that descend from it: a proxy is its supervisor and its workers."""
    children = {}
    for pid, parent in _parents():
        children.setdefault(parent, []).append(pid)
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return sorted(found)
