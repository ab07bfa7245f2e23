"""The measurements of Roast: what a handshake costs that asks an STS, and what strangers cost.

  kiln-load -- plain --> kiln client == Roast, TLS ==> kiln server -- plain --> kiln-load backend
                              |                             |
                              +---------> kiln sts <--------+

What is measured is `kiln server`: its worker and its identity agent, each by itself. Everything
else has the other processors.
"""

import http.client
import json
import os
import pathlib
import socket
import subprocess
import tempfile
import time
import types

from . import beside, host, process
from . import roast_rows as rows

CLIENT = "arn:aws:iam::123456789012:role/Orders"
SERVER = "arn:aws:iam::210987654321:role/Ledger"
PATIENCE = 60
LOG_LINES = 4
FRESH = 180  # seconds that made hellos are used: below the 5 minutes that their date is good


def emit(kind, **found):
    print(json.dumps({"kind": kind, **found}), flush=True)


# ---- hellos, made from a real one

def forged(hello):
    """Where the signature stands, whose digits the load generator makes anew."""
    return hello, hello.index(b"Signature=") + len(b"Signature=")


def expired(hello):
    date = json.loads(hello)["XAmzDate"][:8]
    then = time.strftime("%Y%m%d", time.gmtime(time.time() - 86400))
    return hello.replace(date.encode(), then.encode())


def tampered(hello):
    at = hello.index(b'"Body":"') + 60
    return hello[:at] + (b"A" if hello[at:at + 1] != b"A" else b"B") + hello[at + 1:]


