"""Who is let in, and who is trusted: each access rule of `kiln server` met and not met, each way of
`kiln client` to know its server, and the alert that the other side sees when it is refused.

A server refuses a client after the client's own handshake is over (RFC 8446 4.4.4), so the client
may have sent data: not a byte of it reaches the target.
"""

import contextlib
import ssl

from harness.backends import echo
from harness.case import KilnTest, main
from harness.gateway import client_flags
from harness.programs import s_server
from harness.rawtls import connect_raw
from harness.settings import key, pem, spki
from harness.sockets import client_context, connect, connect_tls, receive_exactly, server_context

CLIENTS = {"alice": {"--allow-cn": "alice", "--allow-ou": "payments",
                     "--allow-dns": "Alice.Kiln.Test", "--allow-ip": "127.0.0.9",
                     "--allow-uri": "spiffe://kiln.test/prod/alice",
                     "--allow-spki": spki("alice").upper()},
           "bob": {"--allow-cn": "bob", "--allow-ou": "search", "--allow-dns": "bob.kiln.test",
                   "--allow-ip": "127.0.0.10", "--allow-uri": "spiffe://kiln.test/stage/bob",
                   "--allow-spki": spki("bob")}}


class ServerRules(KilnTest):
    def gateway_for(self, *access, ca="ca"):
        self.target = self.backend()
        return self.server(target=self.target.address, access=access, ca=ca, workers=1)

    def let_in(self, gateway, cert, identity):
        since = gateway.position()
        with connect_tls(gateway.listen, client_context(cert=cert)) as sock:
            sock.sendall(b"let me in")
            self.assertEqual(receive_exactly(sock, 9), b"let me in")
        self.assertEqual(gateway.wait_conn(since, close="ok").get("identity"), identity)

    def turned_away(self, gateway, cert, alert, close, context=None):
        """Data comes with the Finished already; the target hears nothing of it all."""
        since, connections = gateway.position(), self.target.count
        with connect_raw(gateway.listen, context or client_context(cert=cert), handshake=False) \
                as peer:
            flight = peer.handshake(hold=True)
            peer.sock.sendall(flight + peer.tx.seal(b"let me in"))
            peer.expect_alert(alert)
        line = gateway.wait_conn(since, close=close, alert_sent=alert)
        self.assertEqual((line["level"], line["bytes_up"]), ("warning", 0))
        self.assertIn("error", line)
        gateway.settle()
        self.assertEqual(self.target.count, connections, "the target was connected to")
        return line

    def test_each_rule(self):
        names = {"alice": "spiffe://kiln.test/prod/alice", "bob": "spiffe://kiln.test/stage/bob"}
        for rule, value in CLIENTS["alice"].items():
            with self.subTest(rule=rule):
                gateway = self.gateway_for(rule, value)
                self.let_in(gateway, "alice", names["alice"])
                line = self.turned_away(gateway, "bob", "access_denied", "access_denied")
                self.assertIn(names["bob"], line["error"])
                self.assertEqual(gateway.counters()["access_denied"], 1)
                gateway.stop()

    def test_any_of_several_rules_will_do(self):
        gateway = self.gateway_for("--allow-cn", "nobody", "--allow-ou", "search",
                                   "--allow-spki", spki("alice"))
        self.let_in(gateway, "alice", "spiffe://kiln.test/prod/alice")
        self.let_in(gateway, "bob", "spiffe://kiln.test/stage/bob")
        self.turned_away(gateway, "carol-chain", "access_denied", "access_denied")

    def test_uri_patterns(self):
        for pattern, alice, bob in (("spiffe://kiln.test/*/alice", True, False),
                                    ("spiffe://kiln.test/prod/*", True, False),
                                    ("spiffe://kiln.test/**", True, True),
                                    ("spiffe://kiln.test/*", False, False)):
            with self.subTest(pattern=pattern):
                gateway = self.gateway_for("--allow-uri", pattern)
                for cert, allowed in (("alice", alice), ("bob", bob)):
                    if allowed:
                        self.let_in(gateway, cert, CLIENTS[cert]["--allow-uri"])
                    else:
                        self.turned_away(gateway, cert, "access_denied", "access_denied")
                gateway.stop()

    def test_a_name_is_looked_for_in_its_own_place_only(self):
        """A DNS name that is somebody's common name, a common name that is somebody's unit."""
        gateway = self.gateway_for("--allow-dns", "alice", "--allow-cn", "payments",
                                   "--allow-cn", "alice.kiln.test", "--allow-ou", "alice")
        self.turned_away(gateway, "alice", "access_denied", "access_denied")

    def test_allow_all_means_all_of_the_authority(self):
        gateway = self.gateway_for("--allow-all")
        self.let_in(gateway, "alice", "spiffe://kiln.test/prod/alice")
        self.let_in(gateway, "carol-chain", "carol")
        no_proof = client_context()
        self.turned_away(gateway, None, "certificate_required", "cert_required", no_proof)
        self.turned_away(gateway, "bob-old", "certificate_expired", "cert_invalid")
        self.turned_away(gateway, "wrong-use", "unsupported_certificate", "cert_invalid")
        self.turned_away(gateway, "carol", "unknown_ca", "cert_invalid")
        stranger = client_context()
        stranger.load_cert_chain(pem("stranger"), key("stranger"))
        self.turned_away(gateway, None, "unknown_ca", "cert_invalid", stranger)

    def test_a_rule_helps_nobody_whose_certificate_does_not_verify(self):
        """The stranger's certificate says alice, and its own authority vouches for it."""
        gateway = self.gateway_for("--allow-cn", "alice")
        stranger = client_context()
        stranger.load_cert_chain(pem("stranger"), key("stranger"))
        self.turned_away(gateway, None, "unknown_ca", "cert_invalid", stranger)

    def test_optional_certificates(self):
        gateway = self.gateway_for("--allow-cn", "alice", "--client-auth", "optional")
        self.let_in(gateway, None, None)
        self.let_in(gateway, "alice", "spiffe://kiln.test/prod/alice")
        self.turned_away(gateway, "bob", "access_denied", "access_denied")
        self.turned_away(gateway, "bob-old", "certificate_expired", "cert_invalid")

    def test_without_client_auth_a_certificate_is_not_looked_at(self):
        self.target = self.backend()
        gateway = self.server(target=self.target.address, workers=1)
        self.let_in(gateway, "bob-old", None)


