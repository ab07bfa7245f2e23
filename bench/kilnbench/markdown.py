"""docs/bench/README.md: conditions, tables, figures."""

from . import figures, keys_rows, peers

HEAD = """# Measured results

Written by `bench/run`; what the figures mean, and what they cannot see, is in
[bench/README.md](../../bench/README.md). Every value is a median, with its extremes in the figure
and in `results.json`. In parentheses: the ratio to nginx without kTLS, or to what a figure's note
names, round by round.
"""


WHERE = {
    "timed": "", "counted": " in QEMU {} (emulated, `-icount`: a nanosecond is an instruction)",
    "memory": " in QEMU {} (emulated)", "roast": "", "keys": "",
}


def _table(header, body):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    lines += ["| " + " | ".join(row) + " |" for row in body]
    return "\n".join(lines) + "\n"


def _label(peer):
    return f"**{peer.label}**" if peer.ours else peer.label


def _cell(series, summary, peer):
    value = series.of(summary, peer)
    if not value:
        return "–"
    ratio = series.ratio(summary, peer)
    return series.text(value[0]) + (f" ({ratio:.2f}×)" if ratio else "")


def _figure_table(figure, summary):
    header = [""] + [f"{s.title}, {s.unit}" for s in figure.series]
    body = [[_label(peer)] + [_cell(s, summary, peer.name) for s in figure.series]
            for peer in figures.rows(figure, summary)]
    return _table(header, body)


def _counted_sides(summary):
    """What proxy, backend and client each spend: the table that can be compared elsewhere."""
    columns = [("bulk-up", "bulk up, per byte", 1, 2), ("bulk-down", "bulk down, per byte", 1, 2),
               ("request-1", "request, 1 connection, k", 1e-3, 1),
               ("request-64", "request, 64 connections, k", 1e-3, 1),
               ("handshake", "handshake, k", 1e-3, 0)]
    shown = [c for c in columns if c[0] in summary]
    body = []
    for peer in peers.ALL:
        cells = []
        for measure, _, scale, digits in shown:
            sides = summary[measure].get(peer.name, {})
            parts = [f"{sides[s]['median'] * scale:.{digits}f}" if s in sides else "–"
                     for s in ("proxy", "backend", "client", "kthreads")]
            cells.append(" + ".join(parts) if sides else "–")
        if any(c != "–" for c in cells):
            body.append([_label(peer), *cells])
    return _table([""] + [c[1] for c in shown], body)


def _rates(summary):
    """Timed: what came through as the clock on the wall saw it, and how busy the proxy was."""
    columns = [("bulk-up", "bulk up, GB/s", 1e-9, 2), ("bulk-down", "bulk down, GB/s", 1e-9, 2),
               ("request-1", "requests/s, 1 connection", 1, 0),
               ("request-64", "requests/s, 64 connections", 1, 0),
               ("handshake", "handshakes/s", 1, 0)]
    shown = [c for c in columns if c[0] in summary]
    body = []
    for peer in peers.ALL:
        cells = []
        for measure, _, scale, digits in shown:
            values = summary[measure].get(peer.name, {})
            if not values:
                cells.append("–")
                continue
            busy = f" ({values['busy']['median']:.0%} busy)" if "busy" in values else ""
            cells.append(f"{values['rate']['median'] * scale:,.{digits}f}{busy}")
        if any(c != "–" for c in cells):
            body.append([_label(peer), *cells])
    return _table([""] + [c[1] for c in shown], body)


def _load(kind, machine):
    """What else the machine was doing spoils clocks, never counts."""
    if kind not in ("timed", "roast", "keys"):
        return ""
    return f", load average {machine['load_average']:.1f} at its start"


