/* SPDX-License-Identifier: Apache-2.0
 * What the store knows of itself, in kiln_meta:
 *
 *	schema   its version, in the clear: it must be read before anything else
 *	store    its id, in the clear, drawn when it was made; in the associated data of every seal
 *	key:NNN  for each of its keys: opens under that key and no other
 *	index    sealed: the key of the hashes
 *	version  sealed: the schema's version again
 *	totals   sealed: how many users there are
 *	setup    sealed: the server's setup for OPAQUE
 */
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "keys/store/internal.h"

#define KEY_MARK "kiln store key"
#define EPOCHS   250u /* that a store can have in its life */

static struct kiln_row row_of(const char *name)
{
	return kiln_row_of(KILN_TABLE_META, name, strlen(name));
}

#define NAME(n) KILN_DB_BYTES((const uint8_t *)(n), strlen(n))

static enum kiln_store_result put_clear(struct kiln_store *store, const char *name, bool add,
					const void *value, size_t len, struct kiln_error *err)
{
	const struct kiln_db_value values[] = {NAME(name), KILN_DB_BYTES(value, len)};
	return kiln_store_put(store, add ? KILN_SQL_META_ADD : KILN_SQL_META_SET, values,
			      KILN_STORE_TAKEN, err);
}

enum kiln_store_result kiln_store_meta_set(struct kiln_store *store, const char *name, bool add,
					   const void *plain, size_t len, struct kiln_error *err)
{
	uint8_t sealed[KILN_ROW_MAX];
	const struct kiln_row row = row_of(name);
	kiln_seal(store->sealer, &row, plain, len, sealed);
	return put_clear(store, name, add, sealed, len + KILN_STORE_SEAL_OVERHEAD, err);
}

enum kiln_store_result kiln_store_meta_get(struct kiln_store *store, const char *name, bool lock,
					   void *plain, size_t len, struct kiln_error *err)
{
	struct kiln_store_cell cell;
	const struct kiln_row row = row_of(name);
	const struct kiln_db_value values[] = {NAME(name)};
	const enum kiln_store_result result = kiln_store_get(
	    store, lock ? KILN_SQL_META_LOCK : KILN_SQL_META_GET, values, &cell, err);
	if (result != KILN_STORE_OK)
		return result;
	return kiln_unseal_exactly(store->sealer, &row, cell.bytes, cell.len, plain, len)
		   ? KILN_STORE_OK
		   : kiln_store_damaged(&row, "its seal does not open", err);
}

/* ---- the setup */

enum kiln_store_result kiln_store_setup_get(void *ctx, struct kiln_opaque_setup *setup,
					    struct kiln_error *err)
{
	return kiln_store_meta_get(ctx, "setup", false, setup, sizeof *setup, err);
}

enum kiln_store_result kiln_store_setup_put(void *ctx, const struct kiln_opaque_setup *setup,
					    struct kiln_error *err)
{
	return kiln_store_meta_set(ctx, "setup", true, setup, sizeof *setup, err);
}

/* ---- how many users */

enum kiln_store_result kiln_store_users_total(struct kiln_store *store, uint64_t *users,
					      struct kiln_error *err)
{
	uint8_t plain[8];
	const enum kiln_store_result result =
	    kiln_store_meta_get(store, "totals", false, plain, sizeof plain, err);
	if (result == KILN_STORE_ABSENT) {
		const struct kiln_row row = row_of("totals");
		return kiln_store_damaged(&row, "it is missing", err);
	}
	*users = kiln_row_number(plain);
	return result;
}

enum kiln_store_result kiln_store_users_count(struct kiln_store *store, struct kiln_error *err)
{
	uint8_t plain[8];
	enum kiln_store_result result =
	    kiln_store_meta_get(store, "totals", true, plain, sizeof plain, err);
	if (result != KILN_STORE_OK)
		return result;
	kiln_store_be64(plain, kiln_row_number(plain) + store->users_added);
	return kiln_store_meta_set(store, "totals", false, plain, sizeof plain, err);
}

/* ---- keys */

static void key_name(uint8_t epoch, char name[8])
{
	(void)snprintf(name, 8, "key:%03u", epoch);
}

enum kiln_store_result kiln_store_meta_add_key(struct kiln_store *store, uint8_t epoch,
					       struct kiln_error *err)
{
	char name[8];
	key_name(epoch, name);
	if (epoch > EPOCHS) {
		(void)kiln_fail(err, KILN_E_LIMIT, "the store had %u keys, and can have no more",
				EPOCHS);
		return KILN_STORE_FAILED;
	}
	return kiln_store_meta_set(store, name, true, KEY_MARK, sizeof KEY_MARK, err);
}

