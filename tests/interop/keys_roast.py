"""Roast in front of the key server: before a password counts, both sides prove their AWS roles.

  libkiln's client == hellos, then TLS ==> kiln server --roast -- descriptor --> kiln keys serve
         |                                        |
         +-------------> kiln sts <---------------+
"""

from harness.case import main
from harness.keys import EXPORTER, KeyServer, Tool, make_store
from roast import CLIENT, OTHER, SERVER, RoastTest


class Roast(RoastTest):
    def setUp(self):
        super().setUp()
        path = f"{self.folder}/keys.sock"
        self.server = KeyServer(path, make_store(self.folder, name="store"))
        self.addCleanup(self.server.kill)
        self.gate = self.party("server", None, "--handoff-exporter", EXPORTER, name="Ledger",
                               allow=CLIENT, handoff=f"unix:{path}", workers=1)

    def tool(self, name="Orders", expects=SERVER):
        return Tool(self.gate.listen, ca=expects, env=self.env(name))

    def test_from_registration_to_a_secret(self):
        tool = self.tool()
        tool.run("register")
        kept = tool.run("store", 3)
        self.assertEqual(tool.run("have", stdin="\n".join(kept).encode()), ["3"])
        # Its sessions are bound to their connections, also when they come to another one.
        tool.run("resume")
        self.assertEqual(self.server.ready["binding_required"], True)
        self.assertEqual(self.server.find("no_binding"), [])
        line = self.server.wait_event("keys_conn", close="ok", proof="roast", identity=CLIENT)
        self.assertEqual(line["path"], self.gate.path)
        self.server.session(what="login", outcome="success", source="127.0.0.1")

    def test_another_role_gets_to_no_password(self):
        self.tool("Stranger").run("register", status=1)
        self.gate.wait_conn(close="access_denied", identity=OTHER)
        # Nor does the client say anything to a server that is another role.
        self.tool(expects=OTHER).run("register", status=1)
        self.assertEqual(self.server.find("keys_session"), [])


if __name__ == "__main__":
    main()
