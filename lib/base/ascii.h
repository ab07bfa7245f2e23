/* SPDX-License-Identifier: Apache-2.0
 *
 * Which bytes of a stranger's may go on into a header, a certificate or a log line.
 */
#ifndef KILN_BASE_ASCII_H
#define KILN_BASE_ASCII_H

#include <stdbool.h>
#include <stddef.h>

/* ASCII that leaves a mark: neither a blank nor a control. Also true of nothing. */
static inline bool kiln_ascii_is_visible(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] <= ' ' || text[i] > '~')
			return false;
	return true;
}

/* The same, and the blank. */
static inline bool kiln_ascii_is_printable(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (text[i] < ' ' || text[i] > '~')
			return false;
	return true;
}

#endif
