"""Roast through the gateways: `kiln client` and `kiln server` prove AWS roles to each other, with
`kiln sts` in the place of AWS.

  program -- plain --> kiln client == hellos, then TLS ==> kiln server -- plain --> echo
                            |                                   |
                            +----------> kiln sts <-------------+
"""

import contextlib
import os
import pathlib
import signal
import socket
import threading
import unittest

from harness.case import KilnTest, main
from harness.gateway import descriptors
from harness.hello import encode, fields, payload
from harness.memory import has_sanitizer, times_in_memory
from harness.settings import once, wait_until
from harness.sockets import connect, pattern, receive_all, receive_exactly
from harness.sts import Sts, make_keys

CLIENT = "arn:aws:iam::123456789012:role/Orders"
SERVER = "arn:aws:iam::210987654321:role/Ledger"
OTHER = "arn:aws:iam::123456789012:role/Stranger"
FEW_FILES = 1024
REGIONS = ("af-south-1", "ap-east-1", "ap-northeast-1", "ap-northeast-2", "ap-northeast-3",
           "ap-south-1", "ap-southeast-1", "ap-southeast-2", "ca-central-1", "eu-central-1",
           "eu-north-1", "eu-south-1", "eu-west-1", "eu-west-2", "eu-west-3", "me-south-1",
           "sa-east-1", "us-east-2", "us-west-1", "us-west-2")
WITHOUT_AWS = {name: "" for name in os.environ if name.startswith("AWS_")}


class RoastTest(KilnTest):
    """Keys for three roles, and an STS that can be told to misbehave."""

    sts_flags = ("--control",)

    def setUp(self):
        super().setUp()
        made = make_keys(pathlib.Path(self.folder) / "keys", CLIENT, SERVER, OTHER)
        self.keys = {i["name"]: i for i in made["identities"]}
        self.sts = Sts(pathlib.Path(self.folder) / "keys", *self.sts_flags)
        self.addCleanup(self.sts.kill)

    def env(self, name):
        keys = self.keys[name]
        return {**WITHOUT_AWS, "AWS_ACCESS_KEY_ID": keys["access_key_id"],
                "AWS_SECRET_ACCESS_KEY": keys["secret_access_key"],
                "AWS_SESSION_TOKEN": keys["session_token"], "AWS_REGION": "us-east-1",
                "AWS_ENDPOINT_URL_STS": self.sts.url}

    def party(self, mode, target, *flags, name, allow, **options):
        return self.start(mode, "--roast", "--development-sts", "--allow-role", allow, *flags,
                          target=target, env=self.env(name), **options)

    def both(self, *flags, allow_client=CLIENT, allow_server=SERVER, client_is="Orders",
             handler=None, client_flags=(), **options):
        target = self.backend(handler) if handler else self.backend()
        self.server = self.party("server", target.address, *flags, name="Ledger",
                                 allow=allow_client, **options)
        self.client = self.party("client", self.server.listen, *client_flags, name=client_is,
                                 allow=allow_server, **options)
        return target

    def behave(self, **how):
        query = "&".join(f"{k}={v}" for k, v in how.items())
        status, _, body = self.sts.ask("POST", f"/_kiln/behave?{query}")
        self.assertIn(status, (200, 204), body)

    def echo(self, data=b"hello"):
        with connect(self.client.listen) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            return receive_all(sock)

    def send(self, data):
        """To the server, by somebody who gets nothing for it."""
        try:
            with connect(self.server.listen) as sock:
                sock.sendall(data)
                self.assertEqual(receive_all(sock), b"")
        except (ConnectionResetError, BrokenPipeError):
            pass

    def fails(self):
        """A connection that comes to nothing; it ends, in bounded time."""
        try: # it may be over before connect() has returned
            with connect(self.client.listen) as sock:
                return receive_all(sock) == b""
        except ConnectionResetError:
            return True


