"""Derives apt sources for another suite of the distribution this machine is configured for.

Whatever mirror, transport and signing key the machine uses is kept; only the suite changes. Both
formats of sources.list(5) are understood: one-line `.list` files and deb822 `.sources` files.
"""

import pathlib
import re
import subprocess

# Names under which the running release may be configured instead of its own.
ALIASES = ("stable", "oldstable", "testing")


def codename():
    """The release's code name, such as `bookworm`; None where os-release has none."""
    match = re.search(r"^VERSION_CODENAME=\"?([a-z]+)\"?$",
                      pathlib.Path("/etc/os-release").read_text(encoding="utf-8"), re.M)
    return match[1] if match else None


def _apt_path(key):
    shell = subprocess.run(["apt-config", "shell", "P", key], check=True, capture_output=True,
                           text=True).stdout
    match = re.match(r"P='(.*)'", shell)
    return pathlib.Path(match[1]) if match else None


def _stanzas(text):
    """deb822 stanzas as lists of (field, value); a value keeps its continuation lines."""
    for block in re.split(r"\n\s*\n", text):
        fields = []
        for line in block.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t" and fields:
                fields[-1] = (fields[-1][0], fields[-1][1] + "\n" + line)
            elif ":" in line:
                name, value = line.split(":", 1)
                fields.append((name.strip(), value.strip()))
        if fields:
            yield fields


def _from_line(line):
    """A one-line source as deb822 fields, or None where the line is no binary source."""
    match = re.match(r"\s*deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)((?:\s+[^\s#]+)*)", line)
    if not match:
        return None
    fields = [("Types", "deb"), ("URIs", match[2]), ("Suites", match[3]),
              ("Components", match[4].strip())]
    names = {"arch": "Architectures", "lang": "Languages"}
    for option in (match[1] or "").split():
        name, _, value = option.partition("=")
        fields.append((names.get(name, name.title()), value.replace(",", " ")))
    return fields


def configured():
    """Every enabled binary source of this machine, as lists of deb822 fields."""
    parts = _apt_path("Dir::Etc::sourceparts/d")
    files = [_apt_path("Dir::Etc::sourcelist/f")]
    if parts and parts.is_dir():
        files += sorted(parts.iterdir())
    for file in files:
        if not file or not file.is_file():
            continue
        text = file.read_text(encoding="utf-8", errors="replace")
        if file.suffix == ".list":
            found = map(_from_line, text.splitlines())
        elif file.suffix == ".sources":
            found = _stanzas(text)
        else:
            continue
        for fields in found:
            if fields and "deb" in _value(fields, "types").split() \
                    and _value(fields, "enabled") not in ("no", "false", "0"):
                yield fields


def _value(fields, name):
    return next((v for n, v in fields if n.lower() == name), "")


def _write(fields, suites):
    changed = {"types": "deb", "suites": " ".join(suites)}
    if _value(fields, "components"):
        changed["components"] = "main"
    return "".join(f"{n}: {changed.get(n.lower(), v)}\n" for n, v in fields)


def derive(flavour):
    """deb822 text of the sources that hold the kernels of `flavour`, "" where none can be had."""
    known = [(fields, _value(fields, "suites").split()) for fields in configured()]
    names = {codename()}
    if not any(names & set(suites) for _, suites in known):
        names = set(ALIASES)
    out = []
    for fields, suites in known:
        base = [s for s in suites if s in names]
        if flavour == "stock":
            wanted = [s for s in suites if re.split("[-/]", s)[0] in names
                      and not s.endswith("-backports")]
        elif flavour == "backports":
            wanted = [f"{s}-backports" for s in base]
        else:
            wanted = ["sid"] if base else []
        if wanted:
            text = _write(fields, wanted)
            if text not in out:
                out.append(text)
    return "\n".join(out)
