"""`kiln sts` as a program: flags, files, its misbehaviour on demand, and its end."""

import concurrent.futures
import contextlib
import functools
import http.client
import json
import os
import pathlib
import re
import subprocess
import tempfile
import time
import unittest

from harness import settings
from harness.case import main
from harness.sts import DB, QUERY, WEB, Sts, make_keys
from harness.sts_case import StsTest


class Misbehaviour(StsTest):
    flags = ("--control",)

    def tearDown(self):
        self.sts.behave()
        self.sts.behave("on=credentials")

    def test_delay(self):
        self.sts.behave("delay=300ms")
        begin = time.monotonic()
        self.identity(self.sts.signed(self.web))
        self.assertGreaterEqual(time.monotonic() - begin, 0.3)
        self.sts.wait_event("sts_request", behaviour="delay=300ms", status=200)

    def test_delays_pass_at_the_same_time(self):
        self.sts.behave("delay=1s")
        begin = time.monotonic()
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda _: self.identity(self.sts.signed(self.web)), range(20)))
        self.assertLess(time.monotonic() - begin, 10)

    def test_throttle(self):
        self.sts.behave("throttle=3/s")
        answers = [self.sts.signed(self.web) for _ in range(3)]
        for answer in answers:
            self.identity(answer)
        self.sts.behave("throttle=0")
        self.refused(self.sts.signed(self.web), 400, "Throttling", "Rate exceeded")

    def test_throttle_lets_some_through_again(self):
        self.sts.behave("throttle=20")
        begin, good, bad = time.monotonic(), 0, 0
        while time.monotonic() < begin + 2 or not (good and bad):
            status = self.sts.signed(self.web)[0]
            good, bad = good + (status == 200), bad + (status == 400)
            self.assertLess(time.monotonic(), begin + settings.PATIENCE)
        self.assertLessEqual(good, 20 + 20 * (time.monotonic() - begin) + 1)

    def test_failures(self):
        self.sts.behave("fail-rate=50")
        statuses = [self.sts.signed(self.web)[0] for _ in range(10)]
        self.assertEqual((statuses.count(200), statuses.count(500)), (5, 5))
        self.sts.behave("fail-rate=100")
        self.refused(self.sts.signed(self.web), 500, "InternalFailure")

    def test_garbage(self):
        self.sts.behave("garbage=html")
        status, headers, body = self.sts.signed(self.web)
        self.assertEqual((status, headers["Content-Type"]), (200, "text/html"))
        self.assertIn(b"<html>", body)
        self.sts.behave("garbage=cut")
        status, headers, body = self.sts.signed(self.web)
        self.assertEqual((status, headers["Content-Type"]), (200, "application/json"))
        self.assertRaises(ValueError, json.loads, body)
        self.sts.behave("garbage=large")
        status, _, body = self.sts.signed(self.web)
        self.assertEqual((status, len(body)), (200, 4 << 20))

    def test_hang_until_it_is_over(self):
        self.sts.behave("hang=1")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(self.sts.signed, self.web) for _ in range(4)]
            settings.wait_until("requests to hang",
                                lambda: self.sts.behave("", "GET")["waiting"] == 4)
            self.assertFalse(any(a.done() for a in answers))
            self.sts.behave("delay=1ms")
            for answer in answers:
                self.identity(answer.result(settings.PATIENCE))

    def test_what_hangs_is_bounded(self):
        """More of them than there are descriptors: it listens all the same, the oldest are dropped
        and the newest are answered."""
        sts = Sts(self.folder / "keys", *self.flags, files=256)
        self.addCleanup(sts.kill)
        dropped = functools.partial(self.count, sts, r"dropped: \d+ that came later wait too")
        sts.behave("hang=1")
        with contextlib.ExitStack() as stack:
            for _ in range(400):
                client = sts.connect()
                stack.callback(client.close)
                client.request("POST", f"/?{QUERY}")
            settings.wait_until("the oldest to be dropped", lambda: dropped() >= 400 - 256)
            settings.wait_until("the others to wait",
                                lambda: sts.behave("", "GET")["waiting"] + dropped() == 400)
        before = dropped()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            newest = pool.submit(sts.signed, self.web)
            settings.wait_until("the newest to wait", lambda: dropped() == before + 1)
            sts.behave("hang=0")
            self.identity(newest.result(settings.PATIENCE))
        sts.stop()

    @staticmethod
    def count(sts, error):
        with sts.lines:
            return sum(1 for e in sts.events if re.search(error, e.get("error", "")))

    def test_drop(self):
        self.sts.behave("drop=1")
        with self.assertRaises((http.client.RemoteDisconnected, ConnectionResetError)):
            self.sts.signed(self.web)

    def test_credentials_apart(self):
        self.sts.behave("on=credentials&fail-rate=100")
        self.identity(self.sts.signed(self.web))
        self.assertEqual(self.sts.ask("GET", "/_kiln/credentials/Web")[0], 500)
        self.sts.behave("on=credentials")
        self.assertEqual(self.sts.ask("GET", "/_kiln/credentials/Web")[0], 401)

    def test_what_is_no_setting(self):
        for query in ("delay=x", "fail-rate=101", "garbage=other", "hang=2", "speed=1",
                      "on=other", "delay=1&delay=2", "delay=11m"):
            self.assertEqual(self.sts.ask("POST", f"/_kiln/behave?{query}")[0], 400, query)
        self.assertEqual(self.sts.behave("", "GET")["sts"], "well")
        self.assertEqual(self.sts.ask("POST", "/_kiln/behave",
                                      (("Origin", "http://evil.example"),))[0], 403)
        self.assertEqual(self.sts.ask("POST", "/_kiln/behave", host="evil.example")[0], 403)


