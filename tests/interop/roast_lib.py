"""Roast in a program: the examples of docs/examples, built against libkiln, with the gateways and
with each other; `kiln sts` stands in the place of AWS.
"""

import errno
import os
import shutil
import socket
import time
import unittest

import roast
from harness import settings
from harness.case import main
from harness.programs import Program, free_port, run
from harness.settings import once, wait_until
from harness.sockets import connect, receive_exactly
from roast import CLIENT, OTHER, SERVER, WITHOUT_AWS

EXAMPLES = settings.TOOLS.parents[1] / "docs"
TEXT = b"the quick brown fox\n"
PATH = settings.EXPECT_PATH or "(ktls|userspace)"


class LibraryTest(roast.RoastTest):
    def environment(self, name=None):
        known = self.env(name) if name else {**WITHOUT_AWS, "AWS_EC2_METADATA_DISABLED": "true",
                                             "AWS_ENDPOINT_URL_STS": self.sts.url,
                                             "AWS_REGION": "us-east-1"}
        return {**os.environ, "HOME": self.folder, **known}

    def gateway(self, allow=CLIENT, *flags):
        self.server = self.party("server", self.backend().address, *flags, name="Ledger",
                                 allow=allow)
        return self.server.listen

    def example_server(self, allow=CLIENT, name="Ledger"):
        port = free_port()
        program = Program(EXAMPLES / "roast_server", str(port), allow, "development",
                          env=self.environment(name))
        self.addCleanup(program.close)

        def listens():
            self.assertIsNone(program.process.poll(), program.text())
            with socket.socket() as attempt:
                return attempt.connect_ex(("127.0.0.1", port)) == 0

        wait_until("the example server listens", listens)
        return program, f"127.0.0.1:{port}"

    def example_client(self, address, allow=SERVER, name="Orders", words=("development",),
                       data=TEXT, **more):
        host, _, port = address.rpartition(":")
        return run(EXAMPLES / "roast_client", host.strip("[]"), port, allow, *words, data=data,
                   env={**self.environment(name), **more})

    def talks(self, *args, **options):
        status, out, err = self.example_client(*args, **options)
        self.assertEqual((status, out), (0, TEXT), err)
        self.assertRegex(err, rf"account 210987654321, role Ledger, session \S+, path {PATH}")

    def refused(self, reason, *args, **options):
        status, out, err = self.example_client(*args, **options)
        self.assertEqual((status, out), (1, b""), err)
        self.assertRegex(err, reason)


class Talking(LibraryTest):
    def test_client_and_gateway(self):
        address = self.gateway()
        self.talks(address)
        self.server.wait_conn(identity=CLIENT, close="ok", bytes_up=len(TEXT),
                              bytes_down=len(TEXT))

    def test_client_and_gateway_that_requires_bindings(self):
        self.talks(self.gateway(CLIENT, "--require-binding"))

    def test_client_on_ipv6(self):
        self.server = self.party("server", self.backend().address, name="Ledger", allow=CLIENT,
                                 listen="[::1]:0")
        self.talks(self.server.listen)

    def test_server_and_gateway(self):
        program, address = self.example_server()
        program.wait_for(rb"as account 210987654321, role Ledger\n")
        client = self.party("client", address, "--require-binding", name="Orders", allow=SERVER)
        for _ in range(3):
            with connect(client.listen) as sock:
                sock.sendall(TEXT)
                self.assertEqual(receive_exactly(sock, len(TEXT)), TEXT)
        client.wait_event("conn", count=3, identity=SERVER)
        program.wait_for(rf"(?s)(\S+, {PATH}\n.*){{3}}".encode())

    def test_each_other(self):
        _, address = self.example_server()
        for _ in range(3):
            self.talks(address)

    def test_profile_and_program(self):
        """credential_process in a profile: the driver reads the file, and runs the program."""
        keys = self.keys["Orders"]
        script = f"{self.folder}/credentials.sh"
        with open(script, "w", encoding="ascii") as file:
            file.write('#!/bin/sh\necho \'{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"%s",'
                       '"SessionToken":"%s"}\'\n' % (keys["access_key_id"],
                                                     keys["secret_access_key"],
                                                     keys["session_token"]))
        os.chmod(script, 0o700)
        os.mkdir(f"{self.folder}/.aws")
        with open(f"{self.folder}/.aws/config", "w", encoding="ascii") as file:
            file.write(f"[profile orders]\nregion = us-east-1\ncredential_process = {script}\n")
        self.talks(self.gateway(), name=None, AWS_PROFILE="orders", AWS_REGION="")


