/* SPDX-License-Identifier: Apache-2.0
 * Heads: what holds a user's rows together; see rows.h. */
#include <string.h>

#include "base/bytes.h"
#include "keys/store/internal.h"

/* Nobody chooses a user id. */
static struct kiln_store_head_seen *slot_of(struct kiln_store *store, const uint8_t *user_id)
{
	return &store->heads[kiln_load_be16(user_id) % KILN_STORE_HEADS];
}

static bool recall(struct kiln_store *store, const uint8_t *user_id, struct kiln_store_head *head)
{
	const struct kiln_store_head_seen *slot = slot_of(store, user_id);
	const bool hit = store->in_batch && slot->used &&
			 memcmp(slot->user_id, user_id, sizeof slot->user_id) == 0;
	if (hit)
		*head = slot->head;
	return hit;
}

void kiln_store_head_remember(struct kiln_store *store, const uint8_t *user_id,
			      const struct kiln_store_head *head)
{
	struct kiln_store_head_seen *slot = slot_of(store, user_id);
	if (!store->in_batch || !store->db->driver->one_server)
		return;
	slot->used = true;
	slot->head = *head;
	memcpy(slot->user_id, user_id, sizeof slot->user_id);
}

enum kiln_store_result kiln_store_head_open(const struct kiln_store *store, const uint8_t *user_id,
					    const uint8_t *sealed, size_t len,
					    struct kiln_store_head *head, struct kiln_error *err)
{
	uint8_t plain[KILN_ROW_HEAD_LEN];
	const struct kiln_row row = kiln_row_of(KILN_TABLE_HEADS, user_id, KILN_KEYS_USER_ID_LEN);
	if (!kiln_unseal_exactly(store->sealer, &row, sealed, len, plain, sizeof plain))
		return kiln_store_damaged(&row, "it is missing, or its seal does not open", err);
	kiln_row_read_head(plain, head);
	return KILN_STORE_OK;
}

enum kiln_store_result kiln_store_head_get(struct kiln_store *store, const uint8_t *user_id,
					   bool lock, struct kiln_store_head *head,
					   struct kiln_error *err)
{
	struct kiln_store_cell cell;
	const struct kiln_db_value values[] = {KILN_DB_BYTES(user_id, KILN_KEYS_USER_ID_LEN)};
	if (recall(store, user_id, head))
		return KILN_STORE_OK;
	enum kiln_store_result result = kiln_store_get(
	    store, lock ? KILN_SQL_HEADS_LOCK : KILN_SQL_HEADS_GET, values, &cell, err);
	if (result == KILN_STORE_OK)
		result = kiln_store_head_open(store, user_id, cell.bytes, cell.len, head, err);
	if (result == KILN_STORE_OK)
		kiln_store_head_remember(store, user_id, head);
	return result;
}

enum kiln_store_result kiln_store_head_set(struct kiln_store *store, const uint8_t *user_id,
					   const struct kiln_store_head *head, bool add,
					   struct kiln_error *err)
{
	uint8_t plain[KILN_ROW_HEAD_LEN], sealed[KILN_ROW_HEAD_LEN + KILN_STORE_SEAL_OVERHEAD];
	const struct kiln_row row = kiln_row_of(KILN_TABLE_HEADS, user_id, KILN_KEYS_USER_ID_LEN);
	kiln_row_write_head(head, plain);
	kiln_seal(store->sealer, &row, plain, sizeof plain, sealed);
	const struct kiln_db_value values[] = {KILN_DB_BYTES(user_id, KILN_KEYS_USER_ID_LEN),
					       KILN_DB_BYTES(sealed, sizeof sealed)};
	const enum kiln_store_result result =
	    kiln_store_put(store, add ? KILN_SQL_HEADS_ADD : KILN_SQL_HEADS_SET, values,
			   add ? KILN_STORE_TAKEN : KILN_STORE_ABSENT, err);
	if (result == KILN_STORE_ABSENT)
		return kiln_store_damaged(&row, "it is missing", err);
	if (result == KILN_STORE_OK)
		kiln_store_head_remember(store, user_id, head);
	return result;
}
