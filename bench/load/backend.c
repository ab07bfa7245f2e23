/* The plain TCP server behind the proxy: takes commands, gives answers (proto.h). */
#include "backend.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "proto.h"

#define EVENTS_AT_ONCE 256

struct peer {
	struct peer *next;
	struct peer **link; /* what points to this one */
	int fd;
	bool wants_out;
	struct proto_message msg;
	uint64_t off; /* in the request while it comes, in the answer while it goes */
};

static struct peer *peers;
static uint8_t buffer[256u * 1024u];
static volatile sig_atomic_t stopped;

static void on_signal(int sig)
{
	(void)sig;
	stopped = 1;
}

static void watch(int epoll, struct peer *p, int op, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = p};

	if (epoll_ctl(epoll, op, p->fd, &ev) < 0) {
		perror("kiln-load backend: epoll_ctl");
		exit(1);
	}
}

/* A reset, so that the client cannot take it for an ordinary end. */
static bool refuse(struct peer *p, const char *why)
{
	struct linger hard = {.l_onoff = 1, .l_linger = 0};

	(void)fprintf(stderr, "kiln-load backend: %s (command %llu, byte %llu)\n", why,
		      (unsigned long long)p->msg.header.seq, (unsigned long long)p->off);
	if (setsockopt(p->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)) < 0)
		perror("kiln-load backend: SO_LINGER");
	return false;
}

static size_t take_header(struct peer *p, const uint8_t *data, size_t len)
{
	size_t n = PROTO_HEADER_LEN - (size_t)p->off;

	if (n > len)
		n = len;
	memcpy((uint8_t *)&p->msg.header + p->off, data, n);
	p->off += n;
	return n;
}

/* false: the connection is to be dropped. */
static bool take(struct peer *p, const uint8_t *data, size_t len)
{
	if (p->msg.is_answer)
		return refuse(p, "a request came before the last was answered");
	if (p->off < PROTO_HEADER_LEN) {
		size_t n = take_header(p, data, len);

		data += n;
		len -= n;
		if (p->off < PROTO_HEADER_LEN)
			return true;
		if (!proto_header_ok(&p->msg.header))
			return refuse(p, "what came is not a request");
	}
	if (!proto_check(&p->msg, p->off, data, len))
		return refuse(p, "the request is not what the client sent");
	p->off += len;
	if (p->off == p->msg.header.request) {
		p->msg.is_answer = true;
		p->off = 0;
	}
	return true;
}

static bool answer(int epoll, struct peer *p)
{
	while (p->off < p->msg.header.answer) {
		size_t len;
		const void *data = proto_chunk(&p->msg, p->off, PROTO_RUN, &len);
		ssize_t sent = send(p->fd, data, len, MSG_NOSIGNAL);

		if (sent < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
			if (!p->wants_out)
				watch(epoll, p, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
			p->wants_out = true;
			return true;
		}
		if (sent < 0)
			return false;
		p->off += (uint64_t)sent;
	}
	if (p->wants_out)
		watch(epoll, p, EPOLL_CTL_MOD, EPOLLIN);
	p->wants_out = false;
	p->msg.is_answer = false;
	p->off = 0;
	return true;
}

/* One receive an event: the level-triggered poll brings us back when there is more. */
static bool serve(int epoll, struct peer *p, uint32_t events)
{
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		ssize_t got = recv(p->fd, buffer, sizeof(buffer), 0);

		if (got == 0 || (got < 0 && errno != EAGAIN))
			return false;
		if (got > 0 && !take(p, buffer, (size_t)got))
			return false;
	}
	return p->msg.is_answer ? answer(epoll, p) : true;
}

static void add_peer(int epoll, int fd)
{
	struct peer *p = calloc(1, sizeof(*p));

	if (!p) {
		perror("kiln-load backend: a new connection");
		exit(1);
	}
	p->fd = fd;
	p->next = peers;
	p->link = &peers;
	if (peers)
		peers->link = &p->next;
	peers = p;
	watch(epoll, p, EPOLL_CTL_ADD, EPOLLIN);
}

static void drop_peer(struct peer *p)
{
	*p->link = p->next;
	if (p->next)
		p->next->link = p->link;
	close(p->fd);
	free(p);
}

static void accept_all(int epoll, int listener)
{
	for (;;) {
		int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0) {
			if (errno != EAGAIN && errno != ECONNABORTED) {
				perror("kiln-load backend: accept");
				exit(1);
			}
			return;
		}
		net_nodelay(fd);
		add_peer(epoll, fd);
	}
}

static void loop(int epoll, int listener)
{
	struct epoll_event events[EVENTS_AT_ONCE];

	while (!stopped) {
		int n = epoll_wait(epoll, events, EVENTS_AT_ONCE, -1);

		for (int i = 0; i < n; i++) {
			struct peer *p = events[i].data.ptr;

			if (!p) {
				accept_all(epoll, listener);
			} else if (!serve(epoll, p, events[i].events)) {
				drop_peer(p);
			}
		}
	}
}

int backend_run(const struct load_options *opt)
{
	struct net_addr addr = opt->addr;
	struct sigaction stop = {.sa_handler = on_signal};
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = NULL};
	int epoll = epoll_create1(EPOLL_CLOEXEC);
	int listener = net_listen(&addr);

	if (listener < 0 || epoll < 0 || epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &ev) < 0) {
		perror("kiln-load backend: cannot listen");
		return 1;
	}
	if (sigaction(SIGTERM, &stop, NULL) < 0 || sigaction(SIGINT, &stop, NULL) < 0 ||
	    net_raise_fd_limit() == 0) {
		perror("kiln-load backend: set-up");
		return 1;
	}
	(void)printf("{\"port\": %u}\n", ntohs(addr.sin.sin_port));
	(void)fflush(stdout);
	loop(epoll, listener);
	for (struct peer *p = peers, *next; p; p = next) {
		next = p->next;
		close(p->fd);
		free(p);
	}
	close(listener);
	close(epoll);
	return 0;
}
