/* SPDX-License-Identifier: Apache-2.0
 *
 * A store of lib/keys/store.h in memory, for tests: fixed tables, transactions by copying, faults
 * to order.
 */
#ifndef KILN_TESTS_KEYS_STORE_H
#define KILN_TESTS_KEYS_STORE_H

#include "keys/store.h"

#define MEMORY_USERS   8u
#define MEMORY_KEYS    64u
#define MEMORY_LINES   1024u
#define MEMORY_BUCKETS 64u

struct memory_line {
	uint8_t user_id[KILN_KEYS_USER_ID_LEN];
	struct kiln_keys_audit entry;
	uint8_t hash[KILN_KEYS_HASH_LEN];
};

struct memory_state {
	struct kiln_keys_user users[MEMORY_USERS];
	size_t user_count;
	struct kiln_keys_key keys[MEMORY_KEYS];
	bool key_gone[MEMORY_KEYS];
	size_t key_count;
	struct memory_line lines[MEMORY_LINES];
	size_t line_count;
	struct {
		enum kiln_keys_limit_kind kind;
		uint8_t key[KILN_KEYS_LIMIT_KEY_MAX];
		size_t len;
		struct kiln_keys_bucket bucket;
	} buckets[MEMORY_BUCKETS];
	size_t bucket_count;
	struct {
		uint8_t name[KILN_KEYS_NAME_MAX];
		size_t name_len;
		uint8_t place[KILN_KEYS_DEVICE_LEN]; /* a device, or a source and zeroes */
	} known[64];
	size_t known_count;
	struct {
		uint8_t token[KILN_KEYS_TOKEN_MAX];
		size_t len;
		uint64_t expires_ms;
	} tokens[4];
	size_t token_count;
	struct kiln_opaque_setup setup;
	bool has_setup;
};

struct memory_store {
	struct memory_state now, at_begin, at_savepoint;
	bool in_batch, in_savepoint;
	unsigned long calls;           /* so far */
	unsigned long fail_call;       /* this call fails; 0: none */
	bool fail_commit, lose_commit; /* lose: it is kept, and nobody knows */
	size_t keys_max;
	size_t scan_max; /* lines that audit_list looks at; 0: as lib/keys/store.h says */
	unsigned commits;
};

extern const struct kiln_keys_store memory_store_calls;

/* Lines of that user's log (NULL: of nobody's) with that action and outcome. */
size_t memory_count_lines(const struct memory_store *store, const uint8_t *user_id, uint8_t action,
			  uint16_t outcome);

/* Every log's numbers and hashes hold. */
bool memory_chains_hold(const struct memory_store *store);

#endif
