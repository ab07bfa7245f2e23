"""`kiln sts`, the development STS: whose signature it takes and whose it does not, and in which
words it refuses. The signer here is not Kiln's."""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import xml.etree.ElementTree

from harness import settings
from harness.case import main
from harness.sigv4 import amz_date
from harness.sts import QUERY, write_keys
from harness.sts_case import FORM, StsTest

XMLNS = "{https://sts.amazonaws.com/doc/2011-06-15/}"


class Signatures(StsTest):
    @classmethod
    def prepare(cls):
        """A user, root and a session that is over, beside the roles."""
        user = {"name": "Joe", "access_key_id": "AKIAIOSFODNN7EXAMPLE",
                "secret_access_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                "arn": "arn:aws:iam::123456789012:user/Joe"}
        root = {**user, "name": "Root", "access_key_id": "AKIAIOSFODNN7EXAMPL2",
                "arn": "arn:aws:iam::123456789012:root"}
        old = {**cls.web, "name": "Old", "access_key_id": "ASIAIOSFODNN7EXAMPLE",
               "expires": "2020-01-01T00:00:00Z"}
        cls.user, cls.root, cls.old = user, root, old
        cls.made["identities"] += [user, root, old]
        write_keys(cls.folder / "keys", cls.made)

    def test_as_roast_sends_it(self):
        """Action in the query; the body is JSON, is signed, and is nobody's business."""
        for keys in (self.web, self.db):
            answer = self.sts.signed(keys, body=b'{"ServerCA":"QUJD&Action=AssumeRole"}')
            self.assertEqual(self.identity(answer), keys["arn"])
        self.sts.wait_event("sts_request", identity=self.web["arn"], status=200, level="info",
                            action="GetCallerIdentity", key_id=self.web["access_key_id"])

    def test_as_sdks_send_it(self):
        self.assertEqual(self.identity(self.sts.signed(self.web, body=QUERY.encode(), query="",
                                                       extra=(FORM,))), self.web["arn"])

    def test_an_empty_body_and_get(self):
        self.assertEqual(self.identity(self.sts.signed(self.web, body=b"")), self.web["arn"])
        self.assertEqual(self.identity(self.sts.signed(self.web, body=b"", method="GET")),
                         self.web["arn"])

    def test_a_large_body_on_one_connection_after_the_other(self):
        connection = self.sts.connect()
        self.addCleanup(connection.close)
        for size in (1, 65536, 100_000):
            self.identity(self.sts.signed(self.web, body=b"{" * size))
        status, _, _ = self.sts.signed(self.web, body=b"{" * 200_000)
        self.assertEqual(status, 413)

    def test_xml(self):
        status, headers, body = self.sts.signed(self.web, json_answer=False)
        self.assertEqual((status, headers["Content-Type"]), (200, "text/xml"))
        root = xml.etree.ElementTree.fromstring(body)
        self.assertEqual(root.tag, XMLNS + "GetCallerIdentityResponse")
        result = root[0]
        self.assertEqual([e.tag for e in result],
                         [XMLNS + n for n in ("Arn", "UserId", "Account")])
        self.assertEqual(result[0].text, self.web["arn"])
        self.assertEqual(root[1][0].text, headers["x-amzn-RequestId"])
        status, headers, body = self.sts.ask()
        self.assertEqual((status, headers["Content-Type"]), (403, "text/xml"))
        root = xml.etree.ElementTree.fromstring(body)
        self.assertEqual(root.tag, XMLNS + "ErrorResponse")
        self.assertEqual([e.text for e in root[0]][:2], ["Sender", "MissingAuthenticationToken"])

    def test_the_shapes_are_those_recorded(self):
        golden = pathlib.Path(os.environ.get("KILN_GOLDEN", settings.TOP.parent / "shared/golden"))
        if not (golden / "sts").is_dir():
            self.skipTest("no golden data")

        def shape(value):
            if isinstance(value, dict):
                return {k: shape(v) for k, v in value.items()}
            return type(value)

        def tree(element):
            return element.tag, [tree(e) for e in element]

        def recorded(name):
            return (golden / "sts" / name).read_text(encoding="ascii")

        for json_answer, parse, of, suffix in (
                (True, json.loads, shape, "json"),
                (False, xml.etree.ElementTree.fromstring, tree, "xml")):
            good = self.sts.signed(self.web, json_answer=json_answer)[2]
            self.assertEqual(of(parse(good)), of(parse(recorded(f"ok.{suffix}"))))
            for name, change in (
                    ("err-403-ExpiredToken", {"keys": self.old}),
                    ("err-403-InvalidClientTokenId", {"token": "other"}),
                    ("err-403-SignatureDoesNotMatch", {"sent_body": b'{"hello":2}'}),
                    ("err-403-SignatureDoesNotMatch-expired", {"date": amz_date(-1000)}),
                    ("err-403-SignatureDoesNotMatch-future", {"date": amz_date(1000)})):
                with self.subTest(name=name, suffix=suffix):
                    change = dict(change)
                    answer = self.sts.signed(change.pop("keys", self.web),
                                             json_answer=json_answer, **change)
                    theirs = recorded(f"{name}.{suffix}")
                    self.assertEqual(answer[0], 403)
                    self.assertEqual(of(parse(answer[2])), of(parse(theirs)))

                    def message(text):
                        return re.sub(r"\d{8}T\d{6}Z", "DATE",
                                      re.search(r"Message\W+([^<\"]+)", text).group(1))
                    self.assertEqual(message(answer[2].decode()), message(theirs))

    def test_hosts_and_regions(self):
        """The host names the region; on loopback any region will do."""
        good = (("sts.us-west-2.amazonaws.com", "us-west-2"), ("sts.amazonaws.com", "us-east-1"),
                ("sts-fips.us-east-2.amazonaws.com", "us-east-2"),
                ("sts.eu-central-1.api.aws", "eu-central-1"), (None, "ap-south-1"),
                ("sts.cn-north-1.amazonaws.com.cn", "cn-north-1"), ("localhost:99", "us-east-1"))
        for host, region in good:
            with self.subTest(host=host, region=region):
                self.identity(self.sts.signed(self.web, host=host, region=region))
        bad = (("sts.us-west-2.amazonaws.com", "us-east-1"), ("sts.amazonaws.com", "us-west-2"),
               ("sts.us-east-1.amazonaws.com.example", "us-east-1"),
               ("example.com", "us-east-1"), (None, "xx-nowhere-1"),
               ("sts.cn-north-1.amazonaws.com", "cn-north-1"))
        for host, region in bad:
            with self.subTest(host=host, region=region):
                self.refused(self.sts.signed(self.web, host=host, region=region), 403,
                             "SignatureDoesNotMatch", "scoped to a valid region")

    def test_another_service(self):
        self.refused(self.sts.signed(self.web, service="iam"), 403, "SignatureDoesNotMatch",
                     "correct service")

    def test_a_wrong_signature(self):
        wrong = {
            "another secret": {"keys": {**self.web, "secret_access_key": "x" * 40}},
            "another's secret": {
                "keys": {**self.web, "secret_access_key": self.db["secret_access_key"]}},
            "a tampered body": {"sent_body": b'{"hello":2}'},
            "no body": {"sent_body": b""},
            "another action": {"target": f"/?{QUERY.replace('GetCaller', 'GetOther')}"},
            "one more parameter": {"target": f"/?{QUERY}&x=1"},
            "another host": {"sent_host": "localhost:1"},
            "one bit": {"authorization":
                        lambda v: v[:-1] + ("0" if v[-1] != "0" else "1")},
        }
        for what, change in wrong.items():
            with self.subTest(what=what):
                change = dict(change)
                answer = self.sts.signed(change.pop("keys", self.web), **change)
                if what == "another action":
                    self.refused(answer, 400, "InvalidAction")
                else:
                    self.refused(answer, 403, "SignatureDoesNotMatch", "does not match the sig")

    def test_a_day_that_is_not_the_dates(self):
        self.refused(self.sts.signed(self.web, day="20200101"), 403, "SignatureDoesNotMatch",
                     "Date in Credential scope")

    def test_dates(self):
        for offset in (-880, 880):
            self.identity(self.sts.signed(self.web, date=amz_date(offset)))
        self.refused(self.sts.signed(self.web, date=amz_date(-920)), 403,
                     "SignatureDoesNotMatch", r"Signature expired: .* \(.* - 15 min\.\)")
        self.refused(self.sts.signed(self.web, date=amz_date(920)), 403,
                     "SignatureDoesNotMatch", r"not yet current: .* \(.* \+ 15 min\.\)")
        self.refused(self.sts.signed(self.web, date="2026-01-15T12:00:00Z", day="20260115"), 400,
                     "IncompleteSignature", "ISO-8601")

    def test_headers_behind_the_signers_back(self):
        for name in ("X-Amz-Meta-Role", "x-amz-target"):
            self.refused(self.sts.signed(self.web, unsigned=((name, "v"),)), 403, "AccessDenied",
                         f"not signed: {name}")
        self.refused(self.sts.signed(self.web, omit=("Host",)), 403, "AccessDenied", "Host")
        self.refused(self.sts.signed(self.web, omit=("X-Amz-Date",)), 403, "AccessDenied", "Date")
        self.identity(self.sts.signed(self.web, unsigned=(("X-Amzn-Trace-Id", "v"),
                                                          ("User-Agent", "x"))))
        self.identity(self.sts.signed(self.web, extra=(("X-Amz-Meta-Role", " a   b "),
                                                       ("X-Amz-Meta-Role", "c"))))

    def test_a_signed_header_that_did_not_come(self):
        def more(value):
            return value.replace("host;", "host;x-a;")
        self.refused(self.sts.signed(self.web, authorization=more), 403, "SignatureDoesNotMatch")

    def test_an_authorization_of_no_form(self):
        for change in (lambda v: v.replace("SHA256", "SHA1"), lambda v: v + "0",
                       lambda v: v.replace("Signature=", "Signatur="), lambda v: "Basic eDp5",
                       lambda v: v.replace("aws4_request", "aws5_request"), lambda v: "x" * 9000):
            self.refused(self.sts.signed(self.web, authorization=change), 400,
                         "IncompleteSignature")
        self.refused(self.sts.ask(headers=(("Accept", "application/json"),)), 403,
                     "MissingAuthenticationToken")

    def test_an_unknown_key(self):
        self.refused(self.sts.signed({**self.web, "access_key_id": "ASIAAAAAAAAAAAAAAAAA"}), 403,
                     "InvalidClientTokenId", "is invalid")

    def test_a_wrong_token(self):
        for token in ("other", self.db["session_token"], self.web["session_token"][:-1], ""):
            self.refused(self.sts.signed(self.web, token=token), 403, "InvalidClientTokenId")
        self.refused(self.sts.signed(self.user, token=self.web["session_token"]), 403,
                     "InvalidClientTokenId")

    def test_an_old_token(self):
        self.refused(self.sts.signed(self.old), 403, "ExpiredToken", "is expired")
        self.refused(self.sts.signed({**self.old, "secret_access_key": "x"}), 403,
                     "SignatureDoesNotMatch")

    def test_who_is_no_role(self):
        self.assertEqual(self.identity(self.sts.signed(self.user)), self.user["arn"])
        self.assertEqual(self.identity(self.sts.signed(self.root)), self.root["arn"])

    def test_parameters(self):
        for query, status, code in (("", 400, "MissingAction"), (QUERY + "&" + QUERY, 400,
                                                                 "MalformedQueryString"),
                                    ("Action=GetCallerIdentity", 400, "InvalidAction"),
                                    ("action=GetCallerIdentity&Version=2011-06-15", 400,
                                     "MissingAction"),
                                    (QUERY + "&a=%zz", 400, "MalformedQueryString"),
                                    (QUERY + "&a=%00", 400, "MalformedQueryString"),
                                    (QUERY.replace("2011", "2012"), 400, "InvalidAction"),
                                    ("&".join(f"a{i}=1" for i in range(70)), 400,
                                     "MalformedQueryString")):
            with self.subTest(query=query):
                self.refused(self.sts.signed(self.web, query=query), status, code)
        self.refused(self.sts.signed(self.web, body=QUERY.encode(), extra=(FORM,)), 400,
                     "MalformedQueryString", "twice")

    def test_other_paths(self):
        for target in ("/x", "/_kiln/nothing"):
            self.assertEqual(self.sts.ask("POST", target)[0], 404)

    def test_curl_signs_too(self):
        token = f"X-Amz-Security-Token: {self.web['session_token']}"
        run = subprocess.run(
            ["curl", "-sS", "--aws-sigv4", "aws:amz:eu-west-1:sts", "--user",
             f"{self.web['access_key_id']}:{self.web['secret_access_key']}", "-H", token, "-H",
             "Accept: application/json", "-d", QUERY, self.sts.url + "/"],
            check=True, capture_output=True, timeout=settings.PATIENCE)
        self.assertIn(self.web["arn"].encode(), run.stdout)

    def test_many_at_once(self):
        def one(number):
            keys = (self.web, self.db)[number % 2]
            return self.identity(self.sts.signed(keys)) == keys["arn"]
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            self.assertTrue(all(pool.map(one, range(200))))


if __name__ == "__main__":
    main()
