"""Fetches Debian kernels and unpacks them into a cache; nothing is installed on the machine."""

import contextlib
import fcntl
import lzma
import os
import pathlib
import re
import shutil
import struct
import subprocess

from . import sources

FLAVOURS = ("stock", "backports", "newest")
META = "linux-image-amd64"
# Modules no test here needs; without them a kernel takes a third of the space.
UNUSED = ("sound", "drivers/gpu", "drivers/media", "drivers/infiniband", "drivers/scsi",
          "drivers/usb", "drivers/iio", "drivers/hid", "drivers/staging", "drivers/net/wireless",
          "drivers/net/ethernet", "drivers/input", "drivers/hwmon", "drivers/mtd", "drivers/md")


class Unavailable(Exception):
    """The rig cannot be set up on this machine; the text says why and what would help."""


def cache_dir():
    """The folder that keeps kernels; KILN_CACHE moves it."""
    env = os.environ
    base = env.get("KILN_CACHE") or os.path.join(
        env.get("XDG_CACHE_HOME") or os.path.join(env.get("HOME") or "/root", ".cache"), "kiln")
    path = pathlib.Path(base).absolute() / "vm"
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextlib.contextmanager
def locked(name):
    """One process at a time; the others wait for its result instead of doing the work twice."""
    with open(cache_dir() / f"{name}.lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class Kernel:
    """An unpacked kernel: `folder` holds version, image and lib/modules/<version>."""

    def __init__(self, folder):
        self.folder = folder
        self.version = (folder / "version").read_text(encoding="ascii").strip()
        self.image = folder / "image"
        self.modules = folder / "lib/modules" / self.version


def get(flavour, say, update=False):
    """The kernel of `flavour`, fetched on first use (or again when `update`)."""
    folder = cache_dir() / flavour
    if update or not (folder / "version").is_file():
        with locked(flavour):
            if update or not (folder / "version").is_file():
                _fetch(flavour, folder, say)
    return Kernel(folder)


def _run(command, **options):
    result = subprocess.run(command, capture_output=True, text=True, check=False,
                            env={**os.environ, "LC_ALL": "C"}, **options)
    if result.returncode:
        tail = "\n".join((result.stdout + result.stderr).strip().splitlines()[-8:])
        raise Unavailable(f"`{' '.join(map(str, command[:1]))} … {command[-1]}` failed:\n{tail}")
    return result.stdout


def _apt_config(work, flavour):
    text = sources.derive(flavour)
    if not text:
        raise Unavailable(
            f"no source for the {flavour} kernel: none of this machine's apt sources is for "
            f"{sources.codename() or 'this release'}, so there is none to derive it from")
    for part in ("state/lists/partial", "cache/archives/partial", "parts"):
        (work / part).mkdir(parents=True)
    (work / "parts/kernel.sources").write_text(text, encoding="utf-8")
    (work / "state/status").touch()
    options = {"Dir::State": work / "state", "Dir::State::status": work / "state/status",
               "Dir::Cache": work / "cache", "Dir::Etc::sourcelist": "/dev/null",
               "Dir::Etc::sourceparts": work / "parts", "Dir::Etc::preferences": "/dev/null",
               "Dir::Etc::preferencesparts": "/dev/null", "APT::Sandbox::User": "root",
               "APT::Update::Error-Mode": "any", "Acquire::Languages": "none",
               "APT::Update::Post-Invoke-Success": "", "APT::Update::Post-Invoke": "",
               "APT::Architecture": "amd64", "Acquire::Retries": "3"}
    return [word for key, value in options.items() for word in ("-o", f"{key}={value}")]


def _depends(config, package):
    text = _run(["apt-cache", *config, "depends", "--important", package])
    return re.findall(r"^\s*\|?(?:Pre)?Depends: (\S+)", text, re.M)


def _packages(config):
    """The packages that hold the image and its modules; newer suites split them in several."""
    image = [p for p in _depends(config, META) if p.startswith("linux-image-")]
    if not image:
        raise Unavailable(f"{META} names no kernel package in that suite")
    return image[:1] + [p for p in _depends(config, image[0])
                        if re.match(r"linux-(base|binary|modules)-\d", p)]


def _fetch(flavour, folder, say):
    for tool in ("apt-get", "dpkg-deb", "depmod"):
        if not shutil.which(tool, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            raise Unavailable(f"{tool} is missing; `./bootstrap deps` installs what is needed")
    work = folder.with_name(f"{flavour}.new")
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    try:
        config = _apt_config(work, flavour)
        say(f"fetching Debian's package lists for the {flavour} kernel …")
        _run(["apt-get", *config, "-qq", "update"])
        packages = _packages(config)
        say(f"fetching Debian's kernel package {packages[0]} …")
        _run(["apt-get", *config, "-qq", "download", *packages], cwd=work)
        _unpack(work)
        shutil.rmtree(folder, ignore_errors=True)
        work.rename(folder)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _unpack(work):
    tree = work / "tree"
    for package in sorted(work.glob("*.deb")):
        _run(["dpkg-deb", "-x", package, tree])
    found = [p for top in ("lib", "usr/lib") for p in (tree / top / "modules").glob("*")
             if (p / "kernel").is_dir()]
    if len(found) != 1:
        raise Unavailable("the kernel packages have no folder of modules where it is expected")
    modules = found[0]
    version = modules.name
    for part in UNUSED:
        shutil.rmtree(modules / "kernel" / part, ignore_errors=True)
    images = [tree / f"boot/vmlinuz-{version}", modules / "vmlinuz"]
    image = next((p for p in images if p.is_file()), None)
    if not image:
        raise Unavailable(f"the kernel packages hold no vmlinuz-{version}")
    (work / "image").write_bytes(_uncompressed(image.read_bytes()))
    (work / "lib/modules").mkdir(parents=True)
    modules.rename(work / "lib/modules" / version)
    _run(["/sbin/depmod", "-b", work, version])
    for left in (tree, work / "state", work / "cache", work / "parts"):
        shutil.rmtree(left)
    for package in work.glob("*.deb"):
        package.unlink()
    (work / "version").write_text(version, encoding="ascii")


def _uncompressed(bzimage):
    """The ELF image inside a bzImage, which QEMU boots directly (PVH).

    Emulated, unpacking inside the guest takes a third of the whole boot. Where the payload's
    format is not known here the bzImage itself is returned: it boots as well, only slower.
    """
    if bzimage[0x202:0x206] != b"HdrS":
        return bzimage
    offset, length = struct.unpack_from("<II", bzimage, 0x248)
    start = (bzimage[0x1f1] + 1) * 512 + offset
    payload = bzimage[start:start + length]
    elf = b""
    if payload[:4] == b"\xfd7zX":
        elf = lzma.LZMADecompressor().decompress(payload)
    elif payload[:4] == b"\x28\xb5\x2f\xfd" and shutil.which("zstd"):
        elf = subprocess.run(["zstd", "-dcq"], input=payload, capture_output=True,
                             check=False).stdout
    return elf if elf[:4] == b"\x7fELF" else bzimage
