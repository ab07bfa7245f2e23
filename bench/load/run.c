/* A run of the client: its connections, its clock and its event loop. */
#include "run.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
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

static bool is_paced(const struct run *run)
{
	return run->measuring && run->opt->rate > 0;
}

/* Of a rate: whether this phase will start more, be it late. */
static bool has_more(const struct run *run)
{
	return is_paced(run) && run->started < run->quota &&
	       (!run->deadline_ns || run->due_ns < run->deadline_ns);
}

bool run_may_start(struct run *run)
{
	const uint64_t now = cpu_now_ns();

	if (is_paced(run)) {
		if (!has_more(run) || now < run->due_ns)
			return false;
		run->begun_ns = run->due_ns;
		run->due_ns += (uint64_t)(1e9 / run->opt->rate);
	} else {
		if (run->started >= run->quota || (run->deadline_ns && now >= run->deadline_ns))
			return false;
		run->begun_ns = now;
	}
	run->started++;
	return true;
}

bool run_is_over(const struct run *run)
{
	return run->finished == run->started && !has_more(run);
}

int run_wait(struct run *run, struct epoll_event *events, int room)
{
	uint64_t wait_ns = (uint64_t)(run->opt->timeout * 1e9);
	const uint64_t now = cpu_now_ns();
	const bool due = has_more(run) && run->started - run->finished < run->opt->conns;

	if (due)
		wait_ns = run->due_ns > now ? run->due_ns - now : 0;
	const struct timespec limit = {.tv_sec = (time_t)(wait_ns / 1000000000u),
				       .tv_nsec = (long)(wait_ns % 1000000000u)};
	const int n = epoll_pwait2(run->epoll, events, room, &limit, NULL);

	if (n < 0 && errno != EINTR)
		run->error = strerror(errno);
	if (n == 0 && !due)
		run->error = "no progress (see --timeout): the proxy holds data or an end back";
	return n < 0 ? 0 : n;
}

void run_start_due(struct run *run, void (*open)(struct run *run, struct conn *c))
{
	for (size_t i = 0; is_paced(run) && i < run->opt->conns && !run->error; i++) {
		if (!has_more(run) || cpu_now_ns() < run->due_ns)
			return;
		if (run->conns[i].fd < 0)
			open(run, &run->conns[i]);
	}
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

bool run_loop(struct run *run, run_handler handler, bool (*enough)(struct run *run))
{
	struct epoll_event events[EVENTS_AT_ONCE];

	while (!run->error && !enough(run)) {
		const int n = run_wait(run, events, EVENTS_AT_ONCE);

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
	run->due_ns = run->before.wall_ns;
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
