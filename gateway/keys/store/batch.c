/* SPDX-License-Identifier: Apache-2.0
 * Batches, and the table of the store's functions: lib/keys/store.h. */
#include "keys/store/internal.h"

static void forget_batch(struct kiln_store *store)
{
	store->in_batch = store->in_frame = store->wrote = false;
	store->pending_count = store->pending_written = 0;
	store->frame_count = store->frame_written = 0;
	store->users_added = store->frame_users = 0;
}

static void store_rollback(void *ctx)
{
	struct kiln_store *store = ctx;
	store->db->driver->rollback(store->db);
	kiln_store_kept_drop(store);
	forget_batch(store);
}

static enum kiln_store_result store_begin(void *ctx, struct kiln_error *err)
{
	struct kiln_store *store = ctx;
	forget_batch(store);
	const enum kiln_store_result result = store->db->driver->begin(store->db, err);
	store->in_batch = result == KILN_STORE_OK;
	return result;
}

/* What all servers of a database write is written last, and in the same order by all. */
static enum kiln_store_result write_last(struct kiln_store *store, struct kiln_error *err)
{
	enum kiln_store_result result = kiln_store_kept_flush(store, err);
	if (result == KILN_STORE_OK)
		result = kiln_store_audit_flush(store, err);
	if (result == KILN_STORE_OK && store->users_added > 0)
		result = kiln_store_users_count(store, err);
	if (result == KILN_STORE_OK && store->wrote && store->anchor != NULL)
		result = kiln_anchor_count(store, err);
	return result;
}

/* The batch is committed: what was deleted may be gone a little later, if somebody reads. */
static void scrub(struct kiln_store *store)
{
	struct kiln_error ignored;
	if (store->scrub_due && store->db->driver->scrub(store->db, &ignored) == KILN_STORE_OK)
		store->scrub_due = false;
}

static enum kiln_store_result store_commit(void *ctx, struct kiln_error *err)
{
	struct kiln_store *store = ctx;
	enum kiln_store_result result = write_last(store, err);
	if (result != KILN_STORE_OK) {
		store_rollback(store);
		return KILN_STORE_FAILED;
	}
	result = store->db->driver->commit(store->db, store->wrote, err);
	if (result == KILN_STORE_OK && store->wrote && store->anchor != NULL)
		kiln_anchor_write(store);
	forget_batch(store);
	if (result == KILN_STORE_OK)
		scrub(store);
	else
		kiln_store_kept_drop(store);
	return result;
}

static enum kiln_store_result store_savepoint(void *ctx, struct kiln_error *err)
{
	struct kiln_store *store = ctx;
	if (store->pending_count > KILN_STORE_PENDING_MAX / 2) {
		const enum kiln_store_result flushed = kiln_store_audit_flush(store, err);
		if (flushed != KILN_STORE_OK)
			return flushed;
		store->pending_count = store->pending_written = 0;
	}
	const enum kiln_store_result result = store->db->driver->savepoint(store->db, err);
	if (result == KILN_STORE_OK) {
		store->in_frame = true;
		store->frame++;
		store->frame_count = store->pending_count;
		store->frame_written = store->pending_written;
		store->frame_users = store->users_added;
	}
	return result;
}

static enum kiln_store_result store_release(void *ctx, struct kiln_error *err)
{
	struct kiln_store *store = ctx;
	store->in_frame = false;
	return store->db->driver->release(store->db, err);
}

static enum kiln_store_result store_undo(void *ctx, struct kiln_error *err)
{
	struct kiln_store *store = ctx;
	store->in_frame = false;
	kiln_store_kept_undo(store);
	store->pending_count = store->frame_count;
	store->pending_written = store->frame_written;
	store->users_added = store->frame_users;
	const enum kiln_store_result result = store->db->driver->undo(store->db, err);
	if (result != KILN_STORE_OK) {
		kiln_store_kept_drop(store);
		forget_batch(store);
	}
	return result;
}

const struct kiln_keys_store kiln_store_calls = {
    .begin = store_begin,
    .commit = store_commit,
    .rollback = store_rollback,
    .savepoint = store_savepoint,
    .release = store_release,
    .undo = store_undo,
    .setup_get = kiln_store_setup_get,
    .setup_put = kiln_store_setup_put,
    .user_by_name = kiln_store_user_by_name,
    .user_by_id = kiln_store_user_by_id,
    .user_generation = kiln_store_user_generation,
    .user_create = kiln_store_user_create,
    .user_change = kiln_store_user_change,
    .key_create = kiln_store_key_create,
    .key_id_free = kiln_store_key_id_free,
    .key_get = kiln_store_key_get,
    .key_retrieved = kiln_store_key_retrieved,
    .key_delete = kiln_store_key_delete,
    .audit_append = kiln_store_audit_append,
    .audit_list = kiln_store_audit_list,
    .limit_take = kiln_store_limit_take,
    .limit_give = kiln_store_limit_give,
    .known_get = kiln_store_known_get,
    .known_put = kiln_store_known_put,
    .token_get = kiln_store_token_get,
    .token_spend = kiln_store_token_spend,
    .token_add = kiln_store_token_add,
};