enum kiln_store_result kiln_store_meta_drop_key(struct kiln_store *store, uint8_t epoch,
						struct kiln_error *err)
{
	char name[8];
	key_name(epoch, name);
	const struct kiln_db_value values[] = {NAME(name)};
	return kiln_store_put(store, KILN_SQL_META_DROP, values, KILN_STORE_ABSENT, err);
}

/* Which of the keys that we have is the store's key of that epoch? */
static bool try_keys(struct kiln_store *store, uint8_t epoch, const struct kiln_store_cell *cell)
{
	char name[8];
	uint8_t plain[sizeof KEY_MARK];
	const struct kiln_store_key *keys[] = {store->options->key, store->options->other_key};
	key_name(epoch, name);
	const struct kiln_row row = row_of(name);
	for (int i = 0; i < 2; i++) {
		if (keys[i] == NULL)
			continue;
		kiln_sealer_add(store->sealer, epoch, keys[i]->bytes);
		if (kiln_unseal_exactly(store->sealer, &row, cell->bytes, cell->len, plain,
					sizeof plain)) {
			store->sealed_by_other = i == 1; /* epochs rise: the last one seals */
			return true;
		}
		kiln_sealer_drop(store->sealer, epoch);
	}
	return false;
}

static enum kiln_store_result wrong_key(unsigned there, unsigned opened, struct kiln_error *err)
{
	if (there == 2 && opened == 1)
		(void)kiln_fail(
		    err, KILN_E_CONFIG,
		    "the store is between two keys: rotate-key was interrupted; call it "
		    "again, or give both keys (--other-key-file)");
	else
		(void)kiln_fail(
		    err, KILN_E_CONFIG,
		    "the key does not open the store: it is another store's, or the key "
		    "or the first rows of kiln_meta are damaged");
	return KILN_STORE_FAILED;
}

static enum kiln_store_result load_keys(struct kiln_store *store, struct kiln_error *err)
{
	unsigned there = 0, opened = 0;
	for (uint8_t epoch = 1; epoch <= EPOCHS; epoch++) {
		char name[8];
		struct kiln_store_cell cell;
		key_name(epoch, name);
		const struct kiln_db_value values[] = {NAME(name)};
		const enum kiln_store_result result =
		    kiln_store_get(store, KILN_SQL_META_GET, values, &cell, err);
		if (result == KILN_STORE_ABSENT)
			continue;
		if (result != KILN_STORE_OK)
			return result;
		there++;
		opened += opened < 2 && try_keys(store, epoch, &cell);
	}
	store->rotating = there == 2;
	return there > 0 && there <= 2 && opened == there ? KILN_STORE_OK
							  : wrong_key(there, opened, err);
}

/* ---- making, loading, bringing up to date */

static enum kiln_store_result run_steps(struct kiln_store *store, int from, struct kiln_error *err)
{
	const struct kiln_db_driver *driver = store->db->driver;
	enum kiln_store_result result = KILN_STORE_OK;
	for (int version = from + 1; version <= KILN_STORE_SCHEMA; version++)
		for (const char *const *s = driver->migrations[version];
		     *s != NULL && result == KILN_STORE_OK; s++)
			result = driver->exec(store->db, *s, err);
	return result;
}

static enum kiln_store_result set_version(struct kiln_store *store, bool add,
					  struct kiln_error *err)
{
	uint8_t version[8];
	kiln_store_be64(version, KILN_STORE_SCHEMA);
	const enum kiln_store_result result =
	    put_clear(store, "schema", add, version, sizeof version, err);
	return result != KILN_STORE_OK
		   ? result
		   : kiln_store_meta_set(store, "version", add, version, sizeof version, err);
}

enum kiln_store_result kiln_store_meta_create(struct kiln_store *store, struct kiln_error *err)
{
	uint8_t index[KILN_STORE_KEY_LEN];
	static const uint8_t none[8];
	const struct kiln_store_head nobody = {.first = 1};
	randombytes_buf(store->store_id, sizeof store->store_id);
	randombytes_buf(index, sizeof index);
	store->sealer = kiln_sealer_new(store->store_id, err);
	if (store->sealer == NULL)
		return KILN_STORE_FAILED;
	kiln_sealer_add(store->sealer, 1, store->options->key->bytes);
	kiln_sealer_set_index(store->sealer, index);
	enum kiln_store_result result = run_steps(store, 0, err);
	if (result == KILN_STORE_OK)
		result =
		    put_clear(store, "store", true, store->store_id, sizeof store->store_id, err);
	if (result == KILN_STORE_OK)
		result = kiln_store_meta_add_key(store, 1, err);
	if (result == KILN_STORE_OK)
		result = kiln_store_meta_set(store, "index", true, index, sizeof index, err);
	if (result == KILN_STORE_OK)
		result = kiln_store_meta_set(store, "totals", true, none, sizeof none, err);
	if (result == KILN_STORE_OK)
		result = kiln_store_head_set(store, kiln_store_nobody, &nobody, true, err);
	if (result == KILN_STORE_OK)
		result = set_version(store, true, err);
	kiln_wipe(index, sizeof index);
	return result;
}

