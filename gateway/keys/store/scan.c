/* SPDX-License-Identifier: Apache-2.0
 * All rows of a table; see scan.h. */
#include "keys/store/scan.h"

#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"

enum kiln_code kiln_scan_start(struct kiln_scan *scan, struct kiln_store *store,
			       enum kiln_store_table table, struct kiln_error *err)
{
	memset(scan, 0, sizeof *scan);
	scan->store = store;
	for (size_t i = 0; i < KILN_SQL_TABLES; i++)
		if (kiln_sql_tables[i].table == table)
			scan->table = &kiln_sql_tables[i];
	scan->end = scan->table->since > store->schema;
	scan->width = (unsigned)strlen(kiln_sql[scan->table->scan].out);
	scan->rows = calloc(KILN_SQL_SCAN, sizeof *scan->rows);
	return scan->rows != NULL
		   ? KILN_OK
		   : kiln_fail(err, KILN_E_NO_MEMORY, "no memory for %d rows", KILN_SQL_SCAN);
}

void kiln_scan_end(struct kiln_scan *scan)
{
	free(scan->rows);
	scan->rows = NULL;
}

static int compare(const struct kiln_row *a, const struct kiln_row *b)
{
	const size_t shorter = a->len < b->len ? a->len : b->len;
	const int order = memcmp(a->id, b->id, shorter);
	return order != 0 ? order : (int)a->len - (int)b->len;
}

static bool copy(struct kiln_scan *scan, struct kiln_scan_row *r,
		 const struct kiln_db_value *columns)
{
	size_t used = 0;
	uint8_t number[8];
	const char *types = kiln_sql[scan->table->scan].out;
	r->row = (struct kiln_row){.table = (uint8_t)scan->table->table};
	for (unsigned i = 0; i < scan->width; i++) {
		const struct kiln_db_value *c = &columns[i];
		if (c->len > sizeof r->bytes - used)
			return false;
		r->columns[i] = *c;
		if (types[i] == 'b') {
			memcpy(r->bytes + used, c->data, c->len);
			r->columns[i].data = r->bytes + used;
			used += c->len;
		}
		if (i >= scan->table->keys)
			continue;
		kiln_store_be64(number, (uint64_t)c->number);
		r->row = kiln_row_of2(scan->table->table, r->row.id, r->row.len,
				      types[i] == 'b' ? c->data : number,
				      types[i] == 'b' ? c->len : sizeof number);
	}
	return r->row.len > 0;
}

static enum kiln_store_result take_row(void *ctx, const struct kiln_db_value *columns,
				       struct kiln_error *err)
{
	struct kiln_scan *scan = ctx;
	struct kiln_scan_row *r = &scan->rows[scan->count];
	if (scan->count == KILN_SQL_SCAN || !copy(scan, r, columns))
		return kiln_store_damaged(&scan->last, "the row behind it is too long", err);
	if (scan->last.len > 0 && compare(&r->row, &scan->last) <= 0)
		return kiln_store_damaged(&r->row, "it is not in its place", err);
	scan->last = r->row;
	scan->count++;
	return KILN_STORE_OK;
}

static enum kiln_store_result fetch(struct kiln_scan *scan, struct kiln_error *err)
{
	struct kiln_db_value from[KILN_SQL_COLUMNS_MAX] = {{NULL, 0, -1}, {NULL, 0, -1}};
	struct kiln_scan_row last;
	if (scan->count > 0) {
		last = scan->rows[scan->count - 1];
		for (unsigned i = 0; i < scan->table->keys; i++) {
			from[i] = last.columns[i];
			if (from[i].data != NULL)
				from[i].data =
				    last.bytes + (from[i].data - scan->rows[scan->count - 1].bytes);
		}
	}
	scan->count = scan->at = 0;
	const enum kiln_store_result result =
	    kiln_store_run(scan->store, scan->table->scan, from, take_row, scan, NULL, err);
	scan->end = scan->count == 0;
	return result;
}

enum kiln_store_result kiln_scan_peek(struct kiln_scan *scan, const struct kiln_scan_row **row,
				      struct kiln_error *err)
{
	enum kiln_store_result result = KILN_STORE_OK;
	*row = NULL;
	if (scan->at == scan->count && !scan->end)
		result = fetch(scan, err);
	if (result == KILN_STORE_OK && !scan->end)
		*row = &scan->rows[scan->at];
	return result;
}

void kiln_scan_take(struct kiln_scan *scan)
{
	scan->at++;
}

const struct kiln_db_value *kiln_scan_sealed(const struct kiln_scan *scan,
					     const struct kiln_scan_row *row)
{
	return &row->columns[scan->width - 1];
}
