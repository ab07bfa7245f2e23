/* SPDX-License-Identifier: Apache-2.0
 *
 * How the process logs, and the way out: between log.c and sink.c only.
 */
#ifndef KILN_LOG_SINK_H
#define KILN_LOG_SINK_H

#include <sys/uio.h>

#include <kiln/error.h>

#include "log/log.h"

/* What stderr is, as far as it matters for not waiting there. */
enum kiln_log_out {
	KILN_LOG_TO_FILE, /* or a terminal, or anything else */
	KILN_LOG_TO_PIPE,
	KILN_LOG_TO_SOCKET,
};

struct kiln_log_sink {
	enum kiln_log_format format;
	enum kiln_log_level minimum;
	const char *key, *value; /* of the constant field, or NULL */
	enum kiln_log_out out;
	uint64_t dropped;
	bool holds;
	size_t held_len;
	unsigned held_lines;
	char held[KILN_LOG_LINE_MAX]; /* lines that wait: as many as a pipe takes in one piece */
};

extern struct kiln_log_sink kiln_log_sink;

/* Writes a whole line to stderr, or nothing; false when it could not be written at once. */
bool kiln_log_write(const struct iovec *line);

#endif
