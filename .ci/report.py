#!/usr/bin/env python3
"""Counts what the stages of `./bootstrap test` left in a folder.

usage: .ci/report.py RESULTS-FOLDER

Prints failing tests with their output, skipped ones with their reason, a table of the stages, and
as the very last line `N passed, N failed, N skipped`. Exits 1 when something failed, or when this
is CI and no kTLS test ran.
"""

import os
import pathlib
import re
import sys
import xml.etree.ElementTree as ET

OUTPUT_LINES = 80


class Stage:
    """One line of stages.tsv and the JUnit file that belongs to it."""

    def __init__(self, folder, line):
        self.name, self.seconds, status, reason = line.rstrip("\n").split("\t")
        self.log = folder / f"{self.name}.log"
        self.passed, self.failed, self.skipped = 0, [], []
        if status == "skipped":
            self.skipped.append(("the whole stage", reason))
            return
        try:
            self._read(ET.parse(folder / f"{self.name}.xml").getroot())
        except (FileNotFoundError, ET.ParseError):
            self._read_log()
        if status != "0" and not self.failed:
            self._fail_without_test(f"it ended with exit status {status}")
        elif not self.passed and not self.failed and not self.skipped:
            self._fail_without_test("it ran no test")

    def _read(self, junit):
        for case in junit.iter("testcase"):
            name, output = case.get("name"), case.findtext("system-out") or ""
            skipped = case.find("skipped")
            message = skipped.get("message", "") if skipped is not None else ""
            if message.startswith("SKIP_") or case.get("status") == "disabled":
                self.skipped.append((name, skip_reason(message, output)))
            elif case.get("status") == "run" and case.find("failure") is None:
                self.passed += 1
            else:  # a program that could not even be started is no skipped test
                # Only ctest's own line tells a timeout or a crash from a failed check.
                line = re.search(rf"Test +#\d+: {re.escape(name)} .*", self._log_text())
                self.failed.append((name, f"{output.rstrip()}\n{line[0] if line else message}"))

    def _read_log(self):
        """ctest writes JUnit at its end; where the VM died under it, its lines tell the rest."""
        results = dict(re.findall(r"Test +#(\d+): \S+ \.*(?:\*\*\*|   )(\w+)", self._log_text()))
        self.passed = sum(word == "Passed" for word in results.values())
        for number, name in re.findall(r"Start +(\d+): (\S+)", self._log_text()):
            if number not in results:
                self.failed.append((name, self._log_text() + "\nended with this test running"))
            elif results[number] == "Skipped":
                self.skipped.append((name, "its reason was lost with the stage"))
            elif results[number] != "Passed":
                self.failed.append((name, f"{results[number]}; its output was lost with the stage"))

    def _log_text(self):
        if not self.log.is_file():
            return ""
        return self.log.read_text(encoding="utf-8", errors="replace")

    def _fail_without_test(self, why):
        self.failed.append(("the whole stage", f"{self._log_text().rstrip()}\n{why}"))


def skip_reason(message, output):
    """What the test said: its line with "skip" in it, else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = [line for line in lines if re.search(r"\bskip", line, re.I)]
    return (said or lines or [message or "no reason given"])[-1]


def show(stages):
    for stage in stages:
        for name, output in stage.failed:
            print(f"\n==== FAILED: {stage.name}: {name}")
            print("\n".join(output.rstrip().splitlines()[-OUTPUT_LINES:]))
    if any(stage.skipped for stage in stages):
        print("\nskipped:")
    for stage in stages:
        for name, reason in stage.skipped:
            print(f"  {stage.name}: {name}: {reason}")
    if any(stage.failed for stage in stages):
        print("\nfailed:")
    for stage in stages:
        for name, _ in stage.failed:
            print(f"  {stage.name}: {name}")
    width = max([len(stage.name) for stage in stages] + [5])
    print(f"\n{'stage':{width}} {'passed':>7} {'failed':>7} {'skipped':>7} {'seconds':>7}")
    for stage in stages:
        print(f"{stage.name:{width}} {stage.passed:7} {len(stage.failed):7} "
              f"{len(stage.skipped):7} {stage.seconds:>7}")


def main():
    folder = pathlib.Path(sys.argv[1])
    with open(folder / "stages.tsv", encoding="utf-8") as lines:
        stages = [Stage(folder, line) for line in lines]
    in_ci = os.environ.get("CI", "") not in ("", "0", "false")
    stock = [s for s in stages if s.name == "dev-vm-stock"]
    if in_ci and not any(s.passed and not s.skipped for s in stock):
        ktls = Stage.__new__(Stage)
        ktls.name, ktls.seconds, ktls.passed, ktls.skipped = "ktls", 0, 0, []
        ktls.failed = [("kTLS", "not every kTLS test ran on the stock kernel; CI does not accept "
                        "that")]
        stages.append(ktls)
    show(stages)
    failed = sum(len(s.failed) for s in stages)
    print(f"\n{sum(s.passed for s in stages)} passed, {failed} failed, "
          f"{sum(len(s.skipped) for s in stages)} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
