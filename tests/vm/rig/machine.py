"""Boots a kernel in QEMU, runs one command inside, and relays its output and its exit status."""

import contextlib
import ctypes
import fcntl
import os
import pathlib
import re
import secrets
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import time
import tty

from . import initrd
from .kernel import cache_dir

TIMED_OUT, RIG_FAILED, KERNEL_DIED = 124, 125, 123
BOOT_SECONDS = 180  # emulated on a busy machine; a boot takes about five
ESCAPE = b"\x1d"  # Ctrl-] ends a terminal session whatever the guest does
# QEMU's `max` emulates 57-bit addresses, which costs time and nothing here wants. What counted
# mode hides beside it: string moves, which cost one instruction a byte only under emulation.
TCG_CPU = "max,-la57"
COUNTED_CPU = "max,-la57,-erms,-fsrm"
# Emulated processors share one TSC, which the kernel cannot know; reading the HPET instead costs
# six times as much. Clearing every new page costs a third of a process's start. Counted mode does
# without both: its figures are those of the kernel's own choices.
TCG_WORDS = "tsc=reliable init_on_alloc=0"
# The kernel panics when ten timer interrupts do not come in the time that it counts itself, as
# happens on a busy machine; QEMU's timer needs no such proof.
ALWAYS_WORDS = ("console=ttyS0 loglevel=5 panic=-1 oops=panic mitigations=off cryptomgr.notests "
                "no_timer_check")


class Failure(Exception):
    """The command's own status is not known: `status` is what the rig exits with instead."""

    def __init__(self, status, text, console=(), panic=False):
        super().__init__(text)
        self.status = status
        self.panic = panic
        self.console = list(console)


class Guest:
    """One boot. Options: kernel, command, accel, counted, smp, mem, timeout, env, tty, stdin."""

    def __init__(self, options):
        self.options = options
        self.boot_seconds = getattr(options, "boot_seconds", BOOT_SECONDS)
        self.up = False
        self.status = None
        self.control = b""
        self.token = f"\x1ekiln-{secrets.token_hex(16)}\x1e"
        self.ends = {}
        self.folder = None

    def run(self):
        """The command's exit status; Failure where there is none."""
        with contextlib.ExitStack() as stack:
            remove_stale_folders()
            self.folder = pathlib.Path(tempfile.mkdtemp(prefix="run-", dir=cache_dir()))
            stack.callback(shutil.rmtree, self.folder, ignore_errors=True)
            stack.enter_context(held(self.folder))
            (self.folder / "console").touch()
            process = stack.enter_context(self._start())
            stack.callback(process.wait)
            stack.callback(process.kill)
            if self.options.tty:
                stack.enter_context(raw_terminal())
            self._relay(process)
            complaints = [line for line in self.console()
                          if re.search(r"WARNING: |BUG: |INFO: task .* blocked|stall", line)]
            if complaints:
                report(Failure(self.status, "the guest's kernel complained", complaints))
            return self.status

    def _start(self):
        theirs = {}
        for name in ["out", "err", "ctl"] + ["tty"] * self.options.tty:
            self.ends[name], theirs[name] = socket.socketpair()
        ports = {name: f"socket,fd={end.fileno()}" for name, end in theirs.items()}
        stdin = subprocess.DEVNULL
        if self.options.stdin:
            # A pipe: QEMU drops what it has not read yet when the other end of a socket closes.
            ports["in"], stdin = "stdio,signal=off", subprocess.PIPE
        (self.folder / "initrd").write_bytes(self._initrd())
        process = subprocess.Popen(
            self._qemu(ports), stdin=stdin, stdout=subprocess.DEVNULL,
            stderr=open(self.folder / "qemu", "wb"), cwd=self.folder, start_new_session=True,
            pass_fds=[end.fileno() for end in theirs.values()], preexec_fn=die_with_parent)
        for end in theirs.values():
            end.close()
        if process.stdin:
            self.ends["in"] = process.stdin
        return process

    def _initrd(self):
        options = self.options
        size = shutil.get_terminal_size()
        settings = {"token": self.token, "folder": os.getcwd(), "kernel": options.kernel.folder,
                    "tty": int(options.tty), "stdin": int(options.stdin),
                    "rows": size.lines, "cols": size.columns}
        return initrd.build(options.kernel, options.command, options.env, settings)

    def _qemu(self, ports):
        options = self.options
        cpu = "host" if options.accel == "kvm" else TCG_CPU
        command = ["qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none",
                   "-no-reboot", "-machine", "q35,vmport=off,hpet=on",
                   "-smp", str(1 if options.counted else options.smp), "-m", str(options.mem),
                   "-kernel", str(options.kernel.image),
                   "-initrd", "initrd", "-serial", "file:console",
                   "-append", self._kernel_words(),
                   "-virtfs", "local,path=/,mount_tag=rootfs,security_model=none,multidevs=remap",
                   "-device", "virtio-serial-pci"]
        for name, chardev in ports.items():
            kind = "virtconsole" if name == "tty" else f"virtserialport,name={name}"
            command += ["-chardev", f"{chardev},id={name}", "-device", f"{kind},chardev={name}"]
        if options.counted:
            now = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
            return command + ["-accel", "tcg", "-cpu", COUNTED_CPU,
                              "-icount", "shift=0,sleep=off,align=off",
                              "-rtc", f"base={now},clock=vm"]
        return command + ["-accel", options.accel, "-cpu", cpu, "-rtc", "base=utc",
                          "-device", "virtio-rng-pci"]

    def _kernel_words(self):
        words = ALWAYS_WORDS
        if self.options.accel == "tcg" and not self.options.counted:
            words += f" {TCG_WORDS}"
        return f"{words} {self.options.append}"

    def _relay(self, process):
        started = time.monotonic()
        outputs = {"out": Output(1, self.token.encode()),
                   "err": Output(2, self.token.encode())}
        with selectors.PollSelector() as selector:
            for name, end in self.ends.items():
                if name != "in":
                    selector.register(end, selectors.EVENT_READ, name)
            if self.options.stdin or self.options.tty:
                threading.Thread(target=self._forward_input, daemon=True).start()
            while self.status is None or not all(o.ended for o in outputs.values()):
                limit = started + (self.options.timeout if self.up else self.boot_seconds)
                if time.monotonic() > limit:
                    raise self._late()
                for key, _ in selector.select(min(1, max(0, limit - time.monotonic()))):
                    data = receive(key.fileobj)
                    if not data:
                        selector.unregister(key.fileobj)
                    elif key.data == "ctl":
                        started = self._heard(data) or started
                    elif key.data == "tty":
                        write_all(1, data)
                    else:
                        outputs[key.data].take(data)
                if process.poll() is not None and self.status is None and quiet(selector):
                    raise self._died(process)

    def _heard(self, data):
        """Reads the control port; returns the time the guest came up, when it just did."""
        self.control += data
        came_up = None
        while b"\n" in self.control:
            line, self.control = self.control.split(b"\n", 1)
            word, _, value = line.decode().partition(" ")
            if word == "up":
                self.up = True
                came_up = time.monotonic()
            elif word == "exit":
                self.status = int(value)
        return came_up

    def _forward_input(self):
        """A thread of its own: a guest that does not read must not stop its own output."""
        fd = self.ends["tty" if self.options.tty else "in"].fileno()
        while data := os.read(0, 65536):
            if self.options.tty and ESCAPE in data:
                signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
                return
            try:
                write_all(fd, data)
            except OSError:
                return
        if not self.options.tty:
            self.ends["in"].close()

    def console(self):
        """What the kernel wrote, without the boot loader's escape sequences."""
        text = (self.folder / "console").read_text(encoding="utf-8", errors="replace")
        return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x1bc", "", text)
                .splitlines() if line.strip()]

    def _late(self):
        if not self.up:
            return Failure(RIG_FAILED, f"the VM did not boot within {self.boot_seconds} s",
                           self.console())
        return Failure(TIMED_OUT, f"timed out: not done after {self.options.timeout:g} s "
                                  "(--timeout)", self.console())

    def _died(self, process):
        console = self.console()
        panics = [i for i, line in enumerate(console) if "Kernel panic" in line]
        if panics:
            start = next((i for i, line in enumerate(console) if "cut here" in line
                          or "BUG:" in line or "Oops:" in line), panics[0])
            return Failure(KERNEL_DIED if self.up else RIG_FAILED,
                           ("" if self.up else "the VM did not boot: ") + "the kernel panicked",
                           console[start:], True)
        qemu = (self.folder / "qemu").read_text(encoding="utf-8", errors="replace").strip()
        text = "the VM ended before the command did" if self.up else "the VM did not boot"
        return Failure(KERNEL_DIED if self.up else RIG_FAILED,
                       f"{text} (QEMU's status {process.returncode})"
                       + (f": {qemu}" if qemu else ""), console)


