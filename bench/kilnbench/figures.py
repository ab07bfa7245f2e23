"""Which figures there are: one list for the tables and the drawings."""

from . import keys_rows, peers, roast_rows


class Series:
    """A value of one measure: how it is scaled, named and written."""

    def __init__(self, title, measure, metric, unit, scale=1.0, digits=1, better="less"):
        self.title = title
        self.measure = measure
        self.metric = metric
        self.unit = unit
        self.scale = scale
        self.digits = digits
        self.better = better

    def of(self, summary, peer):
        """(median, min, max) in the unit, or None."""
        spread = summary.get(self.measure, {}).get(peer, {}).get(self.metric)
        if not spread:
            return None
        return tuple(spread[k] * self.scale for k in ("median", "min", "max"))

    def ratio(self, summary, peer):
        return summary.get(self.measure, {}).get(peer, {}).get(self.metric, {}).get("ratio")

    def text(self, value):
        return f"{value:,.{self.digits}f}"


class Figure:
    def __init__(self, name, kind, title, note, series, variants=None):
        self.name = name
        self.variants = variants or peers.ALL
        self.kind = kind
        self.title = title
        self.note = note
        self.series = series


FLOOR = "direct"
PER_BYTE = "instructions per byte, proxy"
THOUSANDS = "thousand instructions, proxy"

