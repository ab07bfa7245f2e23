/* Loopback addresses and sockets of the load generator. */
#include "net.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

int net_parse(const char *text, struct net_addr *addr)
{
	char host[64];
	const char *colon = strrchr(text, ':');
	char *end;

	if (!colon || (size_t)(colon - text) >= sizeof(host))
		return 0;
	memcpy(host, text, (size_t)(colon - text));
	host[colon - text] = '\0';
	unsigned long port = strtoul(colon + 1, &end, 10);
	if (end == colon + 1 || *end || port > 65535)
		return 0;
	memset(addr, 0, sizeof(*addr));
	addr->sin.sin_family = AF_INET;
	addr->sin.sin_port = htons((uint16_t)port);
	return inet_pton(AF_INET, host, &addr->sin.sin_addr) == 1;
}

static int close_keeping_errno(int fd)
{
	int saved = errno;

	close(fd);
	errno = saved;
	return -1;
}

int net_listen(struct net_addr *addr)
{
	socklen_t len = sizeof(addr->sin);
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    bind(fd, (struct sockaddr *)&addr->sin, sizeof(addr->sin)) < 0 ||
	    listen(fd, 4096) < 0 || getsockname(fd, (struct sockaddr *)&addr->sin, &len) < 0)
		return close_keeping_errno(fd);
	return fd;
}

uint32_t net_parse_host(const char *text)
{
	struct in_addr addr;

	return inet_pton(AF_INET, text, &addr) == 1 ? ntohl(addr.s_addr) : 0;
}

static int bind_source(int fd, uint32_t from)
{
	const struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(from)};
	int one = 1;

	/* The port is chosen when the peer is known: else there are too few of them. */
	if (setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof(one)) < 0)
		return -1;
	return bind(fd, (const struct sockaddr *)&sin, sizeof(sin));
}

int net_connect(const struct net_addr *addr, uint32_t from)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	net_nodelay(fd);
	if (from && bind_source(fd, from) < 0)
		return close_keeping_errno(fd);
	if (connect(fd, (const struct sockaddr *)&addr->sin, sizeof(addr->sin)) < 0 &&
	    errno != EINPROGRESS)
		return close_keeping_errno(fd);
	return fd;
}

int net_connect_result(int fd)
{
	int err = 0;
	socklen_t len = sizeof(err);

	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0 ? errno : err;
}

void net_nodelay(int fd)
{
	int one = 1;

	/* Nagle's rule would add its own delays to requests; a socket that is not TCP has none. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		perror("TCP_NODELAY");
}

unsigned long net_raise_fd_limit(void)
{
	struct rlimit lim;

	if (getrlimit(RLIMIT_NOFILE, &lim) < 0)
		return 0;
	lim.rlim_cur = lim.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &lim) < 0)
		return 0;
	return (unsigned long)lim.rlim_cur;
}
