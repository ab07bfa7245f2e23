"""The key server behind a gateway, and its users' commands.

  kiln keys COMMAND ==TLS== kiln server --handoff ==descriptor==> kiln keys serve -- store
"""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import pty
import re
import select
import signal
import stat
import subprocess
import time
import unittest

from harness import settings
from harness.case import KilnTest, main
from harness.gateway import server_flags
from harness.keys import GATEWAY_FLAGS, PASSWORD, KeyServer, Tool, User, make_store, private
from harness.postgres import Postgres, why_not
from harness.settings import pem, wait_until
from harness.sockets import client_context, connect_tls

HEX16 = re.compile(r"[0-9a-f]{32}\Z")
ROOM = ("--limit", "source=2000,1s,1s,1s", "--limit", "known=2000,1s,1s,1s",
        "--limit", "stranger=2000,1s,1s,1s", "--limit", "register=2000,1s,1s,1s")


class KeysTest(KilnTest):
    """A store, a key server and a gateway in front of it."""

    flags = ROOM
    registration = "open"

    def setUp(self):
        super().setUp()
        self.store = self.make_store()
        self.keys = self.serve()
        self.gate = self.gateway()
        self.user = User(self.folder, self.gate.listen)

    def make_store(self):
        return make_store(self.folder)

    def serve(self, *flags, name="keys", store=None, **options):
        server = KeyServer(f"{self.folder}/{name}.sock", store or self.store, *self.flags, *flags,
                           registration=options.pop("registration", self.registration), **options)
        self.gateways.insert(0, server)
        return server

    def gateway(self, *flags, name="keys", protocol=GATEWAY_FLAGS, access=None, ca=None):
        access = access or ("--disable-client-auth",)
        gate = self.start("server", *server_flags(access=access, ca=ca), *protocol, *flags,
                          handoff=f"unix:{self.folder}/{name}.sock", workers=1)
        # Its channel to the key server stays open when connections have gone.
        gate.settle = lambda: wait_until("connections to go", lambda: gate.active() == 0)
        return gate

    def registered(self, **options):
        user = User(self.folder, self.gate.listen, **options)
        user.ask("register")
        return user

    def tool(self, **options):
        tool = Tool(self.gate.listen, **options)
        tool.run("register")
        return tool

    def log_of(self, user, *flags):
        return user.ask("audit", *flags)["entries"]

    def actions(self, user, *flags):
        return [(e["action"], e["outcome"]) for e in self.log_of(user, *flags)]

    def replace(self, *flags, **options):
        """Another key server takes the place of this one, which ends or has died."""
        if self.keys.process.poll() is None:
            self.keys.stop()
        self.gateways.remove(self.keys)
        self.keys.kill()
        self.keys = self.serve(*flags, **options)

    def restart(self):
        self.keys.process.kill()
        self.keys.process.wait(settings.PATIENCE)
        self.replace()


