"""`kiln demo`: what it shows is true, whoever runs it, and nothing is left behind."""

import json
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import unittest

from harness import settings
from harness.case import main
from harness.programs import Program, run
from harness.settings import once, wait_until

ORDERS = "arn:aws:iam::123456789012:role/Orders"
LEDGER = "arn:aws:iam::210987654321:role/Ledger"
STRANGER = "arn:aws:iam::123456789012:role/Stranger"
SMALL = ("--bytes", "1MiB")


class Demo(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kiln-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        # Credentials of somebody's own have no part in it.
        self.env = {**os.environ, "TMPDIR": folder.name, "AWS_ACCESS_KEY_ID": "AKIAMINE",
                    "AWS_SECRET_ACCESS_KEY": "mine", "AWS_PROFILE": "mine",
                    "AWS_ENDPOINT_URL": "https://sts.eu-west-1.amazonaws.com"}

    def demo(self, *flags):
        status, out, err = run(settings.KILN, "demo", *flags, env=self.env)
        self.assertEqual((status, err), (0, ""), out.decode())
        self.assertEqual(list(self.folder.iterdir()), [])
        return out.decode()

    def refusals(self, part):
        for refusal in part["refused"]:
            self.assertTrue(refusal["refused"], refusal)
        return part["refused"]

    def test_both_parts(self):
        shown = json.loads(self.demo("--json", *SMALL))
        self.assertTrue(shown["ok"])
        self.assertEqual(set(shown), {"ok", "certificates", "roast", "keys"})
        for part in (shown["certificates"], shown["roast"]):
            self.assertEqual((part["bytes_up"], part["bytes_down"]), (1 << 20, 1 << 20))
            for way in ("sha256_up", "sha256_down"):
                self.assertEqual(part[way]["sent"], part[way]["arrived"])
            for side in ("server", "client"):
                self.assertIn(part[side]["path"], ("ktls", "userspace"))
                if settings.EXPECT_PATH:
                    self.assertEqual(part[side]["path"], settings.EXPECT_PATH)
        roast = shown["roast"]
        self.assertEqual(roast["server"]["identity"], ORDERS)
        self.assertEqual(roast["client"]["identity"], LEDGER)
        by_server, by_client = self.refusals(roast)
        self.assertEqual(by_server["server"]["close"], "access_denied")
        self.assertIn(STRANGER, by_server["server"]["error"])
        self.assertEqual(by_client["client"]["close"], "access_denied")
        self.assertIn(LEDGER, by_client["client"]["error"])
        self.assertEqual(by_client["server"]["identity"], ORDERS)
        self.assertEqual(len(self.refusals(shown["certificates"])), 1)

    def test_keys(self):
        shown = json.loads(self.demo("keys", "--json"))["keys"]
        self.assertTrue(shown["ok"] and shown["same_secret"] and shown["wrong_password_refused"])
        self.assertEqual(shown["path"], settings.EXPECT_PATH or shown["path"])
        self.assertIn({"action": "login", "actor": "stranger", "outcome": "login_failed"},
                      shown["audit"])
        # The search finds what is there, and nothing of what must not be.
        self.assertEqual((shown["leaks"], shown["key_id_found"]), (0, True))
        text = self.demo("keys")
        for part in ("registered   ada@demo.example", "the same bytes", "a wrong password",
                     "neither password, secret nor account name", "All of it worked"):
            self.assertIn(part, text)

    @once
    def test_one_part_and_text(self):
        text = self.demo("roast", *SMALL)
        self.assertNotIn("Certificates", text)
        for part in (f"server  verified {ORDERS}", f"client  verified {LEDGER}", " path ",
                     f"it is {STRANGER}", f"it is {LEDGER}", "All of it worked",
                     f"    server  {ORDERS} came, and may; client"):
            self.assertIn(part, text)
        self.assertNotIn("Roast", self.demo("certificates", *SMALL))

    @once
    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody else")
    def test_as_a_plain_user(self):
        nobody = pwd.getpwnam("nobody")
        os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
        kiln = self.folder / "program"  # the build's folder may be closed to others
        shutil.copy(settings.KILN, kiln)
        kiln.chmod(0o755)
        done = subprocess.run([kiln, "demo", *SMALL], env=self.env, user=nobody.pw_uid,
                              group=nobody.pw_gid, extra_groups=(), capture_output=True,
                              timeout=settings.PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""), done.stdout.decode())
        self.assertEqual(list(self.folder.iterdir()), [kiln])

    @once
    def test_ended_half_way(self):
        """With more to move than there is time: the folder with the keys goes, and so does
        everybody."""
        with Program(settings.KILN, "demo", "roast", "--bytes", "1024GiB", env=self.env) as demo:
            demo.wait_for(rb"Roast:")
            wait_until("the gateways to start", lambda: len(self.processes()) >= 5)
            demo.process.send_signal(signal.SIGTERM)
            self.assertEqual(demo.wait(), 128 + signal.SIGTERM)
        self.assertEqual(list(self.folder.iterdir()), [])
        wait_until("its processes to go", lambda: not self.processes())

    def processes(self):
        """All that have our TMPDIR; the workers' environment cannot be read by a plain user."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.env["TMPDIR"].encode() in \
                        (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
        return [p for p in found if p != os.getpid()]

    @once
    def test_wrong_arguments(self):
        for flags, why in ((("tls",), "'tls' is neither flag nor"),
                           (("roast", "certificates"), "'certificates' is neither"),
                           (("--bytes", "much"), "no size")):
            status, out, err = run(settings.KILN, "demo", *flags, env=self.env)
            self.assertEqual((status, out), (2, b""))
            self.assertIn(why, err)


if __name__ == "__main__":
    main()
