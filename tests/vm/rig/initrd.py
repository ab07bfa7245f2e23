"""Builds the guest's initramfs: busybox, the modules that reach the host's root, and the job."""

import gzip
import hashlib
import lzma
import os
import pathlib
import re
import shlex
import stat
import subprocess

from .kernel import Unavailable

HERE = pathlib.Path(__file__).resolve().parent
# In this order; modprobe adds what each needs. The last line saves a modprobe over 9p later.
MODULES = ("virtio_pci", "9pnet_virtio", "9p", "virtio_console",
           "virtio_rng", "aesni_intel", "tls")


def _cpio(entries):
    """A newc archive of (name, mode, bytes)."""
    out = bytearray()
    for inode, (name, mode, data) in enumerate([*entries, ("TRAILER!!!", 0, b"")], 1):
        raw = name.encode() + b"\0"
        fields = (inode, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(raw), 0)
        out += b"070701" + b"".join(b"%08X" % f for f in fields) + raw
        out += b"\0" * (-len(out) % 4) + data
        out += b"\0" * (-len(out) % 4)
    return bytes(out)


def _module_files(kernel):
    files = []
    for module in MODULES:
        shown = subprocess.run(
            ["/sbin/modprobe", "-C", "/dev/null", "-d", kernel.folder, "-S", kernel.version, "--show-depends",
             module], capture_output=True, text=True, check=False)
        if shown.returncode:
            raise Unavailable(f"kernel {kernel.version} has no module {module}: "
                              f"{shown.stderr.strip()}")
        for line in shown.stdout.splitlines():
            found = re.match(r"insmod (.*\.ko(?:\.\w+)?)", line)
            if found and pathlib.Path(found[1]) not in files:
                files.append(pathlib.Path(found[1]))
    return files


def _module_bytes(file):
    data = file.read_bytes()
    return lzma.decompress(data) if file.suffix == ".xz" else data


def base(kernel):
    """The part that is the same for every run of this kernel; kept beside it."""
    busybox = pathlib.Path("/bin/busybox")
    if not busybox.is_file():
        raise Unavailable("busybox is missing; `./bootstrap deps` installs what is needed")
    init = (HERE / "init.sh").read_bytes()
    key = hashlib.sha256(b"\0".join([init, busybox.read_bytes(), repr(MODULES).encode()]))
    file = kernel.folder / f"initrd-{key.hexdigest()[:16]}.gz"
    if file.is_file():
        return file.read_bytes()
    folder, program = stat.S_IFDIR | 0o755, stat.S_IFREG | 0o755
    entries = [(name, folder, b"") for name in ("bin", "mods", "proc", "sys", "dev", "root")]
    entries += [("bin/busybox", program, busybox.read_bytes()), ("init", program, init)]
    for number, module in enumerate(_module_files(kernel)):
        name = module.name.removesuffix(".xz")
        entries.append((f"mods/{number:03d}-{name}", program, _module_bytes(module)))
    data = gzip.compress(_cpio(entries), 1)
    fresh = file.with_suffix(f".{os.getpid()}")
    fresh.write_bytes(data)
    fresh.rename(file)
    return data


def job(command, env, settings):
    """The part of one run: what to do, as shell assignments, and the script that does it."""
    lines = [f"job_{name}={shlex.quote(str(value))}" for name, value in settings.items()]
    lines += [f"export {name}={shlex.quote(value)}" for name, value in env.items()]
    lines.append("set -- " + " ".join(map(shlex.quote, command)))
    text = "\n".join(lines) + "\n"
    return _cpio([("job", stat.S_IFREG | 0o600, text.encode("utf-8", "surrogateescape")),
                  ("guest.sh", stat.S_IFREG | 0o644, (HERE / "guest.sh").read_bytes())])


def build(kernel, command, env, settings):
    """The whole initramfs; the kernel unpacks archives that follow each other."""
    first = base(kernel)
    return first + b"\0" * (-len(first) % 4) + job(command, env, settings)
