"""A gateway that hands its connections to an application (tools/handoff.c).

  client ==TLS== kiln server        then, where the kernel has TLS:   client ==TLS== application
                     |  descriptor + message                          client ==TLS== kiln server
                application                        and where not:                     |  plain
                                                                                 application
"""

import os

from harness import settings
from harness.case import KilnTest
from harness.gateway import server_flags
from harness.rawtls import RawTls
from harness.settings import wait_until
from harness.sockets import client_context, connect
from harness_life import Program


class Application(Program):
    def __init__(self, path, *flags):
        self.path = path
        super().__init__("interop_handoff", path, *flags)
        self.wait("listening")

    def all(self, event, count):
        """The first so many of an event, when they are there."""
        wait_until(f"{count} times {event}; it said {self.events[-5:]}",
                   lambda: len(self.find(event)) >= count or self.ended)
        found = self.find(event)
        assert len(found) >= count, f"{len(found)} times {event}, not {count}, and it ended"
        return found


class HandoffTest(KilnTest):
    def setUp(self):
        super().setUp()
        self.path = f"{self.folder}/application"

    def application(self, *flags):
        application = Application(self.path, *flags)
        self.addCleanup(application.close)
        return application

    def gateway(self, *flags, access=("--disable-client-auth",), ca=None, workers=1, **options):
        return self.start("server", *server_flags(access=access, ca=ca), *flags, target=None,
                          handoff=f"unix:{self.path}", workers=workers, **options)

    def both(self, *flags, mode="echo", **options):
        application = self.application("--mode", mode)
        return self.gateway(*flags, **options), application

    def connect(self, gateway, handshake=True, **context):
        peer = RawTls(connect(gateway.listen), client_context(**context))
        self.addCleanup(peer.sock.close)
        if handshake:
            peer.handshake()
        return peer

    def echo(self, peer, data):
        peer.send_data(data)
        self.assert_bytes(peer.read(len(data)), data)

    def goodbye(self, peer):
        """Ends in order, from both sides."""
        peer.close_notify()
        self.assertEqual(peer.read_to_end(), b"")
        peer.sock.close()

    def wait_handed_off(self, gateway, count):
        """The worker hears of it when its client may already have had an answer."""
        wait_until("the worker to hear of it",
                   lambda: gateway.counters()["handed_off"] >= count)
        self.assertEqual(gateway.counters()["handed_off"], count)

    def on_ktls(self, gateway):
        return gateway.path == "ktls"


def as_nobody():
    """Flags for a process of another user; None for who may not start one."""
    return {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else None


