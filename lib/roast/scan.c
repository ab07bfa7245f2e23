/* SPDX-License-Identifier: Apache-2.0
 * The bounded scanner for one JSON object; see scan.h. */
#include "roast/scan.h"

#include <string.h>

void kiln_roast_scan_start(struct kiln_roast_scan *scan, size_t max)
{
	memset(scan, 0, sizeof *scan);
	scan->max = max;
}

static enum kiln_code refuse_start(uint8_t byte, struct kiln_error *err)
{
	if (byte == 0xef)
		return kiln_fail(err, KILN_E_ROAST_HELLO,
				 "a byte order mark stands before the JSON object");
	if (byte == 0x16)
		return kiln_fail(err, KILN_E_ROAST_HELLO,
				 "a TLS record came where a JSON object is due: the peer does not "
				 "speak Roast");
	return kiln_fail(err, KILN_E_ROAST_HELLO, "its first byte is 0x%02x, not '{'", byte);
}

static enum kiln_code open_level(struct kiln_roast_scan *scan, bool array, struct kiln_error *err)
{
	if (scan->depth == KILN_ROAST_DEPTH_MAX)
		return kiln_fail(err, KILN_E_ROAST_HELLO, "its JSON is nested deeper than %u",
				 KILN_ROAST_DEPTH_MAX);
	const uint8_t bit = (uint8_t)(1u << scan->depth++);
	scan->arrays = (uint8_t)(array ? scan->arrays | bit : scan->arrays & ~bit);
	return KILN_OK;
}

static enum kiln_code close_level(struct kiln_roast_scan *scan, bool array, struct kiln_error *err)
{
	const bool is_array = (scan->arrays >> (scan->depth - 1) & 1) != 0;
	if (is_array != array)
		return kiln_fail(err, KILN_E_ROAST_HELLO, "its brackets do not match");
	scan->complete = --scan->depth == 0;
	return KILN_OK;
}

static enum kiln_code in_string(struct kiln_roast_scan *scan, uint8_t byte, struct kiln_error *err)
{
	if (byte < 0x20)
		return kiln_fail(err, KILN_E_ROAST_HELLO,
				 "a string in its JSON holds the control character 0x%02x", byte);
	if (scan->escaped)
		scan->escaped = false;
	else if (byte == '\\')
		scan->escaped = true;
	else if (byte == '"')
		scan->in_string = false;
	return KILN_OK;
}

/* What may stand between strings: structure, white space, numbers, true, false and null. */
static enum kiln_code outside(struct kiln_roast_scan *scan, uint8_t byte, struct kiln_error *err)
{
	switch (byte) {
	case '{': return open_level(scan, false, err);
	case '[': return open_level(scan, true, err);
	case '}': return close_level(scan, false, err);
	case ']': return close_level(scan, true, err);
	case '"': scan->in_string = true; return KILN_OK;
	case ',':
		if (++scan->values >= KILN_ROAST_VALUES_MAX)
			return kiln_fail(err, KILN_E_ROAST_HELLO,
					 "its JSON holds more than %u values",
					 KILN_ROAST_VALUES_MAX);
		return KILN_OK;
	case ':':
	case '+':
	case '-':
	case '.': return KILN_OK;
	default: break;
	}
	if (kiln_roast_is_blank(byte) || (byte >= '0' && byte <= '9') ||
	    (byte >= 'a' && byte <= 'z') || byte == 'E')
		return KILN_OK;
	return kiln_fail(err, KILN_E_ROAST_HELLO, "the byte 0x%02x has no place in a JSON object",
			 byte);
}

static enum kiln_code before(struct kiln_roast_scan *scan, uint8_t byte, struct kiln_error *err)
{
	if (kiln_roast_is_blank(byte)) {
		if (++scan->blanks > KILN_ROAST_BLANKS_MAX)
			return kiln_fail(err, KILN_E_ROAST_HELLO,
					 "more than %u bytes of white space stand before it",
					 KILN_ROAST_BLANKS_MAX);
		return KILN_OK;
	}
	return byte == '{' ? open_level(scan, false, err) : refuse_start(byte, err);
}

enum kiln_code kiln_roast_scan_feed(struct kiln_roast_scan *scan, const uint8_t *in, size_t len,
				    size_t *skipped, size_t *taken, struct kiln_error *err)
{
	*skipped = *taken = 0;
	for (size_t i = 0; i < len && !scan->complete; i++) {
		enum kiln_code rc;
		if (scan->depth == 0)
			rc = before(scan, in[i], err);
		else
			rc = scan->in_string ? in_string(scan, in[i], err)
					     : outside(scan, in[i], err);
		if (rc != KILN_OK)
			return rc;
		if (scan->depth == 0 && !scan->complete) {
			++*skipped;
			continue;
		}
		++*taken;
		if (++scan->len > scan->max)
			return kiln_fail(err, KILN_E_ROAST_HELLO, "it is longer than %zu bytes",
					 scan->max);
	}
	return KILN_OK;
}
