"""The first commands of docs/operations.md, "The key server", as they stand there, on a machine that has
none of it: users, folders and a port in namespaces of their own.

  an empty /var/lib, /run, /etc/kiln -> useradd, install, kiln keys init, kiln keys serve, kiln server
"""

import os
import pathlib
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import unittest

from harness import settings
from harness.case import main
from harness.keys import private
from harness.settings import key, pem, wait_until

ROOMS = """set -e
mount --make-rprivate /
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work"
mount -t overlay -o lowerdir=/etc,upperdir="$1/upper",workdir="$1/work" overlay /etc
mount -t tmpfs -o mode=755 tmpfs /run
mount -t tmpfs -o mode=755 tmpfs /var/lib
rm -rf /etc/kiln
sed -i -E '/^kiln(-keys)?:/d' /etc/passwd /etc/group /etc/shadow /etc/gshadow
ip link set lo up
cd "$2"
echo ready
exec cat
"""


def why_not():
    if os.geteuid() != 0:
        return "namespaces and users need root"
    missing = [name for name in ("unshare", "nsenter", "useradd", "ip") if not shutil.which(name)]
    if missing:
        return f"no {missing[0]}"
    with open("/proc/filesystems", encoding="ascii") as known:
        return None if "\toverlay\n" in known.read() else "this kernel has no overlay file system"


def block():
    """The commands, each in one piece."""
    page = (settings.TOP / "docs/operations.md").read_text(encoding="utf-8")
    section = page.partition("\n## The key server\n")[2]
    lines = re.search(r"\n\n((?:    .*\n)+)", section).group(1)
    return [c.strip() for c in lines.replace("\\\n", " ").splitlines()]


@unittest.skipIf(why_not(), why_not())
class FromNothing(unittest.TestCase):
    def setUp(self):
        self.folder = self.temporary()
        for name in (pem("server"), key("server")):
            shutil.copy(name, f"{self.folder}/{pathlib.Path(name).name}")
        self.rooms = subprocess.Popen(
            ["unshare", "-mn", "bash", "-c", ROOMS, "rooms", self.temporary(), self.folder],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.addCleanup(self.end, self.rooms)
        self.assertEqual(self.rooms.stdout.readline(), b"ready\n")
        self.enter = ["nsenter", "-t", str(self.rooms.pid), "-m", "-n", f"-w{self.folder}", "--"]
        self.env = {**os.environ,
                    "PATH": f"{pathlib.Path(settings.KILN).parent}:{os.environ['PATH']}"}

    def temporary(self):
        folder = tempfile.TemporaryDirectory(prefix="kiln-")
        self.addCleanup(folder.cleanup)
        return folder.name

    def end(self, process):
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()

    def ran(self, *command):
        """What it says; it must succeed."""
        done = subprocess.run([*self.enter, *command], env=self.env, capture_output=True, text=True,
                              check=False, timeout=settings.PATIENCE)
        self.assertEqual(done.returncode, 0, f"{command}: {done.stdout}{done.stderr}")
        return done.stdout

    def serve(self, command):
        """One that runs on, until it is ready."""
        log = tempfile.NamedTemporaryFile("r+")
        self.addCleanup(log.close)
        process = subprocess.Popen([*self.enter, "sh", "-c", f"exec {command}"], env=self.env,
                                   stdin=subprocess.DEVNULL, stderr=log)
        self.addCleanup(self.end, process)

        def text():
            log.seek(0)
            return log.read()

        wait_until(f"{command} to be ready",
                   lambda: "event=ready " in text() or process.poll() is not None)
        self.assertIsNone(process.poll(), text())
        process.text = text
        return process

    def kiln(self, command, *flags):
        where = ("--server", "localhost:8443", "--cacert", pem("ca"), "--account", "me@example.org",
                 "--password-file", private(f"{self.folder}/password", b"correct horse"))
        return self.ran("kiln", "keys", command, *where, *flags)

    def owner(self, path):
        """User and mode, in there."""
        name, mode = self.ran("stat", "-c", "%U %a", path).split()
        return name, int(mode, 8)

    def ids(self, process):
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text(encoding="ascii")
        return {name: [int(n) for n in values.split()] for name, values in
                re.findall(r"^(Uid|Gid|Groups):(.*)$", status, re.M)}

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(process.wait(settings.PATIENCE), 0, process.text())

    def test_the_first_block(self):
        commands = block()
        self.assertEqual([c.partition(" -")[0] for c in commands[-3:]],
                         ["kiln keys init", "kiln keys serve", "kiln server"])
        for command in commands[:-2]:
            self.ran("sh", "-c", command)
        self.assertEqual(self.owner("/var/lib/kiln/keys.db"), ("kiln-keys", 0o600))
        self.assertEqual(self.owner("/etc/kiln/keys.key"), ("root", 0o600))
        server = self.serve(commands[-2])
        self.serve(commands[-1])
        self.assertIn("Registered.", self.kiln("register"))
        self.is_nobody_else(server)
        # The next one finds what this one left.
        self.stop(server)
        again = self.serve(commands[-2])
        self.assertIn("The password is right", self.kiln("login-test"))
        self.is_nobody_else(again)
        self.stop(again)
        self.tokens(commands[-2])

    def is_nobody_else(self, process):
        """Not root by any of the four ids, and in no group but its own."""
        uid, gid = map(int, self.ran("sh", "-c", "id -u kiln-keys; id -g kiln-keys").split())
        self.assertNotEqual(uid, 0)
        self.assertEqual(self.ids(process), {"Uid": [uid] * 4, "Gid": [gid] * 4, "Groups": [gid]})

    def tokens(self, serve):
        """The commands for tokens, too, and the server's user can read what they leave."""
        page = (settings.TOP / "docs/operations.md").read_text(encoding="utf-8")
        lines = re.search(r"^ +install .*/tokens\n +kiln keys token .*\n", page, re.M).group(0)
        self.ran("sh", "-ec", lines)
        server = self.serve(serve.replace("--registration open", "--registration token") +
                            " --tokens /var/lib/kiln/tokens")
        self.assertRegex(server.text(), r"event=tokens .*added=3")
        mode = stat.S_IMODE(os.stat(f"/proc/{self.rooms.pid}/root/var/lib/kiln/tokens").st_mode)
        self.assertEqual(mode, 0o600)
        self.stop(server)


if __name__ == "__main__":
    main()
