"""Honest peers beside a flood of strangers, and the gateway's memory before and after it."""

import time

from . import memory, process
from . import roast_rows as rows


def start_strangers(session, variant):
    flood = variant.flood
    if not flood:
        return []
    share = len(flood.kinds)
    seconds = session.plan["amounts"]["beside"]["seconds"] + rows.HEAD_START + rows.TAIL
    rate = ["--rate", str(flood.rate / share)] if flood.rate else []
    # At the lowest priority: they take of the server what they can get, and leave the processor
    # that they share with honest clients and STS to these.
    started = [session.start_load([
        *session.flood(kind), *rate, "--connect",
        f"127.0.0.1:{session.servers[variant.server].port}", "--from", rows.STRANGERS_FROM,
        "--sources", str(flood.sources), "--conns", str(flood.conns // share), "--seconds",
        str(seconds)], ["nice", "-n", "19"]) for kind in flood.kinds]
    time.sleep(rows.HEAD_START)  # a part of the measure: honest peers come when it is under way
    return started


def measure(session, variant):
    before = memory_kib(session, variant)
    strangers = start_strangers(session, variant)
    try:
        result = session.load(variant)
        floods = [session.end_load(one) for one in strangers]
    finally:
        for one in strangers:
            process.stop(one)
    result["strangers"] = floods
    result["memory_kib"] = {"before": before, "after": memory_kib(session, variant)}
    return result


def memory_kib(session, variant):
    groups = session.groups(session.servers[variant.server])
    return {name: memory.processes_kib(pids) for name, pids in groups.items()}


def values(result):
    latency, memory_kib = result["latency_ns"], result["memory_kib"]
    return {"honest": result["count"], "p50_ms": latency["p50"] / 1e6,
            "p99_ms": latency["p99"] / 1e6, "max_ms": latency["max"] / 1e6,
            "busy": sum(result["cpu_ns"].get(k, 0) for k in ("worker", "agent", "other")) /
            result["wall_ns"],
            "strangers": sum(f["count"] for f in result["strangers"]),
            "strangers_rate": sum(f["count"] / f["wall_ns"] * 1e9
                                  for f in result["strangers"]),
            "before_kib": sum(memory_kib["before"].values()),
            "after_kib": sum(memory_kib["after"].values())}
