/* SPDX-License-Identifier: Apache-2.0
 * Loopback TCP pairs for the probes. */
#include "doctor/loopback.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static int close_keeping_errno(int fd)
{
	int saved = errno;

	(void)close(fd);
	errno = saved;
	return -1;
}

static int listen_on(const struct sockaddr *addr, socklen_t len)
{
	int fd = socket(addr->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -1;
	if (bind(fd, addr, len) != 0 || listen(fd, 8) != 0)
		return close_keeping_errno(fd);
	return fd;
}

int kiln_loopback_listen(void)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
	int fd = listen_on((const struct sockaddr *)&v4, sizeof v4);

	return fd >= 0 ? fd : listen_on((const struct sockaddr *)&v6, sizeof v6);
}

bool kiln_loopback_readable(int fd)
{
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	int n;

	do
		n = poll(&wait, 1, KILN_LOOPBACK_WAIT_MS);
	while (n < 0 && errno == EINTR);
	if (n == 0)
		errno = ETIMEDOUT;
	return n > 0;
}

int kiln_loopback_connect(int listener)
{
	struct sockaddr_storage addr = {0};
	socklen_t len = sizeof addr;

	if (getsockname(listener, (struct sockaddr *)&addr, &len) != 0)
		return -1;
	int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&addr, len) != 0)
		return close_keeping_errno(fd);
	return fd;
}

int kiln_loopback_pair(int fds[2])
{
	int listener = kiln_loopback_listen();

	if (listener < 0)
		return -1;
	fds[0] = kiln_loopback_connect(listener);
	if (fds[0] < 0)
		return close_keeping_errno(listener);
	fds[1] =
	    kiln_loopback_readable(listener) ? accept4(listener, NULL, NULL, SOCK_CLOEXEC) : -1;
	if (fds[1] < 0)
		(void)close_keeping_errno(fds[0]);
	(void)close_keeping_errno(listener);
	return fds[1] < 0 ? -1 : 0;
}
