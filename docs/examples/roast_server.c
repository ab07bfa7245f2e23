/* A Roast server that sends back what it gets, to one AWS role; [development] as in roast_client.c.
 *	cc roast_server.c $(pkg-config --cflags --libs kiln) -o roast_server
 *	./roast_server 4433 arn:aws:iam::123456789012:role/Orders */
#include <kiln/roast.h>
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
	struct kiln_aws_role orders, own;
	struct kiln_error err = {.message = "usage: roast_server PORT ROLE [development]"};
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	const struct kiln_aws_options who = {.development_sts = argc == 4};
	const struct kiln_roast_conn_options options = {.aws = kiln_aws_open(&who, &err)};
	at.sin_port = htons((uint16_t)atoi(argv[1 % argc]));
	if (argc < 3 || options.aws == NULL || kiln_aws_role_parse(argv[2], &orders, &err) ||
	    kiln_aws_whoami(options.aws, 0, &own, NULL, &err))
		return fprintf(stderr, "roast_server: %s\n", err.message), 1;
	fprintf(stderr, "as account %s, role %s\n", own.account, own.name);
	if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 16))
		return perror("roast_server"), 1;
	while ((fd = accept(listener, NULL, NULL)) >= 0) {
		if (kiln_roast_accept(fd, &orders, 1, &options, &conn, &err) < 0) {
			fprintf(stderr, "roast_server: %s\n", err.message);
			close(fd);
			continue;
		}
		fprintf(stderr, "%s, %s\n", kiln_conn_role(conn)->session, kiln_conn_path(conn));
		while ((n = kiln_conn_read(conn, data, sizeof data, &err)) > 0)
			if (kiln_conn_write(conn, data, (size_t)n, &err) < n)
				break;
		kiln_conn_close(conn);
	}
}
