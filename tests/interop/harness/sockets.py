"""Plain sockets that never wait for ever."""

import contextlib
import errno
import fcntl
import hashlib
import socket
import ssl
import struct
import termios

from . import settings
from .gateway import address
from .settings import pem, key


class _WasReset(socket.socket):
    """Its connection was there, and reset before connect() had returned, as happens on a busy machine.
    Who uses it hears so, as when it had been reset a moment later."""

    def _use(self, *_):
        raise ConnectionResetError(errno.ECONNRESET, "reset before connect() had returned")

    send = sendall = recv = recv_into = _use


def connect(where):
    """Connects to an address as kiln writes it."""
    where = address(where)
    family = socket.AF_UNIX if isinstance(where, str) else \
        socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(settings.PATIENCE)
    try:
        sock.connect(where)
    except ConnectionResetError:
        sock.close()
        return _WasReset(family, socket.SOCK_STREAM)
    except BaseException:
        sock.close()
        raise
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _queued(local, remote):
    """Bytes that the socket with these addresses has received and nobody has read, as `ss` asks
    the kernel (sock_diag(7)); None when there is no such socket."""
    family = socket.AF_INET6 if ":" in local[0] else socket.AF_INET
    pair = struct.pack("!HH", local[1], remote[1]) + b"".join(
        socket.inet_pton(family, where[0]).ljust(16, b"\0") for where in (local, remote))
    request = struct.pack("=BBxxI", family, socket.IPPROTO_TCP, 0xffffffff) + pair + \
        bytes(4) + b"\xff" * 8
    sock_diag_by_family, request_flag, netlink_sock_diag = 20, 1, 4
    header = struct.pack("=IHHII", 16 + len(request), sock_diag_by_family, request_flag, 0, 0)
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, netlink_sock_diag) as netlink:
        netlink.send(header + request)
        answer = netlink.recv(8192)
    if struct.unpack_from("=H", answer, 4)[0] != sock_diag_by_family:
        return None
    return struct.unpack_from("=I", answer, 16 + 4 + 48 + 4)[0]


def wait_taken(sock):
    """Until the other end of a loopback connection has read every byte that was sent to it."""
    ours, theirs = sock.getsockname(), sock.getpeername()

    def taken():
        unsent, = struct.unpack("i", fcntl.ioctl(sock, termios.TIOCOUTQ, bytes(4)))
        return unsent == 0 and _queued(theirs, ours) == 0

    settings.wait_until("bytes to be read by the other end", taken)


def receive_exactly(sock, size):
    data = bytearray()
    while len(data) < size:
        chunk = sock.recv(min(size - len(data), 1 << 18))
        if not chunk:
            raise AssertionError(f"the stream ended after {len(data)} of {size} bytes")
        data += chunk
    return bytes(data)


def receive_all(sock):
    """Until the end of the stream."""
    data = bytearray()
    while chunk := sock.recv(1 << 18):
        data += chunk
    return bytes(data)


def pattern(size, seed=0):
    """So many bytes that repeat nowhere near a record, a buffer or a page."""
    block = hashlib.shake_128(f"kiln {seed}".encode()).digest(65521)
    return (block * (size // len(block) + 1))[:size]


def client_context(ca="ca", cert=None, alpn=None):
    context = ssl.create_default_context(cafile=pem(ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if cert:
        context.load_cert_chain(pem(cert), key(cert.removesuffix("-chain")))
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


def server_context(cert="server", ca=None, alpn=None):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem(cert), key(cert))
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    if ca:
        context.load_verify_locations(pem(ca))
        context.verify_mode = ssl.CERT_REQUIRED
    if alpn:
        context.set_alpn_protocols(alpn)
    return context


@contextlib.contextmanager
def connect_tls(where, context=None, name="localhost"):
    """An ssl.SSLSocket; leaving the block says goodbye as TLS wants it, and waits for the same."""
    with connect(where) as sock:
        with (context or client_context()).wrap_socket(sock, server_hostname=name) as tls:
            yield tls
            tls.unwrap()
