/* SPDX-License-Identifier: Apache-2.0
 * Limits: lib/keys/store.h. A bucket is read, judged, and written if it is still what was read:
 * nothing is locked. On PostgreSQL that is a connection of its own, and what it writes counts at
 * once, for all servers and whatever becomes of the batch; nobody waits for a stranger's bucket.
 * On SQLite it is written with the batch: kept.c. */
#include <string.h>

#include "base/bytes.h"
#include "keys/store/internal.h"

#define SWEEP_EVERY 256u
#define TRIES       100u /* of servers that write the same bucket at the same moment */

struct held {
	struct kiln_row row;
	uint8_t id[KILN_STORE_HASH_LEN];
	struct kiln_keys_bucket bucket;
	struct kiln_store_kept *kept; /* or NULL, and then: */
	struct kiln_store_cell cell;  /* as it was read */
	bool there;
};

static enum kiln_store_result read_row(struct kiln_store *store, struct held *h,
				       struct kiln_error *err)
{
	uint8_t plain[KILN_ROW_BUCKET_LEN];
	uint64_t stale;
	const struct kiln_db_value values[] = {KILN_DB_BYTES(h->id, sizeof h->id)};
	memset(&h->bucket, 0, sizeof h->bucket);
	const enum kiln_store_result result =
	    kiln_store_get(store, KILN_SQL_LIMITS_GET, values, &h->cell, err);
	h->there = result == KILN_STORE_OK;
	if (!h->there)
		return result == KILN_STORE_ABSENT ? KILN_STORE_OK : result;
	if (!kiln_unseal_exactly(store->sealer, &h->row, h->cell.bytes, h->cell.len, plain,
				 sizeof plain))
		return kiln_store_damaged(&h->row, "its seal does not open", err);
	kiln_row_read_bucket(plain, &h->bucket, &stale);
	return KILN_STORE_OK;
}

static enum kiln_store_result get(struct kiln_store *store, struct held *h, struct kiln_error *err)
{
	h->kept = kiln_store_kept_find(store, h->id);
	if (h->kept != NULL) {
		h->bucket = h->kept->now.bucket;
		return KILN_STORE_OK;
	}
	const enum kiln_store_result result = read_row(store, h, err);
	if (result == KILN_STORE_OK)
		h->kept = kiln_store_kept_add(store, h->id, &h->bucket, h->there);
	return result;
}

/* When nothing is left in it, at the latest. */
static uint64_t stale_after(const struct kiln_keys_bucket *b, const struct kiln_keys_limit *limit)
{
	if (limit->forget_ms == 0)
		return INT64_MAX;
	const uint64_t forgotten = b->since_ms + (uint64_t)b->attempts * limit->forget_ms;
	const uint64_t last = forgotten > b->not_before_ms ? forgotten : b->not_before_ms;
	return last < INT64_MAX ? last : INT64_MAX;
}

/* OK; ABSENT when another server was faster. */
static enum kiln_store_result set(struct kiln_store *store, const struct held *h,
				  const struct kiln_keys_limit *limit, uint64_t now_ms,
				  struct kiln_error *err)
{
	uint8_t plain[KILN_ROW_BUCKET_LEN], sealed[KILN_ROW_BUCKET_LEN + KILN_STORE_SEAL_OVERHEAD];
	const uint64_t stale = stale_after(&h->bucket, limit);
	const struct kiln_db_value was = KILN_DB_BYTES(h->cell.bytes, h->cell.len);
	const struct kiln_db_value id = KILN_DB_BYTES(h->id, sizeof h->id);
	const bool fresh = kiln_keys_bucket_fresh(&h->bucket, limit, now_ms);
	if (h->kept != NULL) {
		kiln_store_kept_set(store, h->kept, &h->bucket, fresh, stale);
		return KILN_STORE_OK;
	}
	if (fresh) {
		const struct kiln_db_value drop[] = {id, was};
		return !h->there ? KILN_STORE_OK
				 : kiln_store_put(store, KILN_SQL_LIMITS_DROP, drop,
						  KILN_STORE_ABSENT, err);
	}
	kiln_row_write_bucket(&h->bucket, stale, plain);
	kiln_seal(store->sealer, &h->row, plain, sizeof plain, sealed);
	const struct kiln_db_value values[] = {id, KILN_DB_NUMBER(stale),
					       KILN_DB_BYTES(sealed, sizeof sealed), was};
	return kiln_store_put(store, h->there ? KILN_SQL_LIMITS_SWAP : KILN_SQL_LIMITS_ADD, values,
			      KILN_STORE_ABSENT, err);
}

static void find(const struct kiln_store *store, enum kiln_keys_limit_kind kind, const uint8_t *key,
		 size_t len, struct held *h)
{
	const uint8_t kinds[1] = {(uint8_t)kind};
	kiln_sealer_hash(store->sealer, KILN_TABLE_LIMITS, kinds, sizeof kinds, key, len, h->id);
	h->row = kiln_row_of(KILN_TABLE_LIMITS, h->id, sizeof h->id);
}

static enum kiln_store_result busy(struct kiln_error *err)
{
	(void)kiln_fail(err, KILN_E_STORE, "a limit is written by too many servers at once");
	return KILN_STORE_FAILED;
}

/* Strangers make rows: those in which nothing is left go. */
static enum kiln_store_result sweep(struct kiln_store *store, uint64_t now_ms,
				    struct kiln_error *err)
{
	const struct kiln_db_value values[] = {KILN_DB_NUMBER(now_ms)};
	if (++store->limit_turns % SWEEP_EVERY != 0)
		return KILN_STORE_OK;
	return kiln_store_run(store, KILN_SQL_LIMITS_SWEEP, values, NULL, NULL, NULL, err);
}

enum kiln_store_result kiln_store_limit_take(void *ctx, enum kiln_keys_limit_kind kind,
					     const uint8_t *key, size_t len,
					     const struct kiln_keys_limit *limit, uint64_t now_ms,
					     struct kiln_keys_verdict *verdict,
					     struct kiln_error *err)
{
	struct held h;
	enum kiln_store_result result = sweep(ctx, now_ms, err);
	if (result != KILN_STORE_OK)
		return result;
	find(ctx, kind, key, len, &h);
	for (unsigned i = 0; i < TRIES; i++) {
		result = get(ctx, &h, err);
		if (result != KILN_STORE_OK)
			return result;
		*verdict = kiln_keys_bucket_take(&h.bucket, limit, now_ms);
		/* Refused again: nothing to write, or strangers would make the disk work. */
		if (!verdict->allowed && !verdict->first)
			return KILN_STORE_OK;
		result = set(ctx, &h, limit, now_ms, err);
		if (result != KILN_STORE_ABSENT)
			return result;
	}
	return busy(err);
}

enum kiln_store_result kiln_store_limit_give(void *ctx, enum kiln_keys_limit_kind kind,
					     const uint8_t *key, size_t len,
					     const struct kiln_keys_limit *limit, uint64_t now_ms,
					     struct kiln_error *err)
{
	struct held h;
	find(ctx, kind, key, len, &h);
	for (unsigned i = 0; i < TRIES; i++) {
		enum kiln_store_result result = get(ctx, &h, err);
		if (result != KILN_STORE_OK || (h.kept == NULL && !h.there))
			return result;
		kiln_keys_bucket_give(&h.bucket, limit, now_ms);
		result = set(ctx, &h, limit, now_ms, err);
		if (result != KILN_STORE_ABSENT)
			return result;
	}
	return busy(err);
}