ALL = [
    Figure("counted-bulk", "counted", "Bulk transfer, counted",
           "Instructions that the proxy and the kernel on its behalf spend on a byte.", [
               Series("client to backend", "bulk-up", "proxy", PER_BYTE, digits=2),
               Series("backend to client", "bulk-down", "proxy", PER_BYTE, digits=2)]),
    Figure("counted-request", "counted", "Request and answer, counted",
           "Instructions that the proxy spends on one request and its answer.", [
               Series("1 connection", "request-1", "proxy", THOUSANDS, 1e-3),
               Series("64 connections", "request-64", "proxy", THOUSANDS, 1e-3)]),
    Figure("counted-handshake", "counted", "Full handshake, counted",
           "Instructions of the proxy for connect, full TLS 1.3 handshake, one byte, close.", [
               Series("connect to close", "handshake", "proxy", THOUSANDS, 1e-3, 0)]),
    Figure("timed-bulk", "timed", "Bulk transfer, timed",
           "Gigabytes that pass per second of the proxy's processor time.", [
               Series("client to backend", "bulk-up", "per_core", "GB per core-second", 1e-9, 2,
                      "more"),
               Series("backend to client", "bulk-down", "per_core", "GB per core-second", 1e-9, 2,
                      "more")]),
    Figure("timed-request", "timed", "Request and answer, timed",
           "Requests answered per second of the proxy's processor time.", [
               Series("1 connection", "request-1", "per_core", "thousand per core-second", 1e-3,
                      1, "more"),
               Series("64 connections", "request-64", "per_core", "thousand per core-second",
                      1e-3, 1, "more")]),
    Figure("timed-latency", "timed", "Latency of a request, timed",
           "Closed loop: a connection sends its next request when the answer is there.", [
               Series(f"{conns} connection{'s' * (conns > 1)}, {label}", f"request-{conns}",
                      metric, "µs", digits=0)
               for conns in (1, 64)
               for label, metric in (("p50", "p50_us"), ("p99", "p99_us"),
                                     ("p99.9", "p999_us"))]),
    Figure("timed-handshake", "timed", "Full handshakes, timed",
           "Connections (connect, full TLS 1.3 handshake, one byte, close) per second of the "
           "proxy's processor time.", [
               Series("connect to close", "handshake", "per_core", "per core-second", digits=0,
                      better="more")]),
    Figure("timed-memory", "timed", "Memory of an idle connection, this kernel",
           "After one request each. Kernel: without the client's and the backend's sockets.", [
               Series("processes", "idle", "process_kib", "KiB"),
               Series("kernel", "idle", "kernel_kib", "KiB")]),
    Figure("memory", "memory", "Memory of an idle connection, kernel with kTLS",
           "After one request each. Kernel: without the client's and the backend's sockets.", [
               Series("processes", "idle", "process_kib", "KiB"),
               Series("kernel", "idle", "kernel_kib", "KiB")]),
    Figure("roast-handshake", "roast", "Handshakes by AWS roles",
           "kiln client to kiln server, one byte, close; what kiln server spends on one, and how "
           "many it does.", [
               Series("per core", "roast", "per_core", "per core-second", digits=0,
                      better="more"),
               Series("the worker", "roast", "worker_us", "µs of processor time", digits=0),
               Series("the identity agent", "roast", "agent_us", "µs of processor time", digits=0)],
           roast_rows.HANDSHAKES),
    Figure("roast-latency", "roast", "Latency of a handshake by AWS roles",
           f"From connect to the first byte through both gateways, "
           f"{roast_rows.AT_ONCE['roast']} connections at once if not said otherwise; "
           "both ends ask STS.", [
               Series("p50", "roast", "p50_ms", "ms"), Series("p99", "roast", "p99_ms", "ms"),
               Series("under way", "roast", "under_way", "handshakes on the average", digits=0,
                      better="more"),
               Series("by the wall clock", "roast", "rate", "handshakes/s", digits=0,
                      better="more")],
           roast_rows.HANDSHAKES),
    Figure("roast-strangers", "roast", "What a stranger costs",
           "Processor time of kiln server for a connection that is refused, beside a TLS handshake "
           "that anybody may have.", [
               Series("the worker", "strangers", "worker_us", "µs of processor time", digits=0),
               Series("the identity agent", "strangers", "agent_us", "µs of processor time",
                      digits=0),
               Series("per core", "strangers", "per_core", "refused per core-second", digits=0,
                      better="more")],
           roast_rows.STRANGERS),
    Figure("roast-beside", "roast", "Honest peers beside strangers",
           f"{roast_rows.HONEST_RATE} honest connections a second through both gateways, begun "
           "when they are due whatever becomes of the others; from then to the first byte back. "
           "None of them failed, else the row is missing. Both ends ask STS, which takes 20 ms if "
           f"not said otherwise; {roast_rows.FLOOD_RATE:,} strangers/s are begun in the same "
           "way.", [
               Series("p50", "beside", "p50_ms", "ms"), Series("p99", "beside", "p99_ms", "ms"),
               Series("honest", "beside", "honest", "connections, all served", digits=0,
                      better="more"),
               Series("strangers", "beside", "strangers", "connections, all refused", digits=0,
                      better="more"),
               Series("of them", "beside", "strangers_rate", "a second", digits=0,
                      better="more"),
               Series("gateway", "beside", "busy", "% of a processor", 100, 0)],
           roast_rows.BESIDE),
    Figure("roast-memory", "roast", "The gateway's memory and strangers",
           "All processes of kiln server (Pss) before the strangers of the figure above come, and "
           "when they have gone.", [
               Series("before", "beside", "before_kib", "KiB", digits=0),
               Series("after", "beside", "after_kib", "KiB", digits=0)],
           roast_rows.BESIDE),
    Figure("keys-opaque", "keys", "OPAQUE, the server's side alone",
           "Without connections, store and log. In parentheses: the ratio to "
           "@serenity-kit/opaque. Login: KE2 from KE1, and the check of KE3. Registration: the "
           "response.", [
               Series("login", "opaque-login", "per_core", "per core-second", digits=0,
                      better="more"),
               Series("registration", "opaque-registration", "per_core", "per core-second",
                      digits=0, better="more")],
           keys_rows.PEERS),
    Figure("keys-server", "keys", "The key server",
           f"kiln keys serve whole, {keys_rows.SOME:,} users in its store, by its processor time; "
           "beside it @serenity-kit/opaque (in parentheses: the ratio to it) with a Map as its "
           "store and no network. A registration has a login behind it, on both.", [
               Series("logins", "keys-login", "per_core", "per core-second", digits=0,
                      better="more"),
               Series("registrations", "keys-registration", "per_core", "per core-second",
                      digits=0, better="more")],
           keys_rows.PEERS),
    Figure("keys-growth", "keys", "The key server and the number of its users",
           "A login of a random user, and a start, which checks every row. In parentheses: the "
           f"ratio to {keys_rows.SOME:,} users.", [
               Series("login", "keys-growth", "cost_us", "µs of processor time", digits=0),
               Series("p50", "keys-growth", "p50_ms", "ms"),
               Series("p99", "keys-growth", "p99_ms", "ms"),
               Series("start", "keys-start", "seconds", "s", digits=2),
               Series("start, processor", "keys-start", "cpu_seconds", "s", digits=2),
               Series("store", "keys-start", "size_mib", "MiB", digits=0)],
           keys_rows.STORES),
]


def rows(figure, summary):
    """The peers that have any value in it, in the order of the list."""
    return [p for p in figure.variants if p.name != FLOOR
            and any(s.of(summary, p.name) for s in figure.series)]
