"""Targets of a gateway: each connection gets a thread and a function."""

import contextlib
import hashlib
import os
import socket
import struct
import subprocess
import threading

from . import settings
from .sockets import pattern, receive_all


class Backend:
    """Listens, and calls handler(sock) for each connection; what it raises fails the test. A reset
    does as well, unless the test says that it belongs there (may_reset)."""

    def __init__(self, handler, host="127.0.0.1", port=0, unix=None, context=None, backlog=128):
        self.handler = handler
        self.context = context
        self.errors = []
        self.resets = 0
        self.may_reset = False
        self.count = 0
        self.closing = False
        self.connections = set()
        self.lock = threading.Condition()
        self.last_in_line = None
        if unix:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(unix)
            self.address = f"unix:{unix}"
        else:
            six = ":" in host
            self.listener = socket.socket(socket.AF_INET6 if six else socket.AF_INET)
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self.listener.bind((host, port))
            self.port = self.listener.getsockname()[1]
            self.address = f"[{host}]:{self.port}" if six else f"{host}:{self.port}"
        self.listener.listen(backlog)
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()

    def _accept(self):
        while True:
            try:
                sock, address = self.listener.accept()
            except OSError:
                return
            sock.settimeout(settings.PATIENCE)
            with self.lock:
                if self.closing:
                    sock.close()
                    return
                if address == self.last_in_line:
                    self.last_in_line = None
                    self.lock.notify_all()
                    sock.close()
                    continue
                self.count += 1
                self.connections.add(sock)
                self.lock.notify_all()
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock):
        plain = sock
        try:
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            self.handler(sock)
        except (ConnectionResetError, BrokenPipeError) as error:
            self.resets += 1
            if not self.closing and not self.may_reset:
                self.errors.append(error)
        except Exception as error:  # pylint: disable=broad-except
            if not self.closing:
                self.errors.append(error)
        finally:
            with contextlib.suppress(OSError):
                sock.close()
            with self.lock:
                self.connections.discard(plain)
                self.lock.notify_all()

    def wait_connections(self, count):
        """Until so many have come, since the start."""
        with self.lock:
            assert self.lock.wait_for(lambda: self.count >= count, settings.PATIENCE), \
                f"{self.count} connections came, not {count}"

    def wait_idle(self):
        """Until no connection is served, and none waits to be accepted, not even one that was reset
        in the meantime: one of our own, behind all of them, has been."""
        where = self.listener.getsockname()
        with socket.socket(self.listener.family) as last:
            last.bind("" if last.family == socket.AF_UNIX else (where[0], 0))
            self.last_in_line = last.getsockname()
            last.connect(where)
            with self.lock:
                assert self.lock.wait_for(lambda: not self.connections and not self.last_in_line,
                                          settings.PATIENCE), \
                    f"{len(self.connections)} connections are still served"

    def wait_reset(self):
        """Until a connection was reset, which is how a gateway says that a stream broke. Set
        may_reset before that can happen."""
        settings.wait_until("the target to be reset", lambda: self.resets > 0)

    def close(self):
        """Ends everything. The errors of handlers are the caller's to look at."""
        with self.lock:
            self.closing = True
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(settings.PATIENCE)
        with self.lock:
            for sock in self.connections:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


def echo(sock):
    while data := sock.recv(1 << 16):
        sock.sendall(data)


def digest(sock):
    """Reads to the end, then answers with the size and the SHA-256 of it all."""
    hasher = hashlib.sha256()
    size = 0
    while data := sock.recv(1 << 18):
        hasher.update(data)
        size += len(data)
    sock.sendall(f"{size} {hasher.hexdigest()}\n".encode())


def source(*sizes):
    """Sends so many bytes (to the first connection, the second, ...) and ends; what comes back is
    kept in .received, one entry a connection."""
    received = []
    left = list(sizes)

    def handler(sock):
        sock.sendall(pattern(left.pop(0)))
        sock.shutdown(socket.SHUT_WR)
        received.append(receive_all(sock))

    handler.received = received
    return handler


def hold(event):
    """Accepts and does nothing until the event is set."""
    def handler(_sock):
        event.wait(settings.PATIENCE)
    return handler


def reset(sock):
    """Closes with a reset instead of an end."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class EchoProgram:
    """The echo server for thousands of connections, a program of its own."""

    errors = ()

    def __init__(self, unix=None, host="127.0.0.1"):
        where = [f"unix:{unix}"] if unix else [host, "0"]
        self.process = subprocess.Popen([settings.TOOLS / "interop_echo", *where],
                                        stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)
        port = int(self.process.stdout.readline().split()[1])
        self.address = f"unix:{unix}" if unix else \
            f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def unused_address():
    """A port that nobody listens on: bound, so that nobody gets it meanwhile."""
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    return sock, "127.0.0.1:%d" % sock.getsockname()[1]


def remove(path):
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)