class Both(RoastTest):
    def test_both_roles_and_data(self):
        self.both()
        data = pattern(1 << 20)
        with connect(self.client.listen) as sock:
            sender = threading.Thread(target=sock.sendall, args=(data,))
            sender.start()
            self.assert_bytes(receive_exactly(sock, len(data)), data)
            sender.join()
        self.server.wait_conn(identity=CLIENT, close="ok", path=self.server.path,
                              bytes_up=len(data), bytes_down=len(data))
        self.client.wait_conn(identity=SERVER, close="ok", path=self.client.path)

    @once
    def test_on_ipv6(self):
        self.both(listen="[::1]:0")
        self.assertEqual(self.echo(), b"hello")

    def test_binding_required_by_both(self):
        self.both("--require-binding", client_flags=("--require-binding",))
        self.assertEqual(self.echo(), b"hello")

    @once
    def test_any_of_several_roles(self):
        self.both(allow_client=f"{OTHER},{CLIENT}")
        self.assertEqual(self.echo(), b"hello")

    @once
    def test_a_role_that_is_not_allowed(self):
        self.both(client_is="Stranger")
        self.assertTrue(self.fails())
        line = self.server.wait_conn(close="access_denied", identity=OTHER)
        self.assertIn(OTHER, line["error"])
        self.client.wait_conn()

    @once
    def test_a_server_that_is_not_the_one(self):
        self.both(allow_server=OTHER)
        self.assertTrue(self.fails())
        line = self.client.wait_conn(close="access_denied", identity=SERVER)
        self.assertIn(SERVER, line["error"])
        left = self.server.wait_conn(close="tls_truncated", identity=CLIENT)
        self.assertIn("it may refuse our role", left["error"])

    @once
    def test_the_same_name_in_another_account(self):
        self.both(allow_client=CLIENT.replace("123456789012", "999999999999"))
        self.assertTrue(self.fails())
        self.server.wait_conn(close="access_denied", identity=CLIENT)

    def test_many_at_once(self):
        self.both("--roast-rate", "0", client_flags=("--roast-rate", "0"))
        socks = [connect(self.client.listen) for _ in range(60)]
        for i, sock in enumerate(socks):
            sock.sendall(b"%03d" % i)
        for i, sock in enumerate(socks):
            self.assertEqual(receive_exactly(sock, 3), b"%03d" % i)
            sock.close()

    @once
    def test_whom_we_call_is_not_limited(self):
        self.both("--roast-rate", "0", client_flags=("--roast-rate", "1"))
        for _ in range(5):
            self.assertEqual(self.echo(), b"hello")

    @once
    def test_a_source_may_not_ask_for_ever(self):
        self.both("--roast-rate", "1")
        self.assertEqual(self.echo(), b"hello")
        for _ in range(4):
            with connect(self.client.listen):
                pass
        wait_until("a hello too many", lambda: self.server.find("conn", close="limit"))


