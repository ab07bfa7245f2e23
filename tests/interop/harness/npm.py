"""Packages of npm for tests: fetched once, kept outside of the tree."""

import fcntl
import os
import pathlib
import shutil
import subprocess
import tempfile

CACHE = pathlib.Path(
    os.environ.get("KILN_CACHE") or
    pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "kiln")


class Missing(Exception):
    """Why the packages cannot be had here."""


def folder_of(name, *packages):
    """A folder with these packages (NAME@VERSION) in its node_modules; Missing says why not."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Missing(f"{program} is not installed: `./bootstrap deps test` does it")
    base = CACHE / "npm"
    base.mkdir(parents=True, exist_ok=True)
    target = base / name
    with open(base / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            _fetch(target, packages)
    return target


def _fetch(target, packages):
    """Whole, or not at all. No package runs anything of its own while it is installed."""
    fresh = tempfile.mkdtemp(prefix=target.name + ".", dir=target.parent)
    try:
        run = subprocess.run(
            ["npm", "install", "--prefix", fresh, "--no-save", "--no-package-lock", "--no-audit",
             "--no-fund", "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=30000",
             *packages],
            cwd=fresh, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        if run.returncode:
            raise Missing(f"npm cannot fetch {' '.join(packages)}: {run.stderr.strip()[-300:]}")
        os.rename(fresh, target)
    except subprocess.TimeoutExpired:
        raise Missing(f"npm could not fetch {' '.join(packages)} in 5 minutes") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
