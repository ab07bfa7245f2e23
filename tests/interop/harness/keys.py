"""Runs `kiln keys serve` and its commands."""

import contextlib
import json
import os
import pathlib
import subprocess
import tempfile
import threading

from . import settings
from .gateway import Gateway
from .settings import pem

PASSWORD = b"correct horse battery staple"
EXPORTER = "EXPORTER-kiln-keys/1"
GATEWAY_FLAGS = ("--alpn", "kiln-keys/1", "--handoff-exporter", EXPORTER)


# What this device is known by is none of the tester's, and users of a test share one.
STATE = tempfile.TemporaryDirectory(prefix="kiln-state-")
os.environ["XDG_STATE_HOME"] = STATE.name


def make_store(folder, name="keys", where=None):
    """An empty store and its key; the flags that name them."""
    flags = ("--store", where or f"{folder}/{name}.db", "--key-file", f"{folder}/{name}.key")
    subprocess.run([settings.KILN, "keys", "init", *flags], check=True, capture_output=True,
                   timeout=settings.PATIENCE)
    return flags


class KeyServer(Gateway):
    """A running `kiln keys serve`; its log is read as a gateway's."""

    def __init__(self, path, store, *flags, registration="open", wrapper=()):
        self.mode = "keys"
        self.listen = f"unix:{path}"
        command = [*wrapper, settings.KILN, "keys", "serve", "--listen", self.listen, *store,
                   "--registration", registration, "--log-format", "json", *flags]
        self.command = command
        self.events, self.noise = [], []
        self.lines = threading.Condition()
        self.ended = False
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                        stdout=subprocess.DEVNULL)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        try:
            self.ready = self.wait_event("ready")
        except BaseException:
            self.process.kill()
            raise

    def session(self, since=0, **fields):
        return self.wait_event("keys_session", since, **fields)

    def settle(self, active=0):
        """Its connections are gone; what clients left behind is the gateway's to tell."""
        settings.wait_until("connections to go",
                            lambda: self.counters()["connections"] == active)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(settings.PATIENCE)
        self.process.stderr.close()


def private(path, data):
    """A file of mode 0600."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "wb") as out:
        out.write(data)
    return str(path)


class User:
    """Somebody with an account, a password file and a gateway's address."""

    def __init__(self, folder, listen, account="me@example.org", password=PASSWORD, ca="ca",
                 state=None):
        self.listen, self.account, self.ca = listen, account, ca
        self.folder = pathlib.Path(folder)
        self.env = {**os.environ, **({"XDG_STATE_HOME": str(state)} if state else {})}
        self.password = private(self.folder / f"password.{account}", password)

    def where(self):
        port = self.listen.rpartition(":")[2]
        return ["--server", f"127.0.0.1:{port}", "--cacert", pem(self.ca), "--account", self.account]

    def run(self, command, *words, stdin=b"", password=True, where=True, **options):
        """Exit status, standard output, standard error."""
        secret = ["--password-file", self.password] if password else []
        done = subprocess.run([settings.KILN, "keys", command, *map(str, words),
                               *(self.where() if where else []), *secret], input=stdin,
                              capture_output=True, timeout=settings.PATIENCE, check=False,
                              env=self.env, **options)
        return done.returncode, done.stdout, done.stderr.decode()

    def ask(self, command, *words, **options):
        """With --json; the object. The command must succeed."""
        status, out, err = self.run(command, "--json", *words, **options)
        if status != 0:
            raise AssertionError(f"{command}: {status}\n{out.decode()}\n{err}")
        return json.loads(out)

    def refused(self, command, *words, **options):
        """With --json; status and object of one that must fail."""
        status, out, _ = self.run(command, "--json", *words, **options)
        if status == 0:
            raise AssertionError(f"{command} was done: {out.decode()}")
        return status, json.loads(out)


class Tool:
    """interop_keys: sessions without key stretching, many at once, and against the rules."""

    def __init__(self, listen, account="tool@example.org", password="tool", ca=None, env=None,
                 stretch=False):
        self.listen = listen
        self.command = [str(settings.TOOLS / "interop_keys"), *["--stretch"] * stretch,
                        listen.rpartition(":")[2], ca or pem("ca"), account, password]
        self.env = {**os.environ, **(env or {})}

    def start(self, *words):
        """Without buffers, so that select() tells whether there is something to read."""
        return subprocess.Popen([*self.command, *map(str, words)], stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0,
                                env=self.env)

    def run(self, *words, stdin=b"", status=0):
        done = subprocess.run([*self.command, *map(str, words)], input=stdin, capture_output=True,
                              timeout=settings.PATIENCE, check=False, env=self.env)
        if done.returncode != status:
            raise AssertionError(f"{words}: {done.returncode}: {done.stderr.decode()}")
        return done.stdout.decode().split()
