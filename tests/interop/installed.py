"""What `cmake --install` leaves: a program that embeds libkiln sees no more than this.

The examples of docs/examples are compiled with pkg-config alone against an installed tree in a
folder that the build never heard of, and talk to openssl and to each other.
"""

import os
import pathlib
import re
import shutil
import socket
import subprocess
import tempfile
import unittest

from harness import settings
from harness.case import main
from harness.settings import key, pem, wait_until

BUILD = os.environ.get("KILN_BUILD", str(settings.TOP / "build/dev"))
TEXT = "the quick brown fox\n"


def run(*command, env=None, data=None):
    """Standard output; anything but success fails with both streams."""
    done = subprocess.run(command, input=data, capture_output=True, text=True, check=False,
                          env={**os.environ, **(env or {})}, timeout=settings.PATIENCE)
    assert done.returncode == 0, f"{command}: exit {done.returncode}\n{done.stdout}{done.stderr}"
    return done


class Program:
    """One that runs until it is told to end; its output goes to a file."""

    def __init__(self, *command, env):
        self.log = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log,
                                        stderr=self.log, env={**os.environ, **env})

    def text(self):
        self.log.seek(0)
        return self.log.read()

    def wait(self, pattern):
        return wait_until(f"{pattern!r} in the output", lambda: re.search(pattern, self.text()))

    def end(self):
        self.process.kill()
        self.process.wait()
        self.log.close()


class Installation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="kiln-installed-")
        cls.addClassCleanup(folder.cleanup)
        cls.prefix = pathlib.Path(folder.name) / "prefix"
        run("cmake", "--install", BUILD, "--prefix", str(cls.prefix))
        pc, = cls.prefix.rglob("kiln.pc")
        cls.lib = pc.parent.parent
        cls.env = {"PKG_CONFIG_PATH": str(pc.parent), "LD_LIBRARY_PATH": str(cls.lib)}
        cls.examples = cls.prefix / "share/doc/kiln/examples"

    @classmethod
    def pkg_config(cls, *flags):
        return run("pkg-config", *flags, "kiln", env=cls.env).stdout.split()

    @classmethod
    def compile(cls, name, *flags):
        out = cls.prefix / f"{name}{len(flags)}"
        run("cc", "-Wall", "-Wextra", "-Werror", str(cls.examples / f"{name}.c"),
            *(flags or cls.pkg_config("--cflags", "--libs")), "-o", str(out), env=cls.env)
        return str(out)


@unittest.skipIf(settings.EXPECT_PATH, "an installed tree is the same on every kernel")
class Tree(Installation):
    def headers(self):
        return sorted((self.prefix / "include/kiln").glob("*.h"))

    def test_tree(self):
        version = run(str(self.prefix / "bin/kiln"), "--version").stdout.split()[-1]
        self.assertEqual(self.pkg_config("--modversion"), [version])
        for name in ("share/man/man1/kiln.1", "share/man/man3/kiln_tls_connect.3",
                     "share/man/man3/kiln_roast_connect.3", "share/man/man3/kiln_keys_open.3",
                     "share/doc/kiln/LICENSE", "share/doc/kiln/examples/kiln-server.service"):
            self.assertTrue((self.prefix / name).is_file(), name)
        self.assertEqual([h.name for h in self.headers()],
                         sorted(p.name for p in (settings.TOP / "lib/include/kiln").glob("*.h")))

    def test_headers_stand_alone(self):
        """Each by itself, as C17 and as C++."""
        for header in self.headers():
            for compiler, language in (("cc", "c"), ("clang", "c++")):
                with self.subTest(header=header.name, language=language):
                    run(compiler, "-x", language, f"-std={language}17", "-Wall", "-Wextra",
                        "-Wpedantic", "-Werror", "-fsyntax-only", *self.pkg_config("--cflags"),
                        "-", env=self.env, data=f"#include <kiln/{header.name}>\n")

    def test_exported_symbols(self):
        """What the headers declare as KILN_API, all of it, and nothing else."""
        declared = set()
        for header in self.headers():
            text = re.sub(r"/\*.*?\*/", "", header.read_text(), flags=re.S)
            declared |= set(re.findall(r"KILN_API\s[^;(]*?\b(kiln_\w+)\s*\(", text))
        self.assertGreater(len(declared), 40)
        table = run("nm", "-D", "--defined-only", str(self.lib / "libkiln.so")).stdout
        exported = {line.split()[-1].split("@")[0] for line in table.splitlines()}
        self.assertEqual(exported, declared)

    def test_examples_are_short(self):
        for example in self.examples.glob("*.c"):
            self.assertLessEqual(len(example.read_text().splitlines()), 40, example.name)

    def test_roast_examples(self):
        """They are run by roast_lib.py; here they only have to find everything."""
        for name in ("roast_client", "roast_server"):
            done = subprocess.run((self.compile(name),), capture_output=True, text=True,
                                  env={**os.environ, **self.env}, check=False,
                                  timeout=settings.PATIENCE)
            self.assertEqual((done.returncode, done.stdout), (1, ""))
            self.assertIn(f"usage: {name}", done.stderr)

    def help_of(self, *command):
        return run(str(self.prefix / "bin/kiln"), *command, "--help").stdout

    def flags_of(self, *command):
        # An X in a flag is a place holder (--allow-X).
        return set(re.findall(r"(?<![\w-])--([a-z][a-z-]*[a-z])(?![\w-])",
                              self.help_of(*command))) - {"help"}

    def test_manual_knows_every_flag(self):
        """And the program every flag of the manual."""
        pages = self.prefix / "share/man/man1"
        source = "".join((pages / page).read_text() for page in ("kiln.1", "kiln-keys.1"))
        written = set(re.findall(r"Fl -([a-z][a-z-]+)", source)) - {"help"}
        known = set()
        for command in ("server", "client", "doctor", "demo", "certs", "sts", "whoami"):
            known |= self.flags_of(command)
        for command in re.findall(r"^  ([a-z-]+) {2,}", self.help_of("keys"), re.M):
            known |= self.flags_of("keys", command)
        self.assertEqual(written, known)

    def test_manual_is_clean(self):
        if not shutil.which("mandoc"):
            self.skipTest("mandoc is not installed")
        for page in (self.prefix / "share/man").rglob("*.[13]"):
            done = run("mandoc", "-T", "lint", "-W", "warning", str(page))
            self.assertEqual(done.stdout, "")


