"""The key server behind a gateway: everything that is done with a secret, and how the process lives and
dies."""

import base64
import contextlib
import hashlib
import json
import os
import pathlib
import signal
import stat
import subprocess

from harness import settings
from harness.case import main
from harness.keys import PASSWORD, User, private
from harness.settings import once, pem
from harness.sockets import client_context, connect_tls
from keys_case import HEX16, KeysTest


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

    @once
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

    @once
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

    @once
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

    @once
    def test_the_example_program(self):
        user = self.registered()
        host, _, port = self.gate.listen.rpartition(":")
        for data in (b"a secret of the example's", bytes(range(255))):
            run = subprocess.run(
                (settings.TOOLS.parents[1] / "docs/keys_client", host, port, pem("ca"),
                 user.account, user.password),
                input=data, capture_output=True, timeout=settings.PATIENCE, check=False)
            self.assertEqual((run.returncode, run.stdout, run.stderr), (0, data, b""))
        done = [a for a in self.actions(user) if a[0] not in ("register", "login", "audit")]
        self.assertEqual(done, [("import", "ok"), ("retrieve for local use", "ok")] * 2)

    @once
    def test_at_the_server(self):
        user = self.registered()
        for key, context in ((user.ask("generate", "--at-server")["key_id"], "server-generated"),
                             (user.ask("import", "--at-server", stdin=b"held")["key_id"],
                              "imported key")):
            status, answer = user.refused("retrieve", key, "--show")
            self.assertEqual((status, answer["code"]), (1, "keys_stored"))
            self.assertIn("--kind held", answer["advice"])
            self.assertNotIn("secret", answer)
            self.assertEqual(user.refused("export", key, "--out", f"{self.folder}/held")[0], 1)
            got = user.ask("retrieve", key, "--show", "--kind", "held")
            self.assertEqual((got["kind"], got["context"]), ("held by the server", context))

    @once
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

    @once
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
        part = user.ask("audit", "--from", "2", "--limit", "3")
        self.assertEqual([e["number"] for e in part["entries"]], [2, 3, 4])
        self.assertEqual((part["complete"], part["next"]), (False, 5))
        part = user.ask("audit", "--last", "2")
        self.assertEqual([e["action"] for e in part["entries"]], ["login", "audit"])
        self.assertTrue(part["complete"])
        _, out, _ = user.run("audit", "--limit", "1")
        self.assertIn(b"The log goes on: --from 2 shows more.", out)

    @once
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

    @once
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

    @once
    def test_stopped_while_somebody_logs_in(self):
        tool = self.tool()
        login = tool.start("think")
        self.assertEqual(login.stdout.readline(), b"thinking\n")
        self.keys.signal(signal.SIGTERM)
        self.keys.wait_event("stopping", starting=1, open=0)
        out, err = login.communicate(b"\n", timeout=settings.PATIENCE)
        self.assertEqual(login.returncode, 0, err)
        self.assertRegex(out.decode().strip(), HEX16)
        self.keys.wait_exit(0)

    @once
    def test_stopped_while_somebody_never_logs_in(self):
        self.replace("--shutdown-timeout", "1s")
        login = self.tool().start("think")
        self.assertEqual(login.stdout.readline(), b"thinking\n")
        self.keys.stop()
        login.communicate(b"\n", timeout=settings.PATIENCE)
        self.assertNotEqual(login.returncode, 0)

    @once
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
        self.replace("--idle-timeout", "4s", "--resume-timeout", "1s")
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

    @once
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

    @once
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


if __name__ == "__main__":
    main()
