"""OPAQUE with @serenity-kit/opaque, which others wrote, in both roles: its client with our server,
and ours with its server. Skipped where node, npm or the package cannot be had."""

import base64
import json
import pathlib
import subprocess
import unittest

from harness import npm, settings
from harness.case import main

VERSION = "1.1.0"
SCRIPT = pathlib.Path(__file__).with_name("tools") / "opaque_serenity.mjs"
TOOL = settings.TOOLS / "interop_opaque_tool"

PASSWORD = "sup-krah.42-UOI"
USER = "20e14cd8-ab09-4f4b-87a8-06d2e2e9ff68"
NAMES = {"client": "alice", "server": "server.example"}
KE2_SIZE = 320

# Key stretching as each of them calls it.
DEFAULT = (None, "default")
QUICK = ({"argon2id-custom": {"memory": 1024, "iterations": 2, "parallelism": 1}}, "1024,2,1")
LANES = ({"argon2id-custom": {"memory": 2048, "iterations": 1, "parallelism": 2}}, "2048,1,2")
SINGLE = ({"argon2id-custom": {"memory": 65536, "iterations": 2, "parallelism": 1}}, "single")


class Refused(Exception):
    """The peer's library says no."""


class Process:
    """A program that answers lines with lines."""

    def __init__(self, *command):
        self.child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      text=True)

    def ask(self, line):
        self.child.stdin.write(line + "\n")
        self.child.stdin.flush()
        answer = self.child.stdout.readline()
        if not answer:
            raise AssertionError(f"{self.child.args[0]} ended: {self.child.wait(10)}")
        return answer

    def stop(self):
        self.child.stdin.close()
        status = self.child.wait(settings.PATIENCE)
        self.child.stdout.close()
        if status:
            raise AssertionError(f"{self.child.args[0]}: exit code {status}")


class Ours(Process):
    def __init__(self):
        super().__init__(str(TOOL))

    def call(self, command, **arguments):
        words = [command]
        for name, value in arguments.items():
            if value is not None:
                words.append(f"{name}={value if name == 'ksf' else value.hex()}")
        answer = dict(word.split("=", 1) for word in self.ask(" ".join(words)).split())
        if "error" in answer:
            raise Refused(answer["error"])
        return {name: bytes.fromhex(text) for name, text in answer.items()}

    @staticmethod
    def agreed(names):
        return {side: name.encode() for side, name in (names or {}).items()}

    # the server's side
    def make_setup(self):
        return self.call("make_setup")["setup"]

    def respond(self, setup, user, request):
        return self.call("registration_response", setup=setup, credential=user.encode(),
                         request=request)["response"]

    def ke2(self, setup, user, record, ke1, names):
        got = self.call("ke2", setup=setup, credential=user.encode(), record=record, ke1=ke1,
                        **self.agreed(names))
        return got["ke2"], got["state"]

    def finish(self, state, ke3, _names):
        return self.call("finish", state=state, ke3=ke3)["session_key"]

    # the client's side
    def request(self, password):
        got = self.call("registration_request", password=password.encode())
        return got["request"], got["state"]

    def record(self, state, password, response, names, ksf):
        got = self.call("registration_record", state=state, password=password.encode(),
                        response=response, ksf=ksf[1], **self.agreed(names))
        return got["record"], got["export_key"]

    def ke1(self, password):
        got = self.call("ke1", password=password.encode())
        return got["ke1"], got["state"]

    def ke3(self, state, password, ke2, names, ksf):
        got = self.call("ke3", state=state, password=password.encode(), ke2=ke2, ksf=ksf[1],
                        **self.agreed(names))
        return got["ke3"], got["session_key"], got["export_key"], got["server_public_key"]


