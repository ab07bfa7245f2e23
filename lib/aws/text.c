/* SPDX-License-Identifier: Apache-2.0
 * Growing text that wipes itself; see text.h. */
#include "aws/text.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

static size_t limit_of(const struct kiln_text *text)
{
	return text->max != 0 ? text->max : 65536;
}

/* realloc would leave the old copy behind. */
static bool make_room(struct kiln_text *text, size_t want)
{
	if (want <= text->room)
		return true;
	size_t room = text->room == 0 ? 256 : text->room;
	while (room < want)
		room *= 2;
	char *grown = malloc(room);
	if (grown == NULL)
		return false;
	if (text->data != NULL) {
		memcpy(grown, text->data, text->len);
		kiln_wipe(text->data, text->room);
		free(text->data);
	}
	text->data = grown;
	text->room = room;
	return true;
}

void kiln_text_add(struct kiln_text *text, const void *data, size_t len)
{
	if (text->failed)
		return;
	if (len > limit_of(text) - text->len) {
		text->too_long = text->failed = true;
		return;
	}
	if (!make_room(text, text->len + len + 1)) {
		text->failed = true;
		return;
	}
	if (len > 0)
		memcpy(text->data + text->len, data, len);
	text->len += len;
	text->data[text->len] = '\0';
}

void kiln_text_str(struct kiln_text *text, const char *s)
{
	kiln_text_add(text, s, strlen(s));
}

void kiln_text_char(struct kiln_text *text, char c)
{
	kiln_text_add(text, &c, 1);
}

static bool is_unreserved(uint8_t c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '_' || c == '.' || c == '~';
}

void kiln_text_encoded(struct kiln_text *text, const void *data, size_t len, bool keep_slash)
{
	static const char digits[] = "0123456789ABCDEF";
	const uint8_t *p = data;
	for (size_t i = 0; i < len; i++) {
		if (is_unreserved(p[i]) || (keep_slash && p[i] == '/')) {
			kiln_text_add(text, &p[i], 1);
			continue;
		}
		const char coded[3] = {'%', digits[p[i] >> 4], digits[p[i] & 15]};
		kiln_text_add(text, coded, sizeof coded);
	}
}

enum kiln_code kiln_text_check(const struct kiln_text *text, const char *what,
			       struct kiln_error *err)
{
	if (!text->failed)
		return KILN_OK;
	if (text->too_long)
		return kiln_fail(err, KILN_E_LIMIT, "%s is longer than %zu bytes", what,
				 limit_of(text));
	return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for %s", what);
}

void kiln_text_clear(struct kiln_text *text)
{
	if (text->data != NULL) {
		kiln_wipe(text->data, text->room);
		free(text->data);
	}
	*text = (struct kiln_text){.max = text->max};
}
