/* SPDX-License-Identifier: Apache-2.0
 * Keys: lib/keys/store.h. */
#include <string.h>

#include "base/bytes.h"
#include "keys/store/internal.h"

/* So many deleted keys for each that a user may have. */
#define DELETED_PER_KEY UINT64_C(4)

static struct kiln_row row_of(const uint8_t *owner, const uint8_t *key_id)
{
	return kiln_row_of2(KILN_TABLE_KEYS, owner, KILN_KEYS_USER_ID_LEN, key_id,
			    KILN_KEYS_KEY_ID_LEN);
}

static enum kiln_store_result put(struct kiln_store *store, const struct kiln_keys_key *key,
				  uint64_t deleted_ms, bool add, struct kiln_error *err)
{
	uint8_t plain[KILN_ROW_KEY_MAX], sealed[KILN_ROW_KEY_MAX + KILN_STORE_SEAL_OVERHEAD];
	const struct kiln_row row = row_of(key->owner, key->key_id);
	const size_t len = kiln_row_write_key(key, deleted_ms, plain);
	kiln_seal(store->sealer, &row, plain, len, sealed);
	kiln_wipe(plain, sizeof plain);
	const struct kiln_db_value values[] = {
	    KILN_DB_BYTES(key->owner, sizeof key->owner),
	    KILN_DB_BYTES(key->key_id, sizeof key->key_id),
	    KILN_DB_BYTES(sealed, len + KILN_STORE_SEAL_OVERHEAD),
	};
	return kiln_store_put(store, add ? KILN_SQL_KEYS_ADD : KILN_SQL_KEYS_SET, values,
			      add ? KILN_STORE_TAKEN : KILN_STORE_ABSENT, err);
}

/* The key, and with it all deleted ones of its owner. Who puts a deleted key's row back opens a key
 * that was right once; but then there is one deleted key less than the owner's head says, and none
 * can take its place: a live key's row was never sealed as a deleted one. */
struct finding_key {
	struct kiln_store *store;
	struct kiln_keys_key *key; /* owner and key_id are set */
	struct kiln_store_head head;
	uint8_t last[KILN_KEYS_KEY_ID_LEN];
	uint32_t rows, deleted;
	bool live;
};

static enum kiln_store_result count_key(struct finding_key *f, const struct kiln_db_value *key_id,
					const struct kiln_db_value *sealed, struct kiln_error *err)
{
	struct kiln_keys_key key = {.kind = 0};
	uint8_t plain[KILN_ROW_KEY_MAX];
	size_t len;
	uint64_t deleted_ms;
	const struct kiln_row row = row_of(f->key->owner, key_id->data);
	const bool good = kiln_unseal(f->store->sealer, &row, sealed->data, sealed->len, plain,
				      sizeof plain, &len) &&
			  kiln_row_read_key(plain, len, &key, &deleted_ms);
	kiln_wipe(plain, sizeof plain);
	if (!good)
		return kiln_store_damaged(&row, "its seal does not open", err);
	f->deleted += deleted_ms != 0;
	if (deleted_ms == 0 && memcmp(key_id->data, f->key->key_id, sizeof f->key->key_id) == 0) {
		memcpy(key.owner, f->key->owner, sizeof key.owner);
		memcpy(key.key_id, f->key->key_id, sizeof key.key_id);
		*f->key = key;
		f->live = true;
	}
	kiln_wipe(&key, sizeof key);
	return KILN_STORE_OK;
}

static enum kiln_store_result take_key(void *ctx, const struct kiln_db_value *columns,
				       struct kiln_error *err)
{
	struct finding_key *f = ctx;
	if (f->rows++ == 0) {
		const enum kiln_store_result result = kiln_store_head_open(
		    f->store, f->key->owner, columns[1].data, columns[1].len, &f->head, err);
		if (result != KILN_STORE_OK)
			return result;
	}
	/* No seal is that short: the owner has no such rows. */
	if (columns[2].len == KILN_KEYS_USER_ID_LEN)
		return KILN_STORE_OK;
	/* One row twice would hide that another is missing. */
	if (columns[0].len != sizeof f->last ||
	    (f->rows > 1 && memcmp(columns[0].data, f->last, sizeof f->last) <= 0)) {
		(void)kiln_fail(err, KILN_E_STORE,
				"the store is damaged: kiln_keys has a row twice, or one with a "
				"wrong key_id; restore a backup");
		return KILN_STORE_FAILED;
	}
	memcpy(f->last, columns[0].data, sizeof f->last);
	return count_key(f, &columns[0], &columns[2], err);
}

