/* SPDX-License-Identifier: Apache-2.0
 * Parameters of a query or a form; see params.h. */
#include "sts/params.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hex.h"

/* Appends one decoded part and its NUL; decoding never makes it longer, so there is room. */
static const char *decode(struct kiln_stsd_params *params, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		char c = text[i];
		if (c == '+')
			c = ' ';
		if (c == '%') {
			uint8_t byte;
			if (len - i < 3 || !kiln_hex_decode(text + i + 1, 2, &byte))
				return "a % is not followed by two hexadecimal digits";
			c = (char)byte;
			i += 2;
		}
		if (c == '\0')
			return "a parameter has a NUL in it";
		params->text[params->len++] = c;
	}
	params->text[params->len++] = '\0';
	return NULL;
}

static const char *add_pair(struct kiln_stsd_params *params, const char *text, size_t len)
{
	const char *sign = memchr(text, '=', len);
	const size_t name_len = sign != NULL ? (size_t)(sign - text) : len;
	if (params->count == KILN_STSD_PARAMS_MAX)
		return "there are too many parameters";
	const size_t name = params->len;
	const char *wrong = decode(params, text, name_len);
	if (wrong != NULL)
		return wrong;
	if (kiln_stsd_params_get(params, params->text + name) != NULL)
		return "a parameter came twice";
	const size_t value = params->len;
	wrong = sign != NULL ? decode(params, sign + 1, len - name_len - 1) : decode(params, "", 0);
	if (wrong != NULL)
		return wrong;
	params->at[params->count].name = name;
	params->at[params->count++].value = value;
	return NULL;
}

/* Room for text once more; a copy that is left behind is wiped. */
static bool grow(struct kiln_stsd_params *params, size_t more)
{
	char *grown = malloc(params->len + more);
	if (grown == NULL)
		return false;
	if (params->text != NULL) {
		memcpy(grown, params->text, params->len);
		kiln_wipe(params->text, params->room);
		free(params->text);
	}
	params->text = grown;
	params->room = params->len + more;
	return true;
}

const char *kiln_stsd_params_add(struct kiln_stsd_params *params, const char *text, size_t len)
{
	/* Two NULs for each pair; the shortest, "a&", is two bytes itself, the last one has no '&'.
	 */
	if (!grow(params, 2 * len + 2))
		return "there is no memory for the parameters";
	for (size_t at = 0; at < len;) {
		const char *end = memchr(text + at, '&', len - at);
		const size_t pair = end != NULL ? (size_t)(end - (text + at)) : len - at;
		const char *wrong = pair > 0 ? add_pair(params, text + at, pair) : NULL;
		if (wrong != NULL)
			return wrong;
		at += pair + 1;
	}
	return NULL;
}

const char *kiln_stsd_params_get(const struct kiln_stsd_params *params, const char *name)
{
	for (size_t i = 0; i < params->count; i++)
		if (strcmp(params->text + params->at[i].name, name) == 0)
			return params->text + params->at[i].value;
	return NULL;
}

void kiln_stsd_params_clear(struct kiln_stsd_params *params)
{
	if (params->text != NULL)
		kiln_wipe(params->text, params->room);
	free(params->text);
	*params = (struct kiln_stsd_params){0};
}
