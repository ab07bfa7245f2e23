"""Decides once per machine and kernel whether KVM really boots it; emulation works everywhere."""

import argparse
import hashlib
import os
import pathlib
import re

from . import machine
from .kernel import cache_dir, locked

TRIAL_SECONDS = 40


def choose(options, say):
    """`kvm` or `tcg`. Counted mode exists only under emulation."""
    if options.counted:
        return "tcg"
    if options.accel != "auto":
        return options.accel
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return "tcg"
    with locked("accel"):
        verdict = cache_dir() / f"accel-{_key(options.kernel)}"
        if not verdict.is_file():
            say("trying once whether KVM boots this kernel …")
            verdict.write_text("kvm" if _boots(options.kernel) else "tcg", encoding="ascii")
        return verdict.read_text(encoding="ascii")


def _key(kernel):
    cpu = re.search(r"^model name.*", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"),
                    re.M)
    parts = (kernel.version, os.uname().release, cpu[0] if cpu else "")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _boots(kernel):
    options = argparse.Namespace(kernel=kernel, command=["true"], accel="kvm", counted=False,
                                 smp=2, mem=1024, timeout=TRIAL_SECONDS, env={}, tty=False,
                                 stdin=False, append="", boot_seconds=TRIAL_SECONDS)
    try:
        return machine.Guest(options).run() == 0
    except machine.Failure:
        return False
