"""`kiln whoami`: which identity is found where, and what it says when there is none. `kiln sts`
plays STS and all the places where credentials are found on AWS."""

import http.server
import json
import os
import pathlib
import re
import ssl
import tempfile
import threading
import unittest

from harness import settings
from harness.case import main
from harness.programs import Program, run
from harness.sts import Sts, make_keys, write_keys

ROLE = "arn:aws:iam::123456789012:role/Orders"
USER = "arn:aws:iam::123456789012:user/alice"
WITHOUT_AWS = {k: v for k, v in os.environ.items() if not k.startswith("AWS_")}


class Whoami(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="kiln-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        made = make_keys(cls.folder / "keys", ROLE)
        cls.orders = made["identities"][0]
        cls.alice = {"name": "alice", "arn": USER, "access_key_id": "AKIAALICEALICEALICE0",
                     "secret_access_key": "s" * 40}
        made["identities"].append(cls.alice)
        (cls.folder / "keys").unlink()
        write_keys(cls.folder / "keys", made)
        cls.sts = Sts(cls.folder / "keys", "--control", "--imds", "Orders")
        cls.addClassCleanup(cls.sts.kill)

    def tearDown(self):
        self.sts.ask("POST", "/_kiln/behave?")

    def env(self, **more):
        return {**WITHOUT_AWS, "HOME": str(self.folder), "AWS_ENDPOINT_URL_STS": self.sts.url,
                "AWS_EC2_METADATA_DISABLED": "true", **more}

    def keys(self, who, **more):
        token = {"AWS_SESSION_TOKEN": who["session_token"]} if "session_token" in who else {}
        return self.env(AWS_ACCESS_KEY_ID=who["access_key_id"], AWS_REGION="us-east-1",
                        AWS_SECRET_ACCESS_KEY=who["secret_access_key"], **token, **more)

    def ask(self, env, *flags):
        status, out, err = run(settings.KILN, "whoami", "--development-sts", "--json", *flags,
                               env=env)
        self.assertEqual(err, "")
        answer = json.loads(out)
        self.assertEqual(status, 0 if answer["ok"] else 1, answer)
        return answer

    def found(self, env, *flags, **fields):
        answer = self.ask(env, *flags)
        self.assertTrue(answer["ok"], answer)
        self.assertEqual((answer["role"], answer["account"], answer["sts"]),
                         (ROLE, "123456789012", self.sts.url))
        for name, value in fields.items():
            self.assertEqual(answer[name], value, answer)
        return answer

    def refused(self, env, *flags, **fields):
        answer = self.ask(env, *flags)
        self.assertFalse(answer["ok"], answer)
        for name, value in fields.items():
            self.assertRegex(answer[name] or "", value)
        return answer

    def config(self, text):
        path = self.folder / "config"
        path.write_text(text, encoding="ascii")
        return {"AWS_CONFIG_FILE": str(path)}


class Sources(Whoami):
    def test_environment(self):
        self.found(self.keys(self.orders), source="environment", region="us-east-1",
                   region_source="AWS_REGION", session="kiln-sts", expires_at=None)

    def test_profile(self):
        files = {"AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "keys.credentials"),
                 **self.config("[profile Orders]\nregion = eu-west-1\n")}
        self.found(self.env(AWS_PROFILE="Orders", **files), source="profile Orders",
                   region="eu-west-1", region_source="the AWS profile 'Orders'")

    def test_an_assumed_role(self):
        files = {"AWS_SHARED_CREDENTIALS_FILE": str(self.folder / "keys.credentials"),
                 **self.config(f"[profile to]\nrole_arn = {ROLE}\nsource_profile = Orders\n"
                               "role_session_name = here\n")}
        answer = self.found(self.env(AWS_PROFILE="to", AWS_REGION="us-east-1", **files),
                            session="here", source=f"profile to, role {ROLE}")
        self.assertRegex(answer["expires_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_web_identity(self):
        self.found(self.env(AWS_WEB_IDENTITY_TOKEN_FILE=str(self.folder / "keys.Orders.web-token"),
                            AWS_ROLE_ARN=ROLE, AWS_DEFAULT_REGION="us-east-1"),
                   source=f"web identity, role {ROLE}", region_source="AWS_DEFAULT_REGION")

    def test_container_endpoint(self):
        uri = f"{self.sts.url}/_kiln/credentials/Orders"
        token = str(self.folder / "keys.Orders.container-token")
        self.found(self.env(AWS_CONTAINER_CREDENTIALS_FULL_URI=uri, AWS_REGION="us-east-1",
                            AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=token),
                   source=f"container endpoint {uri}")

    def test_instance_metadata(self):
        answer = self.found(self.env(AWS_EC2_METADATA_DISABLED="false",
                                     AWS_EC2_METADATA_SERVICE_ENDPOINT=self.sts.url),
                            source="IMDSv2, role Orders", region="us-east-1",
                            region_source="the instance's metadata")
        self.assertEqual([t["where"] for t in answer["tried"]],
                         ["environment", "shared files", "web identity", "container endpoint",
                          "instance metadata"])

    def test_the_flag_is_before_everything(self):
        self.found(self.keys(self.orders), "--region", "eu-west-1", region="eu-west-1",
                   region_source="--region")

    def test_text(self):
        status, out, err = run(settings.KILN, "whoami", "--development-sts",
                               env=self.keys(self.orders))
        self.assertEqual((status, err), (0, ""))
        text = out.decode()
        for line in (f"role      {ROLE}", "source    environment",
                     "region    us-east-1, from AWS_REGION", f"--allow-role {ROLE}"):
            self.assertIn(line, text)
        for secret in ("secret_access_key", "session_token"):
            self.assertNotIn(self.orders[secret], text)


class Refused(Whoami):
    def test_nothing_anywhere(self):
        answer = self.refused(self.env(), code="^credentials$", error="switched off",
                              advice="instance profile")
        self.assertEqual([t["where"] for t in answer["tried"]],
                         ["environment", "shared files", "web identity", "container endpoint",
                          "instance metadata"])
        status, out, err = run(settings.KILN, "whoami", env=self.env(AWS_ENDPOINT_URL_STS=""))
        self.assertEqual((status, out), (1, b""))
        for line in ("environment  .*AWS_ACCESS_KEY_ID is not set",
                     "shared files .*~/.aws/config is not there",
                     "web identity .*AWS_WEB_IDENTITY_TOKEN_FILE is not set"):
            self.assertRegex(err, line)

    def test_a_user_with_keys_alone(self):
        self.refused(self.keys(self.alice), code="^credentials$", error="only a role",
                     advice="source_profile", source="environment")

    def test_keys_that_nobody_knows(self):
        stranger = {**self.orders, "access_key_id": "ASIANOBODYNOBODYNOBO"}
        self.refused(self.keys(stranger), code="^roast_proof$", error="InvalidClientTokenId",
                     advice="revoked")

    def test_a_wrong_secret(self):
        self.refused(self.keys({**self.orders, "secret_access_key": "x" * 40}),
                     code="^roast_proof$", error="SignatureDoesNotMatch", advice="clock")

    def test_no_region(self):
        env = self.keys(self.orders)
        del env["AWS_REGION"]
        self.refused(env, code="^config$", error="no AWS region", advice="--region")

    def test_a_profile_that_is_nowhere(self):
        self.refused(self.env(AWS_PROFILE="nowhere"), code="^config$", error="'nowhere'")

    def test_sts_is_away(self):
        env = {**self.keys(self.orders), "AWS_ENDPOINT_URL_STS": "http://127.0.0.1:9"}
        self.refused(env, code="^sts$", error="no answer", advice="443")

    def test_a_token_file_that_is_missing(self):
        """What is configured and fails is the end: no other identity is taken in its place."""
        self.refused(self.env(AWS_WEB_IDENTITY_TOKEN_FILE=str(self.folder / "no"),
                              AWS_ROLE_ARN=ROLE, AWS_REGION="us-east-1",
                              AWS_EC2_METADATA_DISABLED="false",
                              AWS_EC2_METADATA_SERVICE_ENDPOINT=self.sts.url),
                     code="^credentials$", error="token file")

    def test_loopback_has_to_be_meant(self):
        status, _, err = run(settings.KILN, "whoami", env=self.keys(self.orders))
        self.assertEqual(status, 1)
        self.assertRegex(err, "(?s)refused.*--development-sts")
        status, out, err = run(settings.KILN, "whoami", "--json", env=self.keys(self.orders))
        answer = json.loads(out)
        self.assertEqual((status, err, answer["code"], answer["tried"]), (1, "", "config", []))
        self.assertIn("--development-sts", answer["advice"])

    def impostor(self, *, tls):
        """Somebody in STS's place, who redirects whatever he is asked."""
        class Redirect(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                self.send_response(307)
                self.send_header("Location", "https://portal.example/")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            def handle_error(self, *_):
                """A client that does not take the certificate."""

        server = Server(("127.0.0.1", 0), Redirect)
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(settings.pem("server"), settings.key("server"))
            server.socket = context.wrap_socket(server.socket, server_side=True,
                                                do_handshake_on_connect=False)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return {**self.keys(self.orders),
                "AWS_ENDPOINT_URL_STS": f"http{'s' * tls}://127.0.0.1:{server.server_port}"}

    def test_somebody_in_the_place_of_sts(self):
        self.refused(self.impostor(tls=True), code="^sts$", error="certificate",
                     advice="^Something between.*TLS interception")
        self.refused(self.impostor(tls=False), code="^sts$", error="redirect",
                     advice="^Something between")

    def test_sts_fails(self):
        """It was reached, so there is nothing to say about the way to it."""
        self.sts.ask("POST", "/_kiln/behave?fail-rate=100")
        self.assertIsNone(self.refused(self.keys(self.orders), code="^sts$",
                                       error="status 500")["advice"])

    def test_what_takes_long_is_named_and_ends(self):
        self.sts.ask("POST", "/_kiln/behave?hang=1")
        with Program(settings.KILN, "whoami", "--development-sts", "--timeout", "3s",
                     env=self.keys(self.orders)) as program:
            program.wait_for(rb"still asking STS")
            self.assertEqual(program.wait(), 1)
            self.assertRegex(program.text(), r"gave up after 3000 ms \(--timeout\), while asking")


class Usage(unittest.TestCase):
    def refuses(self, why, *flags):
        status, out, err = run(settings.KILN, "whoami", *flags, env=WITHOUT_AWS)
        self.assertEqual((status, out), (2, b""), err)
        self.assertRegex(err, "^kiln whoami: " + why)

    def test_wrong_flags(self):
        self.refuses("unknown flag --regoin; did you mean --region", "--regoin", "x")
        self.refuses("unknown flag --frob; `kiln whoami --help`", "--frob")
        self.refuses("--region: AWS has no region 'moon'", "--region", "moon")
        self.refuses("--region needs a value", "--region")
        self.refuses("a value is missing before --json", "--region", "--json")
        self.refuses("--timeout: '3' is no duration", "--timeout", "3")
        self.refuses("--timeout: it must be longer than 0", "--timeout", "0")
        self.refuses("'me' is no flag", "me")

    def test_help_names_every_flag(self):
        status, out, _ = run(settings.KILN, "whoami", "--help")
        self.assertEqual(status, 0)
        for flag in ("--region", "--timeout", "--json", "--development-sts"):
            self.assertTrue(re.search(rf"^  {flag} ", out.decode(), re.M), flag)


if __name__ == "__main__":
    main()
