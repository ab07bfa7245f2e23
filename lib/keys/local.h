/* SPDX-License-Identifier: Apache-2.0
 *
 * A file of secrets on the user's device, sealed under the password: docs/keys.md, "Local files".
 * The bytes only; who reads and writes the file is the caller.
 */
#ifndef KILN_KEYS_LOCAL_H
#define KILN_KEYS_LOCAL_H

#include <kiln/opaque.h>

#include "keys/types.h"

#define KILN_KEYS_LOCAL_ENTRIES_MAX 4096u

enum {
	KILN_KEYS_LOCAL_SALT_LEN = 16,
	KILN_KEYS_LOCAL_HEADER_LEN = 16 + KILN_KEYS_LOCAL_SALT_LEN + 12,
	KILN_KEYS_LOCAL_ENTRY_MAX =
	    KILN_KEYS_KEY_ID_LEN + KILN_KEYS_USER_ID_LEN + 3 + KILN_KEYS_SECRET_MAX,
	KILN_KEYS_LOCAL_FILE_MAX = KILN_KEYS_LOCAL_HEADER_LEN + KILN_KEYS_SEAL_OVERHEAD + 2 +
				   4096 * KILN_KEYS_LOCAL_ENTRY_MAX,
};

struct kiln_keys_local_entry {
	uint8_t key_id[KILN_KEYS_KEY_ID_LEN];
	uint8_t user_id[KILN_KEYS_USER_ID_LEN];
	uint8_t kind, context;
	uint8_t secret_len;
	uint8_t secret[KILN_KEYS_SECRET_MAX];
};

struct kiln_keys_local;

/* An empty one, with fresh salt, under the password: Argon2id, which takes a moment. NULL with *err
 * filled: KILN_E_NO_MEMORY, KILN_E_SYSTEM (no randomness), KILN_E_USAGE (a password of no bytes). */
struct kiln_keys_local *kiln_keys_local_new(struct kiln_opaque_bytes password,
					    const struct kiln_opaque_random *random,
					    struct kiln_error *err) KILN_NODISCARD;

/* What a file has. NULL with *err filled: KILN_E_KEYS_PASSWORD (another password, or the file was
 * altered: which, cannot be told), KILN_E_KEYS_STORED (no such file, or damaged), KILN_E_NO_MEMORY. */
struct kiln_keys_local *kiln_keys_local_open(const uint8_t *file, size_t len,
					     struct kiln_opaque_bytes password,
					     struct kiln_error *err) KILN_NODISCARD;

void kiln_keys_local_free(struct kiln_keys_local *local); /* wipes; NULL is fine */

size_t kiln_keys_local_count(const struct kiln_keys_local *local);

/* NULL: it is not there. */
const struct kiln_keys_local_entry *
kiln_keys_local_find(const struct kiln_keys_local *local,
		     const uint8_t key_id[KILN_KEYS_KEY_ID_LEN]);

/* Adds, or replaces the one with the same key_id. KILN_E_LIMIT, KILN_E_NO_MEMORY, KILN_E_USAGE (a
 * secret of no bytes). */
enum kiln_code kiln_keys_local_put(struct kiln_keys_local *local,
				   const struct kiln_keys_local_entry *entry,
				   struct kiln_error *err) KILN_NODISCARD;

/* The file's bytes, under a fresh nonce; the caller frees *file. */
enum kiln_code kiln_keys_local_write(const struct kiln_keys_local *local,
				     const struct kiln_opaque_random *random, uint8_t **file,
				     size_t *len, struct kiln_error *err) KILN_NODISCARD;

#endif
