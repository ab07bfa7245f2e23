"""Hellos of Roast, good and bad, made apart from Kiln: the mask (XSalsa20-Poly1305), the signature
(SigV4), the JSON around them."""

import base64
import json
import pathlib
import struct

from .settings import pem
from .sigv4 import amz_date, authorization

QUERY = "Action=GetCallerIdentity&Version=2011-06-15"
FOUR = struct.unpack("<4I", b"expand 32-byte k")
MASK = bytes(range(32))
NONCE = bytes(range(32, 56))


# ---- libsodium's crypto_secretbox, written for clarity: a hello has a dozen blocks

def _rounds(state):
    x = list(state)

    def quarter(a, b, c, d):
        for to, one, two, by in ((b, a, d, 7), (c, b, a, 9), (d, c, b, 13), (a, d, c, 18)):
            t = (x[one] + x[two]) & 0xffffffff
            x[to] ^= (t << by | t >> (32 - by)) & 0xffffffff

    for _ in range(10):
        quarter(0, 4, 8, 12), quarter(5, 9, 13, 1), quarter(10, 14, 2, 6), quarter(15, 3, 7, 11)
        quarter(0, 1, 2, 3), quarter(5, 6, 7, 4), quarter(10, 11, 8, 9), quarter(15, 12, 13, 14)
    return x


def _state(key, four):
    k = struct.unpack("<8I", key)
    return (FOUR[0], *k[:4], FOUR[1], *four, FOUR[2], *k[4:], FOUR[3])


def _stream(key, nonce, size):
    mixed = _rounds(_state(key, struct.unpack("<4I", nonce[:16])))
    inner = struct.pack("<8I", *(mixed[i] for i in (0, 5, 10, 15, 6, 7, 8, 9)))
    last = struct.unpack("<2I", nonce[16:])
    out = b""
    for block in range((size + 63) // 64):
        state = _state(inner, (*last, block, 0))
        out += struct.pack("<16I", *((a + b) & 0xffffffff
                                     for a, b in zip(state, _rounds(state))))
    return out[:size]


def _poly1305(key, data):
    r = int.from_bytes(key[:16], "little") & 0x0ffffffc0ffffffc0ffffffc0fffffff
    total = 0
    for at in range(0, len(data), 16):
        total = (total + int.from_bytes(data[at:at + 16] + b"\1", "little")) * r % ((1 << 130) - 5)
    return ((total + int.from_bytes(key[16:], "little")) & ((1 << 128) - 1)).to_bytes(16, "little")


def seal(payload, key=MASK, nonce=NONCE):
    """The bytes of Body."""
    stream = _stream(key, nonce, 32 + len(payload))
    box = bytes(a ^ b for a, b in zip(payload, stream[32:]))
    return nonce + _poly1305(stream[:32], box) + box


# ---- the hello

def b64(data):
    return base64.b64encode(data).decode()


def payload(names=("127.0.0.1",), **keys):
    ca = b64(pathlib.Path(pem("ca")).read_bytes())
    return json.dumps({"ClientCA": ca, "ServerHostnames": list(names), **keys},
                      separators=(",", ":")).encode()


def fields(identity, body=None, *, offset=0, region="us-east-1", named=None, token=None,
           omit=(), extra=(), service="sts"):
    """What a hello consists of, in Go's order, signed by the identity (an entry of a keys file)
    as of `offset` seconds from now."""
    body = payload() if body is None else body
    date = amz_date(offset)
    token = identity.get("session_token", "") if token is None else token
    headers = [("content-length", str(len(body))), ("host", f"sts.{region}.amazonaws.com"),
               ("x-amz-date", date), ("x-amz-security-token", token), *extra]
    headers = [h for h in headers if h[0] not in omit]
    signature = authorization(identity, "POST", "/", QUERY, headers, body, date=date,
                              region=region, service=service)
    return {"Body": b64(seal(body)), "Mask": b64(MASK), "Region": named or region,
            "AmzAuthorization": signature, "XAmzSecurityToken": token, "XAmzDate": date}


def encode(hello):
    return json.dumps(hello, separators=(",", ":")).encode()
