/* A TLS 1.3 server on this machine that sends back what it gets, one client after the other.
 *	cc tls_echo_server.c $(pkg-config --cflags --libs kiln) -o tls_echo_server
 *	kiln certs --out pki
 *	./tls_echo_server 4433 pki/server.pem pki/server.key &
 *	openssl s_client -quiet -connect localhost:4433 -CAfile pki/ca.pem */
#include <kiln/conn.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char data[16384];
	ssize_t n;
	int fd, listener = socket(AF_INET, SOCK_STREAM, 0);
	struct kiln_conn *conn;
	struct kiln_error err = {.message = "usage: tls_echo_server PORT CERT KEY"};
	const struct kiln_tls_files files = {.cert = argv[2 % argc], .key = argv[3 % argc]};
	const struct kiln_tls_options options = {.role = KILN_SERVER, .peer_auth = KILN_PEER_NONE};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct kiln_tls_config *config =
	    argc == 4 ? kiln_tls_config_load(&options, &files, &err) : NULL;
	at.sin_port = htons((uint16_t)atoi(argv[1 % argc]));
	if (config == NULL || bind(listener, (struct sockaddr *)&at, sizeof at) != 0 ||
	    listen(listener, 16) != 0)
		return fprintf(stderr, "%s\n", config == NULL ? err.message : "bind failed"), 1;
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (kiln_tls_accept(config, fd, NULL, &conn, &err) < 0) {
			fprintf(stderr, "tls_echo_server: %s\n", err.message);
			close(fd);
			continue;
		}
		fprintf(stderr, "path %s %s\n", kiln_conn_path(conn), kiln_conn_path_reason(conn));
		while ((n = kiln_conn_read(conn, data, sizeof data, &err)) > 0)
			if (kiln_conn_write(conn, data, (size_t)n, &err) < n)
				break;
		kiln_conn_close(conn);
	}
}