class MainPath(KeysTest):
    def test_a_secret_comes_back(self):
        made = self.user.ask("register")
        self.assertEqual(made["server_key"], self.keys.ready["server_key"])
        self.assertEqual(self.user.ask("login-test")["user_id"], made["user_id"])
        secret = os.urandom(255)
        key = self.user.ask("store", stdin=secret)["key_id"]
        self.assertRegex(key, HEX16)
        back = self.user.ask("retrieve", key, "--show")
        self.assertEqual(bytes.fromhex(back["secret_hex"]), secret)
        self.assertEqual(back["context"], "imported key")
        self.user.ask("delete", key)
        self.assertEqual(self.user.refused("retrieve", key), (5, {
            "ok": False, "code": "keys_key", "error": "there is no such key"}))

    def test_the_path_and_who_came(self):
        self.registered()
        line = self.keys.wait_event("keys_conn", close="ok")
        self.assertEqual((line["path"], line["proof"]), (self.gate.path, "none"))
        self.assertRegex(line["peer"], r"^127\.0\.0\.1:")
        self.assertNotIn("no_binding", [e["event"] for e in self.keys.events])

    def test_files_are_for_their_owner_alone(self):
        user = self.registered()
        out, local = f"{self.folder}/out", f"{self.folder}/local"
        key = user.ask("generate", "--out", out, "--local", local)["key_id"]
        for path in (out, local):
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o600)
        secret = pathlib.Path(out).read_bytes()
        self.assertEqual(len(secret), 32)
        self.assertNotIn(secret, pathlib.Path(local).read_bytes())
        status, answer = user.refused("retrieve", key, "--out", out)
        self.assertEqual(status, 2)
        self.assertIn("is not overwritten", answer["error"])
        self.assertEqual(pathlib.Path(out).read_bytes(), secret)

    def test_the_local_file_without_a_server(self):
        user = self.registered()
        local = f"{self.folder}/local"
        first = user.ask("store", "--local", local, stdin=b"one")["key_id"]
        second = user.ask("store", stdin=b"two")["key_id"]
        user.ask("retrieve", second, "--local", local)
        self.gate.stop()
        for key, secret in ((first, "one"), (second, "two")):
            got = user.ask("retrieve", key, "--local", local, "--show", where=False)
            self.assertEqual(got["secret"], secret)
        wrong = User(self.folder, self.gate.listen, account="x", password=b"other")
        status, answer = wrong.refused("retrieve", first, "--local", local, where=False)
        self.assertEqual((status, answer["code"]), (3, "keys_password"))

    def test_export_and_import(self):
        user = self.registered()
        made, out = user.ask("login-test"), f"{self.folder}/x"
        key = user.ask("store", stdin=b"carry me")["key_id"]
        user.ask("export", key, "--out", out)
        self.assertEqual(stat.S_IMODE(os.stat(out).st_mode), 0o600)
        bound = bytes.fromhex(made["user_id"] + key) + b"imported key"
        self.assertEqual(pathlib.Path(out).read_bytes(),
                         b"\x08carry me" + bytes([len(bound)]) + bound)
        again = user.ask("import", "--exported", "--in", out)["key_id"]
        self.assertEqual(user.ask("retrieve", again, "--show")["secret"], "carry me")
        status, answer = user.refused("import", "--exported", stdin=b"\x08short")
        self.assertEqual(status, 2)
        self.assertIn("is not what", answer["error"])

    def test_at_the_server(self):
        user = self.registered()
        for key, context in ((user.ask("generate", "--at-server")["key_id"], "server-generated"),
                             (user.ask("import", "--at-server", stdin=b"held")["key_id"],
                              "imported key")):
            got = user.ask("retrieve", key, "--show")
            self.assertEqual((got["kind"], got["context"]), ("held by the server", context))

    def test_signatures_that_openssl_verifies(self):
        user = self.registered()
        message = pathlib.Path(self.folder) / "message"
        message.write_bytes(os.urandom(100000))
        made = user.ask("generate", "--signing")
        imported = user.ask("import", "--signing", stdin=(1).to_bytes(32, "big"))
        # The base point is the public key of 1.
        self.assertEqual(imported["public_key"],
                         "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")
        for key in (made, imported):
            self.assertEqual(user.ask("public-key", key["key_id"])["public_key"],
                             key["public_key"])
            signature = user.ask("sign", key["key_id"], "--in", message)["signature"]
            self.assertTrue(self.verifies(key["public_key"], signature, message))
            digest = hashlib.sha256(message.read_bytes()).hexdigest()
            signature = user.ask("sign", key["key_id"], "--digest", digest)["signature"]
            self.assertTrue(self.verifies(key["public_key"], signature, message))
        status, answer = user.refused("import", "--signing", stdin=bytes(32))
        self.assertEqual((status, answer["code"]), (5, "keys_key"))
        secret = user.ask("store", stdin=b"no signing key")["key_id"]
        self.assertEqual(user.refused("sign", secret, stdin=b"x")[0], 5)

    def verifies(self, public_key, signature, message):
        """By openssl, from the curve's own encodings."""
        def integer(data):
            data = data.lstrip(b"\0")
            data = b"\0" + data if data[0] & 0x80 else data
            return b"\x02" + bytes([len(data)]) + data
        raw = bytes.fromhex(signature)
        self.assertLess(int.from_bytes(raw[32:], "big"),
                        0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF5D576E7357A4501DDFE92F46681B20A1)
        pair = integer(raw[:32]) + integer(raw[32:])
        folder = pathlib.Path(self.folder)
        (folder / "sig").write_bytes(b"\x30" + bytes([len(pair)]) + pair)
        # SubjectPublicKeyInfo: id-ecPublicKey, secp256k1, the compressed point.
        (folder / "key").write_bytes(bytes.fromhex(
            "3036301006072a8648ce3d020106052b8104000a032200" + public_key))
        done = subprocess.run(["openssl", "dgst", "-sha256", "-verify", folder / "key", "-keyform",
                               "DER", "-signature", folder / "sig", message],
                              capture_output=True, timeout=settings.PATIENCE, check=False)
        return done.stdout == b"Verified OK\n"

    def test_the_audit_log_tells_all_of_it(self):
        user = self.registered()
        key = user.ask("store", stdin=b"x")["key_id"]
        user.ask("retrieve", key)
        user.ask("retrieve", key, "--local-use")
        user.refused("delete", "00" * 16)
        self.assertEqual(self.actions(user, "--which", "keys"), [
            ("import", "ok"), ("retrieve", "ok"), ("retrieve for local use", "ok"),
            ("delete", "no_such_key")])
        self.assertEqual({e["key_id"] for e in self.log_of(user, "--key", key)}, {key})
        log = self.log_of(user)
        self.assertEqual([e["number"] for e in log], list(range(1, len(log) + 1)))
        self.assertEqual({e["source"] for e in log}, {"127.0.0.1"})
        self.assertEqual(self.log_of(user, "--before", "2001-01-01"), [])
        self.assertEqual(len(self.log_of(user, "--after", "2001-01-01")), len(log) + 4)

    def test_another_password(self):
        user = self.registered()
        key = user.ask("store", stdin=b"stays")["key_id"]
        new = User(self.folder, self.gate.listen, password=b"another one")
        old = private(f"{self.folder}/old", PASSWORD)
        user.ask("change-password", "--password-file", old, "--new-password-file", new.password,
                 password=False)
        self.assertEqual(new.ask("retrieve", key, "--show")["secret"], "stays")
        status, out, err = new.run("login-test", "--password-file", old, password=False)
        self.assertEqual((status, out), (3, b""))
        self.assertIn("the password is wrong", err)

    def test_text_for_people(self):
        status, out, err = self.user.run("register")
        self.assertEqual((status, err.replace("stretching the password (Argon2id) ...\n", "")),
                         (0, ""))
        self.assertIn("Registered.", out.decode())
        key = self.user.ask("store", stdin=b"never shown")["key_id"]
        _, out, _ = self.user.run("retrieve", key)
        self.assertNotIn(b"never shown", out)
        self.assertIn(b"--show prints it", out)
        _, out, _ = self.user.run("audit")
        self.assertIn("number  time (UTC)", out.decode())


