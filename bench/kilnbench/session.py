"""The measurements of one kernel: run on the host for timed figures, in the VM for counted ones.

Everything is started once, then measured in turn (A B C A B C ...), so that whatever else the
machine does falls on all alike. Each finding is one line of JSON on stdout, printed at once: a
session that is cut short has still told what it found. A peer that fails loses that measure only.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import types

from . import host, keys, measures, memory, peers, process, roast

LOG_LINES = 4


def emit(kind, **fields):
    print(json.dumps({"kind": kind, **fields}), flush=True)


class Session:
    def __init__(self, plan, folder):
        self.plan = plan
        self.folder = folder
        self.load = plan["load"]
        self.proxies = {}
        self.backend = None
        self.failed = set()
        self.fit_idle(process.raise_file_limit())

    def fit_idle(self, files):
        """A proxied connection takes two descriptors of its proxy, which must be allowed them."""
        idle = self.plan["amounts"]["idle"]
        idle["conns"] = min(idle["conns"], files * 48 // 100)
        self.most_connections = idle["conns"] + 50

    # Processes

    def start_backend(self):
        self.backend = process.start([self.load, "backend", "--listen", "127.0.0.1:0"],
                                     self.plan["cpus_load"], stdout=subprocess.PIPE, text=True)
        self.backend_port = json.loads(self.backend.stdout.readline())["port"]

    def start_proxy(self, peer):
        setup = types.SimpleNamespace(
            folder=self.folder, port=process.free_port(), backend=self.backend_port,
            cert=self.plan["cert"], key=self.plan["key"], pem=self.plan["pem"],
            most=self.most_connections)
        command = peer.command(setup)
        if not command:
            return types.SimpleNamespace(process=None, port=self.backend_port, log=None)
        log_file = self.folder / f"{peer.name}.{setup.port}.log"
        self.current_log = log_file
        with log_file.open("wb") as log:
            started = process.start(command, self.plan["cpus_proxy"], stdin=subprocess.DEVNULL,
                                    stdout=log, stderr=log)
        proxy = types.SimpleNamespace(process=started, port=setup.port, log=log_file)
        try:
            process.wait_for_port(setup.port, started, peer.name)
            # A port may accept before the process is there that will serve it, and be measured.
            self.warm(proxy)
        except process.Failed:
            process.stop(started)
            raise
        return proxy

    def proxy(self, peer):
        """The running proxy of this peer, started anew if it is not there (any more)."""
        running = self.proxies.get(peer.name)
        if running and running.process and running.process.poll() is not None:
            del self.proxies[peer.name]
        if peer.name not in self.proxies:
            self.proxies[peer.name] = self.start_proxy(peer)
        return self.proxies[peer.name]

    def stop_all(self):
        for proxy in self.proxies.values():
            if proxy.process:
                process.stop(proxy.process)
        if self.backend:
            process.stop(self.backend)

    # Loads

    def command(self, peer, proxy, measure):
        overrides = self.plan["overrides"].get(measure.name, {})
        args = measure.arguments(self.plan["amounts"][measure.name], overrides)
        args += ["--connect", f"127.0.0.1:{proxy.port}", "--cpu", f"backend={self.backend.pid}"]
        if not proxy.process:
            return [self.load, *args, "--plain"]
        pids = ",".join(map(str, process.tree(proxy.process.pid)))
        return [self.load, *args, "--cert", self.plan["cert"], "--cpu", f"proxy={pids}"]

    def launch(self, command):
        return process.start(command, self.plan["cpus_load"], stdin=subprocess.PIPE,
                             stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def finish(self, client, tell=""):
        try:
            out, err = client.communicate(tell, timeout=self.plan["run_timeout"])
        except subprocess.TimeoutExpired:
            process.stop(client)
            raise process.Failed(f"no end within {self.plan['run_timeout']} s") from None
        result = json.loads(out.splitlines()[-1]) if out.strip() else {}
        if client.returncode or not result.get("ok"):
            raise process.Failed(err.strip() or f"kiln-load ended with {client.returncode}")
        return result

    def check_ktls(self, peer, before, conns):
        """kTLS must have been used by those that claim it, in their directions, and by no other."""
        used = {k: v - before[k] for k, v in host.ktls_sockets().items()}
        wanted = {"tx": peer.ktls in ("tx", "both"), "rx": peer.ktls == "both"}
        for direction, want in wanted.items():
            if (used[direction] >= conns) != want:
                raise process.Failed(f"kTLS {direction} on {used[direction]} sockets, where "
                                     f"{'all' if want else 'none'} of {conns} should have it")
        return used

    def measure(self, peer, measure):
        proxy = self.proxy(peer)
        self.current_log = proxy.log
        ktls = host.ktls_sockets()
        result = self.finish(self.launch(self.command(peer, proxy, measure)))
        if proxy.process and result["cpu_ns"]["proxy"] < result["cpu_ns"]["backend"] / 10:
            raise process.Failed("the processes that were measured are not those that served")
        used = self.check_ktls(peer, ktls, result["conns"])
        return measure.values(result), {"load": result, "ktls_sockets": used}

    def measure_idle(self, peer, measure):
        """On a proxy of its own, so that nothing earlier has already made its heap big."""
        proxy = self.start_proxy(peer)
        client = None
        try:
            pids = process.tree(proxy.process.pid) if proxy.process else []
            ktls = host.ktls_sockets()
            before, slabs = memory.settled(pids), memory.slab_caches()
            client = self.launch(self.command(peer, proxy, measure))
            line = client.stdout.readline()
            if '"holding"' not in line:
                self.finish(client)
                raise process.Failed("the idle connections were not all opened")
            after, slabs_after = memory.settled(pids), memory.slab_caches()
            conns = json.loads(line)["conns"]
            result = self.finish(client, "\n")
            used = self.check_ktls(peer, ktls, conns)
        finally:
            for started in filter(None, (client, proxy.process)):
                process.stop(started)
        values = {f"{k}_kib": (after[k] - before[k]) / conns for k in after}
        values["conns"] = conns
        return values, {"load": result, "ktls_sockets": used, "before": before, "after": after,
                        "slab_bytes": memory.grown(slabs, slabs_after, conns)}

    def warm(self, proxy):
        self.finish(self.launch([self.load, "handshake", "--count", "16", "--connect",
                                 f"127.0.0.1:{proxy.port}", "--cert", self.plan["cert"]]))

    # The order of things

    def steps(self):
        """(round, measure, peer): idle where its rounds say so, the rest in every round."""
        for number in range(self.plan["rounds"]):
            for name in self.plan["measures"]:
                if name == "idle" and number >= self.plan["idle_rounds"]:
                    continue
                for peer in self.plan["peers"]:
                    yield number, measures.BY_NAME[name], peers.BY_NAME[peer]

    def run_step(self, number, measure, peer):
        self.current_log = None
        try:
            if measure.name == "idle":
                values, more = self.measure_idle(peer, measure)
            else:
                values, more = self.measure(peer, measure)
        except (process.Failed, OSError, ValueError, KeyError) as error:
            self.failed.add((measure.name, peer.name))
            emit("failure", round=number, measure=measure.name, peer=peer.name,
                 error=str(error) or repr(error), log=self.tail())
            return
        emit("sample", round=number, measure=measure.name, peer=peer.name, values=values, **more)

    def tail(self):
        """The last lines of the proxy that the failed step was about."""
        if not self.current_log:
            return []
        text = self.current_log.read_text(encoding="utf-8", errors="replace")
        return text.splitlines()[-LOG_LINES:]

    def run(self):
        emit("host", **host.describe())
        runnable = []
        for name in self.plan["peers"]:
            peer = peers.BY_NAME[name]
            reason = peer.missing()
            if reason:
                emit("skipped", peer=name, reason=reason)
            else:
                runnable.append(name)
                emit("version", peer=name, version=peer.version())
        self.plan["peers"] = runnable
        self.start_backend()
        steps = list(self.steps())
        for done, (number, measure, peer) in enumerate(steps):
            emit("step", done=done, total=len(steps), round=number, measure=measure.name,
                 peer=peer.name, at=time.monotonic())
            if (measure.name, peer.name) not in self.failed:
                self.run_step(number, measure, peer)
        emit("end")


def main(plan_file):
    plan = json.loads(pathlib.Path(plan_file).read_text(encoding="utf-8"))
    peers.Kiln.binary = plan["kiln"]
    # As an exception, so that the proxies are ended and the folder is removed.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    if plan["kind"] == "roast":
        return roast.main(plan)
    if plan["kind"] == "keys":
        return keys.main(plan)
    with tempfile.TemporaryDirectory(prefix="kiln-bench-") as folder:
        os.chmod(folder, 0o755)  # workers that drop their rights find their files
        session = Session(plan, pathlib.Path(folder))
        try:
            session.run()
        finally:
            session.stop_all()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
