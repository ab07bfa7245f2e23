"""The base of every interop test: gateways and backends that are gone afterwards, and left clean."""

import sys
import tempfile
import time
import unittest

from . import settings
from .backends import Backend, EchoProgram, echo
from .gateway import Gateway, client_flags, server_flags
from .sockets import connect_tls, receive_exactly


class KilnTest(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kiln-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.gateways = []
        self.backends = []
        self.addCleanup(self._end)

    def backend(self, handler=echo, **options):
        backend = Backend(handler, **options)
        self.backends.append(backend)
        return backend

    def echo_program(self, **options):
        program = EchoProgram(**options)
        self.backends.append(program)
        return program

    def start(self, mode, *flags, **options):
        gateway = Gateway(mode, *flags, **options)
        self.gateways.append(gateway)
        return gateway

    def server(self, *flags, target=None, cert="server", ca=None,
               access=("--disable-client-auth",), **options):
        """`kiln server`, in front of an echo when no target is named."""
        target = target or self.backend().address
        return self.start("server", *server_flags(cert, access, ca), *flags, target=target,
                          **options)

    def client(self, *flags, target, ca="ca", cert=None, **options):
        """`kiln client`; the target is a gateway, an address or a backend."""
        where = getattr(target, "listen", None) or getattr(target, "address", target)
        if isinstance(where, str) and where.startswith("unix:") and \
                not any(f.startswith(("--server-name", "--verify-name")) for f in flags):
            flags = ("--server-name", "localhost", *flags)
        return self.start("client", *client_flags(ca, cert), *flags, target=where, **options)

    def assert_bytes(self, got, wanted):
        """Equal, or where they begin to differ: nobody reads a dump of a megabyte."""
        if got == wanted:
            return
        at = next((i for i, (a, b) in enumerate(zip(got, wanted)) if a != b),
                  min(len(got), len(wanted)))
        self.fail(f"{len(got)} bytes, not {len(wanted)}, or others: from {at} on "
                  f"{got[at:at + 40]!r}, not {wanted[at:at + 40]!r}")

    def check_path(self, gateway, since=0):
        """Every finished handshake took the path that the ready line promised, unless the peer's
        FIN was there before the keys."""
        lines = [e for e in gateway.find("conn", since) if "path" in e]
        self.assertTrue(lines, "no connection has ended")
        for line in lines:
            if line.get("path_reason") != "peer_half_closed":
                self.assertEqual(line["path"], gateway.path, line)
            self.assertEqual("path_reason" in line, line["path"] != "ktls")

    def learn_slack(self, gateway):
        """Measures a round trip through the gateway to an echo."""
        with connect_tls(gateway.listen) as sock:
            trips = []
            for _ in range(5):
                begin = time.monotonic()
                sock.sendall(b"x")
                receive_exactly(sock, 1)
                trips.append(time.monotonic() - begin)
            settings.learn_slack(max(trips))

    def _end(self):
        problems = []
        # After a failure nobody is asked for good manners as well.
        failed = not self._outcome.success
        for gateway in reversed(self.gateways):
            try:
                if not failed and gateway.process.poll() is None:
                    gateway.settle()
                    gateway.stop()
                if not failed:
                    gateway.check_clean()
            except AssertionError as problem:
                problems.append(problem)
            finally:
                if failed:
                    print(f"---- log of {gateway.mode}:\n{gateway.log()}", file=sys.stderr)
                gateway.kill()
        for backend in self.backends:
            problems += [] if failed else backend.errors
            backend.close()
        if problems:
            raise problems[0]


class SharedServer(KilnTest):
    """One `kiln server` in front of an echo, for all tests of a class: starting one is what takes
    time. Each test finds it idle, and leaves it so."""

    flags = ()

    @classmethod
    def setUpClass(cls):
        cls.target = Backend(echo)
        cls.addClassCleanup(cls.target.close)
        cls.gateway = Gateway("server", *server_flags(), *cls.flags, target=cls.target.address)
        cls.addClassCleanup(cls.gateway.kill)

    @classmethod
    def tearDownClass(cls):
        cls.gateway.stop()

    def setUp(self):
        super().setUp()
        self.since = self.gateway.position()
        self.before = self.gateway.counters()
        self.target.may_reset = False
        self.target.resets = 0
        self.addCleanup(self._settle)

    def _settle(self):
        errors, self.target.errors = self.target.errors, []
        if not self._outcome.success:
            print(f"---- the gateway's log:\n{self.gateway.log()}", file=sys.stderr)
            return
        self.gateway.settle()
        self.target.wait_idle()
        for error in errors:
            raise error

    def wait_conn(self, **fields):
        """The access line of a connection of this test."""
        return self.gateway.wait_conn(self.since, **fields)

    def counted(self, name):
        """How far a counter has gone in this test."""
        return self.gateway.counters()[name] - self.before[name]


def main():
    """unittest's main, with the exit status of a skipped test when nothing ran."""
    reason = settings.kernel_lacks()
    if reason:
        print(f"skipped: {reason}")
        sys.exit(77)
    program = unittest.main(module="__main__", verbosity=2, exit=False)
    result = program.result
    if not result.wasSuccessful():
        sys.exit(1)
    # A class that is skipped as a whole is in the list as something that is no test, and none ran.
    tests = [test for test, _ in result.skipped if isinstance(test, unittest.TestCase)]
    if result.skipped and len(tests) == result.testsRun:
        sys.exit(77)
    sys.exit(0)
