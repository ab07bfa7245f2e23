/* SPDX-License-Identifier: Apache-2.0
 * Account names in their one form; see name.h. */
#include "keys/name.h"

#include <stdlib.h>
#include <string.h>
#include <unicase.h>
#include <unictype.h>
#include <uninorm.h>
#include <unistr.h>

/* Controls, surrogates, what is no character, and what does not show but for U+0020. */
static bool character_allowed(ucs4_t c)
{
	if (c == 0x20)
		return true;
	return !uc_is_general_category_withtable(c, UC_CATEGORY_MASK_Cc | UC_CATEGORY_MASK_Cf |
							UC_CATEGORY_MASK_Cs | UC_CATEGORY_MASK_Cn |
							UC_CATEGORY_MASK_Z);
}

static bool characters_allowed(const uint8_t *name, size_t len)
{
	for (size_t at = 0; at < len;) {
		ucs4_t c;
		at += (size_t)u8_mbtouc(&c, name + at, len - at);
		if (!character_allowed(c))
			return false;
	}
	return name[0] != ' ' && name[len - 1] != ' ';
}

enum kiln_keys_name kiln_keys_name_normalise(const void *name, size_t len,
					     uint8_t out[KILN_KEYS_NAME_MAX], size_t *out_len)
{
	*out_len = 0;
	/* No name that is longer than this gets short enough. */
	if (len == 0 || len > (size_t)4 * KILN_KEYS_NAME_MAX || u8_check(name, len) != NULL ||
	    !characters_allowed(name, len))
		return KILN_KEYS_NAME_BAD;
	size_t n = 0;
	uint8_t *lower = u8_tolower(name, len, NULL, UNINORM_NFC, NULL, &n);
	if (lower == NULL)
		return KILN_KEYS_NAME_NO_MEMORY;
	const bool good = n > 0 && n <= KILN_KEYS_NAME_MAX && characters_allowed(lower, n);
	if (good) {
		memcpy(out, lower, n);
		*out_len = n;
	}
	free(lower);
	return good ? KILN_KEYS_NAME_GOOD : KILN_KEYS_NAME_BAD;
}

enum kiln_keys_name kiln_keys_name_check(const void *name, size_t len)
{
	uint8_t form[KILN_KEYS_NAME_MAX];
	size_t form_len;
	const enum kiln_keys_name rc = kiln_keys_name_normalise(name, len, form, &form_len);
	if (rc != KILN_KEYS_NAME_GOOD)
		return rc;
	return form_len == len && memcmp(form, name, len) == 0 ? KILN_KEYS_NAME_GOOD
							       : KILN_KEYS_NAME_BAD;
}
