"""The measurements of the key server: what a login and a registration cost it.

  kiln-keys-load == TLS, kiln-keys/1 ==> kiln server -- hands off --> kiln keys serve -- SQLite
                                          (relays, where there is no kTLS)

What is measured is `kiln keys serve`; everything else has the other processors. Beside it, on the
same processor and in turn, @serenity-kit/opaque in node: its server's computation and nothing else.
"""

import importlib.util
import json
import os
import pathlib
import subprocess
import tempfile
import time
import types

from . import host, process
from . import keys_rows as rows

ROOT = pathlib.Path(__file__).resolve().parents[2]
SERENITY = ROOT / "bench" / "keys" / "serenity.mjs"
EXPORTER = "EXPORTER-kiln-keys/1"
PATIENCE = 600  # seconds for a start: a big store is checked row by row
LOG_LINES = 4
# Attempts are not what is limited here: the row of each limit is read and written all the same.
NO_LIMITS = [part for kind in ("source", "stranger", "known", "register")
             for part in ("--limit", f"{kind}=1000000,1ms,1ms,1ms")]


def emit(kind, **found):
    print(json.dumps({"kind": kind, **found}), flush=True)


def packages():
    """The folder with serenity's package; an exception says why there is none."""
    file = ROOT / "tests" / "interop" / "harness" / "npm.py"
    spec = importlib.util.spec_from_file_location("npm", file)
    npm = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(npm)
    version = rows.SERENITY_VERSION
    try:
        return npm.folder_of(f"opaque-{version}", f"@serenity-kit/opaque@{version}"), None
    except npm.Missing as reason:
        return None, str(reason)


