/* A TLS 1.3 client: says who the server is, sends standard input, prints the answer.
 *	cc tls_client.c $(pkg-config --cflags --libs kiln) -o tls_client
 *	kiln certs --out pki
 *	openssl s_server -rev -accept 4433 -cert pki/server.pem -key pki/server.key &
 *	echo 'hello, world' | ./tls_client localhost 4433 pki/ca.pem */
#include <kiln/conn.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char data[16384];
	ssize_t n;
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	const char *host = argc > 2 ? argv[1] : "localhost";
	const struct kiln_tls_files files = {.ca = argc > 3 ? argv[3] : NULL};
	const struct kiln_tls_options options = {
	    .role = KILN_CLIENT,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .server_name = host, /* to ask for, */
	    .verify_name = host, /* and to find in the certificate */
	};
	struct kiln_tls_config *config = kiln_tls_config_load(&options, &files, &err);
	if (config == NULL ||
	    kiln_tls_connect(config, host, argc > 2 ? argv[2] : "443", NULL, &conn, &err) < 0)
		return fprintf(stderr, "tls_client: %s\n", err.message), 1;
	fprintf(stderr, "%s, %s, path %s %s\n", kiln_conn_peer(conn)->name, kiln_conn_cipher(conn),
		kiln_conn_path(conn), kiln_conn_path_reason(conn));
	while ((n = read(STDIN_FILENO, data, sizeof data)) > 0 && err.code == KILN_OK)
		(void)!kiln_conn_write(conn, data, (size_t)n, &err);
	kiln_conn_shutdown_write(conn, &err);
	while ((n = kiln_conn_read(conn, data, sizeof data, &err)) > 0)
		fwrite(data, 1, (size_t)n, stdout);
	if (n < 0)
		fprintf(stderr, "tls_client: %s\n", err.message);
	kiln_conn_close(conn);
	kiln_tls_config_unref(config);
	return n == 0 ? 0 : 1;
}
