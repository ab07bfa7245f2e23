"""The command line of bench/run: builds, measures in all modes, writes what was found."""

import argparse
import datetime
import json
import pathlib
import platform
import shlex
import subprocess
import sys
import tempfile

from . import host, keys_rows, markdown, measures, peers, runner, summary, svg

ROOT = runner.ROOT
# Left out of a quick run, where they are not asked for by name.
FULL_ONLY = {"hitch", "stunnel", "kiln-ktls-epoll"}
TIMED_ONLY = {"kiln-epoll"}
# Seconds for (mode, quick); the rest of twelve minutes is for building and booting.
BUDGET = {("counted", True): 300, ("timed", True): 170,
          ("counted", False): 5400, ("timed", False): 5400,
          ("roast", True): 90, ("roast", False): 1200,
          ("keys", True): 110, ("keys", False): 1800}
# What each mode consists of: the sessions of a line run at the same time.
SESSIONS = {"counted": ["counted", "memory"], "timed": ["timed"], "roast": ["roast"],
            "keys": ["keys"]}


class Wrong(Exception):
    """The command line, or the machine, is not fit for a run."""


def names(text, known, what):
    chosen = [n for n in text.split(",") if n]
    for name in chosen:
        if name not in known:
            raise Wrong(f"no {what} {name!r}; there are: {' '.join(known)}")
    return [n for n in known if n in chosen]


def parse(argv, usage):
    parser = argparse.ArgumentParser(add_help=False, usage=usage.split("usage: ")[1])
    parser.add_argument("-h", "--help", action="store_true")
    for flag in ("quick", "no-build", "no-exchange", "render"):
        parser.add_argument(f"--{flag}", action="store_true")
    parser.add_argument("--mode", choices=("timed", "counted", "roast", "keys", "all"), default="all")
    parser.add_argument("--only", default="")
    parser.add_argument("--peers", default="")
    for number in ("rounds", "idle-conns", "budget", "vm-mem"):
        parser.add_argument(f"--{number}", type=int)
    parser.add_argument("--sizes")
    parser.add_argument("--kernel", default="backports")
    for file in ("vm-run", "build", "kiln", "out", "json"):
        parser.add_argument(f"--{file}", type=lambda text: pathlib.Path(text).resolve())
    return parser.parse_args(argv)


def complete(options):
    """Fills in what was not said."""
    options.vm_run = options.vm_run or ROOT / "tests" / "vm" / "run"
    options.build = options.build or ROOT / "build" / "release"
    options.out = options.out or ROOT / "docs" / "bench"
    options.json = options.json or options.out / "results.json"
    options.load = options.build / "bench" / "kiln-load"
    options.kiln = options.kiln or options.build / "gateway" / "kiln"
    options.measures = names(options.only or ",".join(measures.NAMES), measures.NAMES,
                             "measure")
    options.peers = names(options.peers, peers.BY_NAME, "peer")
    options.overrides = {}
    if options.sizes:
        try:
            request, answer = map(int, options.sizes.split(","))
        except ValueError:
            raise Wrong(f"--sizes wants REQUEST,ANSWER in bytes, not {options.sizes!r}") from None
        for name in ("request-1", "request-64"):
            options.overrides[name] = {"request": request, "answer": answer}
    if options.no_exchange:
        options.overrides["handshake"] = {"no-exchange": True}


def peers_for(mode, options):
    """In the order of measuring: first what the others are compared with, should time run out."""
    left_out = set()
    if options.quick and not options.peers:
        left_out = FULL_ONLY | (TIMED_ONLY if mode == "counted" else set())
    chosen = [name for name in options.peers or peers.BY_NAME if name not in left_out]
    return sorted(chosen, key=lambda name: name not in ("direct", peers.BASELINE))


