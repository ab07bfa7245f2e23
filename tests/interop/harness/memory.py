"""What another process has in its memory."""

import pathlib
import re

# A sanitizer's shadow is larger, and holds no bytes of the program's.
LARGEST = 1 << 30


def maps(pid):
    return pathlib.Path(f"/proc/{pid}/maps").read_text(encoding="utf-8").splitlines()


def has_sanitizer(pid):
    return any(re.search(r"/lib[a-z]*san\.so|/libclang_rt", line) for line in maps(pid))


def times_in_memory(pid, what):
    """How often these bytes stand in what the process can write."""
    count = 0
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        for line in maps(pid):
            begin, end, rights = re.match(r"(\w+)-(\w+) (\S+)", line).groups()
            begin, end = int(begin, 16), int(end, 16)
            if rights.startswith("rw") and end - begin < LARGEST and "[vvar" not in line:
                count += content(memory, begin, end - begin).count(what)
    return count


def content(memory, begin, size):
    """Pages that cannot be read, such as a ring's of the kernel, end it."""
    data = bytearray()
    memory.seek(begin)
    while len(data) < size:
        try:
            got = memory.read(size - len(data))
        except OSError:
            break
        if not got:
            break
        data += got
    return data
