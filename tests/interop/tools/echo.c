/* SPDX-License-Identifier: Apache-2.0
 * A plain echo server for thousands of connections: one thread, epoll, one buffer per connection.
 *
 *   interop_echo HOST PORT | unix:PATH     prints "listening PORT" and serves until it is killed
 *
 * It ends a connection's sending side when the other side has ended and everything is echoed. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BUFFER_SIZE 16384u

struct conn {
	int fd;
	bool ended;
	uint32_t have, sent; /* of buffer */
	uint8_t buffer[BUFFER_SIZE];
};

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static int listen_unix(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	(void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
	if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) != 0 ||
	    listen(fd, 65535) != 0)
		die(path);
	return fd;
}

static int listen_tcp(const char *host, const char *port)
{
	struct sockaddr_in6 six = {.sin6_family = AF_INET6};
	struct sockaddr_in four = {.sin_family = AF_INET};
	const uint16_t number = htons((uint16_t)atoi(port));
	const bool is_six = inet_pton(AF_INET6, host, &six.sin6_addr) == 1;
	const int on = 1;
	if (!is_six && inet_pton(AF_INET, host, &four.sin_addr) != 1)
		die(host);
	six.sin6_port = four.sin_port = number;
	const int fd =
	    socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
	    bind(fd, is_six ? (void *)&six : (void *)&four, is_six ? sizeof six : sizeof four) !=
		0 ||
	    listen(fd, 65535) != 0)
		die("listen");
	return fd;
}

static int port_of(int fd)
{
	struct sockaddr_in6 address = {0}; /* the port is in the same place for both families */
	socklen_t len = sizeof address;
	if (getsockname(fd, (struct sockaddr *)&address, &len) != 0)
		die("getsockname");
	return address.sin6_family == AF_UNIX ? 0 : ntohs(address.sin6_port);
}

static void accept_all(int epoll, int listener)
{
	for (;;) {
		const int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (fd < 0)
			return;
		const int on = 1;
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
		struct conn *conn = calloc(1, sizeof *conn);
		if (conn == NULL)
			die("calloc");
		conn->fd = fd;
		struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET,
					    .data.ptr = conn};
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) != 0)
			die("epoll_ctl");
	}
}

/* False when the connection is over. */
static bool pump(struct conn *conn)
{
	for (;;) {
		while (conn->sent < conn->have) {
			const ssize_t n = send(conn->fd, conn->buffer + conn->sent,
					       conn->have - conn->sent, MSG_NOSIGNAL);
			if (n < 0)
				return errno == EAGAIN;
			conn->sent += (uint32_t)n;
		}
		conn->have = conn->sent = 0;
		if (conn->ended) {
			(void)shutdown(conn->fd, SHUT_WR);
			return false;
		}
		const ssize_t n = recv(conn->fd, conn->buffer, sizeof conn->buffer, 0);
		if (n < 0)
			return errno == EAGAIN;
		if (n == 0)
			conn->ended = true;
		conn->have = (uint32_t)n;
	}
}

static void serve(int listener)
{
	static struct epoll_event events[512];
	const int epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
	if (epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &event) != 0)
		die("epoll");
	for (;;) {
		const int n = epoll_wait(epoll, events, 512, -1);
		for (int i = 0; i < n; i++) {
			struct conn *conn = events[i].data.ptr;
			if (conn == NULL) {
				accept_all(epoll, listener);
			} else if (!pump(conn)) {
				(void)close(conn->fd);
				free(conn);
			}
		}
	}
}

int main(int argc, char **argv)
{
	struct rlimit limit;
	if (argc < 2 || (argc < 3 && strncmp(argv[1], "unix:", 5) != 0)) {
		(void)fprintf(stderr, "usage: interop_echo HOST PORT | unix:PATH\n");
		return 2;
	}
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
	const int listener = argc < 3 ? listen_unix(argv[1] + 5) : listen_tcp(argv[1], argv[2]);
	(void)printf("listening %d\n", port_of(listener));
	(void)fflush(stdout);
	serve(listener);
}
