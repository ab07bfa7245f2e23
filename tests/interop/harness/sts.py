"""Runs `kiln sts` and asks it."""

import contextlib
import http.client
import json
import pathlib
import subprocess
import threading
import time

from . import settings
from .gateway import matches
from .sigv4 import amz_date, authorization

WEB = "arn:aws:iam::123456789012:role/Web"
DB = "arn:aws:iam::210987654321:role/Db"
QUERY = "Action=GetCallerIdentity&Version=2011-06-15"


def make_keys(path, *roles):
    """A keys file for the roles, as --make-keys writes it; returns what is in it."""
    flags = [part for role in roles for part in ("--role", role)]
    subprocess.run([settings.KILN, "sts", "--make-keys", str(path), *flags], check=True,
                   stdout=subprocess.DEVNULL, timeout=settings.PATIENCE)
    return json.loads(pathlib.Path(path).read_text(encoding="ascii"))


def write_keys(path, content):
    path = pathlib.Path(path)
    path.touch(mode=0o600)
    path.write_text(content if isinstance(content, str) else json.dumps(content),
                    encoding="ascii")
    return str(path)


class Sts:
    """A running `kiln sts`; its log is read as JSON."""

    def __init__(self, keys, *flags, listen="127.0.0.1:0", files=None):
        self.events, self.noise = [], []
        self.lines = threading.Condition()
        self.ended = False
        limit = ["prlimit", f"--nofile={files}:{files}"] if files else []
        self.process = subprocess.Popen(
            [*limit, settings.KILN, "sts", "--keys", str(keys), "--listen", listen, "--log-format",
             "json", *flags],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()
        try:
            self.listen = self.wait_event("ready")["listen"]
        except BaseException:
            self.kill()
            raise
        self.url = f"http://{self.listen}"

    def _read(self):
        for raw in self.process.stderr:
            with self.lines:
                try:
                    self.events.append(json.loads(raw))
                except ValueError:
                    self.noise.append(raw.decode(errors="replace").rstrip())
                self.lines.notify_all()
        with self.lines:
            self.ended = True
            self.lines.notify_all()

    def wait_event(self, event, **fields):
        end = time.monotonic() + settings.PATIENCE
        with self.lines:
            while True:
                for line in self.events:
                    if line["event"] == event and \
                            all(matches(line.get(k), v) for k, v in fields.items()):
                        return line
                left = end - time.monotonic()
                if left <= 0 or self.ended:
                    raise AssertionError(f"no event {event} with {fields}; the log:\n{self.log()}")
                self.lines.wait(left)

    def log(self):
        return "\n".join([json.dumps(e) for e in self.events[-40:]] + self.noise)

    # ---- asking

    def ask(self, method="POST", target=f"/?{QUERY}", headers=(), body=b"", host=None,
            connection=None):
        """Status, headers and body of the answer; headers are sent as they are, with a Host and a
        Content-Length."""
        with contextlib.ExitStack() as stack:
            if connection is None:
                connection = self.connect()
                stack.callback(connection.close)
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host or self.listen)
            if body or method == "POST":
                connection.putheader("Content-Length", str(len(body)))
            for name, value in headers:
                connection.putheader(name, value)
            connection.endheaders(body or None)
            answer = connection.getresponse()
            return answer.status, dict(answer.headers), answer.read()

    def connect(self):
        host, _, port = self.listen.rpartition(":")
        return http.client.HTTPConnection(host.strip("[]"), int(port), timeout=settings.PATIENCE)

    def signed(self, keys, *, body=b'{"hello":1}', query=QUERY, date=None, region="us-east-1",
               service="sts", day=None, host=None, extra=(), unsigned=(), method="POST",
               json_answer=True, token=None, omit=(), **changed):
        """Asks with a signature by keys. `extra` headers are signed, `unsigned` ones are added
        behind the signer's back; `changed` replaces what is sent once it is signed: target, body,
        or authorization (a function)."""
        date = date or amz_date()
        token = keys.get("session_token") if token is None else token
        signed = [("Host", host or self.listen), ("X-Amz-Date", date)]
        if body:
            signed.append(("Content-Length", str(len(body))))
        if token:
            signed.append(("X-Amz-Security-Token", token))
        signed = [h for h in signed if h[0] not in omit] + list(extra)
        value = authorization(keys, method, "/", query, signed, body, date=date, region=region,
                              service=service, day=day)
        sent = [h for h in signed if h[0] not in ("Host", "Content-Length")]
        if "X-Amz-Date" in omit:
            sent.append(("X-Amz-Date", date))
        sent += [("Authorization", changed.get("authorization", lambda v: v)(value)), *unsigned]
        if json_answer:
            sent.append(("Accept", "application/json"))
        return self.ask(method, changed.get("target", f"/?{query}"), sent,
                        changed.get("sent_body", body), changed.get("sent_host", host))

    def behave(self, query="", method="POST"):
        status, _, body = self.ask(method, f"/_kiln/behave?{query}")
        assert status == 200, (status, body)
        return json.loads(body)

    # ---- the end

    def stop(self):
        self.process.terminate()
        assert self.process.wait(settings.PATIENCE) == 0, self.log()
        self.reader.join(settings.PATIENCE)
        assert not self.noise, "\n".join(self.noise)

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.reader.join(settings.PATIENCE)
        self.process.stderr.close()