class Output:
    """One output stream; holds back what may be the start of the token that ends it."""

    def __init__(self, fd, token):
        self.fd = fd
        self.token = token
        self.held = b""
        self.ended = False

    def take(self, data):
        if self.ended:
            return
        self.held += data
        at = self.held.find(self.token)
        if at >= 0:
            self.ended = True
            write_all(self.fd, self.held[:at])
            return
        keep = next((n for n in range(min(len(self.token) - 1, len(self.held)), 0, -1)
                     if self.held.endswith(self.token[:n])), 0)
        write_all(self.fd, self.held[:len(self.held) - keep])
        self.held = self.held[len(self.held) - keep:]


def write_all(fd, data):
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view):]


def receive(end):
    try:
        return end.recv(1 << 16)
    except ConnectionResetError:
        return b""


def quiet(selector):
    """True when nothing is left to read from a QEMU that has ended."""
    return not selector.get_map() or not selector.select(0)


@contextlib.contextmanager
def held(folder):
    """Marks a folder as in use for as long as this process lives."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(fd)


def remove_stale_folders():
    """What a killed runner could not remove itself."""
    for folder in cache_dir().glob("run-*"):
        with contextlib.suppress(OSError):
            if time.time() - folder.stat().st_mtime > 60:
                with held(folder):
                    shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def raw_terminal():
    before = termios.tcgetattr(0)
    tty.setraw(0)
    try:
        yield
    finally:
        termios.tcsetattr(0, termios.TCSADRAIN, before)


def die_with_parent():
    """A killed runner must not leave its VM behind."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def report(failure):
    """Shows why there is no status, with the kernel's last words."""
    print(f"tests/vm/run: {failure}", file=sys.stderr)
    if failure.console:
        log = cache_dir() / "last-console.log"
        log.write_text("\n".join(failure.console) + "\n", encoding="utf-8")
        # A panic's report starts at its cause; anything else is told by the last lines.
        shown = failure.console[:40] if failure.panic else failure.console[-20:]
        print(f"tests/vm/run: from the console ({log}):", file=sys.stderr)
        for line in shown:
            print(f"    {line}", file=sys.stderr)