def build(options):
    """The programs as the sources are now."""
    if not options.no_build:
        runner.say(f"building in {options.build}")
        if not (options.build / "build.ninja").exists():
            subprocess.run(["cmake", "-S", str(ROOT), "-B", str(options.build), "-G", "Ninja",
                            "-DCMAKE_BUILD_TYPE=RelWithDebInfo"], check=True,
                           stdout=subprocess.DEVNULL)
        subprocess.run(["cmake", "--build", str(options.build), "--target", "kiln-load", "kiln",
                        "kiln-keys-load"], check=True, stdout=subprocess.DEVNULL)
    if not options.load.exists():
        raise Wrong(f"{options.load} is not there; run without --no-build")


def commit():
    head = host.first_line(["git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"], r"(\w+)")
    changed = host.first_line(["git", "-C", str(ROOT), "status", "--porcelain", "--", "gateway",
                               "lib", "bpf", "bench", "CMakeLists.txt"], r"(\S)")
    return (head or "unknown") + (" with changes" if changed else "")


def conditions(argv):
    return {
        "command": shlex.join(["bench/run", *argv]),
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(),
        "qemu": host.first_line(["qemu-system-x86_64", "--version"], r"version (\S+)"),
        "python": platform.python_version(),
        "distribution": platform.freedesktop_os_release().get("PRETTY_NAME", "unknown"),
        "host": host.describe(),
    }


def measure(options, argv):
    """Everything that was asked for; one mode's failure leaves the other's figures."""
    results = {"conditions": conditions(argv), "quick": options.quick, "runs": {}}
    place = options.build / "bench"
    with tempfile.TemporaryDirectory(prefix="run-", dir=place) as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        runner.make_certificate(folder)
        for mode, sessions in SESSIONS.items():
            kinds = [k for k in sessions if measures.of_kind(k, options.measures)]
            if options.mode not in (mode, "all") or not kinds:
                continue
            reason = runner.vm_is_missing(options) if mode == "counted" else None
            if reason:
                runner.say(f"nothing is counted: {reason}")
                results["runs"] |= {kind: runner.nothing(reason) for kind in kinds}
                continue
            budget = options.budget or BUDGET[mode, options.quick]
            results["runs"] |= runner.run(kinds, peers_for(mode, options), options, folder,
                                          budget)
    return results


def write(results, options):
    options.out.mkdir(parents=True, exist_ok=True)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    results["summary"] = summary.of(results)
    options.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    figures = svg.write_all(results, options.out)
    text = markdown.page(results, figures)
    (options.out / "README.md").write_text(text, encoding="utf-8")
    for line in keys_rows.verdicts(results["summary"].get("keys", {})):
        runner.say(line)
    runner.say(f"wrote {options.out}/README.md, {options.json.name}, {len(figures)} figures")
    return text


def verdict(results):
    """0 when what was measured went well; a run that used up its time is cut short, not wrong."""
    runs = results["runs"]
    failures = sum(len(run["failure"]) for run in runs.values())
    samples = sum(len(run["sample"]) for run in runs.values())
    cut = [kind for kind, run in runs.items() if run.get("out_of_time") and run["sample"]]
    broken = [kind for kind, run in runs.items() if not run["complete"] and kind not in cut]
    for names_of, why in ((cut, "cut short by their budget"), (broken, "not done")):
        if names_of:
            runner.say(f"{why}: {' '.join(names_of)}")
    runner.say(f"{samples} samples, {failures} failures")
    return 1 if failures or broken or not samples else 0


def main(argv, usage):
    options = parse(argv, usage)
    if options.help:
        print(usage.strip())
        return 0
    try:
        complete(options)
        if options.render:
            results = json.loads(options.json.read_text(encoding="utf-8"))
        else:
            build(options)
            results = measure(options, argv)
        print(write(results, options))
        return verdict(results)
    except Wrong as reason:
        print(f"bench/run: {reason}", file=sys.stderr)
        return 2
    except subprocess.CalledProcessError as error:
        print(f"bench/run: failed: {shlex.join(map(str, error.cmd))}", file=sys.stderr)
        return 2
