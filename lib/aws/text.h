/* SPDX-License-Identifier: Apache-2.0
 *
 * Text that grows, up to a limit, and is wiped wherever it leaves a copy. Failure sticks: a caller
 * adds all its parts and asks once at the end.
 */
#ifndef KILN_AWS_TEXT_H
#define KILN_AWS_TEXT_H

#include <kiln/error.h>

struct kiln_text {
	char *data; /* NUL-terminated once something was added, even the empty string */
	size_t len, room;
	size_t max;    /* bytes without the NUL; 0: 64 KiB */
	bool too_long; /* more than max was added */
	bool failed;   /* too long, or no memory */
};

void kiln_text_add(struct kiln_text *text, const void *data, size_t len);
void kiln_text_str(struct kiln_text *text, const char *s);
void kiln_text_char(struct kiln_text *text, char c);
/* RFC 3986: unreserved characters as they are, the rest as %XX; keep_slash leaves '/' too. */
void kiln_text_encoded(struct kiln_text *text, const void *data, size_t len, bool keep_slash);
/* KILN_OK, KILN_E_NO_MEMORY or KILN_E_LIMIT ("what is longer than N bytes"). */
KILN_NODISCARD enum kiln_code kiln_text_check(const struct kiln_text *text, const char *what,
					      struct kiln_error *err);
void kiln_text_clear(struct kiln_text *text);

#endif
