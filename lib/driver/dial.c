/* SPDX-License-Identifier: Apache-2.0
 * From a host and a port to a connected socket. */
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "driver/driver.h"

/* 0, or the errno of the failure. */
static int finish_connect(int fd, kiln_time_ms deadline)
{
	const enum kiln_code rc = kiln_driver_wait(fd, POLLOUT, deadline, NULL);
	if (rc != KILN_OK)
		return rc == KILN_E_TIMEOUT ? ETIMEDOUT : EIO;
	int failed = 0;
	socklen_t len = sizeof failed;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) == 0 ? failed : errno;
}

/* A connected socket, or -1 with errno. */
static int try_address(const struct addrinfo *a, kiln_time_ms deadline)
{
	const int on = 1;
	const int fd =
	    socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, a->ai_protocol);
	if (fd < 0)
		return -1;
	int failed = 0;
	/* EINTR: a non-blocking connect goes on by itself all the same. */
	if (connect(fd, a->ai_addr, a->ai_addrlen) != 0)
		failed =
		    errno == EINPROGRESS || errno == EINTR ? finish_connect(fd, deadline) : errno;
	if (failed == 0) {
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		return fd;
	}
	(void)close(fd);
	errno = failed;
	return -1;
}

static enum kiln_code look_up(const char *host, const char *port, struct addrinfo **list,
			      struct kiln_error *err)
{
	/* Without AI_ADDRCONFIG, which hides loopback addresses on a machine without a network. */
	const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
	const int failed = getaddrinfo(host, port, &hints, list);
	if (failed == EAI_SYSTEM)
		return kiln_fail_errno(err, KILN_E_TARGET, errno, "%.100s cannot be looked up",
				       host);
	if (failed != 0)
		return kiln_fail(err, KILN_E_TARGET, "%.100s port %.20s cannot be looked up: %s",
				 host, port, gai_strerror(failed));
	return KILN_OK;
}

enum kiln_code kiln_driver_dial(const char *host, const char *port, kiln_time_ms deadline, int *fd,
				struct kiln_error *err)
{
	struct addrinfo *list = NULL;
	const enum kiln_code rc = look_up(host, port, &list, err);
	if (rc != KILN_OK)
		return rc;
	unsigned left = 0;
	for (const struct addrinfo *a = list; a != NULL; a = a->ai_next)
		left++;
	const unsigned count = left;
	int failed = 0;
	*fd = -1;
	/* Each address has its share of what is left, so that a silent one does not use up all. */
	for (const struct addrinfo *a = list; a != NULL && *fd < 0; a = a->ai_next, left--) {
		const kiln_time_ms now = kiln_driver_now();
		*fd = try_address(a, now + (deadline - now) / left);
		if (*fd < 0)
			failed = errno;
	}
	freeaddrinfo(list);
	if (*fd >= 0)
		return KILN_OK;
	return kiln_fail_errno(err, kiln_driver_now() >= deadline ? KILN_E_TIMEOUT : KILN_E_TARGET,
			       failed, "%.100s port %.20s cannot be reached (%u addresses tried)",
			       host, port, count);
}
