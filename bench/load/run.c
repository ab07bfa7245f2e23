/* A run of the client: its connections, its clock and its event loop. */
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 256

bool run_init(struct run *run, const struct load_options *opt)
{
	memset(run, 0, sizeof(*run));
	run->opt = opt;
	run->epoll = -1;
	if (net_raise_fd_limit() < opt->conns + 16) {
		run->error = "fewer file descriptors allowed than connections wanted (ulimit -n)";
		return false;
	}
	if (!opt->plain) {
		run->tls = conn_tls_context(opt);
		if (!run->tls) {
			run->error = "TLS cannot be set up";
			return false;
		}
	}
	run->epoll = epoll_create1(EPOLL_CLOEXEC);
	run->conns = calloc(opt->conns, sizeof(*run->conns));
	if (run->epoll < 0 || !run->conns) {
		run->error = "no memory or no epoll";
		return false;
	}
	for (size_t i = 0; i < opt->conns; i++)
		run->conns[i].fd = -1;
	return true;
}

void run_free(struct run *run)
{
	for (size_t i = 0; run->conns && i < run->opt->conns; i++)
		conn_free(&run->conns[i]);
	free(run->conns);
	samples_free(&run->latency);
	SSL_CTX_free(run->tls);
	if (run->epoll >= 0)
		close(run->epoll);
}

bool run_open(struct run *run, struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				 .data.ptr = c};

	if (!conn_open(c, &run->opt->addr, run->tls, run->opt->server_name)) {
		run->error = c->error;
		return false;
	}
	if (epoll_ctl(run->epoll, EPOLL_CTL_ADD, c->fd, &ev) < 0) {
		run->error = strerror(errno);
		return false;
	}
	return true;
}

void run_command(struct run *run, struct conn *c, bool verify)
{
	conn_command(c, ++run->seq, run->opt->request, run->opt->answer, verify);
}

bool run_may_start(struct run *run)
{
	if (run->started >= run->quota)
		return false;
	if (run->deadline_ns && cpu_now_ns() >= run->deadline_ns)
		return false;
	run->started++;
	return true;
}

static void note_parameters(struct run *run, const struct conn *c)
{
	if (run->cipher[0] || !c->ssl || !SSL_is_init_finished(c->ssl))
		return;
	const char *group = SSL_group_to_name(c->ssl, (int)SSL_get_negotiated_group(c->ssl));

	strncpy(run->cipher, SSL_get_cipher_name(c->ssl), sizeof(run->cipher) - 1);
	strncpy(run->group, group ? group : "?", sizeof(run->group) - 1);
}

void run_drive(struct run *run, struct conn *c, run_handler handler)
{
	do {
		conn_step(c);
		if (c->state == CONN_FAILED) {
			run->error = c->error;
			return;
		}
		note_parameters(run, c);
	} while (handler(run, c) && !run->error);
}

bool run_loop(struct run *run, run_handler handler, bool (*enough)(const struct run *run))
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int timeout_ms = (int)(run->opt->timeout * 1000);

	while (!run->error && !enough(run)) {
		int n = epoll_wait(run->epoll, events, EVENTS_AT_ONCE, timeout_ms);

		if (n < 0 && errno != EINTR)
			run->error = strerror(errno);
		if (n == 0)
			run->error = "no progress (see --timeout): the proxy holds data back";
		for (int i = 0; i < n && !run->error; i++)
			run_drive(run, events[i].data.ptr, handler);
	}
	return !run->error;
}

bool run_begin_measure(struct run *run)
{
	const struct load_options *opt = run->opt;

	run->started = 0;
	run->finished = 0;
	run->measuring = true;
	run->quota = opt->count ? opt->count : UINT64_MAX;
	if (!cpu_sample_start(opt->groups_cpu, opt->group_count, &run->before)) {
		run->error = "a measured process is gone before the measurement";
		return false;
	}
	if (opt->seconds > 0)
		run->deadline_ns = run->before.wall_ns + (uint64_t)(opt->seconds * 1e9);
	return true;
}

bool run_end_measure(struct run *run)
{
	run->measuring = false;
	if (cpu_sample_end(run->opt->groups_cpu, run->opt->group_count, &run->after))
		return true;
	run->error = "a measured process died during the measurement";
	return false;
}
