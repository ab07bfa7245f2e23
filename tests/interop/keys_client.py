"""The key server's client where things go wrong on its own side: descriptors, files, full disks, a
server that drips, and what programs read of it all."""

import json
import os
import pathlib
import resource
import signal
import socket
import subprocess
import threading

from harness import settings
from harness.case import main
from harness.keys import PASSWORD, User, private
from keys_case import HEX16, ROOM, KeysTest


def no_room():
    """Writing to a file fails as on a full disk; pipes are none."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


class Dripping(threading.Thread):
    """Lets a first part of what the server says through, and the rest byte by byte."""

    def __init__(self, target, whole):
        super().__init__(daemon=True)
        self.target, self.whole, self.passed = target, whole, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listen = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.over = threading.Event()
        self.start()

    def run(self):
        client, _ = self.listener.accept()
        server = socket.create_connection(("127.0.0.1", int(self.target.rpartition(":")[2])))
        threading.Thread(target=self.pass_on, args=(client, server), daemon=True).start()
        left = self.whole
        with client, server:
            try:
                while data := server.recv(left or 1):
                    client.sendall(data)
                    self.passed += len(data)
                    left -= len(data)
                    if left <= 0 and self.over.wait(0.3):  # the pace, not a wait for something
                        return
                    left = max(left, 0)
            except OSError:
                pass

    @staticmethod
    def pass_on(client, server):
        try:
            while data := client.recv(65536):
                server.sendall(data)
            server.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def end(self):
        self.over.set()
        self.join(settings.PATIENCE)
        self.listener.close()


class Outputs(KeysTest):
    def setUp(self):
        super().setUp()
        self.user.ask("register")

    def made(self):
        return [e["key_id"] for e in self.log_of(self.user, "--which", "keys")
                if e["outcome"] == "ok"]

    def test_nothing_is_made_for_a_folder_that_is_not_there(self):
        for flag in ("--out", "--local"):
            status, answer = self.user.refused("generate", flag, f"{self.folder}/none/file")
            self.assertEqual((status, answer["code"]), (2, "config"))
            self.assertIn("its folder cannot be written", answer["error"])
        self.assertEqual(self.made(), [])

    def test_the_key_is_named_when_its_file_cannot_be_written(self):
        path = pathlib.Path(self.folder) / "out"
        for flag in ("--out", "--local"):
            status, answer = self.user.refused("generate", flag, path, preexec_fn=no_room)
            self.assertEqual((status, answer["code"]), (1, "system"), answer)
            self.assertEqual(self.made()[-1], answer["key_id"])
            self.assertFalse(path.exists())
        status, _, err = self.user.run("generate", "--out", path, preexec_fn=no_room)
        self.assertEqual(status, 1)
        self.assertIn(f"The server has it all the same, as key {self.made()[-1]}.", err)
        self.assertEqual(len(self.made()), 3)

    def test_a_full_standard_output(self):
        for flags in ((), ("--json",)):
            with open("/dev/full", "wb") as full:
                done = subprocess.run([settings.KILN, "keys", "generate", *flags,
                                       *self.user.where(), "--password-file", self.user.password],
                                      stdout=full, stderr=subprocess.PIPE, check=False,
                                      timeout=settings.PATIENCE)
            self.assertEqual(done.returncode, 1)
            self.assertIn(f"as key {self.made()[-1]}.", done.stderr.decode())

    def test_json_whatever_the_bytes(self):
        name = os.fsdecode(b"gr\xc3\xbc\xc3\x9fe\xff")  # two letters that are UTF-8, a byte that is not
        status, answer = self.user.refused("generate", "--out", f"{self.folder}/none/{name}")
        self.assertEqual(status, 2)
        self.assertIn("gr\u00fc\u00dfe\ufffd", answer["error"])
        answer = self.user.ask("generate", "--out", f"{self.folder}/{name}")
        self.assertTrue(answer["written_to"].endswith("gr\u00fc\u00dfe\ufffd"), answer)
        status, out, _ = self.user.run("generate", "--no-such-flag", "--json")
        self.assertEqual((status, json.loads(out)["ok"]), (2, False))

    def test_password_on_the_descriptor_of_the_answer(self):
        """The answer comes there too, and not onto the connection."""
        key = self.user.ask("store", stdin=b"never on the wire")["key_id"]
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.sendall(PASSWORD)
            ours.shutdown(socket.SHUT_WR)
            done = subprocess.run([settings.KILN, "keys", "retrieve", key, "--show",
                                   *self.user.where(), "--password-fd", "1"], stdout=theirs,
                                  stderr=subprocess.PIPE, check=False, timeout=settings.PATIENCE)
            theirs.close()
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn(b"never on the wire", ours.recv(65536))

    def test_descriptors_that_are_taken(self):
        status, answer = self.user.refused("store", "--password-fd", "0", stdin=PASSWORD,
                                           password=False)
        self.assertEqual(status, 2)
        self.assertIn("the standard input is what `kiln keys store` is given", answer["error"])
        status, answer = self.user.refused("change-password", "--password-fd", "9",
                                           "--new-password-fd", "9", password=False)
        self.assertIn("two descriptors", answer["error"])

    def test_a_token_with_a_zero_byte(self):
        token = private(f"{self.folder}/token", b"\0good")
        status, answer = self.user.refused("register", "--token-file", token)
        self.assertEqual((status, answer["error"]), (2, "a registration token has no zero bytes"))

    def test_a_local_file_behind_a_link(self):
        real, link = (pathlib.Path(self.folder) / name for name in ("real", "link"))
        first = self.user.ask("generate", "--local", real)["key_id"]
        link.symlink_to(real)
        second = self.user.ask("generate", "--local", link)["key_id"]
        self.assertTrue(link.is_symlink())
        for key in (first, second):
            self.user.ask("retrieve", key, "--local", real, where=False)


class Slow(KeysTest):
    flags = (*ROOM, "--resume-timeout", "1s")  # nobody comes back, and the end need not wait

    def test_the_timeout_is_for_all_of_it(self):
        """Every byte that comes would start a wait of a read anew."""
        self.user.ask("register")
        all_of_it = Dripping(self.gate.listen, 1 << 20)
        User(self.folder, all_of_it.listen).ask("login-test")
        all_of_it.end()
        for whole in (0, all_of_it.passed - 200):  # of the handshake, of the session
            drip = Dripping(self.gate.listen, whole)
            slow = User(self.folder, drip.listen)
            status, answer = slow.refused("login-test", "--timeout", "2s")
            drip.end()
            self.assertEqual((status, answer["code"]), (1, "timeout"), answer)
            self.assertIn("--timeout" if whole else "handshake", answer["error"])
        self.assertTrue(HEX16.match(self.user.ask("generate")["key_id"]))


if __name__ == "__main__":
    main()
