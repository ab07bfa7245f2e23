/* SPDX-License-Identifier: Apache-2.0
 * JSON text as Go writes it; see writer.h. */
#include "roast/writer.h"

#include <string.h>

#include "base/ascii.h"
#include "roast/base64.h"

static void put(struct kiln_roast_writer *text, const char *raw, size_t len)
{
	if (text->failed || text->cap - text->len < len) {
		text->failed = true;
		return;
	}
	memcpy(text->data + text->len, raw, len);
	text->len += len;
}

void kiln_roast_put(struct kiln_roast_writer *text, const char *raw)
{
	put(text, raw, strlen(raw));
}

void kiln_roast_put_string(struct kiln_roast_writer *text, const char *value)
{
	if (!kiln_ascii_is_printable(value, strlen(value)))
		text->failed = true;
	put(text, "\"", 1);
	for (const char *p = value; *p != '\0'; p++) {
		switch (*p) {
		case '"': put(text, "\\\"", 2); break;
		case '\\': put(text, "\\\\", 2); break;
		case '&': put(text, "\\u0026", 6); break;
		case '<': put(text, "\\u003c", 6); break;
		case '>': put(text, "\\u003e", 6); break;
		default: put(text, p, 1);
		}
	}
	put(text, "\"", 1);
}

void kiln_roast_put_base64(struct kiln_roast_writer *text, const uint8_t *data, size_t len)
{
	const size_t need = kiln_base64_length(len);
	put(text, "\"", 1);
	if (text->failed || text->cap - text->len < need) {
		text->failed = true;
		return;
	}
	kiln_base64_encode(text->data + text->len, data, len);
	text->len += need;
	put(text, "\"", 1);
}
