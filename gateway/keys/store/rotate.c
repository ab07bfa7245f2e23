/* SPDX-License-Identifier: Apache-2.0
 * A new key for a store; see open.h. First the new key's check value comes into kiln_meta: from
 * then on it seals, and both open. Then all rows are sealed anew, some hundred to a transaction.
 * Last the old key's check value goes. Killed anywhere, the store has rows under two keys, each of
 * which says under which; the same call goes on, and passes over those that are done. */
#include <string.h>

#include "base/bytes.h"
#include "keys/store/scan.h"

static enum kiln_store_result reseal_meta(struct kiln_store *store, const char *name,
					  struct kiln_error *err)
{
	uint8_t plain[KILN_ROW_MAX];
	struct kiln_store_cell cell;
	size_t len;
	const struct kiln_row row = kiln_row_of(KILN_TABLE_META, name, strlen(name));
	const struct kiln_db_value values[] = {KILN_DB_BYTES((const uint8_t *)name, strlen(name))};
	enum kiln_store_result result =
	    kiln_store_get(store, KILN_SQL_META_LOCK, values, &cell, err);
	if (result != KILN_STORE_OK)
		return result == KILN_STORE_ABSENT ? KILN_STORE_OK : result; /* no setup yet */
	result = kiln_unseal(store->sealer, &row, cell.bytes, cell.len, plain, sizeof plain, &len)
		     ? kiln_store_meta_set(store, name, false, plain, len, err)
		     : kiln_store_damaged(&row, "its seal does not open", err);
	kiln_wipe(plain, sizeof plain);
	return result;
}

static enum kiln_store_result introduce(struct kiln_store *store,
					const struct kiln_store_key *fresh, struct kiln_error *err)
{
	static const char *const names[] = {"index", "version", "totals", "setup"};
	const uint8_t epoch = (uint8_t)(kiln_sealer_epoch(store->sealer) + 1);
	enum kiln_store_result result = store->db->driver->begin(store->db, err);
	if (result != KILN_STORE_OK)
		return result;
	kiln_sealer_add(store->sealer, epoch, fresh->bytes);
	result = kiln_store_meta_add_key(store, epoch, err);
	for (size_t i = 0; i < sizeof names / sizeof names[0] && result == KILN_STORE_OK; i++)
		result = reseal_meta(store, names[i], err);
	if (result == KILN_STORE_OK)
		result = store->db->driver->commit(store->db, true, err);
	else
		store->db->driver->rollback(store->db);
	return result;
}

static enum kiln_store_result reseal_row(struct kiln_store *store, const struct kiln_scan *scan,
					 const struct kiln_scan_row *row, uint64_t *count,
					 struct kiln_error *err)
{
	uint8_t plain[KILN_ROW_MAX], sealed[KILN_ROW_MAX + KILN_STORE_SEAL_OVERHEAD];
	size_t len;
	struct kiln_db_value values[KILN_SQL_COLUMNS_MAX];
	unsigned n = 0;
	const struct kiln_db_value *old = kiln_scan_sealed(scan, row);
	if (old->len > 0 && old->data[0] == kiln_sealer_epoch(store->sealer))
		return KILN_STORE_OK;
	if (!kiln_unseal(store->sealer, &row->row, old->data, old->len, plain, sizeof plain, &len))
		return kiln_store_damaged(&row->row, "its seal does not open", err);
	kiln_seal(store->sealer, &row->row, plain, len, sealed);
	kiln_wipe(plain, sizeof plain);
	/* The key, the column beside it where the statement wants it, and what is sealed. */
	const unsigned before = (unsigned)strlen(kiln_sql[scan->table->set].in) - 1;
	while (n < before) {
		values[n] = row->columns[n];
		n++;
	}
	values[n] = KILN_DB_BYTES(sealed, len + KILN_STORE_SEAL_OVERHEAD);
	++*count;
	return kiln_store_put(store, scan->table->set, values, KILN_STORE_ABSENT, err);
}

