"""Hand-off behind Roast: the application is told the AWS role that the client proved.

  program -- plain --> kiln client == hellos, then TLS ==> kiln server -- descriptor --> application
"""

import socket

from handoff_case import Application
from harness.case import main
from harness.sockets import connect, pattern, receive_all
from roast import CLIENT, SERVER, RoastTest


class Roast(RoastTest):
    def test_role(self):
        path = f"{self.folder}/application"
        application = Application(path)
        self.addCleanup(application.close)
        server = self.party("server", None, handoff=f"unix:{path}", name="Ledger", allow=CLIENT,
                            workers=1)
        client = self.party("client", server.listen, name="Orders", allow=SERVER)
        data = pattern(200_000)
        with connect(client.listen) as sock:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
            self.assert_bytes(receive_all(sock), data)
        taken = application.wait("taken")
        self.assertEqual((taken["proof"], taken["role"]), ("roast", CLIENT))
        self.assertEqual((taken["account"], taken["bound"]), ("123456789012", "yes"))
        self.assertEqual(application.wait("end")["end"], "close_notify")
        server.wait_event("handoff", outcome="taken", identity=CLIENT)


if __name__ == "__main__":
    main()
