"""`kiln sts`: the sessions that it issues, for AssumeRole and AssumeRoleWithWebIdentity, for a
container and for an instance; and their end."""

import concurrent.futures
import json
import time
import urllib.parse
import xml.etree.ElementTree

from harness import settings
from harness.case import main
from harness.sts import DB, WEB, write_keys
from harness.sts_case import StsTest

XMLNS = "{https://sts.amazonaws.com/doc/2011-06-15/}"


class Sessions(StsTest):
    @classmethod
    def prepare(cls):
        cls.made["roles"].append({"arn": "arn:aws:iam::123456789012:role/a/path/Far",
                                  "external_id": "secret-id"})
        cls.user = {"name": "Joe", "access_key_id": "AKIAIOSFODNN7EXAMPLE",
                    "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                    "arn": "arn:aws:iam::123456789012:user/Joe"}
        cls.made["identities"].append(cls.user)
        write_keys(cls.folder / "keys", cls.made)

    def test_assume_role(self):
        got = self.assume(self.web, RoleArn=DB, RoleSessionName="me@here")
        self.assertEqual(got["arn"], "arn:aws:sts::210987654321:assumed-role/Db/me@here")
        self.assertTrue(got["access_key_id"].startswith("ASIA"))
        self.assertAlmostEqual(got["expires"], time.time() + 3600, delta=60)
        self.assertEqual(self.identity(self.sts.signed(got)), got["arn"])
        chained = self.assume(got, RoleArn=WEB, RoleSessionName="two", DurationSeconds=900)
        self.assertAlmostEqual(chained["expires"], time.time() + 900, delta=60)
        self.assertEqual(self.identity(self.sts.signed(chained)), chained["arn"])
        self.refused(self.sts.signed({**got, "session_token": chained["session_token"]}), 403,
                     "InvalidClientTokenId")

    def test_in_the_query_and_as_xml(self):
        query = urllib.parse.urlencode({"Action": "AssumeRole", "Version": "2011-06-15",
                                        "RoleArn": DB, "RoleSessionName": "me"})
        status, _, body = self.sts.signed(self.web, query=query, json_answer=False)
        self.assertEqual(status, 200, body)
        root = xml.etree.ElementTree.fromstring(body)
        keys = root.find(f"{XMLNS}AssumeRoleResult/{XMLNS}Credentials")
        text = {e.tag[len(XMLNS):]: e.text for e in keys}
        self.assertRegex(text["Expiration"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        got = {"access_key_id": text["AccessKeyId"], "secret_access_key": text["SecretAccessKey"],
               "session_token": text["SessionToken"]}
        self.assertEqual(self.identity(self.sts.signed(got)),
                         "arn:aws:sts::210987654321:assumed-role/Db/me")

    def test_a_user_may_for_longer(self):
        got = self.assume(self.user, RoleArn=WEB, RoleSessionName="joe", DurationSeconds=43200)
        self.assertAlmostEqual(got["expires"], time.time() + 43200, delta=60)

    def test_an_external_id_and_a_path(self):
        far = "arn:aws:iam::123456789012:role/a/path/Far"
        got = self.assume(self.web, RoleArn=far, RoleSessionName="me", ExternalId="secret-id")
        self.assertEqual(got["arn"], "arn:aws:sts::123456789012:assumed-role/Far/me")
        for wrong in ({}, {"ExternalId": "other"}):
            self.refused(self.assume(self.web, RoleArn=far, RoleSessionName="me", **wrong), 403,
                         "AccessDenied", "not authorized to perform: sts:AssumeRole")

    def test_refusals(self):
        good = {"RoleArn": DB, "RoleSessionName": "me"}
        for change, status, code in (
                ({"RoleArn": "arn:aws:iam::123456789012:role/Nobody"}, 403, "AccessDenied"),
                ({"RoleArn": ""}, 400, "ValidationError"),
                ({"RoleSessionName": ""}, 400, "ValidationError"),
                ({"RoleSessionName": "a b"}, 400, "ValidationError"),
                ({"RoleSessionName": "x" * 65}, 400, "ValidationError"),
                ({"DurationSeconds": "899"}, 400, "ValidationError"),
                ({"DurationSeconds": "3601"}, 400, "ValidationError"),
                ({"DurationSeconds": "-1"}, 400, "ValidationError"),
                ({"DurationSeconds": "3600x"}, 400, "ValidationError")):
            with self.subTest(change=change):
                self.refused(self.assume(self.web, **{**good, **change}), status, code)
        self.refused(self.assume(None, sign=False, **good), 403, "MissingAuthenticationToken")

    def test_web_identity(self):
        token = self.made["web_identities"][0]["token"]
        good = {"RoleArn": WEB, "RoleSessionName": "pod", "WebIdentityToken": token}

        def ask(**change):
            return self.assume(None, "AssumeRoleWithWebIdentity", sign=False,
                               **{**good, **change})
        got = ask()
        self.assertEqual(got["arn"], "arn:aws:sts::123456789012:assumed-role/Web/pod")
        self.assertEqual(got["result"]["SubjectFromWebIdentityToken"], "Web")
        self.assertEqual(self.identity(self.sts.signed(got)), got["arn"])
        self.refused(ask(WebIdentityToken="other"), 400, "InvalidIdentityToken")
        self.refused(ask(WebIdentityToken=""), 400, "ValidationError")
        self.refused(ask(RoleArn=DB), 403, "AccessDenied")

    def test_the_oldest_sessions_are_forgotten(self):
        first = self.assume(self.web, RoleArn=DB, RoleSessionName="first")
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda _: self.assume(self.web, RoleArn=DB, RoleSessionName="more"),
                          range(1024)))
        self.refused(self.sts.signed(first), 403, "InvalidClientTokenId")
        self.identity(self.sts.signed(self.web))


class ShortSessions(StsTest):
    flags = ("--session-duration", "2s")

    def test_they_end(self):
        got = self.assume(self.web, RoleArn=DB, RoleSessionName="me")
        self.assertLessEqual(got["expires"], time.time() + 2)
        answer = self.sts.signed(got)
        if time.time() < got["expires"]:  # not on a machine that stood still for so long
            self.assertEqual(answer[0], 200, answer)
        end = time.monotonic() + settings.PATIENCE
        while (answer := self.sts.signed(got))[0] == 200 and time.monotonic() < end:
            time.sleep(0.05)
        self.refused(answer, 403, "ExpiredToken")
        self.assertGreaterEqual(time.time(), got["expires"])


class Credentials(StsTest):
    flags = ("--region", "eu-west-1", "--imds", "Db")

    def session(self, answer, role, **more):
        status, _, body = answer
        self.assertEqual(status, 200, body)
        got = json.loads(body)
        for key, value in more.items():
            self.assertEqual(got[key], value)
        keys = {"access_key_id": got["AccessKeyId"], "secret_access_key": got["SecretAccessKey"],
                "session_token": got["Token"]}
        self.assertEqual(self.identity(self.sts.signed(keys)),
                         role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") +
                         "/kiln-sts")
        return keys["access_key_id"]

    def test_container(self):
        def ask(name="Web", token=self.web["container_token"], **options):
            headers = (("Authorization", token),) if token is not None else ()
            return self.sts.ask("GET", f"/_kiln/credentials/{name}", headers, **options)
        ids = {self.session(ask(), WEB, RoleArn=WEB) for _ in range(2)}
        self.assertEqual(len(ids), 2, "a session was handed out twice")
        for change, status in (({"token": None}, 401), ({"token": "other"}, 401),
                               ({"token": self.db["container_token"]}, 401),
                               ({"name": "Nobody"}, 404), ({"name": "Web/"}, 404),
                               ({"host": "evil.example"}, 403)):
            self.assertEqual(ask(**change)[0], status, change)

    def imds(self, path, token, **options):
        return self.sts.ask("GET", f"/latest/{path}",
                            (("X-aws-ec2-metadata-token", token),) if token else (), **options)

    def token(self, ttl="60", headers=(), **options):
        return self.sts.ask("PUT", "/latest/api/token",
                            (("X-aws-ec2-metadata-token-ttl-seconds", ttl), *headers), **options)

    def test_instance(self):
        status, headers, token = self.token()
        self.assertEqual((status, headers["X-aws-ec2-metadata-token-ttl-seconds"]), (200, "60"))
        token = token.decode()
        folder = "meta-data/iam/security-credentials"
        for path, text in ((folder, "Db"), (folder + "/", "Db"),
                           ("meta-data/placement/region", "eu-west-1"),
                           ("meta-data/placement/availability-zone", "eu-west-1a")):
            self.assertEqual(self.imds(path, token)[2].decode(), text)
        self.session(self.imds(f"{folder}/Db", token), DB, Code="Success", Type="AWS-HMAC")
        for path in (f"{folder}/Web", "meta-data/other", ""):
            self.assertEqual(self.imds(path, token)[0], 404, path)

    def test_instance_refusals(self):
        path = "meta-data/placement/region"
        for token in (None, "other"):
            self.assertEqual(self.imds(path, token)[0], 401)
        for ttl in ("0", "21601", "x", "", "99999999999999999999"):
            self.assertEqual(self.token(ttl)[0], 400, ttl)
        self.assertEqual(self.token(headers=(("X-Forwarded-For", "192.0.2.1"),))[0], 403)
        self.assertEqual(self.token(host="evil.example")[0], 403)

    def test_tokens_end(self):
        token = self.token("1")[2].decode()
        settings.wait_until("the token's end", lambda: self.imds(
            "meta-data/placement/region", token)[0] == 401)


if __name__ == "__main__":
    main()
