/* SPDX-License-Identifier: Apache-2.0
 * Users: lib/keys/store.h. */
#include <string.h>

#include "base/bytes.h"
#include "keys/store/internal.h"

void kiln_store_name_hash(const struct kiln_store *store, const uint8_t *name, size_t len,
			  uint8_t hash[KILN_STORE_HASH_LEN])
{
	kiln_sealer_hash(store->sealer, KILN_TABLE_NAMES, name, len, NULL, 0, hash);
}

static struct kiln_row row_of(const uint8_t *user_id)
{
	return kiln_row_of(KILN_TABLE_USERS, user_id, KILN_KEYS_USER_ID_LEN);
}

static size_t seal_user(const struct kiln_store *store, const struct kiln_keys_user *user,
			uint8_t sealed[KILN_ROW_MAX])
{
	uint8_t plain[KILN_ROW_USER_MAX];
	const struct kiln_row row = row_of(user->user_id);
	const size_t len = kiln_row_write_user(user, plain);
	kiln_seal(store->sealer, &row, plain, len, sealed);
	kiln_wipe(plain, sizeof plain);
	return len + KILN_STORE_SEAL_OVERHEAD;
}

/* user->user_id is set. */
static enum kiln_store_result open_user(const struct kiln_store *store, const uint8_t *sealed,
					size_t len, struct kiln_keys_user *user,
					struct kiln_error *err)
{
	uint8_t plain[KILN_ROW_USER_MAX];
	size_t plain_len;
	const struct kiln_row row = row_of(user->user_id);
	const bool good =
	    kiln_unseal(store->sealer, &row, sealed, len, plain, sizeof plain, &plain_len) &&
	    kiln_row_read_user(plain, plain_len, user);
	kiln_wipe(plain, sizeof plain);
	return good ? KILN_STORE_OK : kiln_store_damaged(&row, "its seal does not open", err);
}

/* As long as the row of most users: names have up to 63 bytes. */
void kiln_store_make_decoy(struct kiln_store *store)
{
	struct kiln_keys_user user = {.name_len = 24};
	store->decoy_len = seal_user(store, &user, store->decoy);
}

/* A user's row and his head, of one moment. */
struct finding_user {
	struct kiln_store_cell sealed, head;
	uint8_t user_id[KILN_KEYS_USER_ID_LEN];
};

static bool take_bytes(struct kiln_store_cell *cell, const struct kiln_db_value *column)
{
	if (column->len > sizeof cell->bytes)
		return false;
	memcpy(cell->bytes, column->data, column->len);
	cell->len = column->len;
	return cell->there = true;
}

static enum kiln_store_result take_user(void *ctx, const struct kiln_db_value *columns,
					struct kiln_error *err)
{
	struct finding_user *found = ctx;
	if (columns[0].len != sizeof found->user_id || !take_bytes(&found->head, &columns[1]) ||
	    !take_bytes(&found->sealed, &columns[2])) {
		(void)kiln_fail(err, KILN_E_STORE,
				"the store is damaged: kiln_users or kiln_heads has a row of a "
				"wrong size; restore a backup");
		return KILN_STORE_FAILED;
	}
	memcpy(found->user_id, columns[0].data, sizeof found->user_id);
	return KILN_STORE_OK;
}

/* Opens both. A row that was put back opens as it did when it was written: that the password has
 * changed since then, the head knows. */
static enum kiln_store_result open_found(struct kiln_store *store, const struct finding_user *found,
					 struct kiln_keys_user *user, struct kiln_error *err)
{
	struct kiln_store_head head;
	memset(user, 0, sizeof *user);
	memcpy(user->user_id, found->user_id, sizeof user->user_id);
	enum kiln_store_result result =
	    open_user(store, found->sealed.bytes, found->sealed.len, user, err);
	if (result == KILN_STORE_OK)
		result = kiln_store_head_open(store, found->user_id, found->head.bytes,
					      found->head.len, &head, err);
	if (result == KILN_STORE_OK && user->generation != head.generation) {
		const struct kiln_row row = row_of(user->user_id);
		result =
		    kiln_store_damaged(&row, "it is of another password than its head says", err);
	}
	if (result == KILN_STORE_OK)
		kiln_store_head_remember(store, found->user_id, &head);
	else
		kiln_wipe(user, sizeof *user);
	return result;
}

/* For a name that nobody has, the decoy is opened with nobody's head: the work is the same. */
enum kiln_store_result kiln_store_user_by_name(void *ctx, const uint8_t *name, size_t len,
					       struct kiln_keys_user *user, struct kiln_error *err)
{
	struct kiln_store *store = ctx;
	struct finding_user found = {.sealed.there = false};
	uint8_t hash[KILN_STORE_HASH_LEN];
	kiln_store_name_hash(store, name, len, hash);
	const struct kiln_db_value values[] = {
	    KILN_DB_BYTES(hash, sizeof hash),
	    KILN_DB_BYTES(kiln_store_nobody, sizeof kiln_store_nobody),
	    KILN_DB_BYTES(store->decoy, store->decoy_len),
	};
	enum kiln_store_result result =
	    kiln_store_run(store, KILN_SQL_USERS_BY_NAME, values, take_user, &found, NULL, err);
	if (result == KILN_STORE_OK)
		result = open_found(store, &found, user, err);
	if (result != KILN_STORE_OK)
		return result;
	if (memcmp(found.user_id, kiln_store_nobody, sizeof found.user_id) == 0)
		return KILN_STORE_ABSENT;
	if (user->name_len != len || memcmp(user->name, name, len) != 0) {
		const struct kiln_row row = row_of(user->user_id);
		return kiln_store_damaged(&row, "it has another user's name", err);
	}
	return KILN_STORE_OK;
}

