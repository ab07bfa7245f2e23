"""A TLS 1.3 peer whose records are made by hand: what no well-behaved library can be made to send.

OpenSSL makes the handshake, in memory (ssl.MemoryBIO), and its key log gives the traffic secrets.
From then on records are sealed and opened here (RFC 8446 5 and 7), independently of libkiln.
"""

import ctypes
import hashlib
import hmac
import ssl
import tempfile

from .sockets import client_context, connect

CHANGE_CIPHER_SPEC, ALERT, HANDSHAKE, DATA = 20, 21, 22, 23
CLOSE_NOTIFY = 0
RECORD_MAX = 16384

ALERTS = {"close_notify": 0, "unexpected_message": 10, "bad_record_mac": 20, "record_overflow": 22,
          "handshake_failure": 40, "bad_certificate": 42, "unsupported_certificate": 43,
          "certificate_expired": 45, "illegal_parameter": 47, "unknown_ca": 48,
          "access_denied": 49, "decode_error": 50, "decrypt_error": 51, "protocol_version": 70,
          "internal_error": 80, "missing_extension": 109, "certificate_required": 116,
          "no_application_protocol": 120}
ALERT_NAMES = {number: name for name, number in ALERTS.items()}

# hash, key length, OpenSSL's name
SUITES = {"TLS_AES_128_GCM_SHA256": ("sha256", 16, b"AES-128-GCM"),
          "TLS_AES_256_GCM_SHA384": ("sha384", 32, b"AES-256-GCM"),
          "TLS_CHACHA20_POLY1305_SHA256": ("sha256", 32, b"ChaCha20-Poly1305")}

_crypto = ctypes.CDLL("libcrypto.so.3")
for _name in ("EVP_CIPHER_CTX_new", "EVP_CIPHER_fetch"):
    getattr(_crypto, _name).restype = ctypes.c_void_p
_TAG = 16
_GET_TAG, _SET_TAG = 0x10, 0x11


class BadRecord(Exception):
    """A record from the peer does not verify."""


def expand_label(algorithm, secret, label, length):
    """HKDF-Expand-Label with an empty context (RFC 8446 7.1)."""
    label = b"tls13 " + label
    info = length.to_bytes(2, "big") + bytes([len(label)]) + label + b"\0"
    out, block, counter = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(secret, block + info + bytes([counter]), algorithm)
        out += block
        counter += 1
    return out[:length]


class Half:
    """One direction: its secret, key and record number."""

    def __init__(self, suite, secret):
        self.algorithm, self.key_len, name = SUITES[suite]
        self.context = ctypes.c_void_p(_crypto.EVP_CIPHER_CTX_new())
        self.cipher = ctypes.c_void_p(_crypto.EVP_CIPHER_fetch(None, name, None))
        self._take(secret)

    def _take(self, secret):
        self.secret = secret
        self.key = expand_label(self.algorithm, secret, b"key", self.key_len)
        self.iv = expand_label(self.algorithm, secret, b"iv", 12)
        self.sequence = 0

    def update(self):
        """The next key (7.2)."""
        self._take(expand_label(self.algorithm, self.secret, b"traffic upd",
                                len(self.secret)))

    def _start(self, header, encrypt):
        nonce = (int.from_bytes(self.iv, "big") ^ self.sequence).to_bytes(12, "big")
        self.sequence += 1
        n = ctypes.c_int()
        _crypto.EVP_CipherInit_ex2(self.context, self.cipher, self.key, nonce, encrypt, None)
        _crypto.EVP_CipherUpdate(self.context, None, ctypes.byref(n), header, len(header))

    def seal(self, data, kind=DATA, pad=0):
        inner = data + bytes([kind]) + bytes(pad)
        header = b"\x17\x03\x03" + (len(inner) + _TAG).to_bytes(2, "big")
        self._start(header, 1)
        out = ctypes.create_string_buffer(len(inner))
        tag = ctypes.create_string_buffer(_TAG)
        n = ctypes.c_int()
        _crypto.EVP_CipherUpdate(self.context, out, ctypes.byref(n), inner, len(inner))
        _crypto.EVP_CipherFinal_ex(self.context, tag, ctypes.byref(n))
        _crypto.EVP_CIPHER_CTX_ctrl(self.context, _GET_TAG, _TAG, tag)
        return header + out.raw + tag.raw

    def open(self, header, body):
        """(type, content)"""
        self._start(header, 0)
        body, tag = body[:-_TAG], ctypes.create_string_buffer(body[-_TAG:], _TAG)
        out = ctypes.create_string_buffer(len(body))
        n = ctypes.c_int()
        _crypto.EVP_CipherUpdate(self.context, out, ctypes.byref(n), body, len(body))
        _crypto.EVP_CIPHER_CTX_ctrl(self.context, _SET_TAG, _TAG, tag)
        if _crypto.EVP_CipherFinal_ex(self.context, tag, ctypes.byref(n)) != 1:
            raise BadRecord(f"record {self.sequence - 1} does not verify")
        inner = out.raw.rstrip(b"\0")
        return inner[-1], inner[:-1]

    def __del__(self):
        _crypto.EVP_CIPHER_CTX_free(self.context)
        _crypto.EVP_CIPHER_free(self.cipher)


class Alert(Exception):
    """The peer sent this alert, and it is not close_notify."""

    def __init__(self, number):
        self.name = ALERT_NAMES.get(number, str(number))
        super().__init__(self.name)


