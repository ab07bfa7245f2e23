/* SPDX-License-Identifier: Apache-2.0
 * Account names in their one form: docs/keys.md, "Registration". */
#ifndef KILN_KEYS_NAME_H
#define KILN_KEYS_NAME_H

#include "keys/types.h"

enum kiln_keys_name {
	KILN_KEYS_NAME_GOOD,
	KILN_KEYS_NAME_BAD, /* not UTF-8, a character that is not allowed, too long, empty */
	KILN_KEYS_NAME_NO_MEMORY,
};

/* Lower case, NFC. *out_len gets 1 to KILN_KEYS_NAME_MAX. */
enum kiln_keys_name kiln_keys_name_normalise(const void *name, size_t len,
					     uint8_t out[KILN_KEYS_NAME_MAX],
					     size_t *out_len) KILN_NODISCARD;

/* Is it in that form? */
enum kiln_keys_name kiln_keys_name_check(const void *name, size_t len) KILN_NODISCARD;

#endif