class ClientRules(KilnTest):
    """The plain side's first bytes wait in the gateway: a server that is not the right one never
    sees them, and is told why by an alert."""

    def target_with(self, cert, ca=None):
        """A TLS server that keeps what it is sent, and the alerts that it gets."""
        heard, alerts = [], []
        context = server_context(cert, ca=ca)

        def handler(sock):
            try:
                with context.wrap_socket(sock, server_side=True) as tls:
                    while data := tls.recv(1 << 16):
                        heard.append(data)
                        tls.sendall(data)
            except ssl.SSLError as error:
                alerts.append(error.reason)
            except ConnectionError as error:
                alerts.append(str(error))
        backend = self.backend(handler)
        backend.heard, backend.alerts = heard, alerts
        return backend

    def gateway_to(self, target, *flags, ca="ca", cert=None):
        return self.start("client", *client_flags(ca, cert), *flags, workers=1,
                          target=f"localhost:{target.port}")

    def trusted(self, gateway):
        with connect(gateway.listen) as sock:
            sock.sendall(b"a secret")
            self.assertEqual(receive_exactly(sock, 8), b"a secret")
        gateway.wait_conn(close="ok_no_close_notify")  # as Python ends TLS

    def distrusted(self, gateway, target, close, alert):
        target.wait_idle()
        del target.heard[:], target.alerts[:]
        with connect(gateway.listen) as sock:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(b"a secret")
            with self.assertRaises(ConnectionResetError):
                if not sock.recv(1):
                    self.fail("an end where a reset belongs")
        line = gateway.wait_conn(close=close)
        self.assertIn("error", line)
        self.assertEqual(line.get("alert_sent"), alert.lower().replace(" ", "_"), line)
        target.wait_idle()
        self.assertEqual(target.heard, [])
        self.assertRegex(" ".join(target.alerts), "(?i)" + alert.replace(" ", "[_ ]"))

    def test_the_targets_host_name(self):
        self.trusted(self.gateway_to(self.target_with("server")))

    def test_another_name(self):
        target = self.target_with("elsewhere")
        self.distrusted(self.gateway_to(target), target, "name_mismatch", "bad certificate")

    def test_a_name_asked_for(self):
        for flag in ("--server-name", "--verify-name", "--override-server-name"):
            with self.subTest(flag=flag):
                target = self.target_with("elsewhere")
                self.trusted(self.gateway_to(target, flag, "elsewhere.kiln.test"))
                wrong = self.target_with("server")
                self.distrusted(self.gateway_to(wrong, flag, "elsewhere.kiln.test"), wrong,
                                "name_mismatch", "bad certificate")

    def test_an_address_asked_for(self):
        target = self.target_with("server")
        self.trusted(self.gateway_to(target, "--verify-name", "127.0.0.1"))
        self.distrusted(self.gateway_to(target, "--verify-name", "127.0.0.2"), target,
                        "name_mismatch", "bad certificate")

    def test_each_rule(self):
        for flag, right, wrong in (("--verify-dns", "server.kiln.test", "elsewhere.kiln.test"),
                                   ("--verify-cn", "server.kiln.test", "localhost"),
                                   ("--verify-ip", "::1", "::2"),
                                   ("--verify-spki", spki("server"), spki("server2"))):
            with self.subTest(flag=flag):
                target = self.target_with("server")
                self.trusted(self.gateway_to(target, flag, right))
                self.distrusted(self.gateway_to(target, flag, wrong), target, "name_mismatch",
                                "handshake failure")

    def test_a_rule_does_not_replace_the_name(self):
        """But for a key, which says who somebody is, and where no name is asked for."""
        target = self.target_with("elsewhere")
        for flags in (("--verify-dns", "elsewhere.kiln.test"), ("--verify-cn", "elsewhere.kiln.test")):
            with self.subTest(flags=flags):
                self.distrusted(self.gateway_to(target, *flags), target, "name_mismatch",
                                "bad certificate")
                self.trusted(self.gateway_to(target, *flags, "--verify-name", "none"))
        self.trusted(self.gateway_to(target, "--verify-spki", spki("elsewhere")))

    def test_any_of_several_rules_will_do(self):
        target = self.target_with("server")
        self.trusted(self.gateway_to(target, "--verify-spki", spki("server2"), "--verify-dns",
                                     "localhost"))

    def test_a_rule_does_not_replace_the_authority(self):
        """The impostor has the right name, and a certificate of its own authority."""
        target = self.target_with("impostor")
        for flags in ((), ("--verify-dns", "localhost"), ("--verify-cn", "server.kiln.test")):
            with self.subTest(flags=flags):
                self.distrusted(self.gateway_to(target, *flags), target, "cert_invalid",
                                "unknown ca")

    def test_an_expired_server(self):
        target = self.target_with("server-old")
        self.distrusted(self.gateway_to(target), target, "cert_invalid", "certificate expired")

    def test_a_client_certificate_in_the_role_of_a_server(self):
        target = self.target_with("alice")
        self.distrusted(self.gateway_to(target, "--verify-cn", "alice"), target, "cert_invalid",
                        "unsupported certificate")

    def test_a_chain(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem("server-chain-full"), key("server-chain"))
        self.trusted(self.gateway_to(self.backend(echo, context=context)))
        lonely = self.target_with("server-chain")
        self.distrusted(self.gateway_to(lonely), lonely, "cert_invalid", "unknown ca")

    def test_own_certificate_is_shown_on_request(self):
        self.trusted(self.gateway_to(self.target_with("server", ca="ca"), cert="alice"))

    def test_a_server_that_wants_a_certificate_refuses_without(self):
        """Its alert comes once the client's handshake is over: the plain side is reset."""
        server, where = s_server("-Verify", "1", "-verify_return_error", "-CAfile", pem("ca"))
        self.addCleanup(server.close)
        gateway = self.start("client", *client_flags(), target=where, workers=1)
        with connect(gateway.listen) as sock, self.assertRaises(ConnectionResetError):
            receive_exactly(sock, 1)
        line = gateway.wait_conn(close="tls_alert")
        self.assertEqual(line["alert_received"], "certificate_required")


if __name__ == "__main__":
    main()