class RawTls:
    """One end of a connection on a socket. After handshake() .tx and .rx are its directions. The
    context must be this peer's own."""

    def __init__(self, sock, context=None, name="localhost", server=False):
        self.sock = sock
        self.server = server
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.context = context or client_context()
        self.key_file = tempfile.NamedTemporaryFile(prefix="kiln-keys-")
        self.keylog = self.key_file.name
        self.context.keylog_filename = self.keylog
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_side=server,
                                         server_hostname=None if server else name)
        self.tx = self.rx = None
        self.tickets = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    # ---- the handshake

    def handshake(self, hold=False):
        """Returns the last flight; with hold it was not sent yet."""
        while True:
            try:
                self.tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                self.sock.sendall(self.outgoing.read())
                header, body = self._read_record()
                self.incoming.write(header + body)
        flight = self.outgoing.read()
        self._take_secrets(flight)
        if not hold:
            self.sock.sendall(flight)
        return flight

    def handshake_with_early(self, data):
        """A server's: data goes out with its Finished, before the client's has come."""
        while b"SERVER_TRAFFIC_SECRET_0" not in self._keylog():
            try:
                self.tls.do_handshake()
            except ssl.SSLWantReadError:
                flight = self.outgoing.read()
                if not flight:
                    self.incoming.write(b"".join(self._read_record()))
        secret = [line.split()[2] for line in self._keylog().splitlines()
                  if line.startswith(b"SERVER_TRAFFIC_SECRET_0")][0]
        early = Half(self.tls.cipher()[0], bytes.fromhex(secret.decode()))
        self.sock.sendall(flight + early.seal(data))
        self.handshake()
        self.tx.sequence += 1

    def _keylog(self):
        with open(self.keylog, "rb") as lines:
            return lines.read()

    def _take_secrets(self, flight):
        secrets = {}
        for line in self._keylog().decode().splitlines():
            if not line.startswith("#"):
                label, _, secret = line.split()
                secrets[label] = bytes.fromhex(secret)
        self.context.keylog_filename = None
        self.key_file.close()
        self.suite = self.tls.cipher()[0]
        ours, theirs = "CLIENT_TRAFFIC_SECRET_0", "SERVER_TRAFFIC_SECRET_0"
        if self.server:
            ours, theirs = theirs, ours
        self.tx = Half(self.suite, secrets[ours])
        self.rx = Half(self.suite, secrets[theirs])
        while self.server and flight:  # the tickets in it are under these keys already
            length = 5 + int.from_bytes(flight[3:5], "big")
            self.tx.sequence += 1
            flight = flight[length:]

    # ---- sending

    def send(self, data, kind=DATA, pad=0):
        """One record."""
        self.sock.sendall(self.tx.seal(data, kind, pad))

    def send_data(self, data):
        """As many full records as it takes."""
        for at in range(0, len(data), 32 * RECORD_MAX):
            part = data[at:at + 32 * RECORD_MAX]
            self.sock.sendall(b"".join(self.tx.seal(part[i:i + RECORD_MAX])
                                       for i in range(0, len(part), RECORD_MAX)))

    def key_update(self, request=False):
        self.send(b"\x18\0\0\1" + bytes([request]), HANDSHAKE)
        self.tx.update()

    def close_notify(self):
        self.send(b"\1\0", ALERT)

    # ---- receiving

    def _read(self, size):
        data = bytearray()
        while len(data) < size:
            more = self.sock.recv(size - len(data))
            if not more:
                raise EOFError(f"the peer ended after {len(data)} of {size} bytes")
            data += more
        return bytes(data)

    def _read_record(self):
        header = self._read(5)
        return header, self._read(int.from_bytes(header[3:5], "big"))

    def receive(self):
        """(type, content) of the next record."""
        return self.rx.open(*self._read_record())

    def receive_data(self):
        """The next data; None at close_notify. Tickets and key updates are taken on the way."""
        while True:
            kind, content = self.receive()
            if kind == DATA:
                return content
            if kind == ALERT and content[1] == CLOSE_NOTIFY:
                return None
            if kind == ALERT:
                raise Alert(content[1])
            if content[0] == 4:
                self.tickets += 1
            elif content[0] == 24:
                self.rx.update()
                if content[4] == 1:
                    self.key_update()
            else:
                raise AssertionError(f"handshake message {content[0]} after the handshake")

    def read(self, size):
        data = bytearray()
        while len(data) < size:
            more = self.receive_data()
            if more is None:
                raise EOFError(f"close_notify after {len(data)} of {size} bytes")
            data += more
        assert len(data) == size, f"{len(data)} bytes came, not {size}"
        return bytes(data)

    def read_to_end(self):
        """All data up to close_notify."""
        data = bytearray()
        while (more := self.receive_data()) is not None:
            data += more
        return bytes(data)

    def expect_alert(self, name):
        """Reads up to the fatal alert, which must be this one; then the connection must end."""
        try:
            self.read_to_end()
        except Alert as alert:
            assert alert.name == name, f"the alert was {alert.name}, not {name}"
        else:
            raise AssertionError(f"close_notify came, not the alert {name}")
        self.expect_end()

    def expect_end(self):
        """Nothing more comes: an end or a reset, and not a byte before it."""
        try:
            rest = self.sock.recv(1)
        except ConnectionResetError:
            return
        assert rest == b"", "bytes after the end"


def connect_raw(where, context=None, handshake=True):
    peer = RawTls(connect(where), context)
    if handshake:
        peer.handshake()
    return peer
