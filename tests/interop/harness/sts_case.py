"""The base of the tests of `kiln sts`: one of it for a class, with keys for two roles."""

import json
import pathlib
import tempfile
import unittest
import urllib.parse

from .sts import DB, WEB, Sts, make_keys

FORM = ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")


class StsTest(unittest.TestCase):
    maxDiff = None
    flags = ()

    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="kiln-")
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.made = make_keys(cls.folder / "keys", WEB, DB)
        cls.web, cls.db = cls.made["identities"]
        cls.prepare()
        cls.sts = Sts(cls.folder / "keys", *cls.flags)
        cls.addClassCleanup(cls.sts.kill)

    @classmethod
    def prepare(cls):
        """More keys, before the start."""

    @classmethod
    def tearDownClass(cls):
        cls.sts.stop()

    def identity(self, answer):
        """Who an answer says it was."""
        status, headers, body = answer
        self.assertEqual(status, 200, body)
        self.assertEqual(headers["Content-Type"], "application/json")
        result = json.loads(body)["GetCallerIdentityResponse"]["GetCallerIdentityResult"]
        self.assertEqual(set(result), {"Arn", "UserId", "Account"})
        self.assertEqual(result["Arn"].split(":")[4], result["Account"])
        return result["Arn"]

    def refused(self, answer, status, code, message="."):
        got, headers, body = answer
        self.assertEqual((got, headers["Content-Type"]), (status, "application/json"), body)
        error = json.loads(body)
        self.assertEqual(set(error), {"Error", "RequestId"})
        self.assertEqual(error["RequestId"], headers["x-amzn-RequestId"])
        self.assertEqual(error["Error"]["Code"], code, body)
        self.assertEqual(error["Error"]["Type"], "Sender" if status < 500 else "Receiver")
        self.assertRegex(error["Error"]["Message"], message)
        return error["Error"]["Message"]

    def assume(self, keys, action="AssumeRole", *, sts=None, sign=True, query="", **params):
        """Credentials as JSON, or the answer itself when it is a refusal."""
        body = urllib.parse.urlencode({"Action": action, "Version": "2011-06-15", **params})
        sts = sts or self.sts
        if sign:
            answer = sts.signed(keys, body=body.encode(), query=query, extra=(FORM,))
        else:
            answer = sts.ask("POST", f"/?{query}", (FORM, ("Accept", "application/json")),
                             body.encode())
        if answer[0] != 200:
            return answer
        result = json.loads(answer[2])[f"{action}Response"][f"{action}Result"]
        got = result["Credentials"]
        return {"access_key_id": got["AccessKeyId"], "secret_access_key": got["SecretAccessKey"],
                "session_token": got["SessionToken"], "expires": got["Expiration"],
                "arn": result["AssumedRoleUser"]["Arn"], "result": result}
