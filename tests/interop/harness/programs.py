"""Other people's programs as peers: started, talked to, listened to, and ended."""

import contextlib
import pathlib
import random
import re
import shutil
import socket
import subprocess
import threading
import time
import unittest

from . import settings
from .settings import pem, key


def needs(program):
    """Skips the test where the program is missing."""
    return unittest.skipUnless(shutil.which(program), f"{program} is not installed")


class Program:
    """A program on pipes; everything it writes, also to stderr, is kept."""

    def __init__(self, *command, env=None):
        self.command = [str(word) for word in command]
        self.output = b""
        self.changed = threading.Condition()
        self.ended = False
        self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=env)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _read(self):
        while data := self.process.stdout.read1(1 << 16):
            with self.changed:
                self.output += data
                self.changed.notify_all()
        with self.changed:
            self.ended = True
            self.changed.notify_all()

    def send(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def wait_for(self, text, after=0):
        """Until the output holds text (a regular expression, bytes); returns the match."""
        pattern = re.compile(text)
        end = time.monotonic() + settings.PATIENCE
        with self.changed:
            while True:
                match = pattern.search(self.output, after)
                if match:
                    return match
                left = end - time.monotonic()
                if left <= 0 or self.ended:
                    raise AssertionError(f"{self.command[:2]} did not write {text!r}, but:\n"
                                         + self.text())
                self.changed.wait(left)

    def wait(self):
        """Ends its input, and waits for it to exit; the status."""
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        try:
            status = self.process.wait(settings.PATIENCE)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command[:2]} did not end:\n{self.text()}") from None
        self.reader.join(settings.PATIENCE)
        return status

    def text(self):
        with self.changed:
            return self.output.decode(errors="replace")

    def close(self):
        with contextlib.suppress(OSError):
            self.process.stdin.close()
        self.process.kill()
        self.process.wait()
        self.reader.join(settings.PATIENCE)
        self.process.stdout.close()


def s_client(where, *options, verify=True):
    """openssl s_client: prints what comes, ends when its input ends."""
    flags = ["-CAfile", pem("ca"), "-verify_return_error"] if verify else []
    return Program("openssl", "s_client", "-connect", where, "-servername", "localhost",
                   *flags, *options)


def free_port():
    """A port for a program that cannot tell which one the kernel gave it: below those that the kernel
    gives to others, and no other test's until this one has ended."""
    ports = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii")
    end = max(int(ports.split()[0]), 4096)
    for _ in range(1000):
        port = random.randrange(end // 2, end)
        claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            claim.bind(f"\0kiln-test-port-{port}")
            with socket.socket() as sock:
                sock.bind(("127.0.0.1", port))
        except OSError:
            claim.close()
            continue
        claim.detach()  # open until this process ends
        return port
    raise AssertionError("no port is free")


def s_server(*options, cert="server"):
    """openssl s_server, listening; (program, address)."""
    port = free_port()
    program = Program("openssl", "s_server", "-accept", f"127.0.0.1:{port}", "-cert", pem(cert),
                      "-key", key(cert), *options)
    program.wait_for(rb"ACCEPT")
    return program, f"127.0.0.1:{port}"


def run(*command, data=None, env=None):
    """Runs a program to its end, a whole demonstration also where it is emulated; (status, output, error
    output)."""
    done = subprocess.run([str(word) for word in command], input=data, env=env,
                          capture_output=True, timeout=3 * settings.PATIENCE, check=False)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")
