"""Runs sessions where they belong (this kernel, or one in the VM) and collects what they say."""

import json
import os
import pathlib
import select
import subprocess
import sys
import time

from . import keys_rows, measures, process, roast_rows

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = ROOT / "bench" / "run"
# Of a plan, what is of this machine only and not for the results.
FILES = ("load", "kiln", "cert", "key", "pem", "keys_load", "stores", "scratch")
# Kinds that run on this machine's kernel.
HERE = ("timed", "roast", "keys")


def say(text):
    print(f"bench/run: {text}", file=sys.stderr, flush=True)


def cpu_shares(kind):
    """The proxy gets a processor of its own where there is more than one."""
    cpus = sorted(os.sched_getaffinity(0))
    if kind not in HERE or len(cpus) < 2:
        return [], []
    return cpus[:1], cpus[1:]


def amounts(kind, options):
    """What is different in each kind of run."""
    key = (kind, options.quick)
    if kind == "roast":
        return {"amounts": roast_rows.AMOUNTS[options.quick], "overrides": {}, "idle_rounds": 0,
                "rounds": options.rounds or roast_rows.ROUNDS[options.quick],
                "beside_rounds": roast_rows.BESIDE_ROUNDS[options.quick],
                "at_once": roast_rows.AT_ONCE}
    if kind == "keys":
        return {"amounts": keys_rows.AMOUNTS[options.quick], "overrides": {}, "idle_rounds": 0,
                "rounds": options.rounds or keys_rows.ROUNDS[options.quick],
                **keys_files(options)}
    return {"amounts": dict(measures.AMOUNTS[key]), "overrides": options.overrides,
            "rounds": options.rounds or measures.ROUNDS[key],
            "idle_rounds": measures.IDLE_ROUNDS[key]}


def keys_files(options):
    """A store with many users takes minutes to fill: a quick run has it only if it is there."""
    place = options.build / "bench"
    stores = place / "keys-stores"
    there = keys_rows.kept_folder(stores, keys_rows.MANY).is_dir()
    many = keys_rows.QUICK_MANY if options.quick and not there else keys_rows.MANY
    return {"keys_load": str(place / "kiln-keys-load"), "stores": str(stores),
            "scratch": str(place), "users": [keys_rows.FEW, keys_rows.SOME, many]}


def make_plan(kind, peers, options, folder):
    on_proxy, on_load = cpu_shares(kind)
    plan = {
        "kind": kind, "load": str(options.load), "kiln": str(options.kiln),
        "cert": str(folder / "cert.pem"), "key": str(folder / "key.pem"),
        "pem": str(folder / "both.pem"),
        "peers": peers, "measures": measures.of_kind(kind, options.measures),
        **amounts(kind, options), "cpus_proxy": on_proxy, "cpus_load": on_load,
        "run_timeout": 600,
    }
    if options.idle_conns and kind not in ("roast", "keys"):
        plan["amounts"]["idle"] = {"conns": options.idle_conns}
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
    if kind in HERE:
        return session
    memory = options.vm_mem or (3072 if kind == "memory" else 1536)
    how = ["--counted", "--smp", "1"] if kind == "counted" else ["--smp", "2"]
    return [str(options.vm_run), "--kernel", options.kernel, *how, "--mem", str(memory),
            "--timeout", str(int(budget)), "--quiet", "--", *session]


def vm_is_missing(options):
    """Why the VM cannot be had, or None; fetches its kernel, which no budget should pay for."""
    if not options.vm_run.exists():
        return f"{options.vm_run} is not there"
    done = subprocess.run([str(options.vm_run), "--kernel", options.kernel, "--fetch"],
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
                          check=False)
    lines = done.stderr.strip().splitlines()
    return None if done.returncode == 0 else (lines[-1] if lines else "no kernel for the VM")


def nothing(reason):
    """The findings of a run that could not be."""
    return {"sample": [], "failure": [], "version": [], "complete": False,
            "skipped": [{"peer": "every peer", "reason": reason}]}


class Run:
    """A session under way: {"plan", "host", "sample": [...], ...} grows in findings."""

    def __init__(self, kind, peers, options, folder, budget):
        self.kind = kind
        plan, plan_file = make_plan(kind, peers, options, folder)
        kept = {k: v for k, v in plan.items() if k not in FILES}
        self.findings = {"plan": kept, "sample": [], "failure": [], "skipped": [], "version": []}
        self.began = time.monotonic()
        self.deadline = self.began + budget
        self.first_step = None
        self.pending = b""
        self.child = process.start(command_for(kind, options, plan_file, budget), None,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)

    def read(self):
        """Takes what the session has said; False once it has ended."""
        data = os.read(self.child.stdout.fileno(), 65536)
        *lines, self.pending = (self.pending + data).split(b"\n")
        for line in lines:
            self._take(line)
        return bool(data)

    def _take(self, line):
        try:
            entry = json.loads(line)
            kind = entry.pop("kind")
        except (ValueError, KeyError, AttributeError):
            say(f"{self.kind}: unexpected output: {line.decode('utf-8', 'replace')}")
            return
        if kind == "step":
            self._progress(entry)
            return
        self.findings.setdefault(kind, []).append(entry)
        if kind == "failure":
            say(f"{self.kind}: {entry['peer']} failed in {entry['measure']}: {entry['error']}")
            for text in entry["log"]:
                say(f"    {text}")
        elif kind == "skipped":
            say(f"{self.kind}: {entry['peer']} skipped: {entry['reason']}")

    def _progress(self, step):
        now = time.monotonic()
        self.first_step = self.first_step or now
        left = ""
        if step["done"] >= 3:
            seconds = (now - self.first_step) / step["done"] * (step["total"] - step["done"])
            left = f", about {min(seconds, self.deadline - now):.0f} s left"
        say(f"{self.kind} {step['done'] + 1}/{step['total']} {step['measure']} "
            f"{step['peer']}{left}")

    def stop(self):
        process.stop(self.child, grace=20)
        findings = self.findings
        findings["complete"] = "end" in findings
        findings["out_of_time"] = not findings["complete"] and time.monotonic() > self.deadline - 5
        findings["seconds"] = round(time.monotonic() - self.began, 1)
        if not findings["complete"]:
            say(f"{self.kind}: not all was measured in {findings['seconds']:.0f} s (status "
                f"{self.child.returncode}); {len(findings['sample'])} samples are kept")


def run(kinds, peers, options, folder, budget):
    """{kind: findings}; the kinds at the same time, each ended at its budget with what it has."""
    runs = {}
    try:
        for kind in kinds:
            runs[kind] = Run(kind, peers, options, folder, budget)
        under_way = set(runs.values())
        while under_way:
            left = min(r.deadline for r in under_way) - time.monotonic()
            ready = select.select([r.child.stdout for r in under_way], [], [], max(0, left))[0]
            for one in list(under_way):
                if one.child.stdout in ready:
                    ended = not one.read()
                else:
                    ended = time.monotonic() >= one.deadline
                if ended:
                    under_way.remove(one)
                    one.stop()
    finally:
        for one in runs.values():
            if "complete" not in one.findings:
                one.stop()
    return {kind: one.findings for kind, one in runs.items()}
