/* SPDX-License-Identifier: Apache-2.0
 *
 * What a store writes, sealed: XChaCha20-Poly1305 under a key that is derived from the store's key,
 * with the row's identity as associated data. A sealed value opens in its row of its table of its
 * store and nowhere else.
 *
 *	epoch[1] nonce[24] ciphertext tag[16]
 *
 * epoch says under which of the store's keys: there are two while rotate-key is under way.
 */
#ifndef KILN_KEYS_STORE_SEAL_H
#define KILN_KEYS_STORE_SEAL_H

#include <kiln/error.h>

enum {
	KILN_STORE_KEY_LEN = 32,
	KILN_STORE_ID_LEN = 16,
	KILN_STORE_HASH_LEN = 16, /* of what is looked up by a keyed hash */
	KILN_STORE_MAC_LEN = 32,
	KILN_STORE_SEAL_OVERHEAD = 1 + 24 + 16,
	KILN_STORE_ROW_ID_MAX = 64,
};

/* The numbers are in what is sealed: they never change. */
enum kiln_store_table {
	KILN_TABLE_META = 1,
	KILN_TABLE_USERS = 2,
	KILN_TABLE_HEADS = 3,
	KILN_TABLE_KEYS = 4,
	KILN_TABLE_AUDIT = 5,
	KILN_TABLE_LIMITS = 6,
	KILN_TABLE_KNOWN = 7,
	KILN_TABLE_TOKENS = 8,
	KILN_TABLE_ANCHORS = 9,
	KILN_TABLE_NAMES = 10, /* no table: the hash of an account name */
};

/* Which row: the columns of its primary key, one behind the other. */
struct kiln_row {
	uint8_t table;
	uint8_t len;
	uint8_t id[KILN_STORE_ROW_ID_MAX];
};

struct kiln_row kiln_row_of(enum kiln_store_table table, const void *id, size_t len);
struct kiln_row kiln_row_of2(enum kiln_store_table table, const void *a, size_t a_len,
			     const void *b, size_t b_len);

/* Keys; in memory that is locked and not in core dumps, wiped when freed. */
struct kiln_sealer;

struct kiln_sealer *kiln_sealer_new(const uint8_t store_id[KILN_STORE_ID_LEN],
				    struct kiln_error *err);
void kiln_sealer_free(struct kiln_sealer *sealer);

/* At most two keys; the one with the highest epoch seals, each opens its own. */
void kiln_sealer_add(struct kiln_sealer *sealer, uint8_t epoch,
		     const uint8_t key[KILN_STORE_KEY_LEN]);
void kiln_sealer_drop(struct kiln_sealer *sealer, uint8_t epoch);
bool kiln_sealer_has(const struct kiln_sealer *sealer, uint8_t epoch);
uint8_t kiln_sealer_epoch(const struct kiln_sealer *sealer); /* that seals */

/* The key of the hashes: the store's own, random, for its whole life. */
void kiln_sealer_set_index(struct kiln_sealer *sealer, const uint8_t key[KILN_STORE_KEY_LEN]);

/* out has len + KILN_STORE_SEAL_OVERHEAD bytes. */
void kiln_seal(const struct kiln_sealer *sealer, const struct kiln_row *row, const void *plain,
	       size_t len, uint8_t *out);

/* False, with out wiped, when it is not what was sealed for this row, or longer than max. */
bool kiln_unseal(const struct kiln_sealer *sealer, const struct kiln_row *row,
		 const uint8_t *sealed, size_t len, void *out, size_t max,
		 size_t *out_len) KILN_NODISCARD;

/* Exactly len bytes are in it. */
bool kiln_unseal_exactly(const struct kiln_sealer *sealer, const struct kiln_row *row,
			 const uint8_t *sealed, size_t sealed_len, void *out,
			 size_t len) KILN_NODISCARD;

/* A keyed hash to look something up by; a and b are hashed with their lengths. */
void kiln_sealer_hash(const struct kiln_sealer *sealer, enum kiln_store_table what, const void *a,
		      size_t a_len, const void *b, size_t b_len, uint8_t out[KILN_STORE_HASH_LEN]);

/* A MAC for what lies outside of the store: the anchor. Under the index key. */
void kiln_sealer_mac(const struct kiln_sealer *sealer, const void *data, size_t len,
		     uint8_t mac[KILN_STORE_MAC_LEN]);

#endif
