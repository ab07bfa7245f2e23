/* An application that `kiln server --handoff` hands its connections to; it sends back what it gets.
 *	cc handoff_echo.c $(pkg-config --cflags --libs kiln) -o handoff_echo
 *	kiln certs --out pki && ./handoff_echo ./echo.sock &
 *	kiln server --listen :4433 --handoff unix:./echo.sock --disable-client-auth \
 *	    --cert pki/server.pem --key pki/server.key &
 *	openssl s_client -quiet -connect localhost:4433 -CAfile pki/ca.pem */
#include <kiln/handoff.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	static const char *const proofs[] = {"nobody in particular", "a certificate", "a role"};
	char data[16384];
	ssize_t n;
	struct kiln_conn *conn;
	struct kiln_error err = {.message = "usage: handoff_echo PATH"};
	struct kiln_handoff *listener = argc == 2 ? kiln_handoff_listen(argv[1], NULL, &err) : NULL;
	if (listener == NULL)
		return fprintf(stderr, "handoff_echo: %s\n", err.message), 1;
	fprintf(stderr, "listening\n");
	for (int fd; (fd = kiln_handoff_accept(listener, -1, &conn, &err)) >= 0 ||
		     err.code != KILN_E_USAGE;) {
		if (fd < 0) { /* short of descriptors or memory, which passes */
			fprintf(stderr, "handoff_echo: %s\n", err.message);
			continue;
		}
		fprintf(stderr, "%s: %s, path %s\n", proofs[kiln_conn_handoff(conn)->proof],
			kiln_conn_peer(conn)->name, kiln_conn_path(conn));
		do { /* plain calls; kiln_conn_read for what comes before, between and behind */
			n = kiln_conn_pending(conn) > 0 ? -1 : read(fd, data, sizeof data);
			if (n <= 0)
				n = kiln_conn_read(conn, data, sizeof data, &err);
		} while (n > 0 && write(fd, data, (size_t)n) == n);
		if (n < 0)
			fprintf(stderr, "handoff_echo: %s\n", err.message);
		kiln_conn_close(conn);
	}
	return fprintf(stderr, "handoff_echo: %s\n", err.message), 1;
}
