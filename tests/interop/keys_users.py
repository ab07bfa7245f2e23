"""The key server and those who may not: wrong passwords, limits, registration, where passwords come
from; and two servers on one store."""

import os
import pathlib
import pty
import re
import select
import signal
import subprocess
import termios
import time
import unittest

from harness import settings
from harness.case import main
from harness.keys import GATEWAY_FLAGS, PASSWORD, Tool, User, private
from harness.postgres import why_not
from harness.settings import pem
from keys_case import KeysTest, OnPostgres


class Refusals(KeysTest):
    def test_one_request_and_no_second(self):
        """The second one asks for a key: there is none, and the user's own log tells of the attempt."""
        user = self.registered()
        tool = Tool(self.gate.listen, account=user.account, password=PASSWORD.decode(), stretch=True)
        since = self.keys.position()
        before = len(self.log_of(user))
        self.assertEqual(tool.run("twice"), ["session_closed"])
        line = self.keys.session(since, outcome="session_closed")
        self.assertEqual(line["what"], "request")
        self.assertEqual(self.actions(user)[before:], [
            ("login", "ok"), ("request", "session_closed"), ("login", "ok"), ("audit", "ok")])
        self.assertEqual(self.log_of(user, "--which", "keys"), [])

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
                           (("audit", "--after", "2026-02-31"), "write 2026-01-31"),
                           (("store", "--stretch", "much"), "--stretch")):
            status, out, err = self.user.run(*words)
            self.assertEqual((status, out), (2, b""), err)
            self.assertIn(why, err)


def read_terminal(terminal, end):
    ready, _, _ = select.select([terminal], [], [], max(0, end - time.monotonic()))
    if not ready:
        raise AssertionError("the terminal shows nothing more")
    try:
        return os.read(terminal, 4096)
    except OSError:
        return b""


def at_terminal(*words, answers):
    """A command on a terminal of its own; what that showed, and the exit status."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(settings.KILN, [settings.KILN, "keys", *words])
    shown = b""
    end = time.monotonic() + settings.PATIENCE
    for prompt, answer in answers:
        while prompt not in shown:
            more = read_terminal(terminal, end)
            if not more:
                raise AssertionError(f"it ended before {prompt}: {shown}")
            shown += more
        shown = shown.replace(prompt, b"[prompt] ", 1)
        os.write(terminal, answer)
    while more := read_terminal(terminal, end):
        shown += more
    os.close(terminal)
    return shown, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


class Passwords(KeysTest):
    def at_terminal(self, *words, answers):
        return at_terminal(*words, *self.user.where(), answers=answers)

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

    def test_typed_again_after_a_stop(self):
        """Ctrl-Z, in a session that nothing can stop: it asks once more."""
        self.user.ask("register")
        prompt = b"Password of me@example.org: "
        shown, status = self.at_terminal("login-test", answers=[
            (prompt, b"not all\x1a"), (prompt, PASSWORD + b"\n")])
        self.assertEqual(status, 0, shown)

    def test_signals_that_are_ignored_stay_so(self):
        self.user.ask("register")
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            shown, status = self.at_terminal("login-test", answers=[
                (b"Password of me@example.org: ", b"\x03" + PASSWORD + b"\n")])
        finally:
            signal.signal(signal.SIGINT, before)
        self.assertEqual(status, 0, shown)

    def test_the_terminal_is_as_before(self):
        for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGXCPU):
            pid, terminal = pty.fork()
            if pid == 0:
                os.execv(settings.KILN, [settings.KILN, "keys", "register", *self.user.where()])
            shown, end = b"", time.monotonic() + settings.PATIENCE
            while b"New password" not in shown:
                shown += read_terminal(terminal, end)
            self.assertFalse(termios.tcgetattr(terminal)[3] & termios.ECHO)
            os.kill(pid, number)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), -number)
            self.assertTrue(termios.tcgetattr(terminal)[3] & termios.ECHO)
            os.close(terminal)

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
        self.assertEqual(self.user.refused("register")[0], 5)
        for token in ("over", "guessed"):
            self.assertEqual(self.user.refused("register", *self.token(token))[0], 5)
        self.user.ask("register", *self.token(first))
        other = User(self.folder, self.gate.listen, account="other")
        self.assertEqual(other.refused("register", *self.token(first))[1]["code"], "keys_closed")
        other.ask("register", *self.token(second + "\n"))
        # What was used does not come back with the file; what is new does.
        with open(tokens, "a", encoding="ascii") as more:
            more.write("fresh 2999-12-31\n")
        since = self.keys.position()
        self.keys.signal(signal.SIGHUP)
        self.keys.wait_event("tokens", since, added=1)
        self.keys.wait_event("reloaded", since)
        third = User(self.folder, self.gate.listen, account="third")
        self.assertEqual(third.refused("register", *self.token(second))[0], 5)
        read, write = os.pipe()
        os.write(write, b"fresh\n")
        os.close(write)
        third.ask("register", "--token-fd", read, pass_fds=(read,))
        os.close(read)
        tokens.write_text("bad line here\n", encoding="ascii")
        self.keys.signal(signal.SIGHUP)
        self.keys.wait_event("reload_failed", since, error=re.compile("line 1"))


    def token(self, text):
        return "--token-file", private(f"{self.folder}/token", text.encode())

    def test_no_token_in_a_command_line(self):
        status, _, err = self.user.run("register", "--token", "secret")
        self.assertEqual(status, 2)
        self.assertNotIn("secret", err)
        shown = subprocess.run([settings.KILN, "keys", "token", "--help"], check=True, text=True,
                               capture_output=True, timeout=settings.PATIENCE).stdout
        self.assertNotRegex(shown, r"--token\b(?!-)")

    def test_tokens_that_are_none(self):
        status, answer = self.user.refused("register", *self.token("\n"))
        self.assertEqual((status, answer["error"]), (2, "an empty registration token is none"))
        status, answer = self.user.refused("register", *self.token("x" * 65))
        self.assertEqual((status, answer["error"]), (2, "a registration token has at most 64 bytes"))
        flags = self.token("good")
        os.chmod(flags[1], 0o640)
        status, answer = self.user.refused("register", *flags)
        self.assertEqual(status, 2)
        self.assertIn("can be read by others", answer["error"])
        status, answer = self.user.refused("register", *flags, "--ask-token")
        self.assertIn("choose one", answer["error"])

    def test_a_token_that_is_typed(self):
        tokens = pathlib.Path(self.folder) / "tokens"
        tokens.write_text("by-hand 2999-12-31\n", encoding="ascii")
        self.replace("--tokens", str(tokens), registration="token")
        shown, status = at_terminal("register", "--ask-token", "--password-file",
                                    self.user.password, *self.user.where(), answers=[
                                        (b"Registration token: ", b"by-hand\n")])
        self.assertEqual(status, 0, shown)
        self.assertNotIn(b"by-hand", shown)


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


@unittest.skipIf(why_not(), why_not() or "")
class TwoServers(OnPostgres, KeysTest):
    """Two key servers behind two gateways, on one store in PostgreSQL."""

    flags = ("--limit", "known=3,5m,1h,1h", "--limit", "stranger=3,5m,1h,1h")

    def setUp(self):
        super().setUp()
        self.other_keys = self.serve(name="other")
        self.other_gate = self.gateway(name="other")

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


if __name__ == "__main__":
    main()
