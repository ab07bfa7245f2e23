"""Runs a session where it belongs (this kernel, or one in the VM) and collects what it says."""

import json
import os
import pathlib
import select
import subprocess
import sys
import time

from . import measures, process

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "bench" / "run"


def say(text):
    print(f"bench/run: {text}", file=sys.stderr, flush=True)


def cpu_shares(kind):
    """The proxy gets a processor of its own where there is more than one."""
    cpus = sorted(os.sched_getaffinity(0))
    if kind == "counted" or len(cpus) < 2:
        return [], []
    return cpus[:1], cpus[1:]


def make_plan(kind, options, folder):
    on_proxy, on_load = cpu_shares(kind)
    key = (kind, options.quick)
    plan = {
        "load": str(options.load), "kiln": str(options.kiln),
        "cert": str(folder / "cert.pem"), "key": str(folder / "key.pem"),
        "pem": str(folder / "both.pem"),
        "peers": options.peers, "measures": options.measures,
        "amounts": measures.AMOUNTS[key], "overrides": options.overrides,
        "rounds": options.rounds or measures.ROUNDS[key],
        "idle_rounds": 1 if options.quick else 3,
        "cpus_proxy": on_proxy, "cpus_load": on_load,
        "run_timeout": 600,
    }
    if options.idle_conns:
        plan["amounts"] = plan["amounts"] | {"idle": {"conns": options.idle_conns}}
    file = folder / f"plan-{kind}.json"
    file.write_text(json.dumps(plan, indent=1), encoding="utf-8")
    return plan, file


def make_certificate(folder):
    """ECDSA P-256, self-signed, for localhost; in the three forms that the peers want."""
    key, cert, both = (folder / name for name in ("key.pem", "cert.pem", "both.pem"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", str(key), "-out", str(cert), "-days", "30", "-subj",
         "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        check=True, capture_output=True)
    both.write_text(cert.read_text(encoding="ascii") + key.read_text(encoding="ascii"),
                    encoding="ascii")


def command_for(kind, options, plan_file, budget):
    session = [sys.executable, str(PROGRAM), "--session", str(plan_file)]
    if kind == "timed":
        return session
    return [str(options.vm_run), "--kernel", options.kernel, "--counted", "--smp", "1",
            "--mem", str(options.vm_mem), "--timeout", str(int(budget)), "--quiet", "--",
            *session]


class Progress:
    """One line per step: on a terminal it overwrites itself."""

    def __init__(self, kind):
        self.kind = kind
        self.began = None
        self.clear = "\r\033[K" if sys.stderr.isatty() else ""

    def __call__(self, step):
        now = time.monotonic()
        self.began = self.began or now
        left = ""
        if step["done"] >= 3:
            seconds = (now - self.began) / step["done"] * (step["total"] - step["done"])
            left = f", about {seconds:.0f} s left"
        text = (f"{self.kind} {step['done'] + 1}/{step['total']} {step['measure']} "
                f"{step['peer']}{left}")
        sys.stderr.write(f"{self.clear}bench/run: {text}{'' if self.clear else chr(10)}")
        sys.stderr.flush()

    def end(self):
        sys.stderr.write(self.clear)


def read_lines(child, deadline):
    """Lines of the child's stdout until it ends or the deadline passes."""
    pending = b""
    while True:
        left = deadline - time.monotonic()
        ready = select.select([child.stdout], [], [], max(0, left))[0] if left > 0 else []
        if not ready:
            return
        data = os.read(child.stdout.fileno(), 65536)
        if not data:
            return
        *lines, pending = (pending + data).split(b"\n")
        yield from lines


def collect(child, deadline, findings, progress):
    for line in read_lines(child, deadline):
        try:
            entry = json.loads(line)
            kind = entry.pop("kind")
        except (ValueError, KeyError, AttributeError):
            say(f"unexpected output: {line.decode('utf-8', 'replace')}")
            continue
        if kind == "step":
            progress(entry)
            continue
        findings.setdefault(kind, []).append(entry)
        if kind == "failure":
            progress.end()
            say(f"{entry['peer']} failed in {entry['measure']}: {entry['error']}")
            for text in entry["log"]:
                say(f"    {text}")
        elif kind == "skipped":
            progress.end()
            say(f"{entry['peer']} skipped: {entry['reason']}")


def run(kind, options, folder, budget):
    """{"kind", "plan", "host", "sample": [...], ...}; ends in time, with what there is by then."""
    plan, plan_file = make_plan(kind, options, folder)
    command = command_for(kind, options, plan_file, budget)
    findings = {"plan": plan, "sample": [], "failure": [], "skipped": [], "version": []}
    began = time.monotonic()
    progress = Progress(kind)
    child = process.start(command, None, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    try:
        collect(child, began + budget, findings, progress)
    finally:
        progress.end()
        process.stop(child, grace=20)
    findings["complete"] = "end" in findings
    findings["seconds"] = round(time.monotonic() - began, 1)
    if not findings["complete"]:
        say(f"{kind} measurements did not get to their end in {findings['seconds']:.0f} s "
            f"(status {child.returncode}); {len(findings['sample'])} samples are kept")
    return findings