static enum kiln_store_result find_key(struct kiln_store *store, struct kiln_keys_key *key,
				       struct kiln_error *err)
{
	struct finding_key f = {.store = store, .key = key};
	const struct kiln_db_value values[] = {
	    KILN_DB_BYTES(key->owner, sizeof key->owner),
	    KILN_DB_BYTES(key->key_id, sizeof key->key_id),
	    KILN_DB_NUMBER(KILN_ROW_KEY_DELETED_LEN + KILN_STORE_SEAL_OVERHEAD),
	};
	enum kiln_store_result result =
	    kiln_store_run(store, KILN_SQL_KEYS_GET, values, take_key, &f, NULL, err);
	if (result == KILN_STORE_OK && f.rows > 0 && f.deleted != f.head.deleted) {
		const struct kiln_row row =
		    kiln_row_of(KILN_TABLE_HEADS, key->owner, sizeof key->owner);
		result = kiln_store_damaged(
		    &row, "the user has not as many deleted keys as it says", err);
	}
	if (result == KILN_STORE_OK && !f.live)
		result = KILN_STORE_ABSENT;
	if (result != KILN_STORE_OK)
		kiln_wipe(key, sizeof *key);
	return result;
}

static enum kiln_store_result get(struct kiln_store *store, const uint8_t *key_id,
				  const uint8_t *owner, bool lock, struct kiln_keys_key *key,
				  struct kiln_error *err)
{
	struct kiln_store_cell cell;
	const struct kiln_db_value values[] = {KILN_DB_BYTES(owner, KILN_KEYS_USER_ID_LEN),
					       KILN_DB_BYTES(key_id, KILN_KEYS_KEY_ID_LEN)};
	enum kiln_store_result result = KILN_STORE_OK;
	if (lock)
		result = kiln_store_get(store, KILN_SQL_KEYS_LOCK, values, &cell, err);
	memset(key, 0, sizeof *key);
	memcpy(key->owner, owner, sizeof key->owner);
	memcpy(key->key_id, key_id, sizeof key->key_id);
	return result == KILN_STORE_OK ? find_key(store, key, err) : result;
}

enum kiln_store_result kiln_store_key_create(void *ctx, const struct kiln_keys_key *key,
					     struct kiln_error *err)
{
	struct kiln_store *store = ctx;
	struct kiln_store_head head;
	enum kiln_store_result result = kiln_store_head_get(store, key->owner, true, &head, err);
	/* What was deleted leaves its key_id behind, for ever: it counts too, or one user could
	 * fill the disk. */
	if (result == KILN_STORE_OK &&
	    (head.keys >= store->keys_max || head.deleted >= DELETED_PER_KEY * store->keys_max))
		result = KILN_STORE_FULL;
	if (result == KILN_STORE_OK)
		result = put(store, key, 0, true, err);
	if (result == KILN_STORE_OK) {
		head.keys++;
		result = kiln_store_head_set(store, key->owner, &head, false, err);
	}
	return result;
}

enum kiln_store_result kiln_store_key_id_free(void *ctx, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					      struct kiln_error *err)
{
	struct kiln_store_cell cell;
	const struct kiln_db_value values[] = {KILN_DB_BYTES(key_id, KILN_KEYS_KEY_ID_LEN)};
	const enum kiln_store_result result =
	    kiln_store_get(ctx, KILN_SQL_KEYS_TAKEN, values, &cell, err);
	return result == KILN_STORE_OK       ? KILN_STORE_TAKEN
	       : result == KILN_STORE_ABSENT ? KILN_STORE_OK
					     : result;
}

enum kiln_store_result kiln_store_key_get(void *ctx, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					  const uint8_t owner[KILN_KEYS_USER_ID_LEN],
					  struct kiln_keys_key *key, struct kiln_error *err)
{
	return get(ctx, key_id, owner, false, key, err);
}

enum kiln_store_result kiln_store_key_retrieved(void *ctx,
						const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
						const uint8_t owner[KILN_KEYS_USER_ID_LEN],
						uint64_t now_ms, struct kiln_error *err)
{
	struct kiln_keys_key key;
	enum kiln_store_result result = get(ctx, key_id, owner, true, &key, err);
	if (result == KILN_STORE_OK) {
		key.retrieved_ms = now_ms;
		result = put(ctx, &key, 0, false, err);
	}
	kiln_wipe(&key, sizeof key);
	return result;
}

enum kiln_store_result kiln_store_key_delete(void *ctx, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					     const uint8_t owner[KILN_KEYS_USER_ID_LEN],
					     uint64_t now_ms, struct kiln_error *err)
{
	struct kiln_store *store = ctx;
	struct kiln_keys_key key;
	struct kiln_store_head head;
	enum kiln_store_result result = get(store, key_id, owner, true, &key, err);
	if (result == KILN_STORE_OK)
		result = kiln_store_head_get(store, owner, true, &head, err);
	if (result == KILN_STORE_OK)
		result = put(store, &key, now_ms != 0 ? now_ms : 1, false, err);
	if (result == KILN_STORE_OK) {
		head.keys--;
		head.deleted++;
		store->scrub_due = true;
		result = kiln_store_head_set(store, owner, &head, false, err);
	}
	kiln_wipe(&key, sizeof key);
	return result;
}