static enum kiln_store_result load_clear(struct kiln_store *store, struct kiln_error *err)
{
	struct kiln_store_cell id, schema;
	const struct kiln_db_value id_name[] = {NAME("store")}, schema_name[] = {NAME("schema")};
	const struct kiln_row row = row_of("schema, or row store");
	enum kiln_store_result result = kiln_store_get(store, KILN_SQL_META_GET, id_name, &id, err);
	if (result == KILN_STORE_OK)
		result = kiln_store_get(store, KILN_SQL_META_GET, schema_name, &schema, err);
	if (result == KILN_STORE_FAILED)
		return result;
	if (result != KILN_STORE_OK || id.len != sizeof store->store_id || schema.len != 8)
		return kiln_store_damaged(&row, "it is missing, or too long", err);
	memcpy(store->store_id, id.bytes, sizeof store->store_id);
	const uint64_t version = kiln_row_number(schema.bytes);
	if (version == 0 || version > KILN_STORE_SCHEMA) {
		(void)kiln_fail(err, KILN_E_STORE,
				"the store has schema %llu, this program knows 1 to %d: it is of a "
				"newer Kiln, or damaged",
				(unsigned long long)version, KILN_STORE_SCHEMA);
		return KILN_STORE_FAILED;
	}
	store->schema = (int)version;
	return KILN_STORE_OK;
}

static enum kiln_store_result load_sealed(struct kiln_store *store, struct kiln_error *err)
{
	uint8_t index[KILN_STORE_KEY_LEN], version[8] = {0};
	const struct kiln_row index_row = row_of("index"), version_row = row_of("version");
	enum kiln_store_result result =
	    kiln_store_meta_get(store, "index", false, index, sizeof index, err);
	if (result == KILN_STORE_ABSENT)
		return kiln_store_damaged(&index_row, "it is missing", err);
	if (result == KILN_STORE_OK)
		kiln_sealer_set_index(store->sealer, index);
	kiln_wipe(index, sizeof index);
	if (result == KILN_STORE_OK)
		result = kiln_store_meta_get(store, "version", false, version, sizeof version, err);
	if (result == KILN_STORE_ABSENT ||
	    (result == KILN_STORE_OK && kiln_row_number(version) != (uint64_t)store->schema))
		return kiln_store_damaged(&version_row, "it is not what row schema says", err);
	return result;
}

enum kiln_store_result kiln_store_meta_load(struct kiln_store *store, struct kiln_error *err)
{
	enum kiln_store_result result = load_clear(store, err);
	if (result != KILN_STORE_OK)
		return result;
	store->sealer = kiln_sealer_new(store->store_id, err);
	if (store->sealer == NULL)
		return KILN_STORE_FAILED;
	result = load_keys(store, err);
	if (result == KILN_STORE_OK)
		result = load_sealed(store, err);
	if (result == KILN_STORE_OK)
		kiln_store_make_decoy(store);
	return result;
}

enum kiln_store_result kiln_store_meta_renew(struct kiln_store *store, struct kiln_error *err)
{
	enum kiln_store_result result = kiln_store_meta_load(store, err);
	if (result == KILN_STORE_OK && store->schema != KILN_STORE_SCHEMA)
		result = set_version(store, false, err);
	if (result == KILN_STORE_OK)
		store->schema = KILN_STORE_SCHEMA;
	return result;
}

enum kiln_store_result kiln_store_migrate(struct kiln_store *store, struct kiln_error *err)
{
	if (store->schema == KILN_STORE_SCHEMA)
		return KILN_STORE_OK;
	const struct kiln_db_driver *driver = store->db->driver;
	enum kiln_store_result result = driver->begin(store->db, err);
	if (result != KILN_STORE_OK)
		return result;
	driver->watch(store->db, "tables of an older Kiln are moved", kiln_store_say_progress,
		      store);
	/* Of several servers one does it; then the row says so. */
	struct kiln_store_cell schema;
	const struct kiln_db_value name[] = {NAME("schema")};
	result = kiln_store_get(store, KILN_SQL_META_LOCK, name, &schema, err);
	if (result == KILN_STORE_OK && kiln_row_number(schema.bytes) == (uint64_t)store->schema) {
		result = run_steps(store, store->schema, err);
		if (result == KILN_STORE_OK)
			result = set_version(store, false, err);
	}
	if (result == KILN_STORE_OK)
		result = driver->commit(store->db, true, err);
	else
		driver->rollback(store->db);
	driver->watch(store->db, NULL, NULL, NULL);
	if (result != KILN_STORE_OK)
		return result;
	store->schema = KILN_STORE_SCHEMA;
	store->scrub_due = true; /* the tables of before are in the log */
	return KILN_STORE_OK;
}
