#!/usr/bin/env python3
"""Runs every fuzzer of build/fuzz for some seconds each, as many at once as there are processors.

usage: .ci/fuzz.py SECONDS JUNIT-FILE

A fuzzer fails on a crash, a leak or a hang; the input that did it stays in build/fuzz/findings.
It starts from tests/fuzz/corpus/NAME (the fuzzer's name without `fuzz_`) and keeps what it learns
in build/fuzz/corpus.
"""

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import time
import xml.etree.ElementTree as ET

TOP = pathlib.Path(__file__).resolve().parent.parent
BUILD = TOP / "build/fuzz"


def run(fuzzer, seconds):
    """(passed, seconds, output)"""
    name = fuzzer.name.removeprefix("fuzz_")
    learnt, findings = BUILD / "corpus" / name, BUILD / "findings"
    for folder in (learnt, findings):
        folder.mkdir(parents=True, exist_ok=True)
    command = [fuzzer, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
               "-print_final_stats=1", f"-artifact_prefix={findings}/{name}-", learnt]
    command += [p for p in [TOP / "tests/fuzz/corpus" / name] if p.is_dir()]
    begin = time.monotonic()
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=seconds + 120, check=False)
        passed, output = done.returncode == 0, done.stdout
    except subprocess.TimeoutExpired as late:
        passed, output = False, (late.stdout or b"") + b"\ndid not end by itself"
    return passed, time.monotonic() - begin, output.decode("utf-8", "replace")


def main():
    seconds, junit = int(sys.argv[1]), sys.argv[2]
    fuzzers = sorted(p for p in (BUILD / "tests/fuzz").glob("fuzz_*")
                     if p.is_file() and p.stat().st_mode & 0o111)
    suite = ET.Element("testsuite", name="fuzz")
    failed = 0
    # In order, each as soon as it and those in front of it have ended.
    pool = concurrent.futures.ThreadPoolExecutor(len(os.sched_getaffinity(0)))
    runs = pool.map(lambda fuzzer: run(fuzzer, seconds), fuzzers)
    for number, (fuzzer, (passed, took, output)) in enumerate(zip(fuzzers, runs), 1):
        case = ET.SubElement(suite, "testcase", name=fuzzer.name, time=f"{took:.1f}",
                             status="run" if passed else "fail")
        clean = "".join(c for c in output if c.isprintable() or c == "\n")
        if not passed:
            failed += 1
            ET.SubElement(case, "failure", message="Failed")
        ET.SubElement(case, "system-out").text = clean
        verdict = "Passed" if passed else "***Failed"
        print(f"{number}/{len(fuzzers)} Test {fuzzer.name} {verdict} {took:.1f} sec", flush=True)
        print(clean)
    ET.ElementTree(suite).write(junit)
    return 1 if failed or not fuzzers else 0


if __name__ == "__main__":
    sys.exit(main())