class AtWork(Installation):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.client = cls.compile("tls_client")
        cls.server = cls.compile("tls_echo_server")

    def start(self, *command):
        program = Program(*command, env=self.env)
        self.addCleanup(program.end)
        return program

    def echo_server(self):
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        server = self.start(self.server, str(port), pem("server"), key("server"))

        def listens():
            self.assertIsNone(server.process.poll(), server.text())
            with socket.socket() as attempt:
                return attempt.connect_ex(("127.0.0.1", port)) == 0

        wait_until("the example server listens", listens)
        return server, str(port)

    def check_path(self, text):
        self.assertRegex(text, r"path (ktls|userspace )")
        if settings.EXPECT_PATH:
            self.assertIn(f"path {settings.EXPECT_PATH}", text)

    def talk(self, client, port):
        done = run(client, "localhost", port, pem("ca"), env=self.env, data=TEXT)
        self.assertIn("localhost, TLS_", done.stderr)
        self.check_path(done.stderr)
        return done.stdout

    def test_client_and_openssl(self):
        server = self.start("openssl", "s_server", "-rev", "-accept", "127.0.0.1:0", "-tls1_3",
                            "-cert", pem("server"), "-key", key("server"))
        port = server.wait(r"ACCEPT 127\.0\.0\.1:(\d+)").group(1)
        self.assertEqual(self.talk(self.client, port), TEXT.rstrip("\n")[::-1] + "\n")

    def test_server_and_openssl(self):
        server, port = self.echo_server()
        client = subprocess.Popen(
            ("openssl", "s_client", "-quiet", "-connect", f"localhost:{port}", "-CAfile", pem("ca"),
             "-verify_return_error"), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True)
        with client:
            client.stdin.write(TEXT)
            client.stdin.flush()
            self.assertEqual(client.stdout.readline(), TEXT)
            client.kill()
        server.wait(r"path ktls|path userspace ")
        self.check_path(server.text())

    def test_each_other(self):
        _, port = self.echo_server()
        for _ in range(3):
            self.assertEqual(self.talk(self.client, port), TEXT)

    @unittest.skipIf(settings.EXPECT_PATH, "one more slow compilation shows nothing new there")
    def test_static_library(self):
        flags = [str(self.lib / "libkiln.a") if f == "-lkiln" else f
                 for f in self.pkg_config("--static", "--cflags", "--libs")]
        client = self.compile("tls_client", *flags)
        for program in (client, self.compile("roast_client", *flags)):
            self.assertNotIn("libkiln", run("ldd", program).stdout)
        _, port = self.echo_server()
        self.assertEqual(self.talk(client, port), TEXT)


if __name__ == "__main__":
    main()
