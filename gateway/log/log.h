/* SPDX-License-Identifier: Apache-2.0
 *
 * One line per event on stderr, as key=value or JSON, each by a single call:
 *
 *   struct kiln_log_line l;
 *   kiln_log_begin(&l, KILN_LOG_INFO, "listen");
 *   kiln_log_str(&l, "address", text);
 *   kiln_log_end(&l);
 *
 * No allocation. Values may come from a peer: whatever bytes they hold, they cannot end the line,
 * start another field or break the JSON. Keys and event names are the program's own.
 *
 * Whoever reads stderr and stalls must not stall connections: a line that cannot be written at once
 * is dropped, and the next one that gets through says how many were (log_dropped). One thread per
 * process logs.
 */
#ifndef KILN_LOG_LOG_H
#define KILN_LOG_LOG_H

#include <time.h>

#include <kiln/error.h>

#include "log/level.h"

/* Longest line, its newline included: what a pipe takes in one piece (PIPE_BUF on Linux). */
#define KILN_LOG_LINE_MAX 4096u

/* Longest value as written, so that one from a peer cannot push the other fields out. */
#define KILN_LOG_VALUE_MAX 512u

struct kiln_log_line {
	bool wanted;    /* its level is logged; otherwise every call does nothing */
	bool truncated; /* something did not fit: the line says log_truncated=true at its end */
	size_t len;
	size_t limit; /* how far fields may go */
	char text[KILN_LOG_LINE_MAX];
};

/* Set once at start and again after fork, or when stderr has become another. key and value (such as
 * "worker" and "3") come first in every line; NULL for none. They are not copied. */
void kiln_log_configure(enum kiln_log_format format, enum kiln_log_level minimum, const char *key,
			const char *value);

const char *kiln_log_level_name(enum kiln_log_level level);

/* True when lines of that level are logged: for values that are costly to find. */
bool kiln_log_wanted(enum kiln_log_level level);

void kiln_log_begin(struct kiln_log_line *l, enum kiln_log_level level, const char *event);

/* Text; NULL leaves the field out. */
void kiln_log_str(struct kiln_log_line *l, const char *key, const char *value);
/* Text that has no NUL at its end, or has some inside. */
void kiln_log_bytes(struct kiln_log_line *l, const char *key, const void *data, size_t len);
void kiln_log_u64(struct kiln_log_line *l, const char *key, uint64_t value);
void kiln_log_i64(struct kiln_log_line *l, const char *key, int64_t value);
void kiln_log_bool(struct kiln_log_line *l, const char *key, bool value);
/* Milliseconds with three decimals, from microseconds. */
void kiln_log_ms(struct kiln_log_line *l, const char *key, uint64_t microseconds);
/* Bytes in hexadecimal; longer ones than half of KILN_LOG_VALUE_MAX are cut. */
void kiln_log_hex(struct kiln_log_line *l, const char *key, const void *data, size_t len);
/* code=, error= and, where there is one, alert=. */
void kiln_log_error(struct kiln_log_line *l, const struct kiln_error *err);

/* Ends the line and writes it to stderr. */
void kiln_log_end(struct kiln_log_line *l);

/* From hold to let_go lines may wait for each other, to be written by one call. For a few moments
 * only: what waits is lost with the process. Where stderr is a socket they do not. */
void kiln_log_hold(void);
void kiln_log_let_go(void);

/* Ends the line without writing it; *len includes the newline. For tests. */
const char *kiln_log_finish(struct kiln_log_line *l, size_t *len);

/* Lines dropped since the last one that got through. */
uint64_t kiln_log_dropped(void);

/* "2026-01-31T23:59:59.999Z" */
#define KILN_LOG_TIME_MAX 32u
void kiln_log_time(const struct timespec *time, char text[KILN_LOG_TIME_MAX]);

/* ------------------------------------------------------------------ repeated warnings */

/* Lets one event through per interval and counts the others. All zero at the start. */
struct kiln_log_limit {
	bool started;
	uint64_t last_ms; /* when one was let through */
	uint64_t count;   /* suppressed since */
};

/* True when the event at now_ms (any clock that does not go back) may be logged; *suppressed then
 * tells how many were not since the last one. */
bool kiln_log_limit_pass(struct kiln_log_limit *limit, uint64_t now_ms, uint64_t interval_ms,
			 uint64_t *suppressed);

#endif
