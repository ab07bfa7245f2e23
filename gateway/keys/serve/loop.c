/* SPDX-License-Identifier: Apache-2.0
 * A turn of the key server: what came, one commit, what goes out; see keyd.h. */
#include <errno.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "keys/serve/keyd.h"
#include "keys/serve/tokens.h"
#include "sandbox/sandbox.h"

#define EVENTS   256
#define CLOSE_MS 2000u  /* for the peer's close_notify */
#define PULSE_MS 60000u /* the longest sleep */

static uint64_t ms_of(clockid_t clock)
{
	struct timespec ts;
	(void)clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

struct kiln_keys_now kiln_keyd_clock(void)
{
	return (struct kiln_keys_now){.steady_ms = ms_of(CLOCK_MONOTONIC),
				      .unix_ms = ms_of(CLOCK_REALTIME)};
}

/* ---- descriptors ---------------------------------------------------------------------------- */

static enum kiln_code open_signals(struct kiln_keyd *keyd, struct kiln_error *err)
{
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN);
	keyd->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (keyd->signals < 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "cannot wait for signals");
	return KILN_OK;
}

/* What is no connection is told by the address of its field. */
static bool watch(struct kiln_keyd *keyd, int fd, void *what)
{
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
	return epoll_ctl(keyd->epoll, EPOLL_CTL_ADD, fd, &event) == 0;
}

enum kiln_code kiln_keyd_open(struct kiln_keyd *keyd, struct kiln_error *err)
{
	keyd->idle.wait_ms = keyd->options->idle_ms;
	keyd->fresh.wait_ms = keyd->options->login_ms < keyd->options->idle_ms
				  ? keyd->options->login_ms
				  : keyd->options->idle_ms;
	keyd->closing.wait_ms = CLOSE_MS;
	keyd->now = kiln_keyd_clock();
	if (open_signals(keyd, err) != KILN_OK)
		return err->code;
	keyd->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (keyd->epoll < 0 || !watch(keyd, keyd->signals, &keyd->signals) ||
	    !watch(keyd, kiln_handoff_fd(keyd->listener), &keyd->listener))
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "epoll cannot be opened");
	return KILN_OK;
}

static void end_all(struct kiln_keyd_queue *queue, const char *why)
{
	struct kiln_keyd_conn *next;
	for (struct kiln_keyd_conn *conn = queue->first; conn != NULL; conn = next) {
		next = conn->next;
		kiln_keyd_end(conn, why, NULL);
	}
}

void kiln_keyd_close(struct kiln_keyd *keyd)
{
	end_all(&keyd->fresh, "shutdown");
	end_all(&keyd->idle, "shutdown");
	end_all(&keyd->closing, NULL);
	(void)kiln_keyd_reap(keyd);
	kiln_handoff_close(keyd->listener);
	keyd->listener = NULL;
	if (keyd->epoll >= 0)
		(void)close(keyd->epoll);
	if (keyd->signals >= 0)
		(void)close(keyd->signals);
	keyd->epoll = keyd->signals = -1;
	kiln_keyd_sources_close(keyd);
}

static void commit(struct kiln_keyd *keyd)
{
	kiln_log_hold(); /* a line for each session */
	const bool kept = kiln_keys_server_commit(keyd->server, keyd->now);
	kiln_log_let_go();
	if (kept)
		keyd->counters.batches++;
	else
		keyd->counters.store_failures++;
}

/* ---- stopping ------------------------------------------------------------------------------- */

static void begin_stop(struct kiln_keyd *keyd)
{
	struct kiln_log_line line;
	const struct kiln_keys_server_count count = kiln_keys_server_count(keyd->server);
	if (keyd->stopping) {
		keyd->stop_at = keyd->now.steady_ms; /* asked twice: now */
		return;
	}
	keyd->stopping = true;
	keyd->stop_at = keyd->now.steady_ms + keyd->options->shutdown_ms;
	kiln_keys_server_wind_down(keyd->server);
	kiln_handoff_close(keyd->listener);
	keyd->listener = NULL;
	keyd->deaf = false;
	kiln_log_begin(&line, KILN_LOG_INFO, "stopping");
	kiln_log_u64(&line, "connections", keyd->conn_count);
	kiln_log_u64(&line, "sessions", count.sessions);
	kiln_log_u64(&line, "starting", count.starting);
	kiln_log_u64(&line, "open", count.open);
	kiln_log_end(&line);
}

