"""Why `kiln server --roast` turns somebody away: each cause has words of its own in the server's
access line, and they are in docs/operations.md; the client, who is told nothing, names the causes."""

import contextlib
import re

from harness.case import main
from harness.hello import encode, fields, payload
from harness.settings import TOP, wait_until
from harness.sockets import connect, receive_exactly
from roast import CLIENT, OTHER, SERVER, RoastTest

QUEUE = 64 + 448  # requests under way and waiting


class Reasons(RoastTest):
    def setUp(self):
        super().setUp()
        manual = (TOP / "docs/operations.md").read_text(encoding="utf-8")
        self.rows = [line for line in manual.splitlines() if line.startswith("| ")]

    def serve(self, *flags, allow=CLIENT):
        self.server = self.party("server", self.backend().address, *flags, name="Ledger",
                                 allow=allow)

    def refused(self, close, words, since=0):
        """By the server, for this reason, which the manual has beside the code."""
        line = self.server.wait_conn(since, close=close, error=re.compile(re.escape(words)))
        self.assertTrue(any(f"| `{close}` |" in row and words in row for row in self.rows),
                        f"docs/operations.md does not have {close} with {words!r}")
        return line

    def connect_client(self):
        self.client = self.party("client", self.server.listen, name="Orders", allow=SERVER)
        self.client.wait_event("identity")

    def client_is_told(self):
        self.assertTrue(self.fails())
        line = self.client.wait_conn(close="roast_hello")
        for cause in ("without a hello", "is our role on its list", "limits", "throttles", "down",
                      "clock", "its log says which"):
            self.assertIn(cause, line["error"])

    def hello(self, number=0, **how):
        return encode(fields(self.keys["Orders"], payload(("127.0.0.1", f"n{number}")), **how))

    def test_role(self):
        self.serve(allow=OTHER)
        self.connect_client()
        self.client_is_told()
        self.refused("access_denied", "is refused: it is")

    def test_rate(self):
        self.serve("--roast-rate", "1")
        with contextlib.ExitStack() as stack:  # more than the burst, at once
            for number in range(20):
                sock = stack.enter_context(connect(self.server.listen))
                sock.sendall(self.hello(number))
            self.refused("limit", "too many hellos from this source")

    def test_queue(self):
        # Requests end after 5 s each: the third turn comes too late for itself.
        self.serve("--roast-rate", "0", "--handshake-timeout", "15s")
        self.server.wait_event("identity")
        self.behave(hang=1)
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(connect(self.server.listen)) for _ in range(QUEUE + 8)]
            for number, sock in enumerate(socks):
                sock.sendall(self.hello(number))
            self.refused("limit", "are under way or waiting")
            # Who was in it is told as well, in bounded time.
            self.refused("sts", "waited 5 s for one of 64 requests to the STS of")
        self.behave()

    def test_sts_throttles(self):
        self.serve()
        self.connect_client()
        self.behave(throttle=0)
        self.client_is_told()
        self.refused("sts", "STS throttles the signer's account")
        # Within the back-off STS is not asked.
        words = re.compile("STS throttles the account of")
        wait_until("the back-off", lambda: (self.fails(),
                                            self.server.find("conn", close="sts", error=words))[1])
        self.refused("sts", "STS throttles the account of")
        self.behave()

    def test_sts_is_down(self):
        self.serve()
        self.server.wait_event("identity")
        self.behave(drop=1)
        self.send(self.hello())
        self.refused("sts", "STS gives no answer: ")
        self.behave()

    def test_sts_fails(self):
        self.serve()
        self.server.wait_event("identity")
        self.behave(**{"fail-rate": 100})
        self.send(self.hello())
        self.refused("sts", "STS fails with status ")
        self.behave()

    def test_sts_is_slow(self):
        self.serve("--handshake-timeout", "2s")
        self.server.wait_event("identity")
        self.behave(hang=1)
        self.send(self.hello())
        self.refused("timeout", "waiting for the identity agent and STS")
        self.behave()

    def test_signature(self):
        self.serve()
        self.keys["Orders"]["secret_access_key"] = "x" * 40
        self.send(self.hello())
        self.refused("roast_proof", "STS refuses it: ")

    def test_replay(self):
        self.serve()
        hello = self.hello()
        with connect(self.server.listen) as sock:
            sock.sendall(hello)
            receive_exactly(sock, 9)
        self.send(hello)
        self.refused("roast_proof", "it is a replay")

    def test_region(self):
        self.serve()
        self.send(self.hello(region="mars-north-1"))
        self.refused("roast_proof", "it names no region of AWS")

    def test_clock(self):
        self.serve()
        self.send(self.hello(offset=-400))
        self.refused("roast_proof", "signed more than 5 minutes ago")
        self.send(self.hello(offset=400))
        self.refused("roast_proof", "signed more than 5 minutes in the future")


if __name__ == "__main__":
    main()