class Command(unittest.TestCase):
    """Flags, files and the end of the process."""

    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kiln-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.keys = str(self.folder / "keys")

    def run_sts(self, *flags, status=2):
        run = subprocess.run([settings.KILN, "sts", *flags], capture_output=True, text=True,
                             timeout=settings.PATIENCE)
        self.assertEqual(run.returncode, status, run.stderr)
        return run.stderr if status else run.stdout

    def start(self, *flags, **options):
        sts = Sts(self.keys, *flags, **options)
        self.addCleanup(sts.kill)
        return sts

    def test_make_keys(self):
        made = make_keys(self.keys, WEB, DB, "arn:aws:iam::111111111111:role/Web")
        self.assertEqual([i["name"] for i in made["identities"]], ["Web", "Db",
                                                                   "Web-111111111111"])
        secrets = [i["secret_access_key"] for i in made["identities"]]
        self.assertEqual(len(set(secrets)), 3)
        for path in self.folder.iterdir():
            self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)
        self.assertIn("is there already", self.run_sts("--make-keys", self.keys, "--role", WEB))
        self.assertEqual(json.loads(pathlib.Path(self.keys).read_text(encoding="ascii")), made)
        self.run_sts("--make-keys", self.keys, "--role", WEB, "--force", status=0)
        shell = subprocess.run(["sh", "-ec", f". {self.keys}.Web.env; env"], check=True,
                               capture_output=True, text=True, timeout=settings.PATIENCE).stdout
        new = json.loads(pathlib.Path(self.keys).read_text(encoding="ascii"))["identities"][0]
        self.assertIn(f"AWS_SESSION_TOKEN={new['session_token']}\n", shell)

    def test_listens_on_loopback_only(self):
        make_keys(self.keys, WEB)
        for listen in ("0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:80"):
            message = self.run_sts("--keys", self.keys, "--listen", listen)
            self.assertIn("other machines could reach that", message)
        self.assertIn("Unix sockets", self.run_sts("--keys", self.keys, "--listen", "unix:/tmp/x"))
        sts = self.start(listen="[::1]:0")
        self.assertEqual(sts.ask("POST", "/")[0], 400)
        sts.stop()

    def test_flags(self):
        make_keys(self.keys, WEB)
        for flags, message in (((), "--keys FILE is missing"),
                               (("--keys",), "needs a value"),
                               (("--kes", "x"), "did you mean --keys"),
                               (("x",), "is no flag"),
                               (("--make-keys", "x"), "needs --role"),
                               (("--keys", "x", "--role", WEB), "goes with --make-keys"),
                               (("--keys", "x", "--make-keys", "y"), "start again"),
                               (("--make-keys", "x", "--role", "Web"), "Web"),
                               (("--keys", "x", "--delay", "soon"), "--delay"),
                               (("--keys", "x", "--throttle", "many"), "--throttle"),
                               (("--keys", "x", "--fail-rate", "101"), "--fail-rate"),
                               (("--keys", "x", "--garbage", "any"), "--garbage"),
                               (("--keys", "x", "--session-duration", "1ms"), "a second"),
                               (("--keys", "x", "--region", "mars"), "no region")):
            self.assertIn(message, self.run_sts(*flags), flags)
        self.assertIn("no role of that name",
                      self.run_sts("--keys", self.keys, "--imds", "Nobody", "--listen",
                                   "127.0.0.1:0", status=1))
        self.assertIn("Misbehaviour", self.run_sts("--help", status=0))

    def test_keys_files_that_are_refused(self):
        made = make_keys(self.keys, WEB)
        one = made["identities"][0]

        def refused(message, content):
            text = content if isinstance(content, str) else json.dumps(content)
            pathlib.Path(self.keys).write_text(text, encoding="ascii")
            got = self.run_sts("--keys", self.keys, "--listen", "127.0.0.1:0", status=1)
            self.assertIn(message, got)
            self.assertNotIn(one["secret_access_key"], got)
            self.assertNotIn(one["session_token"], got)

        def changed(**change):
            return {"identities": [{k: v for k, v in {**one, **change}.items() if v is not None}]}
        for message, content in (
                ("not one JSON object", "x"), ("not one JSON object", "[]"),
                ("not one JSON object", '{"identities":[],"identities":[]}'),
                ("no identities", "{}"), ("unknown member 'other'", {"other": 1}),
                ("is no list", {"identities": {}}), ("is no object", {"identities": [1]}),
                ("unknown member 'secret'", changed(secret="x")),
                ("arn is missing", changed(arn=None)),
                ("no caller's ARN", changed(arn="arn:aws:iam::1:x")),
                ("session_token is missing", changed(session_token=None)),
                ("name may have", changed(name="a/b")),
                ("secret_access_key is empty", changed(secret_access_key="")),
                ("secret_access_key has a blank", changed(secret_access_key="a b")),
                ("expires is not of the form", changed(expires="soon")),
                ("access_key_id came before",
                 {"identities": [one, {**one, "name": "Other"}]}),
                ("name came before",
                 {"identities": [one, {**one, "access_key_id": "ASIAAAAAAAAAAAAAAAAA"}]}),
                ("role", {**made, "roles": [{"arn": "Web"}]}),
                ("not in the list roles", {**made, "roles": []})):
            with self.subTest(message=message):
                refused(message, content)

    def test_a_keys_file_that_others_may_read(self):
        make_keys(self.keys, WEB)
        for mode in (0o640, 0o604, 0o620):
            os.chmod(self.keys, mode)
            self.assertIn("chmod 600", self.run_sts("--keys", self.keys, "--listen",
                                                    "127.0.0.1:0", status=1))
        self.assertIn("cannot open", self.run_sts("--keys", "/nonexistent", "--listen",
                                                  "127.0.0.1:0", status=1))
        self.assertIn("is no file", self.run_sts("--keys", str(self.folder), "--listen",
                                                 "127.0.0.1:0", status=1))

    def test_without_control_nothing_can_be_set(self):
        made = make_keys(self.keys, WEB)
        sts = self.start("--delay", "10ms")
        self.assertEqual(sts.ask("POST", "/_kiln/behave?drop=1")[0], 404)
        self.assertEqual(sts.signed(made["identities"][0])[0], 200)
        sts.wait_event("sts_request", behaviour="delay=10ms")
        sts.stop()

    def test_print_env(self):
        made = make_keys(self.keys, WEB)
        process = subprocess.Popen([settings.KILN, "sts", "--keys", self.keys, "--listen",
                                    "127.0.0.1:0", "--print-env"], stdout=subprocess.PIPE,
                                   stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        line = process.stdout.readline()
        self.assertRegex(line, r"^export AWS_ENDPOINT_URL_STS=http://127\.0\.0\.1:\d+$")
        process.terminate()
        rest = process.stdout.read()
        self.assertIn("AWS_CONTAINER_CREDENTIALS_FULL_URI", rest)
        self.assertNotIn(made["identities"][0]["secret_access_key"], rest)

    def test_a_stop_lets_answers_out_and_hanging_ones_go(self):
        made = make_keys(self.keys, WEB)
        web = made["identities"][0]
        sts = self.start("--delay", "700ms", "--control")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            late = pool.submit(sts.signed, web)
            settings.wait_until("a request that waits",
                                lambda: sts.behave("delay=700ms", "GET")["waiting"] == 1)
            sts.stop()
            self.assertEqual(late.result(settings.PATIENCE)[0], 200)
        sts = self.start("--control")
        sts.behave("hang=1")
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            hung = pool.submit(sts.signed, web)
            settings.wait_until("a request that hangs",
                                lambda: sts.behave("", "GET")["waiting"] == 1)
            sts.stop()
            self.assertIsNotNone(hung.exception(settings.PATIENCE))

    def test_nothing_secret_is_logged(self):
        made = make_keys(self.keys, WEB)
        web = made["identities"][0]
        sts = self.start("--log-level", "debug")
        sts.signed(web)
        sts.signed({**web, "secret_access_key": "x"})
        sts.ask("GET", "/_kiln/credentials/Web", (("Authorization", web["container_token"]),))
        sts.stop()
        for secret in (web["secret_access_key"], web["session_token"], web["container_token"]):
            self.assertNotIn(secret, json.dumps(sts.events))


if __name__ == "__main__":
    main()
