"""Thousands of connections at once, each with its own bytes, and nothing left behind.

  load x N ──TLS── kiln server ──plain── echo
  load x N/4 ──plain── kiln client ──TLS── kiln server ──plain── echo
"""

import time

from harness import settings
from harness.case import KilnTest, main
from harness_life import Load, note

# Handshakes are what an emulated processor is slowest at.
OPENING_PATIENCE = settings.PATIENCE + settings.CONNECTIONS * 0.2


class Concurrency(KilnTest):
    def load(self, where, connections, tls):
        load = Load(where, connections, tls=tls)
        self.addCleanup(load.close)
        return load

    def run_load(self, gateways, connections, tls):
        begin = time.monotonic()
        load = self.load(gateways[-1].listen, connections, tls)
        up = load.wait_up(OPENING_PATIENCE)
        self.assertEqual(up["open"], connections)
        opened = time.monotonic() - begin
        for gateway in gateways:
            self.assertEqual(gateway.active(), connections)
        load.wait_all_move()
        total = load.finish()
        self.assertEqual(total["opened"], connections)
        self.assertEqual(total["closed"], connections)
        self.assertEqual(total["refused"], 0)
        for gateway in gateways:
            gateway.settle()  # no connection active, and as many descriptors as at the start
            counters = gateway.counters()
            self.assertEqual(counters["accepted"], connections)
            self.assertEqual(counters["bytes_up"], total["requests"] * 1024)
            self.assertEqual(counters["bytes_down"], total["requests"] * 1024)
            self.check_path(gateway)
        note(f"{connections} connections open at once in {opened:.1f} s, "
             f"{total['requests']} requests of 1 KiB, 0 failed")

    def test_through_server(self):
        gateway = self.server(target=self.echo_program().address)
        self.run_load([gateway], settings.CONNECTIONS, tls=True)

    def test_through_client_and_server(self):
        server = self.server(target=self.echo_program().address)
        client = self.client(target=server)
        self.run_load([server, client], max(settings.CONNECTIONS // 4, 1), tls=False)


if __name__ == "__main__":
    main()
