"""Every place where AWS credentials come from, for a gateway whose identity agent is in its sandbox:
Landlock, a seccomp filter and, started as root, another user."""

import os
import pathlib
import signal
import socket
import unittest

from harness.case import KilnTest, main
from harness.gateway import children
from harness.sockets import connect, receive_all
from harness.sts import Sts, make_keys

ROLE = "arn:aws:iam::123456789012:role/Orders"
WITHOUT_AWS = {name: "" for name in os.environ if name.startswith("AWS_")}
AS_ROOT = os.geteuid() == 0


class Sources(KilnTest):
    """A client whose credentials come from everywhere, and a server that takes the role."""

    def setUp(self):
        super().setUp()
        # Another user reads what is in there.
        self.folder = pathlib.Path(self.folder)
        self.folder.chmod(0o755)
        made = make_keys(self.folder / "keys", ROLE)
        self.orders = made["identities"][0]
        for path in self.folder.iterdir():
            if path.name != "keys":
                path.chmod(0o644)
        self.sts = Sts(self.folder / "keys", "--imds", "Orders")
        self.addCleanup(self.sts.kill)

    def env(self, **more):
        return {**WITHOUT_AWS, "HOME": str(self.folder), "AWS_ENDPOINT_URL_STS": self.sts.url,
                "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "us-east-1", **more}

    def keys(self):
        return self.env(AWS_ACCESS_KEY_ID=self.orders["access_key_id"],
                        AWS_SECRET_ACCESS_KEY=self.orders["secret_access_key"],
                        AWS_SESSION_TOKEN=self.orders["session_token"])

    def files(self, config, **more):
        (self.folder / "config").write_text(config, encoding="ascii")
        return self.env(AWS_SHARED_CREDENTIALS_FILE=str(self.folder / "keys.credentials"),
                        AWS_CONFIG_FILE=str(self.folder / "config"), **more)

    def party(self, mode, target, env):
        user = ("--user", "nobody") if AS_ROOT else ()
        return self.start(mode, "--roast", "--development-sts", "--allow-role", ROLE, *user,
                          target=target, env=env)

    def agent(self, gateway):
        for pid in children(gateway.process.pid):
            if pathlib.Path(f"/proc/{pid}/comm").read_text(encoding="ascii") == "kiln-agent\n":
                return pid
        return None

    def check_sandbox(self, gateway, seccomp):
        line = gateway.wait_event("sandbox", agent=0)
        status = pathlib.Path(f"/proc/{self.agent(gateway)}/status").read_text(encoding="ascii")
        if "built_with_sanitizers" in line["in_force"]:
            return
        self.assertRegex(line["in_force"], f" seccomp={seccomp}$")
        self.assertRegex(status, r"(?m)^Seccomp:\s2$")
        self.assertRegex(status, r"(?m)^NoNewPrivs:\s1$")
        if AS_ROOT:
            self.assertIn("user=nobody ", line["in_force"])
            self.assertRegex(status, r"(?m)^Uid:\s65534\s65534\s65534\s65534$")

    def echo(self, client):
        with connect(client.listen) as sock:
            sock.sendall(b"hello")
            sock.shutdown(socket.SHUT_WR)
            return receive_all(sock)

    def works(self, env, source, seccomp="on"):
        """Two of them, so that this identity is proved and accepted in both roles."""
        server = self.party("server", self.backend().address, self.keys())
        client = self.party("client", server.listen, env)
        self.assertEqual(self.echo(client), b"hello")
        line = client.wait_event("identity", role=ROLE)
        self.assertEqual(line["source"], source)
        self.check_sandbox(client, seccomp)
        self.check_sandbox(server, "on")
        # Again, from the beginning, under the filter.
        since = client.position()
        client.signal(signal.SIGHUP)
        client.wait_event("reloaded", since)
        self.assertEqual(self.echo(client), b"hello")
        for gateway in (client, server):
            self.assertEqual(gateway.find("agent_call_refused"), [])
            self.assertEqual(gateway.find("agent_died"), [])
        return client

    def test_environment(self):
        self.works(self.keys(), "environment")

    def test_profile(self):
        self.works(self.files("[profile Orders]\n", AWS_PROFILE="Orders"), "profile Orders")

    def test_an_assumed_role(self):
        config = f"[profile to]\nrole_arn = {ROLE}\nsource_profile = Orders\n"
        self.works(self.files(config, AWS_PROFILE="to"), f"profile to, role {ROLE}")

    def test_web_identity(self):
        token = self.folder / "keys.Orders.web-token"
        self.works(self.env(AWS_WEB_IDENTITY_TOKEN_FILE=str(token), AWS_ROLE_ARN=ROLE),
                   f"web identity, role {ROLE}")

    def test_container_endpoint(self):
        uri = f"{self.sts.url}/_kiln/credentials/Orders"
        token = self.folder / "keys.Orders.container-token"
        self.works(self.env(AWS_CONTAINER_CREDENTIALS_FULL_URI=uri,
                            AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE=str(token)),
                   f"container endpoint {uri}")

    def test_instance_metadata(self):
        self.works(self.env(AWS_EC2_METADATA_DISABLED="false",
                            AWS_EC2_METADATA_SERVICE_ENDPOINT=self.sts.url),
                   "IMDSv2, role Orders")

    def test_a_host_that_is_looked_up(self):
        """A thread, and the name service's files and sockets."""
        port = self.sts.listen.rpartition(":")[2]
        self.works({**self.keys(), "AWS_ENDPOINT_URL_STS": f"http://localhost:{port}"},
                   "environment")

    # ---- programs

    def program(self, name="print-keys"):
        """Runs Python: no small program, and it writes a file of its own beneath /tmp."""
        program = self.folder / name
        program.write_text(
            "#!/usr/bin/python3 -IB\n"
            "import json, subprocess, tempfile\n"
            "with tempfile.TemporaryFile('w+', dir='/tmp') as file:\n"
            f"    json.dump({{'Version': 1, 'AccessKeyId': {self.orders['access_key_id']!r},\n"
            f"               'SecretAccessKey': {self.orders['secret_access_key']!r},\n"
            f"               'SessionToken': {self.orders['session_token']!r}}}, file)\n"
            "    file.flush()\n"
            "    file.seek(0)\n"
            "    subprocess.run(['cat'], stdin=file, check=True)\n", encoding="ascii")
        program.chmod(0o755)
        return program

    def test_credential_process(self):
        config = f"[profile run]\ncredential_process = {self.program()}\n"
        self.works(self.files(config, AWS_PROFILE="run"), "credential_process of profile run",
                   seccomp="programs")

    def test_a_role_assumed_with_a_programs_credentials(self):
        config = (f"[profile run]\ncredential_process = {self.program()}\n"
                  f"[profile to]\nrole_arn = {ROLE}\nsource_profile = run\n")
        self.works(self.files(config, AWS_PROFILE="to"), f"profile to, role {ROLE}",
                   seccomp="programs")

    def test_a_program_that_comes_later(self):
        """The agent's sandbox was made without one: another takes over."""
        env = self.files("[profile Orders]\n", AWS_PROFILE="Orders")
        client = self.works(env, "profile Orders")
        self.files(f"[profile Orders]\ncredential_process = {self.program()}\n")
        (self.folder / "keys.credentials").write_text("", encoding="ascii")
        old, since = self.agent(client), client.position()
        client.signal(signal.SIGHUP)
        client.wait_event("agent_begins_anew", since, pid=old)
        client.wait_event("identity", since, source="credential_process of profile Orders")
        self.assertEqual(self.echo(client), b"hello")
        self.assertNotIn(self.agent(client), (old, None))
        self.assertEqual(client.find("agent_died"), [])

    @unittest.skipUnless(AS_ROOT, "another user is for root to become")
    def test_what_the_other_user_cannot_read(self):
        """Who reads the files is that user from the beginning, and the log says why it fails."""
        (self.folder / "keys.credentials").chmod(0o600)
        client = self.party("client", self.backend().address,
                            self.files("[profile Orders]\n", AWS_PROFILE="Orders"))
        line = client.wait_event("identity_failed")
        self.assertEqual(line["code"], "credentials")
        self.assertIn("Permission denied", line["error"])


if __name__ == "__main__":
    main()
