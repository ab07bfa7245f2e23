/*
 * Flood mode: strangers. Each of the slots connects, sends the same bytes (but for some digits,
 * when that is wanted), waits until the proxy has had enough of it, and begins again. Who gets an
 * answer was no stranger: that is an error.
 */
#include "run.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MAX    (1u << 20)
#define DIGITS         64u
#define EVENTS_AT_ONCE 256

static char message[MESSAGE_MAX];
static size_t message_len;

static bool read_message(struct run *run)
{
	FILE *file = fopen(run->opt->send, "rb");

	if (file) {
		message_len = fread(message, 1, sizeof(message), file);
		(void)fclose(file);
	}
	if (message_len == 0 || (run->opt->vary && run->opt->vary + DIGITS > message_len))
		run->error = "--send: cannot be read, or has no digits at --vary";
	return !run->error;
}

/* Digits that belong to this connection: the same however often it is asked for them. */
static void put_digits(const struct run *run, const struct conn *c)
{
	uint64_t x = c->start_ns * UINT64_C(0x9e3779b97f4a7c15) | 1;

	for (size_t i = 0; run->opt->vary && i < DIGITS; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		message[run->opt->vary + i] = "0123456789abcdef"[x >> 60];
	}
}

static void open_next(struct run *run, struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.ptr = c};
	uint32_t from = run->opt->from;

	if (!run_may_start(run))
		return;
	c->off = 0;
	c->start_ns = run->begun_ns;
	if (from)
		from += (uint32_t)(run->started % run->opt->sources);
	c->fd = net_connect(&run->opt->addr, from);
	if (c->fd < 0 || epoll_ctl(run->epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0)
		run->error = strerror(errno);
}

static void close_and_go_on(struct run *run, struct conn *c, bool reset)
{
	if (run->measuring)
		samples_add(&run->latency, cpu_now_ns() - c->start_ns);
	run->resets += reset;
	run->finished++;
	(void)close(c->fd);
	c->fd = -1;
	open_next(run, c);
}

static void step(struct run *run, struct conn *c)
{
	char answer[256];

	while (c->off < message_len) {
		put_digits(run, c);
		ssize_t n = send(c->fd, message + c->off, message_len - c->off, MSG_NOSIGNAL);

		if (n < 0 && (errno == EAGAIN || errno == EINPROGRESS))
			break;
		if (n < 0) /* refused before the end: the rest is for nobody */
			c->off = message_len;
		else
			c->off += (uint64_t)n;
	}
	ssize_t n = recv(c->fd, answer, sizeof(answer), 0);

	if (n > 0)
		run->error = "the proxy has answered what it must refuse";
	else if (n == 0)
		close_and_go_on(run, c, false);
	else if (errno == ECONNRESET || errno == EPIPE)
		close_and_go_on(run, c, true);
	else if (errno != EAGAIN)
		run->error = strerror(errno);
}

static bool go(struct run *run)
{
	struct epoll_event events[EVENTS_AT_ONCE];

	for (size_t i = 0; i < run->opt->conns && !run->error; i++)
		open_next(run, &run->conns[i]);
	while (!run->error && !run_is_over(run)) {
		run_start_due(run, open_next);
		const int n = run_wait(run, events, EVENTS_AT_ONCE);

		for (int i = 0; i < n && !run->error; i++)
			step(run, events[i].data.ptr);
	}
	return !run->error;
}

bool run_flood(struct run *run)
{
	run->quota = run->opt->warmup;
	return read_message(run) && go(run) && run_begin_measure(run) && go(run) &&
	       run_end_measure(run);
}
