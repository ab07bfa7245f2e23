#!/usr/bin/env python3
"""Derived apt sources keep the mirror, the transport and the key, and change only the suite."""

import os
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from rig import sources  # noqa: E402

DEB822 = """\
# a comment
Types: deb deb-src
URIs: https://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib non-free-firmware
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 mDMEZ
 -----END PGP PUBLIC KEY BLOCK-----

Types: deb
URIs: https://mirror.example/debian-security
Suites: bookworm-security
Components: main
Signed-By: /usr/share/keyrings/some.gpg

Types: deb
URIs: https://other.example/node
Suites: nodistro
Components: main

Enabled: no
Types: deb
URIs: https://disabled.example/debian
Suites: bookworm
Components: main
"""

LINES = """\
# deb http://commented.example/debian bookworm main
deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg] http://one.example/debian bookworm main contrib
deb-src http://one.example/debian bookworm main
deb http://security.example/debian-security bookworm-security main # with a comment
deb http://alias.example/debian stable main
deb http://one.example/debian bookworm-backports main
"""


class Derive(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.etc = pathlib.Path(folder.name)
        (self.etc / "parts").mkdir()
        config = self.etc / "apt.conf"
        config.write_text(f'Dir::Etc::sourcelist "{self.etc}/sources.list";\n'
                          f'Dir::Etc::sourceparts "{self.etc}/parts";\n', encoding="ascii")
        before = os.environ.get("APT_CONFIG")
        os.environ["APT_CONFIG"] = str(config)
        self.addCleanup(os.environ.update if before else os.environ.pop,
                        {"APT_CONFIG": before} if before else "APT_CONFIG")
        codename = sources.codename
        sources.codename = lambda: "bookworm"
        self.addCleanup(setattr, sources, "codename", codename)

    def write(self, name, text):
        (self.etc / name).write_text(text, encoding="ascii")

    @staticmethod
    def stanzas(flavour):
        return [dict(fields) for fields in sources._stanzas(sources.derive(flavour))]

    def test_deb822(self):
        self.write("parts/debian.sources", DEB822)
        [stanza] = self.stanzas("backports")
        self.assertEqual(stanza["Types"], "deb")
        self.assertEqual(stanza["URIs"], "https://mirror.example/debian")
        self.assertEqual(stanza["Suites"], "bookworm-backports")
        self.assertEqual(stanza["Components"], "main")
        self.assertIn("\n mDMEZ\n", stanza["Signed-By"])
        [stanza] = self.stanzas("newest")
        self.assertEqual(stanza["Suites"], "sid")
        stock = self.stanzas("stock")
        self.assertEqual([s["Suites"] for s in stock],
                         ["bookworm bookworm-updates", "bookworm-security"])

    def test_lines(self):
        self.write("sources.list", LINES)
        self.assertEqual([(s["URIs"], s["Suites"]) for s in self.stanzas("backports")],
                         [("http://one.example/debian", "bookworm-backports")])
        first = self.stanzas("backports")[0]
        self.assertEqual(first["Signed-By"], "/usr/share/keyrings/a.gpg")
        self.assertEqual(first["Architectures"], "amd64")
        self.assertEqual([s["Suites"] for s in self.stanzas("stock")],
                         ["bookworm", "bookworm-security"])

    def test_the_release_under_its_other_name(self):
        self.write("sources.list", "deb http://one.example/debian oldstable main\n"
                   "deb http://one.example/debian-security oldstable-security main\n")
        self.assertEqual([s["Suites"] for s in self.stanzas("stock")],
                         ["oldstable", "oldstable-security"])
        self.assertEqual([s["Suites"] for s in self.stanzas("backports")],
                         ["oldstable-backports"])

    def test_other_files_are_not_read(self):
        self.write("parts/debian.sources.disabled", DEB822)
        self.write("parts/debian.list.save", LINES)
        self.assertEqual(sources.derive("stock"), "")

    def test_nothing_of_this_release(self):
        self.write("sources.list", "deb http://one.example/debian trixie main\n")
        for flavour in ("stock", "backports", "newest"):
            self.assertEqual(sources.derive(flavour), "")


if __name__ == "__main__":
    unittest.main()
