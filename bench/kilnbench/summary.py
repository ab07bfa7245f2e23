"""Medians, extremes and ratios of the samples."""

import statistics

from . import keys_rows, peers


def _spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values),
            "n": len(values)}


def _by_round(samples):
    """{measure: {peer: {round: values}}}"""
    found = {}
    for sample in samples:
        by_peer = found.setdefault(sample["measure"], {})
        by_peer.setdefault(sample["peer"], {})[sample["round"]] = dict(sample["values"])
    return found


def _subtract_direct(idle):
    """Leaves of the kernel's memory what the proxy adds: see memory.py."""
    direct = idle.get("direct", {})
    for peer, rounds in idle.items():
        for number, values in rounds.items():
            if peer != "direct" and number in direct:
                for metric in ("kernel", "unattributed"):
                    gross = f"{metric}_gross_kib"
                    values[f"{metric}_kib"] = values[gross] - direct[number][gross]


def _ratios(rounds, baseline, metric):
    """Round by round, so that what slowed a whole round down cancels out."""
    shared = [n for n in rounds if n in baseline and baseline[n].get(metric)
              and metric in rounds[n]]
    return [rounds[n][metric] / baseline[n][metric] for n in shared]


def of_run(samples):
    """{measure: {peer: {metric: {median, min, max, n, ratio}}}}"""
    found = _by_round(samples)
    _subtract_direct(found.get("idle", {}))
    result = {}
    for measure, by_peer in found.items():
        baseline = by_peer.get(keys_rows.BASELINE.get(measure, peers.BASELINE), {})
        for peer, rounds in by_peer.items():
            metrics = sorted({m for values in rounds.values() for m in values})
            for metric in metrics:
                spread = _spread([v[metric] for v in rounds.values() if metric in v])
                ratios = _ratios(rounds, baseline, metric)
                if ratios:
                    spread["ratio"] = statistics.median(ratios)
                result.setdefault(measure, {}).setdefault(peer, {})[metric] = spread
    return result


def of(results):
    return {kind: of_run(run["sample"]) for kind, run in results["runs"].items()}
