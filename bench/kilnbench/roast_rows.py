"""What the roast mode measures: its rows, and how much of each."""


class Flood:
    """Strangers beside honest peers: of these kinds in equal parts, so many a second in all (0:
    each begins when one has been refused), from so many addresses."""

    def __init__(self, kinds, rate, sources, conns=512):
        self.kinds = kinds
        self.rate = rate
        self.sources = sources
        self.conns = conns


class Variant:
    """A row: the handshake of `measure`, or the flood, in one of its kinds."""

    ours = True

    def __init__(self, name, label, measure, server, delay=0, conns=None, flood=None):
        self.name = name
        self.label = label
        self.measure = measure
        self.server = server
        self.delay = delay
        self.conns = conns or AT_ONCE[measure]
        self.flood = flood


# Connections at once; the rest of a measure by (quick or not).
AT_ONCE = {"roast": 64, "strangers": 16, "beside": 256}
MANY = 400  # below the 512 requests to STS that an agent has under way at most
AMOUNTS = {True: {"roast": {"seconds": 1.2}, "strangers": {"seconds": 0.6},
                  "beside": {"seconds": 3}},
           False: {"roast": {"seconds": 5}, "strangers": {"seconds": 3},
                   "beside": {"seconds": 10}}}
ROUNDS = {True: 3, False: 9}
BESIDE_ROUNDS = {True: 1, False: 3}
HONEST_RATE = 50  # a second; below the default --roast-rate of 100 for each source
FLOOD_RATE = 1000
STRANGERS_FROM = "127.1.0.1"  # and upwards; honest peers are 127.0.0.1
MANY_SOURCES = 1000
HEAD_START = 0.3  # seconds for which strangers come before the honest
TAIL = 1.2  # and behind them, their warm-up included

HANDSHAKES = [
    Variant("mtls", "TLS, certificates both ways", "roast", "mtls"),
    *(Variant(f"roast-{ms}", f"Roast, STS after {ms} ms" if ms else "Roast, STS at once", "roast",
              "roast", ms) for ms in (0, 1, 20, 100)),
    Variant("roast-many", f"Roast, STS after 100 ms, {MANY} at once", "roast", "roast", 100, MANY),
]
STRANGERS = [
    Variant("tls", "full TLS handshake, no certificate", "strangers", "tls"),
    Variant("garbage", "no hello: an HTTP request", "strangers", "roast"),
    Variant("tampered", "hello that does not open", "strangers", "roast"),
    Variant("expired", "hello of yesterday", "strangers", "roast"),
    Variant("replay", "replay of a good hello", "strangers", "roast"),
    Variant("limited", "forged proof, 100 a second may ask STS", "strangers", "limited"),
    Variant("forged", "forged proof, every one asks STS", "strangers", "roast"),
]
MIX = ["garbage", "tampered", "expired", "replay", "forged"]
BESIDE = [
    Variant("alone", "no strangers", "beside", "limited", 20),
    Variant("mix", f"{FLOOD_RATE:,} strangers/s, all kinds, 1 source", "beside", "limited", 20,
            flood=Flood(MIX, FLOOD_RATE, 1)),
    Variant("mix-many", f"{FLOOD_RATE:,} strangers/s, all kinds, {MANY_SOURCES:,} sources",
            "beside", "limited", 20, flood=Flood(MIX, FLOOD_RATE, MANY_SOURCES)),
    Variant("full", "strangers, all kinds, 60 at any moment", "beside", "limited", 20,
            flood=Flood(MIX, 0, MANY_SOURCES, 60)),
    Variant("alone-slow", "no strangers, STS after 100 ms", "beside", "limited", 100),
    Variant("forged-slow", f"{FLOOD_RATE:,} forged proofs/s, {MANY_SOURCES:,} sources, STS after "
            "100 ms", "beside", "limited", 100,
            flood=Flood(["forged"], FLOOD_RATE, MANY_SOURCES, 1024)),
]
ALL = HANDSHAKES + STRANGERS + BESIDE
BY_NAME = {variant.name: variant for variant in ALL}
