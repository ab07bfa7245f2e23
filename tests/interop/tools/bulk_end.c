/* SPDX-License-Identifier: Apache-2.0
 * The connection of the transfer program; see bulk.h. */
#include "bulk.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define PATIENCE_S 120 /* without a byte: only a failing test takes so long */

static struct sockaddr_in parse(char *where)
{
	struct sockaddr_in address = {.sin_family = AF_INET};
	char *port = strrchr(where, ':');
	errno = EINVAL;
	if (port == NULL)
		bulk_die(where);
	*port++ = '\0';
	address.sin_port = htons((uint16_t)strtoul(port, NULL, 10));
	if (inet_pton(AF_INET, where, &address.sin_addr) != 1)
		bulk_die(where);
	return address;
}

static void set_patience(int fd)
{
	const struct timeval patience = {.tv_sec = PATIENCE_S};
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience) != 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) != 0)
		bulk_die("setsockopt");
}

void bulk_accept(struct end *end, char *where)
{
	struct sockaddr_in address = parse(where);
	socklen_t len = sizeof address;
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (listener < 0 || bind(listener, (const struct sockaddr *)&address, len) != 0 ||
	    listen(listener, 1) != 0 ||
	    getsockname(listener, (struct sockaddr *)&address, &len) != 0)
		bulk_die("listen");
	set_patience(listener);
	(void)printf("{\"event\":\"listening\",\"port\":%u}\n", ntohs(address.sin_port));
	(void)fflush(stdout);
	end->fd = accept(listener, NULL, NULL);
	if (end->fd < 0)
		bulk_die("accept");
	(void)close(listener);
	set_patience(end->fd);
}

void bulk_connect(struct end *end, char *where)
{
	const struct sockaddr_in address = parse(where);
	end->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (end->fd < 0)
		bulk_die("socket");
	set_patience(end->fd);
	if (connect(end->fd, (const struct sockaddr *)&address, sizeof address) != 0)
		bulk_die("connect");
}

void bulk_start_tls(struct end *end, const char *ca, const char *name)
{
	end->ctx = SSL_CTX_new(TLS_client_method());
	if (end->ctx == NULL || SSL_CTX_load_verify_file(end->ctx, ca) != 1 ||
	    SSL_CTX_set_min_proto_version(end->ctx, TLS1_3_VERSION) != 1)
		bulk_die(ca);
	SSL_CTX_set_verify(end->ctx, SSL_VERIFY_PEER, NULL);
	end->ssl = SSL_new(end->ctx);
	if (end->ssl == NULL || SSL_set_fd(end->ssl, end->fd) != 1 ||
	    SSL_set_tlsext_host_name(end->ssl, name) != 1 || SSL_set1_host(end->ssl, name) != 1)
		bulk_die("SSL_new");
	if (SSL_connect(end->ssl) != 1)
		bulk_die("TLS handshake");
}

void bulk_write(struct end *end, const uint8_t *data, size_t len)
{
	while (len > 0) {
		const ssize_t n = end->ssl != NULL ? SSL_write(end->ssl, data, (int)len)
						   : send(end->fd, data, len, MSG_NOSIGNAL);
		if (n <= 0)
			bulk_die("send");
		data += n;
		len -= (size_t)n;
	}
}

size_t bulk_read(struct end *end, uint8_t *data, size_t room)
{
	if (end->ssl == NULL) {
		const ssize_t n = recv(end->fd, data, room, 0);
		if (n < 0)
			bulk_die("receive");
		return (size_t)n;
	}
	const int n = SSL_read(end->ssl, data, (int)room);
	if (n <= 0 && SSL_get_error(end->ssl, n) != SSL_ERROR_ZERO_RETURN)
		bulk_die("receive");
	return n > 0 ? (size_t)n : 0;
}

void bulk_end(struct end *end)
{
	if (end->ssl != NULL && SSL_shutdown(end->ssl) < 0)
		bulk_die("close_notify");
	/* With TLS the FIN follows: both say that this half is over. */
	if (shutdown(end->fd, SHUT_WR) != 0)
		bulk_die("shutdown");
}

void bulk_close(struct end *end)
{
	SSL_free(end->ssl);
	SSL_CTX_free(end->ctx);
	(void)close(end->fd);
}