class Refusals(KeysTest):
    def test_one_request_and_no_second(self):
        tool = self.tool()
        since = self.keys.position()
        self.assertEqual(tool.run("twice"), ["session_closed"])
        line = self.keys.session(since, outcome="session_closed")
        self.assertEqual(line["what"], "request")
        user = self.registered()  # the tool's own log can be read without stretching only
        self.assertNotIn("session_closed", str(self.log_of(user)))

    def test_the_wrong_password(self):
        user = self.registered()
        wrong = User(self.folder, self.gate.listen, password=b"wrong")
        nobody = User(self.folder, self.gate.listen, account="nobody@example.org")
        status, answer = wrong.refused("login-test")
        self.assertEqual((status, answer["code"]), (3, "keys_password"))
        self.assertEqual(nobody.refused("login-test"), (status, answer))
        user.password = private(f"{self.folder}/right", PASSWORD)
        self.assertIn(("login", "login_failed"), self.actions(user))
        self.assertEqual([e["actor"] for e in self.log_of(user) if e["outcome"] != "ok"],
                         ["stranger"])

    def test_a_name_is_taken_once(self):
        self.registered()
        for spelling in ("me@example.org", "ME@Example.ORG"):
            other = User(self.folder, self.gate.listen, account=spelling, password=b"mine")
            status, answer = other.refused("register")
            self.assertEqual((status, answer["code"]), (5, "keys_name"))
        status, answer = User(self.folder, self.gate.listen, account=" x").refused("register")
        self.assertEqual(answer["code"], "keys_name")

    def test_servers_that_are_not_the_one(self):
        user = self.registered()
        status, _, err = user.run("login-test", "--cacert", pem("stranger-ca"))
        self.assertEqual(status, 2)
        self.assertIn("is there twice", err)
        stranger = User(self.folder, self.gate.listen, ca="stranger-ca")
        status, answer = stranger.refused("login-test")
        self.assertEqual((status, answer["code"]), (1, "cert_invalid"))
        self.assertIn("--cacert", answer["advice"])
        status, answer = user.refused("login-test", "--server-name", "elsewhere.example")
        self.assertEqual((status, answer["code"]), (1, "name_mismatch"))
        self.assertIn("--server-name", answer["advice"])
        status, answer = user.refused("login-test", "--server-key", "00" * 32)
        self.assertEqual((status, answer["code"]), (1, "keys_server"))

    def test_a_gateway_that_does_not_bind(self):
        gate = self.gateway(protocol=("--alpn", "kiln-keys/1"))
        user = User(self.folder, gate.listen)
        self.assertEqual(user.refused("register")[0], 5)
        self.keys.wait_event("no_binding", hint=re.compile("--handoff-exporter EXPORTER-kiln-keys"))
        self.keys.session(outcome="binding")

    def test_a_gateway_that_speaks_another_protocol(self):
        gate = self.gateway(protocol=GATEWAY_FLAGS[2:])
        status, answer = User(self.folder, gate.listen).refused("register")
        self.assertEqual(status, 1)
        self.assertIn("kiln-keys/1", answer["error"])

    def test_nobody_listens(self):
        self.gate.stop()
        status, answer = self.user.refused("login-test")
        self.assertEqual((status, answer["code"]), (1, "target"))

    def test_passwords_that_others_can_read(self):
        os.chmod(self.user.password, 0o644)
        status, answer = self.user.refused("register")
        self.assertEqual(status, 2)
        self.assertIn("can be read by others", answer["error"])
        status, out, err = self.user.run("register", "--password-file", self.folder,
                                         password=False)
        self.assertEqual((status, out), (2, b""))
        self.assertIn("is no regular file", err)

    def test_command_lines(self):
        for words, why in ((("retrieve",), "KEY is missing"), (("retrieve", "12"), "32 hexadecimal"),
                           (("export", "00" * 16), "--out FILE is missing"),
                           (("generate", "--shwo"), "did you mean --show"),
                           (("audit", "--after", "tomorrow"), "write 2026-01-31"),
                           (("store", "--stretch", "much"), "--stretch")):
            status, out, err = self.user.run(*words)
            self.assertEqual((status, out), (2, b""), err)
            self.assertIn(why, err)


