"""Many strangers at one port, at the same time: each says its piece and waits for the end."""

import collections
import contextlib
import selectors
import socket
import struct
import time

from . import settings
from .gateway import address

NO_LINGER = struct.pack("ii", 1, 0)
DRIP_SECONDS = 0.1

# What somebody says, and how: "write" (all at once), "end" (and says that it was all), "reset"
# (and is gone), "drip" (a byte now and then).
Piece = collections.namedtuple("Piece", "kind data how")


class Stranger:
    def __init__(self, where, source, piece):
        self.piece = piece
        self.left = memoryview(piece.data)
        self.got = b""
        self.sock = socket.socket()
        self.sock.setblocking(False)
        self.sock.bind((source, 0))
        with contextlib.suppress(BlockingIOError):
            self.sock.connect(where)
        self.name = "%s:%d" % self.sock.getsockname()

    def write(self, most):
        """True when there is more to be said at once."""
        try:
            while self.left and most > 0:
                sent = self.sock.send(self.left[:most])
                self.left = self.left[sent:]
                most -= sent
        except BlockingIOError:
            return True
        if not self.left and self.piece.how == "end":
            self.sock.shutdown(socket.SHUT_WR)
        return False

    def read(self):
        """False at the end."""
        data = self.sock.recv(65536)
        self.got += data
        return bool(data)

    def close(self):
        if self.piece.how == "reset":
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        self.sock.close()


class Crowd:
    """Lets them come, so many at a time, from all the source addresses in turn."""

    def __init__(self, listen, sources, width):
        self.where = address(listen)
        self.sources = sources
        self.width = width
        self.came = 0
        self.seen = collections.defaultdict(list)  # kinds by "address:port", in their order
        self.answered = []                         # (kind, bytes) where nothing was due
        self.selector = selectors.EpollSelector()
        self.dripping = {}
        self.due = 0.0

    def _admit(self, piece):
        stranger = Stranger(self.where, self.sources[self.came % len(self.sources)], piece)
        self.came += 1
        self.seen[stranger.name].append(piece.kind)
        self.selector.register(stranger.sock, selectors.EVENT_WRITE, stranger)

    def _leave(self, stranger):
        self.selector.unregister(stranger.sock)
        self.dripping.pop(stranger, None)
        stranger.close()
        if stranger.got:
            self.answered.append((stranger.piece.kind, stranger.got))

    def _step(self, stranger, events):
        try:
            if events & selectors.EVENT_READ and not stranger.read():
                self._leave(stranger)
                return
            if events & selectors.EVENT_WRITE:
                self._speak(stranger)
        except (ConnectionResetError, BrokenPipeError):
            self._leave(stranger)

    def _speak(self, stranger):
        if stranger.piece.how == "drip":
            self.dripping[stranger] = True
        elif stranger.write(1 << 20):
            return
        if stranger.piece.how == "reset":
            self._leave(stranger)
        else:
            self.selector.modify(stranger.sock, selectors.EVENT_READ, stranger)

    def _drip(self):
        if time.monotonic() < self.due:
            return
        self.due = time.monotonic() + DRIP_SECONDS
        for stranger in list(self.dripping):
            try:
                stranger.write(1)
            except (ConnectionResetError, BrokenPipeError):
                self._leave(stranger)

    def run(self, pieces):
        """Until everybody has been shown the door."""
        end = time.monotonic() + settings.PATIENCE
        pieces = iter(pieces)
        more = True
        while more or self.selector.get_map():
            while more and len(self.selector.get_map()) < self.width:
                piece = next(pieces, None)
                more = piece is not None
                if more:
                    self._admit(piece)
            for key, events in self.selector.select(DRIP_SECONDS / 2):
                self._step(key.data, events)
            self._drip()
            if time.monotonic() > end:
                raise AssertionError(f"{len(self.selector.get_map())} of {self.came} strangers "
                                     f"are still there: {self._still_there()}")

    def _still_there(self):
        return collections.Counter(k.data.piece.kind for k in self.selector.get_map().values())

    def close(self):
        for key in list(self.selector.get_map().values()):
            key.data.close()
        self.selector.close()
