/* SPDX-License-Identifier: Apache-2.0
 * The process's log: its configuration, its clock, its file descriptor. */
#include "log/sink.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log/log.h"

struct kiln_log_sink kiln_log_sink = {.minimum = KILN_LOG_INFO};

/* stderr is shared with whoever started us, so it cannot be made non-blocking: each kind of it has
 * its own way to ask for not waiting. */
static enum kiln_log_out kind_of_stderr(void)
{
	struct stat st;
	if (fstat(STDERR_FILENO, &st) != 0)
		return KILN_LOG_TO_FILE;
	if (S_ISSOCK(st.st_mode))
		return KILN_LOG_TO_SOCKET;
	return S_ISFIFO(st.st_mode) ? KILN_LOG_TO_PIPE : KILN_LOG_TO_FILE;
}

void kiln_log_configure(enum kiln_log_format format, enum kiln_log_level minimum, const char *key,
			const char *value)
{
	kiln_log_sink = (struct kiln_log_sink){
	    .format = format,
	    .minimum = minimum,
	    .key = key,
	    .value = value,
	    .out = kind_of_stderr(),
	};
}

bool kiln_log_wanted(enum kiln_log_level level)
{
	return level >= kiln_log_sink.minimum;
}

uint64_t kiln_log_dropped(void)
{
	return kiln_log_sink.dropped;
}

const char *kiln_log_level_name(enum kiln_log_level level)
{
	switch (level) {
	case KILN_LOG_DEBUG: return "debug";
	case KILN_LOG_INFO: return "info";
	case KILN_LOG_WARNING: return "warning";
	case KILN_LOG_ERROR: return "error";
	}
	return "unknown";
}

static ssize_t write_file(const struct iovec *line)
{
	return write(STDERR_FILENO, line->iov_base, line->iov_len);
}

static ssize_t write_socket(const struct iovec *line)
{
	return send(STDERR_FILENO, line->iov_base, line->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* A pipe that poll calls writable has a page free, which is as much as a line can need; but another
 * process may take it first. Before Linux 6.4, or under a filter that refuses the call (EPERM),
 * that has to be risked. */
static ssize_t write_pipe(const struct iovec *line)
{
	const ssize_t n = pwritev2(STDERR_FILENO, line, 1, -1, RWF_NOWAIT);
	if (n >= 0 || (errno != EOPNOTSUPP && errno != ENOSYS && errno != EPERM))
		return n;
	kiln_log_sink.out = KILN_LOG_TO_FILE;
	return write_file(line);
}

static ssize_t write_line(const struct iovec *line)
{
	switch (kiln_log_sink.out) {
	case KILN_LOG_TO_SOCKET: return write_socket(line);
	case KILN_LOG_TO_PIPE: return write_pipe(line);
	case KILN_LOG_TO_FILE: break;
	}
	return write_file(line);
}

bool kiln_log_write(const struct iovec *line)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
	if (poll(&p, 1, 0) != 1 || (p.revents & POLLOUT) == 0 || (p.revents & POLLERR) != 0)
		return false;
	ssize_t n;
	do
		n = write_line(line);
	while (n < 0 && errno == EINTR);
	return n == (ssize_t)line->iov_len;
}

void kiln_log_time(const struct timespec *time, char text[KILN_LOG_TIME_MAX])
{
	struct tm tm;
	size_t len = 0;
	if (gmtime_r(&time->tv_sec, &tm) != NULL)
		len = strftime(text, KILN_LOG_TIME_MAX, "%Y-%m-%dT%H:%M:%S", &tm);
	text[len] = '\0';
	(void)snprintf(text + len, KILN_LOG_TIME_MAX - len, ".%03uZ",
		       (unsigned)(time->tv_nsec / 1000000) % 1000);
}

bool kiln_log_limit_pass(struct kiln_log_limit *limit, uint64_t now_ms, uint64_t interval_ms,
			 uint64_t *suppressed)
{
	if (limit->started && now_ms - limit->last_ms < interval_ms) {
		limit->count++;
		return false;
	}
	*suppressed = limit->count;
	limit->started = true;
	limit->last_ms = now_ms;
	limit->count = 0;
	return true;
}