class Passwords(KeysTest):
    def at_terminal(self, *words, answers):
        """A command on a terminal of its own; what that showed, and the exit status."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execv(settings.KILN, [settings.KILN, "keys", *words, *self.user.where()])
        shown = b""
        end = time.monotonic() + settings.PATIENCE
        for prompt, answer in answers:
            while prompt not in shown:
                shown += self.read(terminal, end)
            shown = shown.replace(prompt, b"[prompt] ", 1)
            os.write(terminal, answer)
        while True:
            more = self.read(terminal, end)
            if not more:
                break
            shown += more
        os.close(terminal)
        return shown, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    def read(self, terminal, end):
        ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
        self.assertTrue(ready, "the terminal shows nothing more")
        try:
            return os.read(terminal, 4096)
        except OSError:
            return b""

    def test_typed(self):
        line = PASSWORD + b"\n"
        shown, status = self.at_terminal("register", answers=[
            (b"New password of me@example.org: ", line), (b"Once more: ", line)])
        self.assertEqual(status, 0, shown)
        self.assertNotIn(PASSWORD, shown)
        self.assertIn(b"Registered.", shown)
        shown, status = self.at_terminal("login-test", answers=[
            (b"Password of me@example.org: ", line)])
        self.assertEqual(status, 0, shown)
        self.assertNotIn(PASSWORD, shown)

    def test_typed_differently(self):
        shown, status = self.at_terminal("register", answers=[
            (b"New password of me@example.org: ", b"one\n"), (b"Once more: ", b"other\n")])
        self.assertEqual(status, 2, shown)
        self.assertIn(b"not the same", shown)

    def test_interrupted(self):
        shown, status = self.at_terminal("register", answers=[
            (b"New password of me@example.org: ", b"\x03")])
        self.assertEqual(status, -signal.SIGINT, shown)

    def test_from_a_descriptor(self):
        for command in ("register", "login-test"):
            read, write = os.pipe()
            os.write(write, PASSWORD + b"\n")
            os.close(write)
            self.user.ask(command, "--password-fd", read, password=False, pass_fds=(read,))
            os.close(read)

    def test_without_a_terminal(self):
        status, answer = self.user.refused("register", password=False, start_new_session=True)
        self.assertEqual(status, 2)
        self.assertIn("--password-file", answer["error"])


class Registration(KeysTest):
    registration = "closed"

    def test_closed(self):
        status, answer = self.user.refused("register")
        self.assertEqual((status, answer["code"]), (5, "keys_closed"))

    def test_tokens(self):
        tokens = pathlib.Path(self.folder) / "tokens"
        made = subprocess.run([settings.KILN, "keys", "token", "--count", "2"], check=True,
                              capture_output=True, timeout=settings.PATIENCE).stdout
        tokens.write_bytes(b"# for friends\n\nover 2020-01-01\n" + made)
        self.replace("--tokens", str(tokens), registration="token")
        self.keys.wait_event("tokens", added=2)
        first, second = (line.split()[0].decode() for line in made.splitlines())
        for token in ((), ("--token", "over"), ("--token", "guessed")):
            self.assertEqual(self.user.refused("register", *token)[0], 5)
        self.user.ask("register", "--token", first)
        other = User(self.folder, self.gate.listen, account="other")
        self.assertEqual(other.refused("register", "--token", first)[1]["code"], "keys_closed")
        other.ask("register", "--token-file", private(f"{self.folder}/t", second.encode() + b"\n"))
        # What was used does not come back with the file; what is new does.
        with open(tokens, "a", encoding="ascii") as more:
            more.write("fresh 2999-12-31\n")
        since = self.keys.position()
        self.keys.signal(signal.SIGHUP)
        self.keys.wait_event("tokens", since, added=1)
        self.keys.wait_event("reloaded", since)
        third = User(self.folder, self.gate.listen, account="third")
        self.assertEqual(third.refused("register", "--token", second)[0], 5)
        third.ask("register", "--token", "fresh")
        tokens.write_text("bad line here\n", encoding="ascii")
        self.keys.signal(signal.SIGHUP)
        self.keys.wait_event("reload_failed", since, error=re.compile("line 1"))


class Limits(KeysTest):
    flags = ("--limit", "known=2,2m,1h,1h", "--limit", "stranger=2,2m,1h,1h")

    def test_guessing(self):
        mine, other = self.registered(), self.registered(account="other")
        wrong = User(self.folder, self.gate.listen, password=b"wrong")
        answers = [wrong.refused("login-test") for _ in range(6)]
        self.assertEqual({status for status, _ in answers}, {3, 4})
        self.assertEqual([a["code"] for _, a in answers][-1], "keys_limited")
        self.assertGreater(answers[-1][1]["retry_after_ms"], 1000)
        self.assertIn("try again in", answers[-1][1]["error"])
        other.ask("login-test")
        mine.password = private(f"{self.folder}/right", PASSWORD)
        self.assertEqual(mine.refused("login-test")[0], 4) # it comes from the same address
        self.keys.session(outcome="limited")
        # It survives the process.
        self.restart()
        self.assertEqual(wrong.refused("login-test")[0], 4)


class Life(KeysTest):
    def test_killed_between_acknowledged_writes(self):
        tool = self.tool()
        kept = []
        for round_number in range(5):
            writer = tool.start("store", 10000)
            for _ in range(3 + 7 * round_number):
                kept.append(writer.stdout.readline().decode().strip())
            self.keys.signal(signal.SIGKILL)
            out, _ = writer.communicate(timeout=settings.PATIENCE)
            kept += out.decode().split()
            self.assertNotEqual(writer.returncode, 0)
            self.restart()
        self.assertTrue(all(HEX16.match(key) for key in kept))
        self.assertEqual(tool.run("have", stdin="\n".join(kept).encode()), [str(len(kept))])
        self.gate.counters()

    def test_resumed_on_another_connection(self):
        tool = self.tool()
        since = self.keys.position()
        key, = tool.run("resume")
        self.assertRegex(key, HEX16)
        self.keys.session(since, what="resume", outcome="success")
        done = self.keys.find("keys_session", since, operation="generate_server")
        self.assertEqual(len(done), 1, done)

    def test_many_at_once(self):
        tool = self.tool()
        self.assertEqual(tool.run("many", 500, 10), ["500"])
        self.assertEqual(self.keys.counters()["requests"], 500)

    def test_stopped_while_a_session_is_open(self):
        tool = self.tool()
        waiting = tool.start("wait")
        self.assertEqual(waiting.stdout.readline(), b"open\n")
        self.keys.signal(signal.SIGTERM)
        self.keys.wait_event("stopping", open=1)
        self.assertIsNone(self.keys.process.poll())
        out, err = waiting.communicate(b"\n", timeout=settings.PATIENCE)
        self.assertEqual(waiting.returncode, 0, err)
        self.assertRegex(out.decode().strip(), HEX16)
        self.keys.wait_exit(0)
        self.assertFalse(os.path.exists(f"{self.folder}/keys.sock"))

    def test_too_many_connections(self):
        self.replace("--max-connections", "1")
        tool = self.tool()
        waiting = tool.start("wait")
        self.assertEqual(waiting.stdout.readline(), b"open\n")
        status, answer = self.user.refused("register")
        self.assertEqual((status, answer["code"]), (4, "keys_busy"), answer)
        self.keys.wait_event("connection_limit")
        waiting.communicate(b"\n", timeout=settings.PATIENCE)
        self.user.ask("register")

    def test_idle_connections_are_ended(self):
        self.replace("--idle-timeout", "1s", "--resume-timeout", "1s")
        tool = self.tool()
        waiting = tool.start("wait")
        self.assertEqual(waiting.stdout.readline(), b"open\n")
        self.keys.wait_event("keys_conn", close="idle_timeout")
        waiting.communicate(b"\n", timeout=settings.PATIENCE)
        self.assertNotEqual(waiting.returncode, 0)

    def raw(self):
        """A connection that speaks TLS, and not yet what is ours."""
        return connect_tls(self.gate.listen, client_context(alpn=["kiln-keys/1"]))

    def test_connections_without_a_session_are_ended(self):
        self.replace("--login-timeout", "1s")
        with contextlib.suppress(OSError), self.raw() as tls:
            tls.sendall(b"\0")
            self.keys.wait_event("keys_conn", close="no_session")

    def test_frames_of_no_session_are_not_answered_for_ever(self):
        request = bytes([0x42]) + b"s" * 16 + bytes(8) + b"\x02" + bytes(32)
        with contextlib.suppress(OSError), self.raw() as tls:
            for _ in range(40):
                tls.sendall(len(request).to_bytes(4, "big") + request)
            self.keys.wait_event("keys_conn", close="refused_frames")

    def test_confined(self):
        text = pathlib.Path(f"/proc/{self.keys.process.pid}/status").read_text(encoding="ascii")
        if "reason=built_with_sanitizers" in str(self.keys.find("sandbox")):
            self.skipTest("built with sanitizers")
        for line in ("Seccomp:\t2", "NoNewPrivs:\t1", "CapEff:\t0000000000000000",
                     "CapBnd:\t0000000000000000"):
            self.assertIn(line, text)
        limits = pathlib.Path(f"/proc/{self.keys.process.pid}/limits").read_text(encoding="ascii")
        self.assertRegex(limits, r"Max core file size +0 +0 ")
        self.registered()
        self.assertEqual(self.keys.find("keys_call_refused"), [])

    def test_account_names_are_logged_when_asked_for(self):
        self.replace("--log-accounts")
        user = self.registered()
        User(self.folder, self.gate.listen, password=b"wrong").refused("login-test")
        for outcome in ("success", "login_failed"):
            self.keys.session(outcome=outcome, account=user.account)

    def test_the_identity_that_the_gateway_verified(self):
        """PKI in front: a client program of the operator's gets to the password, and is named."""
        gate = self.gateway(access=("--allow-cn", "alice"), ca="ca")
        self.assertEqual(User(self.folder, gate.listen).refused("register")[0], 1)
        context = client_context(cert="alice", alpn=["kiln-keys/1"])
        with connect_tls(gate.listen, context) as sock:
            self.assertEqual(sock.selected_alpn_protocol(), "kiln-keys/1")
        line = self.keys.wait_event("keys_conn", proof="pki")
        self.assertIn("alice", line["identity"])

    def test_what_is_nowhere(self):
        """Neither in the store's files nor in the log: password, secrets, the account's name."""
        user = self.registered()
        secret = b"a secret that is long enough to be found"
        user.ask("store", stdin=secret)
        user.ask("import", "--at-server", stdin=secret)
        written = b"".join(p.read_bytes() for p in pathlib.Path(self.folder).glob("keys.db*"))
        self.assertGreater(len(written), 4096)
        log = json.dumps(self.keys.events).encode()
        for what in (PASSWORD, secret, b"me@example.org"):
            for form in (what, what.hex().encode(), what.hex().upper().encode(),
                         base64.b64encode(what)[:-4], base64.urlsafe_b64encode(what)[:-4]):
                self.assertNotIn(form, written)
                self.assertNotIn(form, log)


