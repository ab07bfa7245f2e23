/* SPDX-License-Identifier: Apache-2.0
 * Buckets that are kept in memory, for a database that no other server writes: see internal.h. What
 * was taken is in the database when the batch's commit is, and no answer leaves before; many
 * attempts from one source are one write, and who gives back in the same batch writes nothing. */
#include <string.h>

#include "base/bytes.h"
#include "keys/store/internal.h"

/* Nobody can choose an id: it is a keyed hash. */
static struct kiln_store_kept *slot_of(struct kiln_store *store, const uint8_t *id)
{
	return &store->kept[kiln_load_be16(id) % KILN_STORE_KEPT];
}

static bool is(const struct kiln_store_kept *slot, const uint8_t *id)
{
	return slot->used && memcmp(slot->id, id, sizeof slot->id) == 0;
}

struct kiln_store_kept *kiln_store_kept_find(struct kiln_store *store, const uint8_t *id)
{
	struct kiln_store_kept *slot = slot_of(store, id);
	return is(slot, id) ? slot : NULL;
}

/* It waits to be written, or an undo may make it wait. */
static bool needed(const struct kiln_store *store, const struct kiln_store_kept *slot)
{
	return slot->now.waits || (store->in_frame && slot->used && slot->frame == store->frame);
}

/* A slot that is needed stays: the other bucket is then not kept, which costs a write. */
struct kiln_store_kept *kiln_store_kept_add(struct kiln_store *store, const uint8_t *id,
					    const struct kiln_keys_bucket *bucket, bool there)
{
	struct kiln_store_kept *slot = slot_of(store, id);
	if (!store->in_batch || !store->db->driver->one_server || needed(store, slot))
		return NULL;
	memset(slot, 0, sizeof *slot);
	memcpy(slot->id, id, sizeof slot->id);
	slot->used = true;
	slot->there = there;
	slot->now.bucket = *bucket;
	return slot;
}

void kiln_store_kept_set(struct kiln_store *store, struct kiln_store_kept *slot,
			 const struct kiln_keys_bucket *bucket, bool fresh, uint64_t stale_ms)
{
	if (store->in_frame && slot->frame != store->frame) {
		slot->frame = store->frame;
		slot->before = slot->now;
	}
	slot->now = (struct kiln_store_kept_state){*bucket, stale_ms, fresh, slot->there || !fresh};
}

static enum kiln_store_result flush_one(struct kiln_store *store, struct kiln_store_kept *slot,
					struct kiln_error *err)
{
	uint8_t plain[KILN_ROW_BUCKET_LEN], sealed[KILN_ROW_BUCKET_LEN + KILN_STORE_SEAL_OVERHEAD];
	const struct kiln_row row = kiln_row_of(KILN_TABLE_LIMITS, slot->id, sizeof slot->id);
	const struct kiln_db_value id = KILN_DB_BYTES(slot->id, sizeof slot->id);
	slot->now.waits = false;
	slot->there = !slot->now.fresh;
	if (slot->now.fresh)
		return kiln_store_run(store, KILN_SQL_LIMITS_FORGET, &id, NULL, NULL, NULL, err);
	kiln_row_write_bucket(&slot->now.bucket, slot->now.stale_ms, plain);
	kiln_seal(store->sealer, &row, plain, sizeof plain, sealed);
	const struct kiln_db_value values[] = {id, KILN_DB_NUMBER(slot->now.stale_ms),
					       KILN_DB_BYTES(sealed, sizeof sealed)};
	return kiln_store_run(store, KILN_SQL_LIMITS_PUT, values, NULL, NULL, NULL, err);
}

enum kiln_store_result kiln_store_kept_flush(struct kiln_store *store, struct kiln_error *err)
{
	enum kiln_store_result result = KILN_STORE_OK;
	for (size_t i = 0; i < KILN_STORE_KEPT && result == KILN_STORE_OK; i++)
		if (store->kept[i].now.waits)
			result = flush_one(store, &store->kept[i], err);
	return result;
}

static void forget_seen(struct kiln_store *store)
{
	memset(store->seen, 0, sizeof store->seen);
	memset(store->heads, 0, sizeof store->heads);
}

/* A bucket that was read within the frame was read as it is without it. */
void kiln_store_kept_undo(struct kiln_store *store)
{
	for (size_t i = 0; i < KILN_STORE_KEPT; i++)
		if (store->kept[i].used && store->kept[i].frame == store->frame)
			store->kept[i].now = store->kept[i].before;
	forget_seen(store);
}

void kiln_store_kept_drop(struct kiln_store *store)
{
	memset(store->kept, 0, sizeof store->kept);
	forget_seen(store);
}
