"""What is measured: the load of each measure and the values read from its result."""

from . import keys_rows

MIB = 1 << 20


class Measure:
    """`amount` is what a run does: {"count": n} or {"seconds": s}."""

    def __init__(self, name, title, mode, conns, **sizes):
        self.name = name
        self.title = title
        self.mode = mode
        self.conns = conns
        self.sizes = sizes

    def arguments(self, amount, overrides):
        """The command line of kiln-load, without addresses."""
        settings = {"conns": self.conns, **self.sizes, **overrides, **amount}
        args = [self.mode]
        for name, value in settings.items():
            args += [f"--{name.replace('_', '-')}"] + ([] if value is True else [str(value)])
        return args


class Bulk(Measure):
    def values(self, result):
        moved = result["count"] * max(result["request"], result["answer"])
        return _costs(result, moved) | {"rate": moved / result["wall_ns"] * 1e9}


class Requests(Measure):
    def values(self, result):
        latency = {f"{k}_us": v / 1e3 for k, v in result["latency_ns"].items()}
        return (_costs(result, result["count"]) | latency |
                {"rate": result["count"] / result["wall_ns"] * 1e9})


class Idle(Measure):
    """Memory: the session takes the values itself."""

    def values(self, result):
        return result


def _costs(result, units):
    """Nanoseconds of each side (counted: instructions) for one byte or one operation."""
    cpu = result["cpu_ns"]
    costs = {side: ns / units for side, ns in cpu.items()}
    if cpu.get("proxy"):
        costs["per_core"] = units / cpu["proxy"] * 1e9
        costs["busy"] = cpu["proxy"] / result["wall_ns"]
    return costs


ALL = [
    Bulk("bulk-up", "bulk, client to backend", "bulk-up", 1, warmup=1),
    Bulk("bulk-down", "bulk, backend to client", "bulk-down", 1, warmup=1),
    Requests("request-1", "1 KiB request and answer, 1 connection", "request", 1, warmup=20),
    Requests("request-64", "1 KiB request and answer, 64 connections", "request", 64, warmup=3),
    Requests("handshake", "full handshake, one byte, close", "handshake", 8, warmup=8),
    Idle("idle", "memory of idle connections", "idle", 10000, warmup=1),
]
# Between Kilns alone: roast.py.
ROAST = ["roast", "strangers", "beside"]
KEYS = keys_rows.MEASURES
BY_NAME = {measure.name: measure for measure in ALL}
NAMES = [*BY_NAME, *ROAST, *KEYS]


def of_kind(kind, chosen):
    """Memory has a run of its own in the VM, as it need not be counted, which is slow."""
    if kind == "memory":
        return [name for name in chosen if name == "idle"]
    if kind == "roast":
        return [name for name in chosen if name in ROAST]
    if kind == "keys":
        return [name for name in chosen if name in KEYS]
    chosen = [name for name in chosen if name in BY_NAME]
    return [name for name in chosen if kind == "timed" or name != "idle"]


# How much of each: (kind of run, quick or full). Counted runs repeat to a percent, so few will do.
IDLE = 10000
AMOUNTS = {
    ("timed", True): dict.fromkeys(BY_NAME, {"seconds": 0.7}) | {"idle": {"conns": IDLE}},
    ("timed", False): dict.fromkeys(BY_NAME, {"seconds": 3}) | {"idle": {"conns": IDLE}},
    ("counted", True): {
        "bulk-up": {"count": 2}, "bulk-down": {"count": 2}, "request-1": {"count": 1000},
        "request-64": {"count": 3200}, "handshake": {"count": 40}, "idle": {"conns": 1000},
    },
    ("counted", False): {
        "bulk-up": {"count": 4}, "bulk-down": {"count": 4}, "request-1": {"count": 5000},
        "request-64": {"count": 12800}, "handshake": {"count": 200}, "idle": {"conns": 1000},
    },
    ("memory", True): {"idle": {"conns": 600}},
    ("memory", False): {"idle": {"conns": IDLE}},
}
ROUNDS = {("timed", True): 3, ("timed", False): 7, ("counted", True): 2, ("counted", False): 5,
          ("memory", True): 1, ("memory", False): 1}
IDLE_ROUNDS = {("timed", True): 1, ("timed", False): 3, ("counted", True): 0,
               ("counted", False): 0, ("memory", True): 1, ("memory", False): 1}
