"""How STS is reached, by the gateway's agent and by libkiln: over TLS that is verified, at the place
that is named and nowhere else, and with no answer believed that is not of the right form.

  kiln client, kiln server, roast_client == https ==> nginx -- http --> kiln sts

What libcurl trusts is the system's bundle of authorities: in a mount namespace the tests' CA stands
in its place.
"""

import os
import shutil
import socket
import subprocess
import unittest

from harness import settings
from harness.case import main
from harness.nginx import PATH as NGINX
from harness.nginx import Nginx, Site
from harness.programs import run
from harness.settings import pem, wait_until
from roast import CLIENT, SERVER
from roast_lib import EXAMPLES, TEXT, LibraryTest

ANSWER = ('{"GetCallerIdentityResponse":{"GetCallerIdentityResult":{"Account":"123456789012",'
          '"Arn":"arn:aws:sts::123456789012:assumed-role/Orders/here","UserId":"AROAXXXX:here"},'
          '"ResponseMetadata":{"RequestId":"11111111-2222-3333-4444-555555555555"}}}')
SPACES = f'set $a "{" " * 1000}"; set $b "$a$a$a$a$a$a$a$a$a$a"; '
QUERY = "/?Action=GetCallerIdentity&Version=2011-06-15"
PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def trusting():
    """Runs what follows with the tests' CA as the only authority."""
    bundle = subprocess.run(["curl-config", "--ca"], check=True, capture_output=True,
                            text=True).stdout.strip()
    return ("unshare", "-m", "sh", "-c", 'mount --bind "$1" "$2" && shift 2 && exec "$@"', "sh",
            pem("ca"), bundle)


@unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "needs root and unshare")
@unittest.skipUnless(shutil.which("curl-config"), "curl-config is not installed")
@unittest.skipUnless(NGINX, "nginx is not installed")
class HttpsTest(LibraryTest):
    def setUp(self):
        super().setUp()
        self.more = {}
        to_sts = f"location / {{ proxy_pass {self.sts.url}; }}"
        self.sites = {
            "good": Site(to_sts),
            "http/1.1": Site(to_sts, protocol=""),
            "untrusted": Site(to_sts, cert="impostor"),
            "wrong name": Site(to_sts, cert="elsewhere"),
            "expired": Site(to_sts, cert="server-old"),
            "redirect": Site("location / { return 307 /elsewhere$is_args$args; } "
                             f"location /elsewhere {{ proxy_pass {self.sts.url}/; }}"),
            "made up": Site(f"location / {{ return 200 '{ANSWER}'; }}"),
            "page": Site(f"default_type text/html; location / {{ return 200 '{ANSWER}'; }}"),
            "too long": Site(SPACES + f"location / {{ return 200 '{ANSWER}$b$b$b$b$b$b$b'; }}"),
        }
        self.nginx = Nginx(f"{self.folder}/nginx", self.sites.values())
        self.addCleanup(self.nginx.close)
        self.use("good")

    def use(self, site):
        self.site = self.sites[site]

    def env(self, name):
        return {**super().env(name), "AWS_ENDPOINT_URL_STS": self.site.url,
                **dict.fromkeys((*PROXIES, "no_proxy", "NO_PROXY"), ""), **self.more}

    def party(self, *args, **options):
        return super().party(*args, wrapper=trusting(), **options)

    def example(self, address="127.0.0.1:1"):
        host, port = address.split(":")
        return run(*trusting(), EXAMPLES / "roast_client", host, port, SERVER, "development",
                   data=TEXT, env=self.environment("Orders"))

    def example_talks(self):
        status, out, err = self.example(self.server.listen)
        self.assertEqual((status, out), (0, TEXT), err)

    def requests(self, count):
        """Those to the site, once there are so many."""
        wait_until(f"{count} requests to STS", lambda: len(self.nginx.requests(self.site)) >= count)
        found = self.nginx.requests(self.site)
        self.assertEqual(len(found), count, found)
        for _, _, status, path in found:
            self.assertEqual((status, path), ("200", QUERY))
        return found


