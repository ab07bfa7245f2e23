/* SPDX-License-Identifier: Apache-2.0
 * Running statements for the store's functions, and saying what is damaged; see internal.h. */
#include <string.h>

#include "base/hex.h"
#include "keys/store/internal.h"

const uint8_t kiln_store_nobody[KILN_KEYS_USER_ID_LEN];

enum kiln_store_result kiln_store_run(struct kiln_store *store, enum kiln_sql sql,
				      const struct kiln_db_value *values, kiln_db_row row,
				      void *ctx, uint64_t *changed, struct kiln_error *err)
{
	if (kiln_sql[sql].write && !(kiln_sql[sql].apart && store->db->driver->limits_apart))
		store->wrote = true;
	return store->db->driver->run(store->db, sql, values, row, ctx, changed, err);
}

struct getting {
	const char *out;
	struct kiln_store_cell *cell;
};

static enum kiln_store_result take_cell(void *ctx, const struct kiln_db_value *columns,
					struct kiln_error *err)
{
	const struct getting *getting = ctx;
	struct kiln_store_cell *cell = getting->cell;
	const size_t last = strlen(getting->out) - 1;
	if (columns[last].len > sizeof cell->bytes) {
		(void)kiln_fail(err, KILN_E_STORE,
				"the store is damaged: a row is %zu bytes long; restore a backup",
				columns[last].len);
		return KILN_STORE_FAILED;
	}
	if (last > 0)
		cell->number = columns[last - 1].number;
	memcpy(cell->bytes, columns[last].data, columns[last].len);
	cell->len = columns[last].len;
	cell->there = true;
	return KILN_STORE_OK;
}

enum kiln_store_result kiln_store_get(struct kiln_store *store, enum kiln_sql sql,
				      const struct kiln_db_value *values,
				      struct kiln_store_cell *cell, struct kiln_error *err)
{
	struct getting getting = {kiln_sql[sql].out, cell};
	cell->len = 0;
	cell->there = false;
	const enum kiln_store_result result =
	    kiln_store_run(store, sql, values, take_cell, &getting, NULL, err);
	return result == KILN_STORE_OK && !cell->there ? KILN_STORE_ABSENT : result;
}

enum kiln_store_result kiln_store_put(struct kiln_store *store, enum kiln_sql sql,
				      const struct kiln_db_value *values,
				      enum kiln_store_result none, struct kiln_error *err)
{
	uint64_t changed = 0;
	const enum kiln_store_result result =
	    kiln_store_run(store, sql, values, NULL, NULL, &changed, err);
	return result == KILN_STORE_OK && changed == 0 ? none : result;
}

const char *kiln_store_table_name(uint8_t table)
{
	for (size_t i = 0; i < KILN_SQL_TABLES; i++)
		if (kiln_sql_tables[i].table == table)
			return kiln_sql_tables[i].name;
	return "kiln_meta";
}

enum kiln_store_result kiln_store_damaged(const struct kiln_row *row, const char *what,
					  struct kiln_error *err)
{
	char id[2 * KILN_STORE_ROW_ID_MAX + 1];
	kiln_hex_encode(row->id, row->len, id);
	if (row->table == KILN_TABLE_META)
		(void)kiln_fail(err, KILN_E_STORE,
				"the store is damaged: kiln_meta, row %.*s: %s; restore a backup",
				(int)row->len, (const char *)row->id, what);
	else
		(void)kiln_fail(err, KILN_E_STORE,
				"the store is damaged: %s, row %s: %s; restore a backup",
				kiln_store_table_name(row->table), id, what);
	return KILN_STORE_FAILED;
}

enum kiln_code kiln_store_code(enum kiln_store_result result, struct kiln_error *err)
{
	switch (result) {
	case KILN_STORE_OK: return KILN_OK;
	case KILN_STORE_FAILED:
	case KILN_STORE_UNKNOWN: return err->code != KILN_OK ? err->code : KILN_E_STORE;
	default: return kiln_fail(err, KILN_E_STORE, "a row of the store is missing");
	}
}
