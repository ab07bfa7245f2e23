/* SPDX-License-Identifier: Apache-2.0
 *
 * How the process logs, and the way out: between log.c and sink.c only.
 */
#ifndef KILN_LOG_SINK_H
#define KILN_LOG_SINK_H

#include <kiln/error.h>

#include "log/level.h"

struct kiln_log_sink {
	enum kiln_log_format format;
	enum kiln_log_level minimum;
	const char *key, *value; /* of the constant field, or NULL */
	uint64_t dropped;
};

extern struct kiln_log_sink kiln_log_sink;

/* Writes a whole line to stderr, or nothing; false when it could not be written at once. */
bool kiln_log_write(const char *text, size_t len);

#endif
