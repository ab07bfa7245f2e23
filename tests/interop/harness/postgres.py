#!/usr/bin/env python3
"""A real PostgreSQL server of our own, in a temporary directory, on a Unix socket only.

As a program: runs a command with $KILN_TEST_POSTGRESQL, the name of a file with the connection
string of an empty database. Ends with 77 where PostgreSQL is not installed.

usage: postgres.py COMMAND [ARGUMENT...]
"""

import contextlib
import ctypes
import glob
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile


def binaries():
    """The folder of initdb and postgres; None where there is none."""
    found = shutil.which("initdb")
    if found:
        return pathlib.Path(found).resolve().parent
    folders = sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"),
                     key=lambda p: int(p.split("/")[4]) if p.split("/")[4].isdigit() else 0)
    return pathlib.Path(folders[-1]).parent if folders else None


def why_not():
    """Why there can be no server here; None when there can."""
    if binaries() is None:
        return "PostgreSQL's server is not installed"
    if os.geteuid() == 0 and user() is None:
        return "this is root, PostgreSQL refuses that, and there is no user postgres or nobody"
    return None


def user():
    """PostgreSQL does not run as root."""
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    return None


def memory():
    """Where its files are. What a killed process wrote stays with the kernel, wherever it lies: a
    disk adds the time of fsync, and no case that memory has not. None: in the usual place."""
    folder = "/dev/shm"
    if not os.path.ismount(folder) or not os.access(folder, os.W_OK):
        return None
    return folder if shutil.disk_usage(folder).free > 1 << 30 else None


PR_SET_CHILD_SUBREAPER = 36


def adopt_orphans():
    """The server's processes become ours when it is killed. In a container there may be nobody else
    who collects them, and a process that is not collected is one that runs, to PostgreSQL."""
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


class Postgres:
    """Started by start(), or by `with`; its data stay until remove()."""

    def __init__(self):
        adopt_orphans()
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="kiln-pg.", dir=memory()))
        self.who = user() if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())
        self.folder.chmod(0o711)
        self.data = self.folder / "data"
        self.sockets = self.folder / "s"
        for path in (self.data, self.sockets):
            path.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(path, self.who.pw_uid, self.who.pw_gid)
        self.settings = self.folder / "connection"
        self.settings.write_text(f"host={self.sockets} dbname=postgres user=kiln\n")
        self.settings.chmod(0o600)
        self.run("initdb", "-D", self.data, "-U", "kiln", "-A", "trust", "--data-checksums",
                 "-E", "UTF8", "--no-locale")

    def run(self, program, *arguments, check=True):
        as_user = {"user": self.who.pw_uid, "group": self.who.pw_gid, "extra_groups": []} \
            if os.geteuid() == 0 else {}
        with open(self.folder / f"{program}.out", "ab") as out:
            done = subprocess.run([binaries() / program, *map(str, arguments)], cwd="/",
                                  stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                  timeout=120, check=False, **as_user)
        if check and done.returncode != 0:
            log = self.data / "log"
            raise RuntimeError(f"{program}: {(self.folder / f'{program}.out').read_text()[-2000:]}"
                               f"{log.read_text()[-2000:] if log.exists() else ''}")

    def start(self):
        self.run("pg_ctl", "-D", self.data, "-w", "-t", "60", "-l", self.data / "log", "-o",
                 f"-k {self.sockets} -c listen_addresses= -c shared_buffers=64MB", "start")

    def pid(self):
        return int((self.data / "postmaster.pid").read_text().split()[0])

    def stop(self, mode="fast"):
        self.run("pg_ctl", "-D", self.data, "-w", "-m", mode, "stop", check=False)

    def kill_all(self):
        """-9 for the server and all of its processes, as a power cut has it."""
        pid = self.pid()
        os.kill(pid, signal.SIGSTOP)  # so that it starts no others
        children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        for one in [pid, *map(int, children)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGKILL)
        for one in [pid, *map(int, children)]:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(one, 0)

    def remove(self):
        self.stop("immediate")
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.remove()


def main():
    missing = why_not()
    if missing:
        print(f"skipped: {missing}")
        return 77
    with Postgres() as server:
        environment = dict(os.environ, KILN_TEST_POSTGRESQL=str(server.settings))
        return subprocess.run(sys.argv[1:], env=environment, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