def to_text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def to_bytes(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Serenity(Process):
    def __init__(self, packages):
        super().__init__("node", "--no-warnings", str(SCRIPT), str(packages))

    def call(self, side, name, **arguments):
        given = {key: to_text(value) if isinstance(value, bytes) else value
                 for key, value in arguments.items() if value is not None}
        if arguments.get("registrationRecord", "") is None:
            given["registrationRecord"] = None
        answer = json.loads(self.ask(json.dumps(
            {"of": side, "call": name, "arguments": given or None})))
        if "error" in answer or answer["result"] is None:
            raise Refused(answer.get("error", "nothing"))
        return answer["result"]

    # the server's side
    def make_setup(self):
        return to_bytes(self.call("server", "createSetup"))

    def respond(self, setup, user, request):
        return to_bytes(self.call("server", "createRegistrationResponse", serverSetup=setup,
                                  userIdentifier=user, registrationRequest=request)
                        ["registrationResponse"])

    def ke2(self, setup, user, record, ke1, names):
        got = self.call("server", "startLogin", serverSetup=setup, userIdentifier=user,
                        registrationRecord=record, startLoginRequest=ke1, identifiers=names)
        return to_bytes(got["loginResponse"]), to_bytes(got["serverLoginState"])

    def finish(self, state, ke3, names):
        return to_bytes(self.call("server", "finishLogin", serverLoginState=state,
                                  finishLoginRequest=ke3, identifiers=names)["sessionKey"])

    # the client's side
    def request(self, password):
        got = self.call("client", "startRegistration", password=password)
        return to_bytes(got["registrationRequest"]), to_bytes(got["clientRegistrationState"])

    def record(self, state, password, response, names, ksf):
        got = self.call("client", "finishRegistration", clientRegistrationState=state,
                        password=password, registrationResponse=response, identifiers=names,
                        keyStretching=ksf[0])
        return to_bytes(got["registrationRecord"]), to_bytes(got["exportKey"])

    def ke1(self, password):
        got = self.call("client", "startLogin", password=password)
        return to_bytes(got["startLoginRequest"]), to_bytes(got["clientLoginState"])

    def ke3(self, state, password, ke2, names, ksf):
        got = self.call("client", "finishLogin", clientLoginState=state, password=password,
                        loginResponse=ke2, identifiers=names, keyStretching=ksf[0])
        return tuple(to_bytes(got[name]) for name in
                     ("finishLoginRequest", "sessionKey", "exportKey", "serverStaticPublicKey"))


class Interop(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        try:
            packages = npm.folder_of(f"opaque-{VERSION}", f"@serenity-kit/opaque@{VERSION}")
        except npm.Missing as reason:
            raise unittest.SkipTest(str(reason)) from None
        cls.serenity = Serenity(packages)
        cls.addClassCleanup(cls.serenity.stop)
        cls.ours = Ours()
        cls.addClassCleanup(cls.ours.stop)

    def both(self, body):
        """Each as the client of the other."""
        for client, server in ((self.serenity, self.ours), (self.ours, self.serenity)):
            with self.subTest(client=type(client).__name__, server=type(server).__name__):
                body(client, server)

    def register(self, client, server, names=None, ksf=QUICK, setup=None):
        setup = setup or server.make_setup()
        request, state = client.request(PASSWORD)
        response = server.respond(setup, USER, request)
        record, export_key = client.record(state, PASSWORD, response, names, ksf)
        self.assertEqual((len(request), len(response), len(record)), (32, 64, 192))
        return setup, record, export_key

    def login(self, client, server, setup, record, names=None, ksf=QUICK, password=PASSWORD):
        ke1, client_state = client.ke1(password)
        ke2, server_state = server.ke2(setup, USER, record, ke1, names)
        self.assertEqual((len(ke1), len(ke2)), (96, KE2_SIZE))
        ke3, session_key, export_key, server_key = client.ke3(client_state, password, ke2, names,
                                                              ksf)
        self.assertEqual(server.finish(server_state, ke3, names), session_key)
        return session_key, export_key, server_key

    def test_round_trip(self):
        for names in (None, NAMES, {"client": "alice"}, {"server": "server.example"}):
            def body(client, server, names=names):
                setup, record, export_key = self.register(client, server, names)
                keys = [self.login(client, server, setup, record, names) for _ in range(2)]
                self.assertEqual([k[1] for k in keys], [export_key] * 2)
                self.assertNotEqual(keys[0][0], keys[1][0])
            self.both(body)

    def test_key_stretching(self):
        for ksf in (DEFAULT, LANES, SINGLE):
            def body(client, server, ksf=ksf):
                setup, record, export_key = self.register(client, server, NAMES, ksf)
                got = self.login(client, server, setup, record, NAMES, ksf)
                self.assertEqual(got[1], export_key)
                with self.assertRaises(Refused):
                    self.login(client, server, setup, record, NAMES, QUICK)
            self.both(body)

    def test_wrong_password(self):
        def body(client, server):
            setup, record, _ = self.register(client, server)
            with self.assertRaises(Refused) as wrong:
                self.login(client, server, setup, record, password="another")
            self.assertIn(str(wrong.exception), ("opaque_auth", "nothing"))
        self.both(body)

    def test_unknown_user(self):
        def body(client, server):
            setup, _, _ = self.register(client, server)
            with self.assertRaises(Refused) as unknown:
                self.login(client, server, setup, None)
            self.assertIn(str(unknown.exception), ("opaque_auth", "nothing"))
        self.both(body)

    def test_other_names(self):
        def body(client, server):
            setup, record, _ = self.register(client, server, NAMES)
            for names in (None, {**NAMES, "client": "bob"}, {**NAMES, "server": "other"}):
                ke1, state = client.ke1(PASSWORD)
                ke2, _ = server.ke2(setup, USER, record, ke1, names)
                with self.assertRaises(Refused):
                    client.ke3(state, PASSWORD, ke2, NAMES, QUICK)
        self.both(body)

    def test_altered(self):
        def body(client, server):
            setup, record, _ = self.register(client, server)
            ke1, client_state = client.ke1(PASSWORD)
            ke2, server_state = server.ke2(setup, USER, record, ke1, None)
            for offset in range(0, len(ke2), 16):
                altered = ke2[:offset] + bytes([ke2[offset] ^ 1]) + ke2[offset + 1:]
                with self.assertRaises(Refused, msg=str(offset)):
                    client.ke3(client_state, PASSWORD, altered, None, QUICK)
            ke3 = bytearray(client.ke3(client_state, PASSWORD, ke2, None, QUICK)[0])
            ke3[63] ^= 1
            with self.assertRaises(Refused):
                server.finish(server_state, bytes(ke3), None)
        self.both(body)

    def test_an_element_with_its_highest_bit_set(self):
        """libsodium 1.0.18 takes it; neither of us does."""
        def body(client, server):
            setup = server.make_setup()
            request, _ = client.request(PASSWORD)
            server.respond(setup, USER, request)
            with self.assertRaises(Refused):
                server.respond(setup, USER, request[:31] + bytes([request[31] | 0x80]))
        self.both(body)

    def test_users_of_its_server_move_to_ours(self):
        setup, record, export_key = self.register(self.serenity, self.serenity)
        moved = self.ours.call("take_setup", oprf_seed=setup[:64],
                               private_key=setup[64:96])["setup"]
        for client in (self.serenity, self.ours):
            got = self.login(client, self.ours, moved, record)
            self.assertEqual(got[1], export_key)
            self.assertEqual(got[2], moved[96:])


if __name__ == "__main__":
    main()