class Reached(HttpsTest):
    def test_http2_on_connections_that_are_kept(self):
        """Either agent asks who it is itself, and three times who its peer is."""
        self.both()
        for _ in range(3):
            self.assertEqual(self.echo(), b"hello")
        found = self.requests(8)
        self.assertEqual({protocol for protocol, *_ in found}, {"HTTP/2.0"})
        self.assertEqual(len({connection for _, connection, *_ in found}), 2)
        self.example_talks()
        self.assertEqual({protocol for protocol, *_ in self.requests(11)}, {"HTTP/2.0"})

    def test_http1_on_connections_that_are_kept(self):
        self.use("http/1.1")
        self.both()
        for _ in range(3):
            self.assertEqual(self.echo(), b"hello")
        found = self.requests(8)
        self.assertEqual({protocol for protocol, *_ in found}, {"HTTP/1.1"})
        self.assertEqual(len({connection for _, connection, *_ in found}), 2)
        self.example_talks()
        self.requests(11)

    def test_no_proxy_is_used(self):
        with socket.create_server(("127.0.0.1", 0)) as proxy:
            proxy.setblocking(False)
            address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
            self.more = dict.fromkeys(PROXIES, address)
            self.both()
            self.assertEqual(self.echo(), b"hello")
            self.example_talks()
            with self.assertRaises(BlockingIOError):
                proxy.accept()

    @unittest.skipUnless(shutil.which("curl"), "curl is not installed")
    def test_the_gateway_writes_no_key_log(self):
        log = f"{self.folder}/keys.log"
        self.more = {"SSLKEYLOGFILE": log}
        self.both()
        self.assertEqual(self.echo(), b"hello")
        status, _, err = run(*trusting(), settings.KILN, "whoami", "--development-sts",
                             env=self.environment("Orders"))
        self.assertEqual(status, 0, err)
        self.assertFalse(os.path.exists(log))
        # This machine's libcurl does write one.
        run("curl", "-s", "--cacert", pem("ca"), self.site.url,
            env={**os.environ, "SSLKEYLOGFILE": log})
        self.assertTrue(os.path.exists(log))


class NotBelieved(HttpsTest):
    """The same endpoint as above, but for one thing."""

    def refused_by_both(self, site, why):
        self.use(site)
        with self.subTest("the gateway"):
            client = self.party("client", "127.0.0.1:1", name="Orders", allow=SERVER)
            said = wait_until("a word on the identity", lambda: client.find("identity_failed") or
                              client.find("identity"))
            self.assertEqual(said[0]["event"], "identity_failed")
            self.assertEqual(said[0]["code"], "sts")
            self.assertRegex(said[0]["error"], why)
        with self.subTest("libkiln"):
            status, out, err = self.example()
            self.assertEqual((status, out), (1, b""), err)
            self.assertRegex(err, "our own role is not known: .*" + why)

    def nobody_asked(self):
        self.assertEqual(self.nginx.requests(self.site), [])
        self.assertEqual([e for e in self.sts.events if e["event"] == "sts_request"], [])

    def test_an_authority_that_is_not_trusted(self):
        self.refused_by_both("untrusted", "certificate")
        self.nobody_asked()

    def test_another_name(self):
        self.refused_by_both("wrong name", "no alternative certificate subject name matches")
        self.nobody_asked()

    def test_an_expired_certificate(self):
        self.refused_by_both("expired", "certificate has expired")
        self.nobody_asked()

    def test_a_redirect(self):
        self.refused_by_both("redirect", "307")
        asked = self.nginx.requests(self.site)
        self.assertTrue(asked)
        for _, _, status, path in asked:
            self.assertEqual((status, path), ("307", QUERY))

    def test_too_long_an_answer(self):
        self.refused_by_both("too long", "longer than 65536 bytes")

    def test_an_answer_of_another_type(self):
        self.refused_by_both("page", "it is no JSON")

    def test_the_made_up_answer_is_none_of_these(self):
        """What makes the two above fail is what they are called after."""
        self.use("made up")
        client = self.party("client", "127.0.0.1:1", name="Orders", allow=SERVER)
        client.wait_event("identity", role=CLIENT, session="here")
        status, _, err = self.example()
        self.assertEqual(status, 1)
        self.assertNotIn("our own role", err)


if __name__ == "__main__":
    main()