class Secrets(RoastTest):
    """Where AWS's secrets are, and what becomes of them."""

    def file(self, name):
        """The environment of somebody whose keys are in a file, and the file."""
        path = pathlib.Path(self.folder) / "credentials"
        self.write(path, name)
        return path, {**WITHOUT_AWS, "AWS_SHARED_CREDENTIALS_FILE": str(path),
                      "AWS_REGION": "us-east-1", "AWS_ENDPOINT_URL_STS": self.sts.url}

    def write(self, path, name):
        new = path.with_suffix(".new")
        new.write_text("[default]\naws_access_key_id = {access_key_id}\n"
                       "aws_secret_access_key = {secret_access_key}\n"
                       "aws_session_token = {session_token}\n".format(**self.keys[name]),
                       encoding="ascii")
        new.rename(path)

    def start_both(self, env):
        """A client with that environment, and one connection through it."""
        self.server = self.party("server", self.backend().address, name="Ledger",
                                 allow=f"{CLIENT},{OTHER}")
        self.client = self.start("client", "--roast", "--development-sts", "--allow-role", SERVER,
                                 target=self.server.listen, env=env)
        self.assertEqual(self.echo(), b"hello")
        self.server.wait_conn(identity=CLIENT, close="ok")

    def check_memory(self):
        secret = self.keys["Orders"]["secret_access_key"].encode()
        self.assertGreater(times_in_memory(self.client.agent(), secret), 0)
        self.assertEqual(len(self.client.workers()), 2)
        for pid in self.client.workers():
            self.assertGreater(times_in_memory(pid, SERVER.encode()), 0) # its command line
            self.assertEqual(times_in_memory(pid, secret), 0)

    @unittest.skipUnless(os.geteuid() == 0, "only root reads the memory of others")
    def test_workers_hold_none_of_a_file(self):
        self.start_both(self.file("Orders")[1])
        self.check_memory()

    @once
    @unittest.skipUnless(os.geteuid() == 0, "only root reads the memory of others")
    def test_workers_hold_none_of_the_environment(self):
        self.start_both(self.env("Orders"))
        if has_sanitizer(self.client.process.pid):
            self.skipTest("a sanitizer keeps a copy of the environment")
        self.check_memory()

    def test_new_ones_on_sighup(self):
        """The file is another role's now: the peer sees it, once it is asked for."""
        path, env = self.file("Orders")
        self.start_both(env)
        self.write(path, "Stranger")
        self.assertEqual(self.echo(), b"hello")
        self.server.wait_conn(count=2, identity=CLIENT, close="ok")
        since = self.client.position()
        self.client.signal(signal.SIGHUP)
        self.client.wait_event("reloaded", since)
        self.client.wait_event("identity", since, role=OTHER)
        self.assertEqual(self.echo(), b"hello")
        self.server.wait_conn(identity=OTHER, close="ok")


class Nonsense(RoastTest):
    """Strangers at the server's port: STS is never asked, and nobody else notices."""

    def setUp(self):
        super().setUp()
        self.both()
        self.echo() # both know who they are
        self.asked = len([e for e in self.sts.events if e["event"] == "sts_request"])

    def test_what_is_no_hello(self):
        short = b'{"Mask":"' + b"A" * 43 + b'=","Body":""}\n'
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\0\x05hello", b"[]\n", b"null\n",
                     b'{"Body":"QQ==","Body":"QQ=="}\n', short, b"\xef\xbb\xbf{}\n",
                     b'{"a":' * 2000, b'{"Region":"' + b"x" * 100_000):
            with self.subTest(data=data[:30]):
                self.send(data)
        self.server.wait_event("conn", count=9, close="roast_hello")
        self.assertEqual(self.echo(), b"hello")
        asked = len([e for e in self.sts.events if e["event"] == "sts_request"])
        self.assertEqual(asked, self.asked + 2)  # the echo's two