/* An answer waits for its client to read. */
static bool is_sending(const struct kiln_keyd_queue *queue)
{
	const struct kiln_keyd_conn *conn = queue->first;
	while (conn != NULL && !conn->blocked)
		conn = conn->next;
	return conn != NULL;
}

/* Nothing is under way that a client waits for, or the time is over. */
static bool may_stop(const struct kiln_keyd *keyd)
{
	const struct kiln_keys_server_count count = kiln_keys_server_count(keyd->server);
	if (keyd->now.steady_ms >= keyd->stop_at)
		return true;
	return count.starting == 0 && count.open == 0 && !is_sending(&keyd->fresh) &&
	       !is_sending(&keyd->idle);
}

static void stop(struct kiln_keyd *keyd)
{
	kiln_keys_server_stop(keyd->server, keyd->now);
	keyd->stopped = true;
}

bool kiln_keyd_read_tokens(struct kiln_keyd *keyd, struct kiln_error *err)
{
	struct kiln_log_line line;
	uint64_t added;
	if (keyd->options->tokens == NULL)
		return true;
	if (kiln_keyd_tokens_load(keyd->options->tokens, keyd->store, kiln_keyd_clock().unix_ms,
				  &added, err) != KILN_OK)
		return false;
	kiln_log_begin(&line, KILN_LOG_INFO, "tokens");
	kiln_log_u64(&line, "added", added);
	kiln_log_end(&line);
	return true;
}

/* Between batches: what came before it in this turn is kept first. */
static void reload(struct kiln_keyd *keyd)
{
	struct kiln_error err = {0};
	struct kiln_log_line line;
	commit(keyd);
	if (!kiln_keyd_read_tokens(keyd, &err)) {
		kiln_keyd_log_error("reload_failed", &err);
		return;
	}
	kiln_log_begin(&line, KILN_LOG_INFO, "reloaded");
	kiln_log_end(&line);
}