class Session:
    """Everything is started once, then measured in turn."""

    def __init__(self, plan, folder):
        self.plan = plan
        self.folder = folder
        self.kiln = plan["kiln"]
        self.programs = []
        self.logs = {}
        self.servers = {}
        self.clients = {}
        self.failed = set()
        self.delay = None
        self.made_at = None
        process.raise_file_limit()

    # Programs

    def start(self, name, command, cpus, env=None):
        log = self.folder / f"{name}.log"
        self.logs[name] = log
        with log.open("wb") as file:
            started = process.start(command, cpus, stdin=subprocess.DEVNULL, stdout=file,
                                    stderr=file, env={**os.environ, **(env or {})})
        self.programs.append(started)
        return started

    def wait_log(self, name, event, started):
        deadline = time.monotonic() + PATIENCE
        while f'"event":"{event}"' not in self.logs[name].read_text(encoding="utf-8").replace(
                '": "', '":"'):
            if started.poll() is not None or time.monotonic() > deadline:
                raise process.Failed(f"{name} did not come to '{event}'")
            time.sleep(0.02)

    def start_sts(self):
        keys = self.folder / "keys"
        subprocess.run([self.kiln, "sts", "--make-keys", str(keys), "--role", CLIENT, "--role",
                        SERVER], check=True, stdout=subprocess.DEVNULL)
        identities = json.loads(keys.read_text(encoding="ascii"))["identities"]
        self.keys = {i["name"]: i for i in identities}
        self.sts_port = process.free_port()
        sts = self.start("sts", [self.kiln, "sts", "--keys", str(keys), "--listen",
                                 f"127.0.0.1:{self.sts_port}", "--control", "--log-level",
                                 "error"], self.plan["cpus_load"])
        process.wait_for_port(self.sts_port, sts, "kiln sts")

    def behave(self, delay):
        if delay == self.delay:
            return
        sts = http.client.HTTPConnection("127.0.0.1", self.sts_port, timeout=PATIENCE)
        sts.request("POST", f"/_kiln/behave?delay={delay}ms" if delay else "/_kiln/behave")
        if sts.getresponse().status not in (200, 204):
            raise process.Failed("kiln sts does not do as it is told")
        sts.close()
        self.delay = delay

    def env(self, name):
        keys = self.keys[name]
        away = {n: "" for n in os.environ if n.startswith("AWS_")}
        return {**away, "AWS_ACCESS_KEY_ID": keys["access_key_id"],
                "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
                "AWS_SESSION_TOKEN": keys["session_token"], "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT_URL_STS": f"http://127.0.0.1:{self.sts_port}"}

    def gateway(self, name, mode, target, flags, identity=None):
        port = process.free_port()
        command = [self.kiln, mode, "--listen", f"127.0.0.1:{port}", "--target",
                   f"127.0.0.1:{target}", "--workers", "1", "--ktls", "off", "--engine",
                   "io_uring", "--log-format", "json", *flags]
        if identity:
            command += ["--roast", "--development-sts", "--allow-role",
                        SERVER if mode == "client" else CLIENT]
        cpus = self.plan["cpus_proxy" if mode == "server" else "cpus_load"]
        started = self.start(name, command, cpus, self.env(identity) if identity else None)
        process.wait_for_port(port, started, name)
        if identity:
            self.wait_log(name, "identity", started)
        return types.SimpleNamespace(process=started, port=port)

    def start_all(self):
        self.backend = process.start([self.plan["load"], "backend", "--listen", "127.0.0.1:0"],
                                     self.plan["cpus_load"], stdout=subprocess.PIPE, text=True)
        self.programs.append(self.backend)
        self.backend_port = json.loads(self.backend.stdout.readline())["port"]
        self.start_sts()
        cert = ["--cert", self.plan["cert"], "--key", self.plan["key"]]
        both = [*cert, "--cacert", self.plan["cert"]]
        servers = {"tls": [*cert, "--disable-client-auth"], "mtls": [*both, "--allow-all"],
                   "roast": ["--roast-rate", "0"], "limited": ["--roast-rate", "100"]}
        for name, flags in servers.items():
            self.servers[name] = self.gateway(
                f"server-{name}", "server", self.backend_port, flags,
                None if "tls" in name else "Ledger")
        clients = {"mtls": [*both, "--server-name", "localhost"], "roast": ["--roast-rate", "0"],
                   "limited": ["--roast-rate", "0"]}
        for name, flags in clients.items():
            self.clients[name] = self.gateway(
                f"client-{name}", "client", self.servers[name].port, flags,
                None if name == "mtls" else "Orders")

    def stop_all(self):
        for program in reversed(self.programs):
            process.stop(program)

    # Hellos

    def take_hello(self):
        """What `kiln client` says to a server that only listens."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            listener.settimeout(PATIENCE)
            port = listener.getsockname()[1]
            client = self.gateway("client-hello", "client", port, ["--roast-rate", "0"], "Orders")
            hello = b""
            with socket.create_connection(("127.0.0.1", client.port), timeout=PATIENCE):
                while not hello.endswith(b"}"):
                    conn, _ = listener.accept()
                    with conn:  # the first may be of the look whether it accepts
                        conn.settimeout(1)
                        hello = self.receive_hello(conn)
            process.stop(client.process)
        return hello

    @staticmethod
    def receive_hello(conn):
        hello = b""
        try:
            while not hello.endswith(b"}") and (data := conn.recv(65536)):
                hello += data
        except TimeoutError:
            pass
        return hello

    def use(self, hello):
        """Each server takes it once; then it is a replay."""
        for name in ("roast", "limited"):
            with socket.create_connection(("127.0.0.1", self.servers[name].port),
                                          timeout=PATIENCE) as sock:
                sock.sendall(hello)
                if sock.recv(9) != b'{"Body":"':
                    raise process.Failed("the server does not answer a good hello")

    def make_messages(self):
        """Again now and then: a hello whose date is too old would be refused for that."""
        if self.made_at is not None and time.monotonic() - self.made_at < FRESH:
            return
        self.made_at = time.monotonic()
        self.behave(0)
        hello = self.take_hello()
        self.use(hello)
        made = {"garbage": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 0),
                "tampered": (tampered(hello), 0), "expired": (expired(hello), 0),
                "replay": (hello, 0), "limited": forged(hello), "forged": forged(hello)}
        self.messages = {}
        for name, (data, vary) in made.items():
            file = self.folder / f"hello-{name}"
            file.write_bytes(data)
            self.messages[name] = (file, vary)

    # Measuring

    def groups(self, server):
        """The server's worker, its agent and the rest, by themselves."""
        pids = {"worker": [], "agent": [], "other": []}
        for pid in process.tree(server.process.pid):
            comm = pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="ascii").strip()
            pids[{"kiln-worker": "worker", "kiln-agent": "agent"}.get(comm, "other")].append(pid)
        return {name: found for name, found in pids.items() if found}

    def command(self, variant):
        amount = self.plan["amounts"][variant.measure]
        server = self.servers[variant.server]
        args = ["--conns", str(variant.conns)]
        args += [part for k, v in amount.items() for part in (f"--{k}", str(v))]
        for name, pids in self.groups(server).items():
            args += ["--cpu", f"{name}={','.join(map(str, pids))}"]
        connect = ["--connect", f"127.0.0.1:{server.port}"]
        if variant.measure in ("roast", "beside"):
            through = self.clients[variant.server]
            rate = ["--rate", str(rows.HONEST_RATE)] if variant.measure == "beside" else []
            return ["handshake", "--plain", "--connect", f"127.0.0.1:{through.port}", "--warmup",
                    "8" if rate else "64", *rate, *args]
        if variant.name == "tls":
            return ["handshake", "--no-exchange", "--cert", self.plan["cert"], *connect, *args]
        return [*self.flood(variant.name), *connect, *args]

    def flood(self, kind):
        file, vary = self.messages[kind]
        return ["flood", "--send", str(file), *(["--vary", str(vary)] if vary else [])]

    def start_load(self, command, under=()):
        return process.start([*under, self.plan["load"], *command], self.plan["cpus_load"],
                             stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, text=True)

    def load(self, variant):
        return self.end_load(self.start_load(self.command(variant)))

    def end_load(self, client):
        try:
            out, err = client.communicate(timeout=self.plan["run_timeout"])
        except subprocess.TimeoutExpired:
            process.stop(client)
            raise process.Failed(f"no end within {self.plan['run_timeout']} s") from None
        result = json.loads(out.splitlines()[-1]) if out.strip() else {}
        if client.returncode or not result.get("ok"):
            raise process.Failed(err.strip() or f"kiln-load ended with {client.returncode}")
        return result

    def values(self, variant, result):
        if variant.measure == "beside":
            return beside.values(result)
        cpu, count = result["cpu_ns"], result["count"]
        spent = {side: cpu.get(side, 0) for side in ("worker", "agent", "other")}
        found = {f"{side}_us": ns / count / 1e3 for side, ns in spent.items()}
        found |= {"per_core": count / sum(spent.values()) * 1e9,
                  "rate": count / result["wall_ns"] * 1e9,
                  "busy": sum(spent.values()) / result["wall_ns"]}
        if variant.measure == "roast":
            latency = result["latency_ns"]
            found |= {f"{q}_ms": latency[q] / 1e6 for q in ("p50", "p99")}
            # Little's law: how many were under way on the average.
            found["under_way"] = found["rate"] * latency["mean"] / 1e9
        return found

    def run_step(self, number, variant):
        try:
            self.make_messages()
            self.behave(variant.delay)
            result = (beside.measure(self, variant) if variant.measure == "beside"
                      else self.load(variant))
            if variant.server == "roast" and variant.measure == "roast" and \
                    not result["cpu_ns"].get("agent"):
                raise process.Failed("no identity agent has done anything")
            values = self.values(variant, result)
        except (process.Failed, OSError, ValueError, KeyError) as error:
            self.failed.add(variant.name)
            emit("failure", round=number, measure=variant.measure, peer=variant.name,
                 error=str(error) or repr(error), log=self.tail(variant))
            return
        emit("sample", round=number, measure=variant.measure, peer=variant.name, values=values,
             load=result)

    def tail(self, variant):
        text = self.logs[f"server-{variant.server}"].read_text(encoding="utf-8")
        return text.splitlines()[-LOG_LINES:]

    def run(self):
        emit("host", **host.describe())
        emit("version", peer="kiln",
             version=host.first_line([self.kiln, "--version"], r"(kiln \S+)"))
        self.start_all()
        chosen = [v for v in rows.ALL if v.measure in self.plan["measures"]]
        steps = [(n, v) for n in range(self.plan["rounds"]) for v in chosen
                 if v.measure != "beside" or n < self.plan["beside_rounds"]]
        for done, (number, variant) in enumerate(steps):
            emit("step", done=done, total=len(steps), round=number, measure=variant.measure,
                 peer=variant.name, at=time.monotonic())
            if variant.name not in self.failed:
                self.run_step(number, variant)
        emit("end")


def main(plan):
    with tempfile.TemporaryDirectory(prefix="kiln-bench-") as folder:
        os.chmod(folder, 0o755)
        session = Session(plan, pathlib.Path(folder))
        try:
            session.run()
        finally:
            session.stop_all()
    return 0
