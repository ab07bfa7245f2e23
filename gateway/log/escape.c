/* SPDX-License-Identifier: Apache-2.0
 * Makes any bytes harmless between quotes. UTF-8: RFC 3629; JSON strings: RFC 8259 section 7. */
#include "log/escape.h"

#include <stdio.h>
#include <string.h>

/* Length of the UTF-8 character at p and its code point; 0 when it is none: overlong forms,
 * surrogates and anything above U+10FFFF included. */
static size_t utf8_character(const uint8_t *p, size_t left, uint32_t *code)
{
	static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
	size_t len;
	if (p[0] < 0x80) {
		*code = p[0];
		return 1;
	}
	if (p[0] >= 0xc2 && p[0] <= 0xdf)
		len = 2;
	else if (p[0] >= 0xe0 && p[0] <= 0xef)
		len = 3;
	else if (p[0] >= 0xf0 && p[0] <= 0xf4)
		len = 4;
	else
		return 0;
	if (left < len)
		return 0;
	uint32_t value = p[0] & (0x7fu >> len);
	for (size_t i = 1; i < len; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (p[i] & 0x3fu);
	}
	if (value < smallest[len] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
		return 0;
	*code = value;
	return len;
}

/* Controls (C0, DEL, C1), line and paragraph separators, and everything that changes the direction
 * of what follows: Unicode Standard Annex 9, section 2. */
static bool is_dangerous(uint32_t code)
{
	return code < 0x20 || (code >= 0x7f && code <= 0x9f) || code == 0x061c ||
	       (code >= 0x200e && code <= 0x200f) || (code >= 0x2028 && code <= 0x202e) ||
	       (code >= 0x2066 && code <= 0x2069) || code == 0xfeff;
}

/* The notations of a code point or byte that may not stand for itself. */
enum notation {
	HEX,      /* \xNN */
	JSON_HEX, /* \\xNN */
	JSON_U,   /* \uNNNN */
};

static void set(struct kiln_log_escaped *out, size_t taken, enum notation notation, uint32_t value)
{
	int n = 0;
	switch (notation) {
	case HEX: n = snprintf(out->text, sizeof out->text, "\\x%02x", value & 0xff); break;
	case JSON_HEX: n = snprintf(out->text, sizeof out->text, "\\\\x%02x", value & 0xff); break;
	case JSON_U: n = snprintf(out->text, sizeof out->text, "\\u%04x", value & 0xffff); break;
	}
	out->taken = taken;
	out->as_it_is = false;
	out->len = n < 0 ? 0 : (size_t)n;
}

static bool set_short(struct kiln_log_escaped *out, uint8_t byte)
{
	static const char from[] = "\"\\\n\r\t", to[] = "\"\\nrt";
	const char *at = byte == 0 ? NULL : strchr(from, byte);
	if (at == NULL)
		return false;
	out->taken = 1;
	out->as_it_is = false;
	out->text[0] = '\\';
	out->text[1] = to[at - from];
	out->len = 2;
	return true;
}

void kiln_log_escape(enum kiln_log_format format, const uint8_t *p, size_t left,
		     struct kiln_log_escaped *out)
{
	bool json = format == KILN_LOG_JSON;
	uint32_t code = 0;
	size_t len = utf8_character(p, left, &code);
	if (set_short(out, p[0]))
		return;
	if (len == 0 || code == 0) {
		set(out, 1, json ? JSON_HEX : HEX, p[0]);
	} else if (is_dangerous(code) && json) {
		set(out, len, JSON_U, code);
	} else if (is_dangerous(code)) {
		/* byte by byte: the rest of it comes again, and is no character by itself */
		set(out, 1, HEX, p[0]);
	} else {
		out->taken = out->len = len;
		out->as_it_is = true;
		memcpy(out->text, p, len);
	}
}

bool kiln_log_is_bare(const uint8_t *p, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (p[i] <= ' ' || p[i] >= 0x7f || p[i] == '"' || p[i] == '=' || p[i] == '\\')
			return false;
	return len > 0;
}
