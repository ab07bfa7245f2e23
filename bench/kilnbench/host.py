"""What machine, kernel and programs a figure belongs to."""

import os
import pathlib
import re
import socket
import subprocess

TCP_ULP = 31


def first_line(command, pattern):
    """The first match of pattern's group 1 in what the command prints, or None."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else None


def has_ktls():
    """Whether a TCP socket of this kernel takes the tls protocol."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(server.getsockname()) as client:
            try:
                client.setsockopt(socket.IPPROTO_TCP, TCP_ULP, b"tls")
            except OSError:
                return False
    return True


def ktls_sockets():
    """Sockets that ever got kTLS keys here: {"tx": n, "rx": n}."""
    try:
        text = pathlib.Path("/proc/net/tls_stat").read_text(encoding="ascii")
    except OSError:
        return {"tx": 0, "rx": 0}
    stat = dict(re.findall(r"(\w+)\s+(\d+)", text))
    return {"tx": int(stat.get("TlsTxSw", 0)), "rx": int(stat.get("TlsRxSw", 0))}


def cpu_model():
    text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8")
    found = re.search(r"^model name\s*:\s*(.*)$", text, re.M)
    return found[1] if found else os.uname().machine


def describe():
    """Of the kernel that the measurement runs on."""
    return {
        "kernel": os.uname().release,
        "cpu": cpu_model(),
        "cpus": len(os.sched_getaffinity(0)),
        "openssl": first_line(["openssl", "version"], r"(OpenSSL \S+)"),
        "ktls": has_ktls(),
        "load_average": os.getloadavg()[0],
    }
