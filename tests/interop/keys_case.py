"""A key server behind a gateway, for its tests.

  kiln keys COMMAND ==TLS== kiln server --handoff ==descriptor==> kiln keys serve -- store
"""

import os
import re

from harness import settings
from harness.case import KilnTest
from harness.gateway import server_flags
from harness.keys import GATEWAY_FLAGS, KeyServer, Tool, User, make_store
from harness.postgres import Postgres
from harness.settings import wait_until

HEX16 = re.compile(r"[0-9a-f]{32}\Z")
ROOM = ("--limit", "source=2000,1s,1s,1s", "--limit", "known=2000,1s,1s,1s",
        "--limit", "stranger=2000,1s,1s,1s", "--limit", "register=2000,1s,1s,1s")


class KeysTest(KilnTest):
    """A store, a key server and a gateway in front of it."""

    flags = ROOM
    registration = "open"

    def setUp(self):
        super().setUp()
        self.store = self.make_store()
        self.keys = self.serve()
        self.gate = self.gateway()
        self.user = User(self.folder, self.gate.listen)

    def make_store(self):
        return make_store(self.folder)

    def serve(self, *flags, name="keys", store=None, **options):
        server = KeyServer(f"{self.folder}/{name}.sock", store or self.store, *self.flags, *flags,
                           registration=options.pop("registration", self.registration), **options)
        self.gateways.insert(0, server)
        return server

    def gateway(self, *flags, name="keys", protocol=GATEWAY_FLAGS, access=None, ca=None):
        access = access or ("--disable-client-auth",)
        gate = self.start("server", *server_flags(access=access, ca=ca), *protocol, *flags,
                          handoff=f"unix:{self.folder}/{name}.sock", workers=1)
        # Its channel to the key server stays open when connections have gone.
        gate.settle = lambda: wait_until("connections to go", lambda: gate.active() == 0)
        return gate

    def registered(self, **options):
        user = User(self.folder, self.gate.listen, **options)
        user.ask("register")
        return user

    def tool(self, **options):
        tool = Tool(self.gate.listen, **options)
        tool.run("register")
        return tool

    def log_of(self, user, *flags):
        return user.ask("audit", *flags)["entries"]

    def actions(self, user, *flags):
        return [(e["action"], e["outcome"]) for e in self.log_of(user, *flags)]

    def replace(self, *flags, **options):
        """Another key server takes the place of this one, which ends or has died."""
        if self.keys.process.poll() is None:
            self.keys.stop()
        self.gateways.remove(self.keys)
        self.keys.kill()
        self.keys = self.serve(*flags, **options)

    def restart(self):
        self.keys.process.kill()
        self.keys.process.wait(settings.PATIENCE)
        self.replace()


class OnPostgres:
    """Before KeysTest: its store is in a database of its own."""

    def setUp(self):
        self.database = Postgres()
        self.addCleanup(self.database.remove)
        self.database.start()
        os.chmod(self.database.sockets, 0o755)  # for a root that gave up its capabilities
        super().setUp()

    def make_store(self):
        return make_store(self.folder, where=f"postgresql:{self.database.settings}")