/* A page of rows to a transaction. */
static enum kiln_store_result reseal_page(struct kiln_store *store, struct kiln_scan *scan,
					  bool *more, uint64_t *count, struct kiln_error *err)
{
	const struct kiln_scan_row *row;
	enum kiln_store_result result = store->db->driver->begin(store->db, err);
	if (result != KILN_STORE_OK)
		return result;
	result = kiln_scan_peek(scan, &row, err);
	*more = row != NULL;
	while (result == KILN_STORE_OK && scan->at < scan->count) {
		result = reseal_row(store, scan, &scan->rows[scan->at], count, err);
		kiln_scan_take(scan);
	}
	if (result == KILN_STORE_OK)
		return store->db->driver->commit(store->db, true, err);
	store->db->driver->rollback(store->db);
	return result;
}

static enum kiln_store_result reseal_table(struct kiln_store *store,
					   const struct kiln_sql_table *table, uint64_t *count,
					   struct kiln_error *err)
{
	struct kiln_scan scan;
	bool more = true;
	enum kiln_store_result result = KILN_STORE_OK;
	if (kiln_scan_start(&scan, store, table->table, err) != KILN_OK)
		return KILN_STORE_FAILED;
	while (result == KILN_STORE_OK && more) {
		result = reseal_page(store, &scan, &more, count, err);
		kiln_store_say_progress(store, table->name, -1);
	}
	kiln_scan_end(&scan);
	return result;
}

static enum kiln_store_result finish(struct kiln_store *store, struct kiln_error *err)
{
	const uint8_t old = (uint8_t)(kiln_sealer_epoch(store->sealer) - 1);
	enum kiln_store_result result = store->db->driver->begin(store->db, err);
	if (result != KILN_STORE_OK)
		return result;
	result = kiln_store_meta_drop_key(store, old, err);
	if (result == KILN_STORE_OK)
		result = store->db->driver->commit(store->db, true, err);
	else
		store->db->driver->rollback(store->db);
	return result == KILN_STORE_OK ? store->db->driver->scrub(store->db, err) : result;
}

static enum kiln_store_result rotate(struct kiln_store *store, const struct kiln_store_key *fresh,
				     uint64_t *sealed, struct kiln_error *err)
{
	enum kiln_store_result result = KILN_STORE_OK;
	if (!store->rotating)
		result = introduce(store, fresh, err);
	for (size_t i = 0; i < KILN_SQL_TABLES && result == KILN_STORE_OK; i++)
		result = reseal_table(store, &kiln_sql_tables[i], sealed, err);
	return result == KILN_STORE_OK ? finish(store, err) : result;
}

/* Interrupted, the same call goes on; another one must not end with the wrong key thrown away. */
static enum kiln_store_result go_on(struct kiln_store *store, const struct kiln_store_key *fresh,
				    uint64_t *sealed, struct kiln_error *err)
{
	if (store->rotating && !store->sealed_by_other) {
		(void)kiln_fail(err, KILN_E_CONFIG,
				"the two keys are exchanged: the store is on its way to the one "
				"that was given as the old one; name it as the new one");
		return KILN_STORE_FAILED;
	}
	/* Interrupted when all was done but to overwrite what is left of the old rows. */
	if (!store->rotating && store->sealed_by_other)
		return store->db->driver->scrub(store->db, err);
	return rotate(store, fresh, sealed, err);
}

enum kiln_code kiln_store_rotate(const struct kiln_store_options *options,
				 const struct kiln_store_key *fresh, uint64_t *sealed,
				 struct kiln_error *err)
{
	struct kiln_store *store;
	struct kiln_store_report report;
	struct kiln_store_options both = *options;
	both.other_key = fresh;
	*sealed = 0;
	if (memcmp(options->key->bytes, fresh->bytes, sizeof fresh->bytes) == 0)
		return kiln_fail(err, KILN_E_CONFIG, "the new key is the present one");
	enum kiln_code code = kiln_store_connect(&both, KILN_DB_ALONE, &store, err);
	if (code != KILN_OK)
		return code;
	code = kiln_store_look(store, &report, err);
	if (code == KILN_OK && report.found > 0)
		code = kiln_fail(err, KILN_E_STORE,
				 "the store is damaged (`kiln keys check` says where): its key "
				 "cannot be changed");
	if (code == KILN_OK)
		code = kiln_store_code(go_on(store, fresh, sealed, err), err);
	kiln_store_close(store);
	return code;
}
