"""Plain sockets that never wait for ever."""

import contextlib
import hashlib
import socket
import ssl

from . import settings
from .gateway import address
from .settings import pem, key


def connect(where):
    """Connects to an address as kiln writes it."""
    where = address(where)
    family = socket.AF_UNIX if isinstance(where, str) else \
        socket.AF_INET6 if ":" in where[0] else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.settimeout(settings.PATIENCE)
    try:
        sock.connect(where)
    except BaseException:
        sock.close()
        raise
    if family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


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