class Trouble(RoastTest):
    def test_sts_is_gone_and_comes_back(self):
        """No new connection hangs, none that stands is disturbed, and it recovers by itself."""
        self.both()
        with connect(self.client.listen) as standing:
            standing.sendall(b"a")
            self.assertEqual(receive_exactly(standing, 1), b"a")
            self.behave(drop=1)
            self.assertTrue(self.fails())
            self.server.wait_conn(close="sts")
            standing.sendall(b"b")
            self.assertEqual(receive_exactly(standing, 1), b"b")
            self.behave()
            self.assertEqual(self.echo(), b"hello")

    @once
    def test_sts_never_answers(self):
        self.both("--handshake-timeout", "4s")
        self.assertEqual(self.echo(), b"hello")
        self.behave(hang=1)
        self.assertTrue(self.fails())
        line = self.server.wait_conn(close="timeout")
        self.assertIn("STS", line["error"])
        self.behave()
        self.assertEqual(self.echo(), b"hello")

    @once
    def test_many_regions_are_silent(self):
        """Whoever names them leaves descriptors for what honest peers need."""
        self.both("--roast-rate", "0", workers=4,
                  wrapper=("prlimit", f"--nofile={FEW_FILES}:{FEW_FILES}"))
        self.assertEqual(self.echo(), b"hello")
        self.behave(hang=1)
        with contextlib.ExitStack() as open_ones:
            for i in range(64):
                for region in REGIONS:
                    sock = open_ones.enter_context(connect(self.server.listen))
                    body = payload((f"n{i}",))
                    sock.sendall(encode(fields(self.keys["Stranger"], body, region=region)))
            each = (FEW_FILES - 256) // 64
            agent = self.server.agent()
            wait_until("their requests", lambda: len(descriptors(agent)) >= each * len(REGIONS))
            self.assertLess(len(descriptors(agent)), each * len(REGIONS) + 64)
            self.behave()
            self.assertEqual(self.echo(), b"hello")
        self.assertEqual([line for line in self.server.find("conn")
                          if "connect" in line.get("error", "")], [])

    @once
    def test_sts_stumbles_once(self):
        """One connection in so many breaks somewhere: that alone refuses nobody."""
        self.both()
        self.assertEqual(self.echo(), b"hello")
        self.behave(**{"fail-rate": 40})
        for _ in range(5):
            self.assertEqual(self.echo(), b"hello")
        tries = [e for e in self.sts.events if e.get("status") == 500]
        self.assertTrue(tries, "STS was told to stumble")

    @once
    def test_sts_throttles(self):
        self.both()
        self.behave(throttle="1/s")
        wait_until("STS to throttle", lambda: (self.fails(),
                                               self.server.find("conn", close="sts"))[1])
        self.behave()
        wait_until("service as before", lambda: not self.fails_quickly())

    def fails_quickly(self):
        try:
            return self.echo() != b"hello"
        except ConnectionResetError:
            return True

    def test_the_agent_is_killed(self):
        self.both()
        with connect(self.client.listen) as standing:
            standing.sendall(b"a")
            self.assertEqual(receive_exactly(standing, 1), b"a")
            old = self.server.agent()
            since = self.server.position()
            os.kill(old, signal.SIGKILL)
            self.server.wait_event("agent_died", since, signal="KILL")
            self.assertEqual(self.echo(), b"hello")
            self.server.wait_event("identity", since)
            self.assertNotEqual(self.server.agent(), old)
            self.assertEqual(self.echo(), b"hello")
            standing.sendall(b"b")
            self.assertEqual(receive_exactly(standing, 1), b"b")

    @once
    def test_the_agent_hangs(self):
        """It is killed, and what waited for it is asked of the next one."""
        self.both()
        self.assertEqual(self.echo(), b"hello")
        old = self.server.agent()
        since = self.server.position()
        os.kill(old, signal.SIGSTOP)
        with connect(self.client.listen) as waiting:
            waiting.sendall(b"a")
            self.server.wait_event("agent_stuck", since, pid=old, level="error")
            self.server.wait_event("agent_died", since, pid=old, signal="KILL")
            self.assertEqual(receive_exactly(waiting, 1), b"a")
        self.server.wait_event("identity", since)
        self.assertNotIn(self.server.agent(), (old, None))
        self.assertEqual(self.echo(), b"hello")
        self.assertEqual(self.client.find("agent_stuck"), [])

    @once
    def test_no_credentials(self):
        target = self.backend()
        self.server = self.start("server", "--roast", "--development-sts", "--allow-role", CLIENT,
                                 target=target.address,
                                 env={**WITHOUT_AWS, "HOME": self.folder, "AWS_REGION": "us-east-1",
                                      "AWS_EC2_METADATA_DISABLED": "true",
                                      "AWS_ENDPOINT_URL_STS": self.sts.url})
        line = self.server.wait_event("identity_failed")
        self.assertEqual(line["code"], "credentials")
        self.send(b"{}")
        self.server.wait_conn(close="credentials")


if __name__ == "__main__":
    main()