enum kiln_store_result kiln_store_user_by_id(void *ctx,
					     const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
					     struct kiln_keys_user *user, struct kiln_error *err)
{
	struct kiln_store *store = ctx;
	struct finding_user found = {.sealed.there = false};
	const struct kiln_db_value values[] = {KILN_DB_BYTES(user_id, KILN_KEYS_USER_ID_LEN)};
	const enum kiln_store_result result =
	    kiln_store_run(store, KILN_SQL_USERS_GET, values, take_user, &found, NULL, err);
	if (result != KILN_STORE_OK)
		return result;
	return found.sealed.there ? open_found(store, &found, user, err) : KILN_STORE_ABSENT;
}

enum kiln_store_result kiln_store_user_generation(void *ctx,
						  const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
						  uint64_t *generation, struct kiln_error *err)
{
	struct kiln_store_head head;
	struct kiln_keys_user user;
	enum kiln_store_result result = kiln_store_head_get(ctx, user_id, false, &head, err);
	if (result == KILN_STORE_OK)
		*generation = head.generation;
	if (result != KILN_STORE_ABSENT)
		return result;
	/* Nobody, or somebody whose head is missing. */
	result = kiln_store_user_by_id(ctx, user_id, &user, err);
	if (result == KILN_STORE_OK) /* made in between, by another server */
		*generation = user.generation;
	kiln_wipe(&user, sizeof user);
	return result;
}

/* Nobody else changes the user until the transaction ends. */
static enum kiln_store_result lock_user(struct kiln_store *store, const uint8_t *user_id,
					struct kiln_keys_user *user, struct kiln_error *err)
{
	struct kiln_store_cell cell;
	const struct kiln_db_value values[] = {KILN_DB_BYTES(user_id, KILN_KEYS_USER_ID_LEN)};
	const enum kiln_store_result result =
	    kiln_store_get(store, KILN_SQL_USERS_LOCK, values, &cell, err);
	return result == KILN_STORE_OK ? kiln_store_user_by_id(store, user_id, user, err) : result;
}

enum kiln_store_result kiln_store_user_create(void *ctx, const struct kiln_keys_user *user,
					      struct kiln_error *err)
{
	struct kiln_store *store = ctx;
	uint8_t hash[KILN_STORE_HASH_LEN], sealed[KILN_ROW_MAX];
	const struct kiln_store_head head = {.first = 1, .generation = user->generation};
	if (memcmp(user->user_id, kiln_store_nobody, sizeof user->user_id) == 0)
		return KILN_STORE_TAKEN;
	kiln_store_name_hash(store, user->name, user->name_len, hash);
	const size_t len = seal_user(store, user, sealed);
	const struct kiln_db_value values[] = {
	    KILN_DB_BYTES(user->user_id, sizeof user->user_id),
	    KILN_DB_BYTES(hash, sizeof hash),
	    KILN_DB_BYTES(sealed, len),
	};
	enum kiln_store_result result =
	    kiln_store_put(store, KILN_SQL_USERS_ADD, values, KILN_STORE_TAKEN, err);
	if (result == KILN_STORE_OK)
		result = kiln_store_head_set(store, user->user_id, &head, true, err);
	if (result == KILN_STORE_OK)
		store->users_added++;
	return result;
}

enum kiln_store_result kiln_store_user_change(void *ctx, const struct kiln_keys_user *user,
					      struct kiln_error *err)
{
	struct kiln_store *store = ctx;
	struct kiln_keys_user row;
	struct kiln_store_head head;
	uint8_t sealed[KILN_ROW_MAX];
	enum kiln_store_result result = lock_user(store, user->user_id, &row, err);
	if (result == KILN_STORE_OK && row.generation != user->generation)
		result = KILN_STORE_STALE;
	if (result == KILN_STORE_OK)
		result = kiln_store_head_get(store, user->user_id, true, &head, err);
	if (result == KILN_STORE_OK) {
		memcpy(row.record, user->record, sizeof row.record);
		memcpy(row.wrapped, user->wrapped, sizeof row.wrapped);
		head.generation = ++row.generation;
		const size_t len = seal_user(store, &row, sealed);
		const struct kiln_db_value values[] = {
		    KILN_DB_BYTES(row.user_id, sizeof row.user_id),
		    KILN_DB_BYTES(sealed, len),
		};
		result = kiln_store_put(store, KILN_SQL_USERS_SET, values, KILN_STORE_ABSENT, err);
	}
	if (result == KILN_STORE_OK)
		result = kiln_store_head_set(store, user->user_id, &head, false, err);
	if (result == KILN_STORE_OK)
		store->scrub_due = true; /* the old password's record */
	kiln_wipe(&row, sizeof row);
	return result;
}
