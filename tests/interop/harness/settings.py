"""What the tests were told by their environment."""

import os
import pathlib
import socket
import time
import unittest

TOP = pathlib.Path(__file__).resolve().parents[3]

# The program under test, the helper programs, the engine.
KILN = os.environ.get("KILN", str(TOP / "build/dev/gateway/kiln"))
TOOLS = pathlib.Path(os.environ.get("KILN_TEST_TOOLS", TOP / "build/dev/tests/interop"))
ENGINE = os.environ.get("KILN_ENGINE", "auto")
PKI = TOOLS / "pki"

# Where it is set, a connection that takes another path is a failure. KILN_TEST_PATH is said by the
# test's own definition, and where this kernel cannot do it the test is skipped; KILN_EXPECT_PATH by
# who knows that this machine must be able to.
EXPECT_PATH = os.environ.get("KILN_EXPECT_PATH") or os.environ.get("KILN_TEST_PATH")
MAY_SKIP = not os.environ.get("KILN_EXPECT_PATH")

# For what neither the connections' path nor the engine has a part in: on this machine, once. All of it
# with `./bootstrap test --all`.
once = unittest.skipIf((EXPECT_PATH or ENGINE == "epoll") and not os.environ.get("KILN_EVERY_TEST"),
                       "the same on every kernel and with every engine")

# For what is over before the keys come to the kernel: either engine, any kernel.
any_kernel = unittest.skipIf(EXPECT_PATH and not os.environ.get("KILN_EVERY_TEST"),
                             "the same on every kernel: it ends before the keys come there")

# Sizes that a slow machine may want smaller, and a patient user larger.
BULK_BYTES = int(os.environ.get("KILN_BULK_BYTES", 10_000_000))
CONNECTIONS = int(os.environ.get("KILN_CONNECTIONS", 2000))

# How long anything is waited for that must come: only a failing test takes so long.
PATIENCE = float(os.environ.get("KILN_PATIENCE", 120))

# From Linux 6.14 on a kernel TLS socket takes a second key.
KERNEL_REKEYS = tuple(int(n) for n in os.uname().release.split("-")[0].split(".")[:2]) >= (6, 14)

TCP_ULP = 31

_slack = None


def learn_slack(round_trip):
    """A measured round trip tells how late this machine may be where a limit is checked."""
    global _slack
    _slack = 2 + 500 * round_trip if _slack is None else max(_slack, 2 + 500 * round_trip)


def slack():
    """Seconds that something may be late because the machine is slow."""
    return _slack if _slack is not None else 10


def pem(name):
    return str(PKI / f"{name}.pem")


def key(name):
    return str(PKI / f"{name}.key")


def spki(name):
    return (PKI / f"{name}.spki").read_text(encoding="ascii").strip()


def kernel_lacks():
    """Why this test's path cannot be had here; None: it can, or must."""
    if EXPECT_PATH != "ktls" or not MAY_SKIP:
        return None
    with socket.create_server(("127.0.0.1", 0)) as server, \
            socket.create_connection(server.getsockname()) as sock:
        try: # loads the kernel's module where there is one
            sock.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
        except OSError as problem:
            return f"this kernel has no kernel TLS ({problem.strerror})"
    return None


def wait_until(what, condition, patience=PATIENCE):
    """Polls until condition() gives something true, and returns that."""
    end = time.monotonic() + patience
    pause = 0.0005
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {patience:.0f} s in vain: {what}")
        time.sleep(pause)
        pause = min(2 * pause, 0.02)
