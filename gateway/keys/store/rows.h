/* SPDX-License-Identifier: Apache-2.0
 *
 * What is inside of sealed values: fixed forms, big-endian. Reading says false for what is not in
 * that form.
 */
#ifndef KILN_KEYS_STORE_ROWS_H
#define KILN_KEYS_STORE_ROWS_H

#include "keys/store.h"
#include "keys/store/seal.h"

enum {
	/* Names are padded to a multiple of 64 bytes: their length is not to be seen. */
	KILN_ROW_USER_MAX = 8 + 8 + KILN_KEYS_RECORD_LEN + KILN_KEYS_WRAPPED_LEN + 256,
	KILN_ROW_KEY_DELETED_LEN = 1 + 1 + 1 + 8 + 8 + 8 + 2,
	KILN_ROW_KEY_MAX = KILN_ROW_KEY_DELETED_LEN + KILN_KEYS_SEALED_MAX,
	KILN_ROW_HEAD_LEN = 8 + 32 + 8 + 32 + 4 + 4 + 8,
	KILN_ROW_AUDIT_LEN = 53 + 32,
	KILN_ROW_BUCKET_LEN = 4 + 8 + 8 + 1 + 8,
	KILN_ROW_MAX = 1024, /* of any, sealed */
};

/* user_id is not in it: it is the row's key. */
size_t kiln_row_write_user(const struct kiln_keys_user *user, uint8_t out[KILN_ROW_USER_MAX]);
bool kiln_row_read_user(const uint8_t *in, size_t len, struct kiln_keys_user *user) KILN_NODISCARD;

/* key_id and owner are not in it. deleted_ms 0: it is there. Deleted: nothing else is written. */
size_t kiln_row_write_key(const struct kiln_keys_key *key, uint64_t deleted_ms,
			  uint8_t out[KILN_ROW_KEY_MAX]);
bool kiln_row_read_key(const uint8_t *in, size_t len, struct kiln_keys_key *key,
		       uint64_t *deleted_ms) KILN_NODISCARD;

/* What holds a user's rows together: his log's last line, how many keys he has. */
struct kiln_store_head {
	uint64_t count;                   /* number of the last line */
	uint8_t hash[KILN_KEYS_HASH_LEN]; /* of the last line */
	uint64_t first;                   /* number of the first line that is there */
	uint8_t base[KILN_KEYS_HASH_LEN]; /* of the line before that */
	uint32_t keys;                    /* live ones */
	uint32_t deleted;                 /* keys */
	uint64_t generation;              /* of the password */
};
void kiln_row_write_head(const struct kiln_store_head *head, uint8_t out[KILN_ROW_HEAD_LEN]);
void kiln_row_read_head(const uint8_t in[KILN_ROW_HEAD_LEN], struct kiln_store_head *head);

void kiln_row_write_bucket(const struct kiln_keys_bucket *bucket, uint64_t stale_ms,
			   uint8_t out[KILN_ROW_BUCKET_LEN]);
void kiln_row_read_bucket(const uint8_t in[KILN_ROW_BUCKET_LEN], struct kiln_keys_bucket *bucket,
			  uint64_t *stale_ms);

uint64_t kiln_row_number(const uint8_t in[8]);

#endif
