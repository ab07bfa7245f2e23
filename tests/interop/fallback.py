"""Where io_uring is refused, as by Docker's default seccomp profile, epoll takes over by itself."""

import subprocess

from harness import settings
from harness.case import KilnTest, main
from harness.gateway import server_flags
from harness.sockets import connect, connect_tls, pattern, receive_exactly

WITHOUT_URING = (settings.TOOLS / "interop_without_uring",)


class Fallback(KilnTest):
    def test_it_falls_back_and_says_so(self):
        gateway = self.server(engine="auto", wrapper=WITHOUT_URING)
        self.assertRegex(gateway.ready["engine"],
                         r"^epoll: io_uring is refused here: Operation not permitted$")
        with connect_tls(gateway.listen) as sock:
            sock.sendall(pattern(200_000)[:100_000])
            self.assert_bytes(receive_exactly(sock, 100_000), pattern(200_000)[:100_000])
        gateway.wait_conn(close="ok", path=gateway.path)

    def test_a_client_too(self):
        client = self.client(target=self.server(), engine="auto", wrapper=WITHOUT_URING)
        self.assertRegex(client.ready["engine"], "^epoll: ")
        with connect(client.listen) as sock:
            sock.sendall(b"hello")
            self.assertEqual(receive_exactly(sock, 5), b"hello")
        client.wait_conn(close="ok")

    def test_io_uring_or_nothing(self):
        done = subprocess.run([*WITHOUT_URING, settings.KILN, "server", *server_flags(),
                               "--listen", "127.0.0.1:0", "--target", "127.0.0.1:1",
                               "--engine", "io_uring", "--workers", "2"], capture_output=True,
                              text=True, timeout=settings.PATIENCE, check=False)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("io_uring is refused here", done.stderr)
        self.assertNotIn("event=ready", done.stderr)

    def test_with_both_allowed_it_is_io_uring(self):
        gateway = self.server(engine="auto")
        if gateway.ready["engine"] != "io_uring":
            self.skipTest(f"this machine refuses io_uring: {gateway.ready['engine']}")


if __name__ == "__main__":
    main()
