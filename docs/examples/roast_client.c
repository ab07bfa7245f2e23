/* A Roast client: says which AWS role the server has, sends standard input, prints the answer.
 *	cc roast_client.c $(pkg-config --cflags --libs kiln) -o roast_client
 *	echo 'hello, world' | ./roast_client localhost 4433 arn:aws:iam::123456789012:role/Ledger
 * Its own role comes from the environment, the shared files, the container or the instance. With
 * "development" as fourth argument AWS_ENDPOINT_URL_STS may be `kiln sts`. */
#include <kiln/roast.h>
#include <stdio.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	char data[16384];
	ssize_t n;
	struct kiln_conn *conn;
	struct kiln_aws_role ledger;
	struct kiln_error err = {.message = "usage: roast_client HOST PORT ROLE [development]"};
	const struct kiln_aws_options who = {.development_sts = argc == 5};
	struct kiln_aws *aws = kiln_aws_open(&who, &err);
	const struct kiln_roast_conn_options options = {.aws = aws};
	if (argc < 4 || aws == NULL || kiln_aws_role_parse(argv[3], &ledger, &err) != KILN_OK ||
	    kiln_roast_connect(argv[1], argv[2], &ledger, 1, &options, &conn, &err) < 0)
		return fprintf(stderr, "roast_client: %s\n", err.message), 1;
	const struct kiln_roast_peer *peer = kiln_conn_role(conn);
	fprintf(stderr, "account %s, role %s, session %s, path %s %s\n", peer->role.account,
		peer->role.name, peer->session, kiln_conn_path(conn), kiln_conn_path_reason(conn));
	while ((n = read(STDIN_FILENO, data, sizeof data)) > 0 && err.code == KILN_OK)
		(void)!kiln_conn_write(conn, data, (size_t)n, &err);
	kiln_conn_shutdown_write(conn, &err);
	while ((n = kiln_conn_read(conn, data, sizeof data, &err)) > 0)
		fwrite(data, 1, (size_t)n, stdout);
	if (n < 0)
		fprintf(stderr, "roast_client: %s\n", err.message);
	kiln_conn_close(conn);
	kiln_aws_close(aws);
	return n == 0 ? 0 : 1;
}
