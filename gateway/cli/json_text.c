/* SPDX-License-Identifier: Apache-2.0
 * Text for JSON; see json_text.h. */
#include "cli/json_text.h"

#include <stdlib.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

/* How many bytes at text are one character; 0: none. */
static size_t character(const char *text, size_t left)
{
	if ((unsigned char)text[0] < 0x80)
		return 1;
	for (size_t n = 2; n <= 4 && n <= left; n++) {
		json_t *one = json_stringn(text, n);
		json_decref(one);
		if (one != NULL)
			return n;
	}
	return 0;
}

static size_t replace(const char *text, size_t len, char *out)
{
	size_t used = 0;
	for (size_t at = 0; at < len;) {
		const size_t n = character(text + at, len - at);
		if (n > 0)
			memcpy(out + used, text + at, n);
		else
			memcpy(out + used, REPLACEMENT, sizeof REPLACEMENT - 1);
		used += n > 0 ? n : sizeof REPLACEMENT - 1;
		at += n > 0 ? n : 1;
	}
	return used;
}

json_t *kiln_cli_json_text(const char *text)
{
	json_t *string = json_string(text);
	const size_t len = strlen(text);
	char *valid = string == NULL ? malloc(len * (sizeof REPLACEMENT - 1) + 1) : NULL;
	if (valid == NULL)
		return string;
	string = json_stringn(valid, replace(text, len, valid));
	free(valid);
	return string;
}