static void on_signals(struct kiln_keyd *keyd)
{
	struct signalfd_siginfo info;
	while (read(keyd->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			begin_stop(keyd);
		else if (info.ssi_signo == SIGHUP)
			reload(keyd);
		else
			kiln_keyd_log_counters(keyd);
	}
}

/* ---- a turn --------------------------------------------------------------------------------- */

static uint64_t earliest(const struct kiln_keyd *keyd)
{
	uint64_t due = keyd->now.steady_ms + PULSE_MS;
	const uint64_t machine = kiln_keys_server_deadline(keyd->server);
	if (machine < due)
		due = machine;
	if (keyd->fresh.first != NULL && keyd->fresh.first->deadline < due)
		due = keyd->fresh.first->deadline;
	if (keyd->idle.first != NULL && keyd->idle.first->deadline < due)
		due = keyd->idle.first->deadline;
	if (keyd->closing.first != NULL && keyd->closing.first->deadline < due)
		due = keyd->closing.first->deadline;
	if (keyd->deaf && keyd->deaf_until < due)
		due = keyd->deaf_until;
	if (keyd->stopping && keyd->stop_at < due)
		due = keyd->stop_at;
	return due;
}

static int pause_ms(const struct kiln_keyd *keyd)
{
	const uint64_t due = earliest(keyd);
	if (keyd->more != NULL || due <= keyd->now.steady_ms)
		return 0;
	return (int)(due - keyd->now.steady_ms);
}

static void on_conn(struct kiln_keyd_conn *conn, uint32_t events)
{
	if (conn->ended)
		return;
	if (conn->blocked && (events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) != 0)
		kiln_keyd_push(conn);
	if (!conn->ended && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		kiln_keyd_readable(conn);
	/* Gone, and it did not take what it asked for. */
	if (!conn->ended && !conn->eof && (events & EPOLLHUP) != 0 && conn->keys != NULL &&
	    kiln_keys_conn_full(conn->keys))
		kiln_keyd_end(conn, kiln_code_name(KILN_E_TLS_TRUNCATED), NULL);
}

static void read_more(struct kiln_keyd *keyd)
{
	struct kiln_keyd_conn *conn = keyd->more, *next;
	keyd->more = NULL;
	for (; conn != NULL; conn = next) {
		next = conn->next_more;
		conn->more = false;
		if (!conn->ended)
			kiln_keyd_readable(conn);
	}
}

static void on_deadlines(struct kiln_keyd *keyd)
{
	const uint64_t now = keyd->now.steady_ms;
	while (keyd->fresh.first != NULL && keyd->fresh.first->deadline <= now)
		kiln_keyd_begin_close(keyd->fresh.first, "no_session");
	while (keyd->idle.first != NULL && keyd->idle.first->deadline <= now)
		kiln_keyd_begin_close(keyd->idle.first, "idle_timeout");
	while (keyd->closing.first != NULL && keyd->closing.first->deadline <= now)
		kiln_keyd_end(keyd->closing.first, NULL, NULL);
	if (keyd->deaf && keyd->deaf_until <= now)
		kiln_keyd_listen_again(keyd);
	if (kiln_keys_server_deadline(keyd->server) <= now)
		kiln_keys_server_tick(keyd->server, keyd->now);
}

static void push_ended(struct kiln_keyd *keyd)
{
	struct kiln_keyd_conn *conn = keyd->eofs, *next;
	keyd->eofs = NULL;
	for (; conn != NULL; conn = next) {
		next = conn->next_eof;
		kiln_keyd_push(conn);
	}
}

/* One commit for all that the turn brought; what it leads to goes out. */
static void settle(struct kiln_keyd *keyd)
{
	struct kiln_keys_conn *news;
	do {
		commit(keyd);
		while ((news = kiln_keys_server_ready(keyd->server)) != NULL)
			kiln_keyd_push(kiln_keys_conn_user(news));
		push_ended(keyd);
	} while (kiln_keyd_reap(keyd)); /* whose sessions ended with them */
}

/* A library asked for more than the sandbox gives, or somebody broke in. */
static void tell_refused(void)
{
	char call[KILN_SANDBOX_CALL];
	struct kiln_log_line line;
	while (kiln_sandbox_refused(call)) {
		kiln_log_begin(&line, KILN_LOG_WARNING, "keys_call_refused");
		kiln_log_str(&line, "call", call);
		kiln_log_end(&line);
	}
}

static enum kiln_code turn(struct kiln_keyd *keyd, struct kiln_error *err)
{
	struct epoll_event events[EVENTS];
	const int n = epoll_wait(keyd->epoll, events, EVENTS, pause_ms(keyd));
	keyd->now = kiln_keyd_clock();
	if (n < 0 && errno != EINTR)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "waiting failed");
	read_more(keyd);
	for (int i = 0; i < n; i++) {
		if (events[i].data.ptr == &keyd->signals)
			on_signals(keyd);
		else if (events[i].data.ptr == &keyd->listener)
			kiln_keyd_accept(keyd);
		else
			on_conn(events[i].data.ptr, events[i].events);
	}
	on_deadlines(keyd);
	tell_refused();
	settle(keyd);
	if (keyd->stopping && may_stop(keyd)) {
		stop(keyd);
		settle(keyd);
	}
	return KILN_OK;
}

enum kiln_code kiln_keyd_run(struct kiln_keyd *keyd, struct kiln_error *err)
{
	enum kiln_code rc = KILN_OK;
	keyd->ran = true;
	while (rc == KILN_OK && !keyd->stopped)
		rc = turn(keyd, err);
	return rc;
}
