"""Many at the key server: connections of one source, descriptors that are short, logins that are too
many, and the owner among them."""

import contextlib
import os
import resource
import select
import socket
import stat
import struct
import subprocess
import time
from pathlib import Path

from harness import settings
from harness.case import main
from harness.gateway import address, descriptors
from harness.keys import User
from harness.sockets import client_context, connect, receive_exactly
from keys_case import KeysTest
from proxy import SIGNATURE

BUSY, LIMITED, UNKNOWN_SESSION = 17, 5, 15


def frame(kind, body):
    rest = bytes([kind]) + os.urandom(16) + bytes(8) + body
    return struct.pack("!I", len(rest)) + rest


# What no session waits for, and an attempt to log in.
STRAY = frame(0x42, b"\x02" + bytes(32) + bytes(32))


def login_start(name):
    return frame(0x04, b"\x01" + bytes([len(name)]) + name + b"\0" + bytes(96))


class Guest:
    """A connection that speaks TLS, from an address of its own."""

    def __init__(self, gate, source="127.0.0.1", header=b""):
        self.sock = socket.create_connection(address(gate.listen), settings.PATIENCE, (source, 0))
        try:
            self.sock.sendall(header)
            context = client_context(alpn=["kiln-keys/1"])
            self.sock = context.wrap_socket(self.sock, server_hostname="localhost")
        except BaseException:
            self.sock.close()
            raise

    def close(self):
        self.sock.close()

    def ask(self, data):
        """The error code that is answered."""
        with contextlib.suppress(OSError):  # who is refused may find it closed
            self.sock.sendall(data)
        return self.error()

    def error(self):
        length, kind = struct.unpack("!IB", receive_exactly(self.sock, 5))
        body = receive_exactly(self.sock, length - 1)[24:]
        assert kind == 0x08, kind
        return struct.unpack_from("!H", body)[0]

    def is_in(self):
        return {UNKNOWN_SESSION: True, BUSY: False}[self.ask(STRAY)]


class CrowdTest(KeysTest):
    def guest(self, gate=None, **options):
        guest = Guest(gate or self.gate, **options)
        self.addCleanup(guest.close)
        return guest