class Session:
    """Everything is started once, then measured in turn."""

    def __init__(self, plan, folder):
        self.plan = plan
        self.folder = folder
        self.kiln = plan["kiln"]
        self.load = plan["keys_load"]
        self.programs = []
        self.servers = {}
        self.registered = 0
        self.failed = set()
        process.raise_file_limit()

    # Stores

    def make_store(self, folder, users):
        """(database, key) with so many users."""
        database, key = folder / f"{users}.db", folder / f"{users}.key"
        subprocess.run([self.kiln, "keys", "init", "--store", str(database), "--key-file",
                        str(key)], check=True, capture_output=True)
        subprocess.run([self.load, "fill", str(database), str(key), str(users)], check=True)
        return database, key

    def kept_store(self, users):
        """A big one is filled once and kept: that takes minutes. Runs add logins to it."""
        folder = rows.kept_folder(self.plan["stores"], users)
        if not folder.is_dir():
            folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=folder.parent) as name:
                fresh = pathlib.Path(name) / str(users)
                fresh.mkdir()
                self.make_store(fresh, users)
                fresh.rename(folder)
        return folder / f"{users}.db", folder / f"{users}.key"

    # Programs

    def start(self, name, command, cpus):
        log = self.folder / f"{name}.log"
        with log.open("wb") as file:
            started = process.start(command, cpus, stdin=subprocess.DEVNULL, stdout=file,
                                    stderr=file)
        self.programs.append(started)
        return started, log

    def start_keys(self, store, name):
        """The key server, when it is ready, and how long that took."""
        database, key = store
        socket = self.folder / f"{name}.sock"
        began = time.monotonic()
        started, log = self.start(f"keys-{name}", [
            self.kiln, "keys", "serve", "--listen", f"unix:{socket}", "--store", str(database),
            "--key-file", str(key), "--registration", "open", "--log-format", "json",
            *NO_LIMITS], self.plan["cpus_proxy"])
        while '"event":"ready"' not in log.read_text(encoding="utf-8"):
            if started.poll() is not None or time.monotonic() - began > PATIENCE:
                raise process.Failed("kiln keys serve did not start: " +
                                     log.read_text(encoding="utf-8")[-300:])
            time.sleep(0.005)
        spent = time.clock_gettime(process.cpu_clock(started.pid))
        return types.SimpleNamespace(process=started, log=log, socket=socket, spent=spent,
                                     took=time.monotonic() - began)

    def start_server(self, store, variant):
        server = self.start_keys(store, variant.name)
        port = process.free_port()
        gateway, _ = self.start(f"gateway-{variant.name}", [
            self.kiln, "server", "--listen", f"127.0.0.1:{port}", "--workers", "1", "--handoff",
            f"unix:{server.socket}", "--alpn", "kiln-keys/1", "--handoff-exporter", EXPORTER,
            "--cert", self.plan["cert"], "--key", self.plan["key"], "--disable-client-auth",
            "--log-format", "json"], self.plan["cpus_load"])
        process.wait_for_port(port, gateway, "kiln server")
        server.port, server.gateway = port, gateway
        self.servers[variant.name] = server
        emit("sample", round=0, measure="keys-start", peer=variant.name,
             values={"seconds": server.took, "cpu_seconds": server.spent,
                     "size_mib": store[0].stat().st_size / 2**20})

    def start_all(self):
        for variant in self.stores:
            place = self.folder if variant.users <= rows.SOME else None
            store = (self.make_store(place, variant.users) if place
                     else self.kept_store(variant.users))
            self.start_server(store, variant)

    def stop_all(self):
        for program in reversed(self.programs):
            process.stop(program)

    # Measuring

    def ask(self, command, cpus):
        done = process.start(command, cpus, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)
        try:
            out, err = done.communicate(timeout=self.plan["run_timeout"])
        except subprocess.TimeoutExpired:
            process.stop(done)
            raise process.Failed(f"no end within {self.plan['run_timeout']} s") from None
        result = json.loads(out.splitlines()[-1]) if out.strip() else {}
        if done.returncode or not result.get("ok"):
            raise process.Failed(err.strip()[-300:] or f"ended with {done.returncode}")
        return result

    def alone(self, what, variant, milliseconds, store=False):
        """A server's computation by itself; store: with the smallest there can be around it."""
        if variant is rows.KILN:
            command = [self.load, "alone", what, str(milliseconds)]
        else:
            command = ["node", "--no-warnings", str(SERENITY), str(self.packages),
                       f"server-{what}" if store else what, str(milliseconds)]
        result = self.ask(command, self.plan["cpus_proxy"])
        return result, {"per_core": result["count"] / result["cpu_ns"] * 1e9,
                        "cost_us": result["cpu_ns"] / result["count"] / 1e3}

    def whole(self, what, variant, milliseconds):
        """kiln keys serve with all that belongs to it."""
        server = self.servers[variant.name]
        command = [self.load, "run", "--connect", f"127.0.0.1:{server.port}", "--cacert",
                   self.plan["cert"], "--mode", what, "--users", str(variant.users), "--conns",
                   str(rows.CONNS), "--depth", str(rows.DEPTH), "--warmup",
                   str(rows.WARMUP[what]), "--milliseconds", str(milliseconds), "--cpu",
                   f"keys={server.process.pid}", "--cpu",
                   "gateway=" + ",".join(map(str, process.tree(server.gateway.pid)))]
        if what == "registration":
            self.registered += 1
            command += ["--prefix", f"new{os.getpid()}r{self.registered}-"]
        result = self.ask(command, self.plan["cpus_load"])
        spent, count = result["cpu_ns"]["keys"], result["count"]
        return result, {"per_core": count / spent * 1e9, "cost_us": spent / count / 1e3,
                        "rate": count / result["wall_ns"] * 1e9,
                        "busy": spent / result["wall_ns"],
                        "gateway_us": result["cpu_ns"]["gateway"] / count / 1e3,
                        "p50_ms": result["latency_ns"]["p50"] / 1e6,
                        "p99_ms": result["latency_ns"]["p99"] / 1e6}

    def measure(self, measure, variant):
        milliseconds = self.plan["amounts"][measure]["milliseconds"]
        kind, what = measure.split("-")
        if kind == "opaque":
            return self.alone(what, variant, milliseconds)
        if what == "growth":
            return self.whole("login", variant, milliseconds)
        if variant is rows.SERENITY:
            return self.alone(what, variant, milliseconds, store=True)
        return self.whole(what, rows.BY_NAME[rows.USUAL], milliseconds)

    def run_step(self, number, measure, variant):
        try:
            result, values = self.measure(measure, variant)
        except (process.Failed, OSError, ValueError, KeyError) as error:
            self.failed.add((measure, variant.name))
            emit("failure", round=number, measure=measure, peer=variant.name,
                 error=str(error) or repr(error), log=self.tail())
            return
        emit("sample", round=number, measure=measure, peer=variant.name, values=values,
             load=result)

    def tail(self):
        return [line for server in self.servers.values() for line in
                server.log.read_text(encoding="utf-8").splitlines()[-1:]][-LOG_LINES:]

    def steps(self):
        for number in range(self.plan["rounds"]):
            for measure in self.plan["measures"]:
                if measure == "keys-start":
                    continue
                variants = self.stores if measure == "keys-growth" else self.peers
                for variant in variants:
                    yield number, measure, variant

    def choose(self):
        self.packages, reason = packages()
        self.peers = [v for v in rows.PEERS if self.packages or v.ours]
        self.stores = [rows.BY_NAME[f"users-{n}"] for n in self.plan["users"]]
        if reason:
            emit("skipped", peer="serenity", reason=reason)

    def run(self):
        emit("host", **host.describe())
        emit("version", peer="kiln",
             version=host.first_line([self.kiln, "--version"], r"(kiln \S+)"))
        self.choose()
        if self.packages:
            node = host.first_line(["node", "--version"], r"v(\S+)")
            emit("version", peer="serenity",
                 version=f"@serenity-kit/opaque {rows.SERENITY_VERSION} in node {node}")
        if any(name.startswith("keys") for name in self.plan["measures"]):
            self.start_all()
        steps = list(self.steps())
        for done, (number, measure, variant) in enumerate(steps):
            emit("step", done=done, total=len(steps), round=number, measure=measure,
                 peer=variant.name, at=time.monotonic())
            if (measure, variant.name) not in self.failed:
                self.run_step(number, measure, variant)
        emit("end")


def main(plan):
    with tempfile.TemporaryDirectory(prefix="kiln-bench-", dir=plan["scratch"]) as folder:
        session = Session(plan, pathlib.Path(folder))
        try:
            session.run()
        finally:
            session.stop_all()
    return 0
