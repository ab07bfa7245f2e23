/* SPDX-License-Identifier: Apache-2.0
 * The export format: docs/keys.md. */
#ifndef KILN_KEYS_EXPORT_H
#define KILN_KEYS_EXPORT_H

#include "keys/types.h"

/* secret has at least one byte. */
size_t kiln_keys_export_write(const struct kiln_keys_secret *secret,
			      const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
			      uint8_t out[KILN_KEYS_EXPORT_MAX]);

struct kiln_keys_exported {
	const uint8_t *secret, *bound_to;
	size_t secret_len, bound_to_len;
};

/* False unless it is exactly one. Points into the bytes. */
bool kiln_keys_export_read(const uint8_t *bytes, size_t len,
			   struct kiln_keys_exported *out) KILN_NODISCARD;

#endif