@once
class Refused(LibraryTest):
    def test_client_is_not_allowed(self):
        address = self.gateway(OTHER)
        self.refused(r"server \S+ closed the connection without a hello.*is our role on its list",
                     address)
        self.server.wait_conn(close="access_denied", identity=CLIENT)

    def test_server_is_not_allowed(self):
        self.refused(f"the role of server \\S+ is refused: it is {SERVER}", self.gateway(),
                     allow=OTHER)

    def test_example_server_says_who_came(self):
        program, address = self.example_server(allow=OTHER)
        self.refused("is our role on its list", address)
        program.wait_for(rf"the role of client \S+ is refused: it is {CLIENT}".encode())
        self.talks_after(program, address)

    def test_example_server_says_that_it_was_left(self):
        program, address = self.example_server()
        self.refused("is refused", address, allow=OTHER)
        program.wait_for(rb"client \S+ closed the connection during the TLS handshake: it may")

    def talks_after(self, program, address):
        """One that is refused costs the next one nothing."""
        status, out, err = self.example_client(address, name="Stranger")
        self.assertEqual((status, out), (0, TEXT), err + program.text())

    def test_the_same_name_in_another_account(self):
        self.refused("is refused: it is", self.gateway(),
                     allow=SERVER.replace("210987654321", "999999999999"))

    def test_a_role_that_is_none(self):
        self.refused("path|role", "127.0.0.1:1", allow="arn:aws:iam::123456789012:user/alice")

    def test_no_credentials(self):
        begin = time.monotonic()
        self.refused("AWS credentials", "127.0.0.1:1", name=None)
        self.assertLess(time.monotonic() - begin, 15 + settings.slack())

    def test_development_must_be_asked_for(self):
        self.refused("loopback is for development", "127.0.0.1:1", words=())

    def test_a_server_without_credentials_does_not_start(self):
        status, _, err = run(EXAMPLES / "roast_server", "0", CLIENT, "development",
                             env=self.environment())
        self.assertEqual(status, 1)
        self.assertIn("AWS credentials", err)

    def test_nonsense(self):
        program, address = self.example_server()
        host, port = address.split(":")
        for data in (b"GET / HTTP/1.1\r\n\r\n", b"{}", b'{"a":' * 2000, b""):
            with socket.create_connection((host, int(port)), settings.PATIENCE) as sock:
                try: # it may be refused before all of it is sent
                    sock.sendall(data)
                    sock.shutdown(socket.SHUT_WR)
                    self.assertEqual(sock.recv(1), b"")
                except OSError as problem:
                    self.assertIn(problem.errno, (errno.EPIPE, errno.ECONNRESET, errno.ENOTCONN))
        program.wait_for(rb"(?s)(client 127\.0\.0\.1:\d+ .*){4}")
        self.talks(address)


@once
class Late(LibraryTest):
    """Nobody hangs: everything ends within the 15 s of a handshake."""

    def bounded(self, reason, *args, **options):
        begin = time.monotonic()
        self.refused(reason, *args, **options)
        self.assertLess(time.monotonic() - begin, 15 + settings.slack())

    def test_sts_hangs(self):
        address = self.gateway()
        self.talks(address)
        self.behave(hang=1)
        self.bounded("our own role is not known: STS|the time is over", address)
        self.behave()
        self.talks(address)

    def test_a_server_that_says_nothing(self):
        with socket.create_server(("127.0.0.1", 0)) as silent:
            self.bounded(r"server 127\.0\.0\.1:\d+: [\d.]+ s have passed while waiting for its hello",
                         f"127.0.0.1:{silent.getsockname()[1]}")

    def test_sts_hangs_for_the_example_server(self):
        program, address = self.example_server()
        self.talks(address)
        with connect(self.party("client", address, name="Orders", allow=SERVER).listen) as sock:
            self.assertEqual(self.ping(sock), TEXT)
        self.behave(hang=1)
        begin = time.monotonic()
        self.assertNotEqual(self.example_client(address)[0], 0)
        self.assertLess(time.monotonic() - begin, 15 + settings.slack())
        self.behave()
        wait_until("service as before", lambda: self.example_client(address)[0] == 0)
        self.assertIsNone(program.process.poll())

    @staticmethod
    def ping(sock):
        sock.sendall(TEXT)
        return receive_exactly(sock, len(TEXT))

    @unittest.skipUnless(os.geteuid() == 0 and shutil.which("unshare"), "needs root and unshare")
    def test_a_resolver_that_never_answers(self):
        """libcurl would wait for it when it cleans up."""
        conf = f"{self.folder}/resolv.conf"
        with open(conf, "w", encoding="ascii") as file:
            file.write("nameserver 127.0.0.1\noptions timeout:30 attempts:5\n")
        silent = ("import socket,subprocess,sys; s = socket.socket(type=socket.SOCK_DGRAM); "
                  "s.bind(('127.0.0.1', 53)); sys.exit(subprocess.run(sys.argv[1:]).returncode)")
        begin = time.monotonic()
        status, _, err = run(
            "unshare", "-nm", "sh", "-c",
            f"ip link set lo up && mount --bind {conf} /etc/resolv.conf && "
            'exec python3 -c "$@"', "sh", silent,
            EXAMPLES / "roast_client", "127.0.0.1", "1", SERVER,
            env={**self.environment("Orders"), "AWS_ENDPOINT_URL_STS": ""})
        self.assertEqual(status, 1, err)
        self.assertIn("our own role is not known", err)
        self.assertLess(time.monotonic() - begin, 15 + settings.slack())


if __name__ == "__main__":
    main()