def _conditions(results):
    c = results["conditions"]
    lines = [f"- Command: `{c['command']}`, {c['date']}, commit {c['commit']}, "
             f"{c['distribution']}."]
    for kind, run in results["runs"].items():
        for h in run.get("host", []):
            where = WHERE[kind].format(c["qemu"])
            lines.append(f"- {kind.capitalize()}: kernel {h['kernel']}{where}, {h['cpus']} × "
                         f"{h['cpu']}, {h['openssl']}, kTLS {'yes' if h['ktls'] else 'no'}, "
                         f"{len(run['sample'])} samples in {run['seconds']:.0f} s{_load(kind, h)}"
                         + ("." if run["complete"] else "; **not all: the time was over**."))
        if run.get("plan"):
            lines.append(f"  - {_amounts(run['plan'])}")
    versions = {v["version"] for run in results["runs"].values()
                for v in run.get("version", []) if v["version"]}
    lines.append(f"- Versions: {', '.join(sorted(versions))}.")
    lines += _idle_counts(results)
    if "roast" in results["runs"]:
        lines.append("- Roast: user space, io_uring, `kiln sts` in place of AWS. The client's "
                     "side, STS and the load generator share the other processors: where they "
                     "are few, they limit the rate by the wall clock and the latency. Two Kilns "
                     "choose TLS_AES_256_GCM_SHA384.")
    if "keys" in results["runs"]:
        lines.append(f"- Keys: SQLite (WAL, synchronous=FULL), user space TLS where there is no "
                     f"kTLS, {keys_rows.CONNS} connections with {keys_rows.DEPTH} sessions each "
                     "under way, every limit counted and none reached, a log line and a line in "
                     "the audit log for each. A login is a whole session: KE1, KE2, KE3, OPEN, "
                     "a request that asks for nothing, its answer.")
    lines.append("- All: one worker, TLS 1.3, TLS_AES_128_GCM_SHA256 and no client "
                 "certificate where not said otherwise, X25519, ECDSA P-256 certificate, no "
                 "tickets, loopback.")
    return "\n".join(lines) + "\n"


def _amounts(plan):
    parts = []
    for name in plan["measures"]:
        settings = plan["amounts"][name] | plan["overrides"].get(name, {})
        if name in plan.get("at_once", {}):
            settings = {"conns": plan["at_once"][name]} | settings
        parts.append(f"{name} " + " ".join(f"{k} {v}" for k, v in settings.items()))
    return f"{plan['rounds']} rounds; per sample: " + ", ".join(parts)


def _idle_counts(results):
    """A limit on open files can lower what was asked for: what was held is what is said."""
    held = {kind: sorted({round(v["conns"]["median"]) for v in summary["idle"].values()})
            for kind, summary in results["summary"].items() if summary.get("idle")}
    return [f"- Idle connections held, {kind}: {' or '.join(f'{n:,}' for n in numbers)}."
            for kind, numbers in held.items()]


def _missing(results):
    lines = []
    for kind, run in results["runs"].items():
        lines += [f"- {kind}: {s['peer']} skipped: {s['reason']}" for s in run.get("skipped", [])]
        lines += [f"- {kind}: **{f['peer']} failed** in {f['measure']}: {f['error']}"
                  for f in run.get("failure", [])]
    return "\n".join(lines) + "\n" if lines else "Nothing: every peer ran in every measure.\n"


def page(results, drawn):
    parts = [HEAD, "## Conditions\n", _conditions(results)]
    for figure in figures.ALL:
        summary = results["summary"].get(figure.kind, {})
        if not figures.rows(figure, summary):
            continue
        parts += [f"## {figure.title}\n", figure.note + "\n", _figure_table(figure, summary)]
        if figure.name in drawn:
            parts.append(f"![{figure.title}]({figure.name}.svg)\n")
        if figure.name == "keys-server":
            lines = keys_rows.verdicts(summary)
            parts += ["\n".join(f"- {line}" for line in lines) + "\n"] if lines else []
    counted = results["summary"].get("counted")
    if counted and counted.keys() - {"idle"}:
        parts += ["## Counted, all sides\n", "Instructions of proxy + backend + client + kernel "
                  "threads.\n", _counted_sides(counted)]
    timed = results["summary"].get("timed")
    if timed and timed.keys() - {"idle"}:
        parts += ["## Timed, by the wall clock\n", "Where the proxy is far from 100 % busy, the "
                  "client was the bottleneck: compare the core-seconds above instead.\n",
                  _rates(timed)]
    parts += ["## What is missing\n", _missing(results)]
    return "\n".join(parts)