class Sources(CrowdTest):
    flags = ("--max-connections", "30", "--max-connections-per-source", "3")

    def test_one_of_many(self):
        here = [self.guest() for _ in range(3)]
        self.assertTrue(all(g.is_in() for g in here))
        self.assertFalse(self.guest().is_in())
        self.keys.wait_event("source_limit", source="127.0.0.1", connections=3)
        self.assertEqual(self.keys.counters()["connections_refused"], 1)
        self.assertTrue(self.guest(source="127.0.0.2").is_in())
        # One goes, one comes.
        here.pop().close()
        self.keys.settle(3)
        self.assertTrue(self.guest().is_in())
        self.assertFalse(self.guest().is_in())

    def test_behind_a_load_balancer(self):
        gate = self.gateway("--accept-proxy-protocol")

        def from_v6(text):
            return self.guest(gate, header=proxy_header(text)).is_in()

        self.assertEqual([from_v6(f"2001:db8::{i}") for i in range(1, 5)], [True] * 3 + [False])
        self.keys.wait_event("source_limit", source="2001:db8::4")
        self.assertTrue(from_v6("2001:db8:0:1::1"))

    def test_what_there_is_by_default(self):
        for flags, most, each in (((), None, None), (("--max-connections", "400"), 400, 100),
                                  (("--max-connections", "40"), 40, 16)):
            self.flags = flags
            self.replace()
            most = most or self.keys.ready["max_connections"]
            self.assertEqual((self.keys.ready["max_connections"], self.keys.ready["max_per_source"]),
                             (most, each or most // 4))


class Logins(CrowdTest):
    flags = ("--limit", "source=1,1h,1h,1h", "--login-timeout", "1s", "--idle-timeout", "10m")

    def test_too_many_have_no_idle_time(self):
        self.guest().ask(login_start(b"somebody"))
        late = self.guest()
        self.assertEqual(late.ask(login_start(b"somebody")), LIMITED)
        # Also who goes on asking.
        with contextlib.suppress(OSError):
            self.assertEqual(late.ask(login_start(b"somebody")), LIMITED)
        with contextlib.suppress(OSError):
            self.assertEqual(late.sock.recv(1), b"")
        self.keys.wait_event("keys_conn", close="no_session")


def proxy_header(source):
    body = socket.inet_pton(socket.AF_INET6, source) + bytes(16) + struct.pack("!HH", 1, 2)
    return SIGNATURE + b"\x21\x21" + struct.pack("!H", len(body)) + body


def pump(one, other):
    """Bytes both ways, until one of the two has ended."""
    while True:
        for sock in select.select([one, other], [], [])[0]:
            data = sock.recv(1 << 16)
            if not data:
                return
            (other if sock is one else one).sendall(data)


class Devices(CrowdTest):
    """An owner whose account strangers guess at, behind a load balancer that says who comes."""

    flags = ()
    account = b"me@example.org"

    def setUp(self):
        super().setUp()
        self.gate = self.gateway("--accept-proxy-protocol")

    def at(self, source, state="mine"):
        """`kiln keys` at that address, on the device that has that state."""
        def handler(sock):
            with connect(self.gate.listen) as there:
                there.sendall(proxy_header(source))
                pump(sock, there)

        return User(self.folder, self.backend(handler).address, state=f"{self.folder}/{state}")

    def hammer(self, account, sources):
        for source in sources:
            guest = Guest(self.gate, header=proxy_header(source))
            code = guest.ask(login_start(account))
            guest.close()
        self.assertEqual(code, LIMITED)

    def test_strangers_do_not_keep_the_owner_out(self):
        self.at("2001:db8:1::1").ask("register")
        self.hammer(self.account, [f"2001:db8:{i:x}::1" for i in range(100, 115)])
        # At a new address it is the device that tells.
        self.assertEqual(self.at("2001:db8:2::1", "another").refused("login-test")[0], 4)
        self.at("2001:db8:2::1").ask("login-test")
        # Also where strangers are at the very same address.
        self.hammer(b"anybody", ["2001:db8:3::1"] * 25)
        self.assertEqual(self.at("2001:db8:3::1", "another").refused("login-test")[0], 4)
        self.at("2001:db8:3::1").ask("login-test")

    def test_the_file(self):
        here = self.at("2001:db8:1::1")
        here.ask("register")
        file = Path(self.folder) / "mine/kiln/device"
        kept = file.read_bytes()
        self.assertEqual((len(kept), stat.S_IMODE(file.stat().st_mode)), (32, 0o600))
        self.assertEqual(stat.S_IMODE(file.parent.stat().st_mode), 0o700)
        here.ask("login-test")
        self.assertEqual(file.read_bytes(), kept)
        self.assertEqual(os.listdir(file.parent), ["device"])
        own = Path(self.folder) / "own"
        here.ask("login-test", "--device-file", own)
        self.assertNotEqual(own.read_bytes(), kept)
        # One that is no good is said, and does not keep anybody out.
        for spoil in (lambda: file.chmod(0o644), lambda: file.write_bytes(b"short")):
            spoil()
            status, _, err = here.run("login-test")
            self.assertEqual(status, 0, err)
            self.assertIn("is no file of 32 bytes that is ours alone", err)


class Descriptors(CrowdTest):
    def squeeze(self, room):
        """So many more descriptors, and no more."""
        pid = self.keys.process.pid
        open_now = descriptors(pid)
        limit = next(n for n in range(room, 1 << 20)
                     if n - sum(fd < n for fd in open_now) == room)
        _, hard = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, hard))
        self.addCleanup(self.widen, pid, hard)

    def widen(self, pid, hard):
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (hard, hard))

    def busy_seconds(self):
        fields = Path(f"/proc/{self.keys.process.pid}/stat").read_text(encoding="ascii")
        times = fields.rpartition(")")[2].split()[11:13]
        return sum(map(int, times)) / os.sysconf("SC_CLK_TCK")

    def test_none_left(self):
        tool = self.tool()
        waiting = tool.start("wait")
        self.assertEqual(waiting.stdout.readline(), b"open\n")
        each = 1 if self.gate.path == "ktls" else 2
        self.squeeze(3 * each)
        since = self.keys.position()
        here = [self.guest() for _ in range(3)]
        self.assertTrue(all(g.is_in() for g in here))
        beyond = [self.guest() for _ in range(6)]
        self.keys.wait_event("accept_failed", since)
        # They wait, and the server does: whoever is there is served.
        began, used = time.monotonic(), self.busy_seconds()
        turns = self.keys.counters()["turns"]
        while time.monotonic() - began < 3:
            self.assertTrue(here[0].is_in())
            time.sleep(0.25)
        self.assertLess(self.busy_seconds() - used, 0.5)
        self.assertLess(self.keys.counters()["turns"] - turns, 100)
        self.assertEqual(len(self.keys.find("accept_failed", since)), 1)
        out, err = waiting.communicate(b"\n", timeout=settings.PATIENCE)
        self.assertEqual(waiting.returncode, 0, err)
        # Those go, and others can come.
        for guest in here + beyond:
            guest.close()
        self.assertEqual(tool.run("have", stdin=b""), ["0"])
        self.assertEqual(len(self.keys.find("accept_failed", since)), 1)
        self.assertTrue(out)

    def test_fewer_than_wished(self):
        self.keys.stop()
        command = ["prlimit", "--nofile=200:200", *self.keys.command, "--max-connections", "100"]
        done = subprocess.run(command, capture_output=True, text=True, check=False,
                              timeout=settings.PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"cannot_start.*--max-connections 100 needs 264 open files, "
                                      r"and this process may have 200")

    def test_as_many_as_there_are(self):
        self.flags += ("--max-connections-per-source", "1000")
        self.replace(wrapper=("prlimit", "--nofile=100:200"))
        self.assertEqual(self.keys.ready["max_connections"], 68)
        guests = [self.guest() for _ in range(80)]
        self.assertEqual(sum(guest.is_in() for guest in guests), 68)
        for guest in guests:
            guest.close()
        self.keys.settle()
        self.registered()
        self.assertEqual(self.keys.find("accept_failed"), [])


if __name__ == "__main__":
    main()
