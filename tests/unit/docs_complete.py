#!/usr/bin/env python3
"""docs/operations.md names everything that operators meet: each event, key, close= code, path
reason and flag of the source. No link of the documentation leads nowhere, and the tests that
docs/keys.md names exist.

usage: docs_complete.py TOP-OF-THE-TREE
"""

import pathlib
import re
import sys

top = pathlib.Path(sys.argv[1])
operations = (top / "docs/operations.md").read_text()
faults = []


def source(folder):
    return "\n".join(p.read_text() for p in sorted((top / folder).rglob("*.c")))


def need(kind, names, text=operations):
    assert names, f"no {kind} found in the source: this test looks in the wrong place"
    for name in sorted(set(names)):
        if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text):
            faults.append(f"docs/operations.md does not mention the {kind} {name}")


gateway = source("gateway")
need("event", re.findall(r'kiln_log_begin\([^"]*"(\w+)"', gateway)
     + re.findall(r'log_child\("(\w+)"', gateway))
need("log key", re.findall(r'kiln_log_(?:str|u64|i64|ms|bool|hex)\(\s*&?\w+,\s*"(\w+)"', gateway))
need("code", re.findall(r'case KILN_\w+: return "(\w+)"', source("lib/base")))
names = re.search(r"char \*kiln_path_name\(.*?\n}", gateway, re.S).group(0)
need("path reason", [n for n in re.findall(r'return "(\w+)"', names) if n != "unknown"])

# The flags are the help's to list; what their values mean for operators must be here.
timeouts = re.findall(r'^\t?\s*\{"(--[a-z-]+-timeout)"', gateway, re.M)
need("timeout", timeouts)


def anchors(path):
    heads = re.findall(r"^#+ (.*)$", path.read_text(), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in heads}


for page in [top / "README.md", *sorted((top / "docs").rglob("*.md")), top / "bench/README.md"]:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.S)
    for link in re.findall(r"\]\(([^)\s:]+)\)", text):
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        where = page.relative_to(top)
        if not target.exists():
            faults.append(f"{where}: {link} does not exist")
        elif anchor and anchor not in anchors(target):
            faults.append(f"{where}: {link} has no such heading")

TESTS = {".c": "tests/unit", ".py": "tests/interop"}
named = re.findall(r"`(\w+)(\.c|\.py): (test_\w+)`", (top / "docs/keys.md").read_text())
assert named, "docs/keys.md names no test: this test looks in the wrong place"
for name, kind, test in named:
    path = top / TESTS[kind] / f"{name}{kind}"
    if not path.exists() or not re.search(rf"\b{test}\(", path.read_text()):
        faults.append(f"docs/keys.md names a test that is not there: {name}{kind}: {test}")

print("\n".join(faults) or "complete")
sys.exit(1 if faults else 0)
