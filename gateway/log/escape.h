/* SPDX-License-Identifier: Apache-2.0
 *
 * One character of a value as it may stand between quotes in a log line.
 */
#ifndef KILN_LOG_ESCAPE_H
#define KILN_LOG_ESCAPE_H

#include <kiln/error.h>

#include "log/level.h"

#define KILN_LOG_ESCAPED_MAX 8u

struct kiln_log_escaped {
	size_t taken;  /* bytes of the value it stands for, at least 1 */
	size_t len;    /* bytes to write */
	bool as_it_is; /* they are the same ones */
	char text[KILN_LOG_ESCAPED_MAX];
};

/* Escapes the character at p, of which left > 0 bytes are there:
 *   quote and backslash   \" and \\
 *   newline, return, tab  \n, \r, \t
 *   other controls, and characters that reorder or break lines on a screen (bidirectional
 *   overrides, line separators)   text: \xNN per byte; JSON: \uNNNN
 *   NUL, and bytes that are not UTF-8   text: \xNN; JSON: \\xNN, a backslash and xNN to its reader
 * Everything else stands for itself. */
void kiln_log_escape(enum kiln_log_format format, const uint8_t *p, size_t left,
		     struct kiln_log_escaped *out);

/* True when a value can stand without quotes in a text line. */
bool kiln_log_is_bare(const uint8_t *p, size_t len);

#endif
