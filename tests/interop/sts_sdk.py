"""The AWS SDK for JavaScript against `kiln sts`: a client that others wrote signs, assumes roles
and finds credentials there. Skipped where node, npm or the packages cannot be had."""

import json
import os
import pathlib
import subprocess
import tempfile
import unittest

from harness import npm, settings
from harness.case import main
from harness.sts import DB, WEB, Sts, make_keys

VERSION = "3.966.0"  # the last ones for Node.js 18, which Debian 12 has
SCRIPT = pathlib.Path(__file__).with_name("tools") / "sts_sdk.mjs"
WEB_SESSION = "arn:aws:sts::123456789012:assumed-role/Web/"
DB_SESSION = "arn:aws:sts::210987654321:assumed-role/Db/"


class Sdk(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        try:
            cls.packages = npm.folder_of(f"aws-sdk-{VERSION}", f"@aws-sdk/client-sts@{VERSION}",
                                         f"@aws-sdk/credential-providers@{VERSION}")
        except npm.Missing as reason:
            raise unittest.SkipTest(str(reason)) from None
        folder = tempfile.TemporaryDirectory(prefix="kiln-")
        cls.addClassCleanup(folder.cleanup)
        cls.keys = pathlib.Path(folder.name) / "keys"
        cls.made = make_keys(cls.keys, WEB, DB)
        cls.web = cls.made["identities"][0]
        cls.sts = Sts(cls.keys, "--control", "--region", "us-west-2")
        cls.addClassCleanup(cls.sts.kill)

    @classmethod
    def tearDownClass(cls):
        cls.sts.stop()

    def tearDown(self):
        self.sts.behave()

    def ask(self, *questions, region="eu-central-1", **env):
        asked = {"questions": questions, "region": region, "identity": self.web, "profile": "Db",
                 "assume": {"RoleArn": DB, "RoleSessionName": "sdk", "DurationSeconds": 900},
                 "web": {"RoleArn": WEB, "RoleSessionName": "pod",
                         "WebIdentityToken": self.made["web_identities"][0]["token"]}}
        # Nothing of who runs the test: no profile, no keys, no proxy.
        clean = {k: v for k, v in os.environ.items()
                 if not k.startswith("AWS_") and not k.lower().endswith("_proxy")}
        nowhere = str(self.keys) + ".nothing"
        run = subprocess.run(
            ["node", "--no-warnings", str(SCRIPT), str(self.packages)], input=json.dumps(asked),
            capture_output=True, text=True, timeout=settings.PATIENCE,
            env={**clean, "AWS_ENDPOINT_URL_STS": self.sts.url, "AWS_REGION": region,
                 "AWS_CONFIG_FILE": nowhere, "AWS_SHARED_CREDENTIALS_FILE": nowhere,
                 "AWS_EC2_METADATA_DISABLED": "true", **env})
        self.assertEqual(run.returncode, 0, run.stderr)
        return json.loads(run.stdout)

    def test_get_caller_identity(self):
        for region in ("eu-central-1", "us-east-1"):
            got = self.ask("identity", region=region)["identity"]
            self.assertEqual((got["Arn"], got["Account"]), (self.web["arn"], "123456789012"), got)
            self.sts.wait_event("sts_request", region=region, identity=self.web["arn"])

    def test_refusals_come_as_its_own_errors(self):
        got = self.ask("wrong_secret", "wrong_token", "assume_nobody")
        self.assertEqual((got["wrong_secret"]["error"], got["wrong_secret"]["status"]),
                         ("SignatureDoesNotMatch", 403))
        self.assertEqual(got["wrong_token"]["error"], "InvalidClientTokenId")
        self.assertEqual(got["assume_nobody"]["error"], "AccessDenied")

    def test_assume_role(self):
        got = self.ask("assume_role")["assume_role"]
        self.assertEqual(got["assumed"], DB_SESSION + "sdk", got)
        self.assertEqual(got["who"]["Arn"], DB_SESSION + "sdk")
        self.assertAlmostEqual(got["seconds"], 900, delta=60)

    def test_assume_role_with_web_identity(self):
        got = self.ask("assume_web")["assume_web"]
        self.assertEqual(got["who"]["Arn"], WEB_SESSION + "pod", got)

    def test_providers(self):
        keys = str(self.keys)
        for name, session, env in (
                ("from_env", WEB_SESSION + "kiln-sts",
                 {"AWS_ACCESS_KEY_ID": self.web["access_key_id"],
                  "AWS_SECRET_ACCESS_KEY": self.web["secret_access_key"],
                  "AWS_SESSION_TOKEN": self.web["session_token"]}),
                ("from_ini", DB_SESSION + "kiln-sts",
                 {"AWS_SHARED_CREDENTIALS_FILE": keys + ".credentials"}),
                ("from_token_file", DB_SESSION + "pod",
                 {"AWS_WEB_IDENTITY_TOKEN_FILE": keys + ".Db.web-token", "AWS_ROLE_ARN": DB,
                  "AWS_ROLE_SESSION_NAME": "pod"}),
                ("from_temporary", DB_SESSION + "sdk", {})):
            with self.subTest(provider=name):
                self.assertEqual(self.ask(name, **env)[name].get("Arn"), session)

    def container(self, **change):
        return {"AWS_CONTAINER_CREDENTIALS_FULL_URI": self.sts.url + "/_kiln/credentials/Db",
                "AWS_CONTAINER_AUTHORIZATION_TOKEN":
                    self.made["identities"][1]["container_token"], **change}

    def test_container(self):
        got = self.ask("from_container", "from_http", "chain", **self.container())
        for name, answer in got.items():
            self.assertEqual(answer.get("Arn"), DB_SESSION + "kiln-sts", (name, answer))
        token_file = self.container(
            AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=f"{self.keys}.Db.container-token")
        del token_file["AWS_CONTAINER_AUTHORIZATION_TOKEN"]
        got = self.ask("from_http", **token_file)["from_http"]
        self.assertEqual(got.get("Arn"), DB_SESSION + "kiln-sts", got)
        wrong = self.container(AWS_CONTAINER_AUTHORIZATION_TOKEN="other")
        self.assertIn("error", self.ask("from_http", **wrong)["from_http"])

    def test_instance(self):
        got = self.ask("from_instance", "chain", AWS_EC2_METADATA_DISABLED="false",
                       AWS_EC2_METADATA_SERVICE_ENDPOINT=self.sts.url,
                       AWS_EC2_METADATA_V1_DISABLED="true")
        for name, answer in got.items():
            self.assertEqual(answer.get("Arn"), WEB_SESSION + "kiln-sts", (name, answer))

    def test_misbehaviour_is_what_it_takes_for_it(self):
        for query, error in (("throttle=0", "Throttling"), ("fail-rate=100", "InternalFailure")):
            self.sts.behave(query)
            self.assertEqual(self.ask("identity")["identity"]["error"], error)
        for query in ("garbage=cut", "drop=1"):
            self.sts.behave(query)
            self.assertIn("error", self.ask("identity")["identity"], query)
        self.sts.behave("garbage=html")
        self.assertNotIn("Arn", self.ask("identity")["identity"])


if __name__ == "__main__":
    main()
