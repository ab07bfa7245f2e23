/* SPDX-License-Identifier: Apache-2.0
 *
 * The store's key: 32 random bytes that are not in the store.
 */
#ifndef KILN_KEYS_STORE_KEY_H
#define KILN_KEYS_STORE_KEY_H

#include "keys/store/seal.h"

struct kiln_store_key {
	uint8_t bytes[KILN_STORE_KEY_LEN];
};

/* Where it is: exactly one of the three. */
struct kiln_store_key_source {
	const char *file;       /* not readable by others */
	const char *credential; /* a name in systemd's $CREDENTIALS_DIRECTORY */
	int fd;                 /* open, read to its end and closed; -1: none */
};

/* In memory that is locked and not dumped; NULL and *err when it cannot be had. */
struct kiln_store_key *kiln_store_key_read(const struct kiln_store_key_source *source,
					   struct kiln_error *err);

/* Random; written to a new file of mode 0600 and to the disk. */
struct kiln_store_key *kiln_store_key_make(const char *file, struct kiln_error *err);

void kiln_store_key_free(struct kiln_store_key *key);

#endif
