"""The kinds of hello that a stranger may send to a gateway, and what each has to come to.

Each kind names the cases of golden/roast/probe_results.json that it stands for, where there are
any. A kind is sent many times; its distinct messages are made once, POOL of them, so that a message
comes again as well, as a replay.
"""

import base64
import collections
import json
import os
import pathlib

from .hello import b64, encode, fields, payload, seal
from .settings import TOP

POOL = 16
GOLDEN = pathlib.Path(os.environ.get("KILN_GOLDEN", TOP.parent / "shared/golden")) / "roast"

# What the gateway's log may call the end of such a connection.
HELLO = frozenset({"roast_hello"})       # the bytes are no hello
PROOF = frozenset({"roast_proof"})       # what is signed cannot be a proof: seen without STS
ASKED = frozenset({"roast_proof", "limit"})   # only STS can tell, if its turn comes
DENIED = frozenset({"roast_proof", "limit", "access_denied"})  # STS says that it is somebody else
LATE = frozenset({"timeout"})
GONE = ASKED | HELLO | {"access_denied", "tls", "reset", "peer_reset", "system"}

Kind = collections.namedtuple("Kind", "name messages codes how cases")
KINDS = []

CLIENT_HELLO = bytes.fromhex("16030100f8010000f40303") + bytes(range(32)) + b"\x20" + bytes(220)


def kind(codes, *cases, how="write", name=None):
    """Registers a function of (identities, i) that makes the i-th message."""
    def register(make):
        KINDS.append((name or make.__name__, make, codes, how, cases))
        return make
    return register


def several(codes, how="write", **messages):
    """Messages that are bytes already: name=(bytes, case...)."""
    for name, (data, *cases) in messages.items():
        kind(codes, *cases, how=how, name=name)(lambda _ids, _i, data=data: data)


# ---- no hello at all

several(HELLO,
        http=(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "malformed: HTTP GET"),
        tls_at_once=(CLIENT_HELLO, "malformed: TLS ClientHello first"),
        array=(b"[]\n", "malformed: array"), null=(b"null\n", "malformed: null"),
        empty_object=(b"{} \n", "malformed: {} "), noise=(os.urandom(900).replace(b"{", b"}"),),
        nothing_but_blanks=(b" \n" * 40_000,), deep=(b'{"a":' * 5000,),
        deep_array=(b'{"a":' + b"[" * 5000,),
        many_values=(b'{"a":[' + b"1," * 30_000,), control=(b'{"Body":"a\x01b"}',),
        endless=(b'{"Region":"' + b"x" * 300_000, "endless JSON string"),
        bad_utf8=(b'{"Body":"\xff\xfe","Mask":""}',), surrogate=(b'{"Body":"\\ud800"}',),
        brackets=(b'{"a":[}]',), nul=(b"\0" * 64,))
several(HELLO, how="end", broken_literal=(b'{"Body": tru\n', "malformed: {\"Body\": tru"),
        unfinished=(b'{"Body":"QQ==","Mask":',), silent_end=(b"",))


@kind(HELLO, "UTF-8 BOM first")
def bom(ids, _i):
    return b"\xef\xbb\xbf" + encode(fields(ids["good"]))


@kind(HELLO, "duplicate Region, bad one first")
def duplicate_first(ids, _i):
    return b'{"Region":"attacker.example",' + encode(fields(ids["good"]))[1:]


@kind(HELLO, "duplicate Region, bad one last")
def duplicate_last(ids, _i):
    return encode(fields(ids["good"]))[:-1] + b',"Region":"attacker.example"}'


# ---- Body and Mask

def with_body(ids, change):
    hello = fields(ids["good"])
    return encode(hello | change(base64.b64decode(hello["Body"]), hello))


@kind(HELLO, "Body base64 without padding/with URL alphabet")
def url_base64(ids, _i):
    return with_body(ids, lambda body, _: {
        "Body": base64.urlsafe_b64encode(body + b"\xff\xfe").decode().rstrip("=")})


@kind(HELLO)
def bad_base64(ids, i):
    return with_body(ids, lambda _, hello: {
        "Body": hello["Body"][:10 + i] + "*" + hello["Body"][11 + i:]})


@kind(HELLO, "mask of 16 bytes")
def short_mask(ids, _i):
    return encode(fields(ids["good"]) | {"Mask": b64(bytes(16))})


@kind(HELLO)
def mask_of_any_length(ids, i):
    return encode(fields(ids["good"]) | {"Mask": b64(bytes(i if i < 8 else 25 + i))})


@kind(HELLO, "32-byte Mask, empty Body", "32-byte Mask, 23-byte Body",
      "32-byte Mask, 24-byte Body")