@unittest.skipIf(why_not(), why_not() or "")
class TwoServers(KeysTest):
    """Two key servers behind two gateways, on one store in PostgreSQL."""

    flags = ("--limit", "known=3,5m,1h,1h", "--limit", "stranger=3,5m,1h,1h")

    def setUp(self):
        self.database = Postgres()
        self.addCleanup(self.database.remove)
        self.database.start()
        os.chmod(self.database.sockets, 0o755)  # for a root that gave up its capabilities
        super().setUp()
        self.other_keys = self.serve(name="other")
        self.other_gate = self.gateway(name="other")

    def make_store(self):
        return make_store(self.folder, where=f"postgresql:{self.database.settings}")

    def test_one_store(self):
        self.assertEqual(self.keys.ready["server_key"], self.other_keys.ready["server_key"])
        here = self.registered()
        there = User(self.folder, self.other_gate.listen)
        key = here.ask("store", stdin=b"everywhere")["key_id"]
        self.assertEqual(there.ask("retrieve", key, "--show")["secret"], "everywhere")
        self.assertEqual(there.refused("register")[1]["code"], "keys_name")
        # Who guesses at one server waits at the other one as well.
        wrong = User(self.folder, self.gate.listen, password=b"wrong")
        for _ in range(4):
            wrong.refused("login-test")
        wrong.listen = self.other_gate.listen
        self.assertEqual(wrong.refused("login-test")[1]["code"], "keys_limited")
        for server in (self.keys, self.other_keys):
            self.assertEqual(server.find("keys_call_refused"), [])

    def test_one_name_at_both_at_once(self):
        runs = []
        for gate in (self.gate, self.other_gate):
            user = User(self.folder, gate.listen, account="wanted")
            runs.append(subprocess.Popen(
                [settings.KILN, "keys", "register", "--json", *user.where(), "--password-file",
                 user.password], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL))
        answers = [json.loads(run.communicate(timeout=settings.PATIENCE)[0]) for run in runs]
        self.assertEqual(sorted(a["ok"] for a in answers), [False, True], answers)
        loser, = (a for a in answers if not a["ok"])
        self.assertIn(loser["code"], ("keys_name", "keys_busy"))


if __name__ == "__main__":
    main()
