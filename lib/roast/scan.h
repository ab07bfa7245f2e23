/* SPDX-License-Identifier: Apache-2.0
 *
 * Finding the end of a JSON object (RFC 8259) that arrives byte by byte from somebody unknown. It
 * bounds length, depth and the number of values before any parser sees a byte, and refuses what
 * cannot be an object as soon as that shows. It does not parse: jansson does, afterwards.
 */
#ifndef KILN_ROAST_SCAN_H
#define KILN_ROAST_SCAN_H

#include <kiln/error.h>

#define KILN_ROAST_DEPTH_MAX  8u /* objects and arrays inside each other, the outermost included */
#define KILN_ROAST_VALUES_MAX 256u /* commas, at any depth */
#define KILN_ROAST_BLANKS_MAX 256u /* white space before the opening brace */

struct kiln_roast_scan {
	size_t max;     /* bytes from the opening to the closing brace, at most */
	size_t len;     /* of the object so far */
	size_t blanks;  /* before it */
	unsigned depth; /* open objects and arrays */
	unsigned values;
	uint8_t arrays; /* bit n: what is open at depth n + 1 is an array */
	bool in_string, escaped, complete;
};

void kiln_roast_scan_start(struct kiln_roast_scan *scan, size_t max);

/* Looks at in[0..len) and stops behind the closing brace. *skipped bytes of white space came before
 * the object, *taken bytes belong to it; the rest is not its business. scan->complete tells that
 * the brace was there. KILN_E_ROAST_HELLO names the rule that the bytes break. */
enum kiln_code kiln_roast_scan_feed(struct kiln_roast_scan *scan, const uint8_t *in, size_t len,
				    size_t *skipped, size_t *taken,
				    struct kiln_error *err) KILN_NODISCARD;

/* JSON's white space, RFC 8259 2: no TLS record begins with any of it. */
static inline bool kiln_roast_is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

#endif