def short_body(ids, i):
    return encode(fields(ids["good"]) | {"Body": b64(bytes((0, 1, 15, 16, 23, 24, 39, 40)[i % 8]))})


@kind(HELLO, "tampered Body byte")
def tampered_body(ids, i):
    return with_body(ids, lambda body, _: {
        "Body": b64(body[:20 * i] + bytes([body[20 * i] ^ 1]) + body[20 * i + 1:])})


@kind(HELLO)
def oversize_body(ids, _i):
    return encode(fields(ids["good"]) | {"Body": b64(bytes(23_000))})


@kind(HELLO)
def wrong_types(ids, i):
    hello = fields(ids["good"])
    key = list(hello)[i % len(hello)]
    return encode(hello | {key: (1, None, True, [hello[key]], {"a": 1})[i % 5]})


@kind(HELLO, "Region absent")
def absent_keys(ids, i):
    hello = fields(ids["good"])
    del hello[list(hello)[(i + 2) % len(hello)]]
    return encode(hello)


# ---- smuggling, sizes and places

@kind(HELLO, "CR LF in Authorization (header injection)")
def smuggled_lines(ids, i):
    hello = fields(ids["good"])
    key = ("AmzAuthorization", "XAmzSecurityToken", "XAmzDate", "Region")[i % 4]
    return encode(hello | {key: hello[key] + ("\r\nX-Evil: 1", "\n", "\r", "\0")[i // 4 % 4]})


@kind(HELLO)
def oversize_texts(ids, i):
    key, size = (("AmzAuthorization", 600), ("XAmzSecurityToken", 9000), ("XAmzDate", 40),
                 ("Region", 300))[i % 4]
    return encode(fields(ids["good"]) | {key: "A" * size})


@kind(HELLO, "IAM user, long-lived key, no token")
def user_without_token(ids, _i):
    return encode(fields(ids["user"], token=""))


@kind(PROOF, "Region changed after signing")
def moved_region(ids, _i):
    return encode(fields(ids["good"], named="eu-west-1"))


@kind(PROOF | HELLO, "Region attacker.example/")
def attackers_region(ids, i):
    name = ("attacker.example/", "a@attacker.example/", "us-east-1.attacker.example/",
            "moon-north-1")[i % 4]
    return encode(fields(ids["good"], region=name))


# ---- what is signed

@kind(PROOF, "signed 6 min ago (expired)")
def expired(ids, i):
    return encode(fields(ids["good"], offset=-360 - i))


@kind(PROOF, "signed 6 min in the future")
def future(ids, i):
    return encode(fields(ids["good"], offset=900 + i))


@kind(PROOF)
def recorded(ids, i):
    """Good in its day."""
    wires = sorted(GOLDEN.glob("client_hello_*_*.wire"))
    wires = [w for w in wires if "without_token" not in w.name]
    return wires[i % len(wires)].read_bytes() if wires else \
        encode(fields(ids["good"], offset=-86400 * 300))


@kind(PROOF)
def other_signed_headers(ids, i):
    how = ({"omit": ("content-length",)}, {"omit": ("x-amz-security-token",)},
           {"omit": ("x-amz-date",)}, {"extra": (("x-evil", "1"),)})[i % 4]
    return encode(fields(ids["good"], **how))


@kind(PROOF)
def other_service(ids, _i):
    return encode(fields(ids["good"], service="s3"))


@kind(PROOF)
def odd_authorization(ids, i):
    hello = fields(ids["good"])
    text = hello["AmzAuthorization"]
    odd = (text.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256"), text[:-1], text + "0",
           text.replace(", ", ","), text.replace("SignedHeaders", "signedheaders"), text + ", x=y",
           text.replace("Credential=ASIA", "Credential=../"), "Basic QUFB")[i % 8]
    return encode(hello | {"AmzAuthorization": odd})


@kind(HELLO, "server hello payload as client hello", "payload with both CAs (role confusion)")
def other_sides_payload(ids, i):
    ca = json.loads(payload())["ClientCA"]
    body = (json.dumps({"ServerCA": ca}).encode(), payload(ServerCA=ca))[i % 2]
    return encode(fields(ids["good"], body))


@kind(HELLO | PROOF, "ServerHostnames with non-ASCII name")
def odd_payloads(ids, i):
    body = (payload(("stra\u00dfe",)), payload(("n",) * 200), b"{}", b'{"a":' * 3000, b"[]",
            b'{"ClientCA":"AAAA"}', payload(("x" * 1000,)), b'{"ClientCA":1}')[i % 8]
    return encode(fields(ids["good"], body))


# A certificate's text of old is counted when it is decoded, and that only for somebody whom STS knows.
@kind(HELLO | ASKED)
def many_certificates(ids, i):
    pem = base64.b64decode(json.loads(payload())["ClientCA"])
    old = pem.replace(b" CERTIFICATE", b" X509 CERTIFICATE")
    ca = b64((pem, old)[i % 2] * (i // 2 % 4 + 1) + old * 4)
    return encode(fields(ids["good"], json.dumps({"ClientCA": ca}).encode()))


@kind(HELLO)
def tls_behind_it(ids, i):
    """Whoever may not speak yet cannot make the gateway keep his words while STS is asked."""
    return encode(fields(ids["good"], unique(i))) + b"\n" + CLIENT_HELLO[:i * 17 + 1]


# ---- only STS can tell

def unique(i):
    return payload(("127.0.0.1", f"n{i}"))


@kind(ASKED, "payload swapped under the same signature")
def swapped_payload(ids, i):
    hello = fields(ids["good"], unique(i))
    body = unique(i + POOL)
    return encode(hello | {"Body": b64(seal(body))})


@kind(ASKED)
def forged_signature(ids, i):
    """Right in its form, and a new one each time: nothing but STS and the limit can stop it."""
    hello = fields(ids["good"], unique(i))
    return encode(hello | {"AmzAuthorization": hello["AmzAuthorization"][:-64] +
                           os.urandom(32).hex()})


@kind(ASKED, "unknown access key", "wrong session token")
def unknown_signers(ids, i):
    known = ids["good"]
    if i % 2:
        return encode(fields(known | {"access_key_id": f"ASIAUNKNOWN{i:09d}"}, unique(i)))
    return encode(fields(known, unique(i), token=f"wrong{i}"))


@kind(DENIED, "wrong role (OtherRole)", "right role name, other account")
def others(ids, i):
    return encode(fields(ids[("stranger", "namesake")[i % 2]], unique(i)))


@kind(DENIED, "IAM user session (GetSessionToken)", "federated user", "root session")
def no_roles(ids, i):
    return encode(fields(ids[("session", "federated", "root")[i % 3]], unique(i)))


@kind(GONE, how="reset")
def gone_at_once(ids, i):
    return encode(fields(ids["stranger"], unique(i + 1000)))


# ---- patience

@kind(LATE, "1 byte a second", how="drip")
def drip(ids, _i):
    return encode(fields(ids["good"]))


@kind(LATE, "half a hello then silence")
def half(ids, i):
    hello = encode(fields(ids["good"]))
    return hello[:len(hello) * (i + 1) // (POOL + 2)]


several(LATE, silence=(b"", "silent peer (waits for 15 s deadline)"))

REPLAY = Kind("replay", None, ASKED, "write",
              ("replay 1/2: hello used a first time", "replay 2/2: same bytes again, CA key known",
               "replay without the CA key"))


def make_kinds(identities):
    """Every kind with its messages; those of patience apart."""
    made = [Kind(name, [make(identities, i) for i in range(POOL)], codes, how, cases)
            for name, make, codes, how, cases in KINDS]
    return [k for k in made if k.codes != LATE], [k for k in made if k.codes == LATE]


# Cases of the real server that are no hostile bytes in a hello: what Kiln takes as well (roast.py
# and the unit tests of lib/roast show it), what happens in TLS, and what STS does.
TAKEN = ("hand-made client", "no trailing newline", "newline 300 ms", "JSON in two segments",
         "leading newlines", "pretty-printed", "JSON of exactly", "unknown extra field",
         "signed 4 min ago", "other valid region", "ServerHostnames DNS", "ServerHostnames IPv6",
         'ServerHostnames "["', "ServerHostnames null", "ServerHostnames empty",
         "field names in lower case", "Body base64 with line breaks", "Region eu-central-2")
IN_TLS = ("TLS 1.2 only", "ALPN offered", "only X25519", "only P-384", "SNI sent",
          "no client certificate", "client CA and leaf", "leaf ", "the CA certificate itself",
          "self-signed leaf", "ClientCA with two PEM", "expired ClientCA", "TLS ClientHello pipe")
OF_STS = ("STS answers after",)


def uncovered():
    """Recorded cases of the real server that no kind stands for; None without the recordings."""
    file = GOLDEN / "probe_results.json"
    if not file.exists():
        return None
    covered = {case for *_, cases in KINDS for case in cases} | set(REPLAY.cases)
    recorded_cases = [r["Case"] for r in json.loads(file.read_text(encoding="utf-8"))
                      if r["Side"] == "server"]
    return [c for c in recorded_cases if c not in covered
            and not c.startswith(TAKEN + IN_TLS + OF_STS)]
