/* SPDX-License-Identifier: Apache-2.0
 * The loop of the development STS; see server.h. */
#include "sts/server.h"

#include <poll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "log/log.h"

#define CONNECTIONS_MAX 4096u
#define OTHER_FILES     64u /* that are open besides */
#define IDLE_SECONDS    60u
#define STOP_US         (UINT64_C(5) * 1000000) /* for what is under way at SIGTERM */

/* As many as there are descriptors for: libmicrohttpd does not take it well when they run out. */
static unsigned connections_max(void)
{
	const rlim_t want = CONNECTIONS_MAX + OTHER_FILES;
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) != 0)
		return CONNECTIONS_MAX / 4;
	if (files.rlim_cur < want) {
		files.rlim_cur = files.rlim_max < want ? files.rlim_max : want;
		(void)setrlimit(RLIMIT_NOFILE, &files);
		(void)getrlimit(RLIMIT_NOFILE, &files);
	}
	if (files.rlim_cur >= want)
		return CONNECTIONS_MAX;
	return files.rlim_cur > (rlim_t)2 * OTHER_FILES ? (unsigned)files.rlim_cur - OTHER_FILES
							: OTHER_FILES;
}

enum kiln_code kiln_stsd_server_start(struct kiln_stsd_server *server, int listener,
				      struct kiln_error *err)
{
	enum kiln_code code = kiln_mhd_load(err);
	if (code != KILN_OK) {
		(void)close(listener);
		return code;
	}
	const unsigned connections = connections_max();
	server->waiting_max = connections / 4 * 3;
	server->daemon = kiln_mhd.start_daemon(
	    MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, kiln_stsd_exchange_step,
	    server, MHD_OPTION_LISTEN_SOCKET, listener, MHD_OPTION_URI_LOG_CALLBACK,
	    kiln_stsd_exchange_begin, server, MHD_OPTION_NOTIFY_COMPLETED, kiln_stsd_exchange_end,
	    server, MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT,
	    IDLE_SECONDS, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)65536, MHD_OPTION_END);
	if (server->daemon == NULL) {
		(void)close(listener);
		return kiln_fail(err, KILN_E_SYSTEM, "libmicrohttpd cannot start");
	}
	return KILN_OK;
}

/* ------------------------------------------------------------------ waiting */

/* Answers whose time has come. */
static void resume_due(struct kiln_stsd_server *server, uint64_t now_us)
{
	struct kiln_stsd_exchange *next;
	for (struct kiln_stsd_exchange *x = server->waiting; x != NULL; x = next) {
		next = x->next;
		if (x->due_us <= now_us)
			kiln_stsd_exchange_resume(x);
	}
}

/* Nobody waits for those that would hang, or that are not due, any more. */
static void drop_waiting(struct kiln_stsd_server *server, uint64_t due_after_us)
{
	struct kiln_stsd_exchange *next;
	for (struct kiln_stsd_exchange *x = server->waiting; x != NULL; x = next) {
		next = x->next;
		if (x->due_us > due_after_us)
			kiln_stsd_exchange_drop(x);
	}
}

/* Milliseconds until something is to be done, rounded up; -1: nothing is. */
static int pause_ms(const struct kiln_stsd_server *server, uint64_t until_us)
{
	MHD_UNSIGNED_LONG_LONG library;
	uint64_t first = until_us, now = kiln_stsd_now_us(), ms;
	if (server->resumed) /* in the last turn: get_timeout does not know */
		return 0;
	for (const struct kiln_stsd_exchange *x = server->waiting; x != NULL; x = x->next)
		if (x->due_us < first)
			first = x->due_us;
	ms = first == UINT64_MAX ? UINT64_MAX : first <= now ? 0 : (first - now + 999) / 1000;
	if (kiln_mhd.get_timeout(server->daemon, &library) == MHD_YES && library < ms)
		ms = library;
	if (ms == UINT64_MAX)
		return -1;
	return ms > 60000 ? 60000 : (int)ms;
}

/* ------------------------------------------------------------------ the loop */

static void begin_stop(struct kiln_stsd_server *server, uint64_t until_us)
{
	struct kiln_log_line l;
	server->stopping = true;
	const MHD_socket listener = kiln_mhd.quiesce_daemon(server->daemon);
	if (listener != MHD_INVALID_SOCKET)
		(void)close(listener);
	drop_waiting(server, until_us);
	kiln_log_begin(&l, KILN_LOG_INFO, "stopping");
	kiln_log_u64(&l, "connections", server->open);
	kiln_log_end(&l);
}

void kiln_stsd_server_run(struct kiln_stsd_server *server, int signal_fd)
{
	uint64_t until_us = UINT64_MAX;
	const union MHD_DaemonInfo *info =
	    kiln_mhd.get_daemon_info(server->daemon, MHD_DAEMON_INFO_EPOLL_FD);
	struct pollfd fds[2] = {{.fd = info->epoll_fd, .events = POLLIN},
				{.fd = signal_fd, .events = POLLIN}};
	for (;;) {
		(void)poll(fds, 2, pause_ms(server, until_us));
		struct signalfd_siginfo came;
		const uint64_t now = kiln_stsd_now_us();
		if (read(signal_fd, &came, sizeof came) == (ssize_t)sizeof came) {
			/* The second one means at once. */
			until_us = server->stopping ? now : now + STOP_US;
			if (!server->stopping)
				begin_stop(server, until_us);
		}
		server->resumed = false;
		resume_due(server, now);
		(void)kiln_mhd.run(server->daemon);
		if (server->stopping && (server->open == 0 || kiln_stsd_now_us() >= until_us))
			return;
	}
}

void kiln_stsd_server_stop(struct kiln_stsd_server *server)
{
	if (server->daemon == NULL)
		return;
	drop_waiting(server, 0);
	(void)kiln_mhd.run(server->daemon); /* it wants nothing suspended when it ends */
	kiln_mhd.stop_daemon(server->daemon);
	server->daemon = NULL;
}
