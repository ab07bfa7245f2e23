/* SPDX-License-Identifier: Apache-2.0
 *
 * All rows of a table, in the order of its key, a few hundred at a time: for checks, copies and the
 * rotation of keys. A table that the store's schema does not have yet has no rows.
 */
#ifndef KILN_KEYS_STORE_SCAN_H
#define KILN_KEYS_STORE_SCAN_H

#include "keys/store/internal.h"

struct kiln_scan_row {
	struct kiln_row row;
	/* All columns; the last is the sealed one. Into bytes. */
	struct kiln_db_value columns[KILN_SQL_COLUMNS_MAX];
	uint8_t bytes[KILN_ROW_MAX + 128];
};

struct kiln_scan {
	struct kiln_store *store;
	const struct kiln_sql_table *table;
	unsigned width; /* columns */
	struct kiln_scan_row *rows;
	size_t count, at;
	bool end;
	struct kiln_row last;
};

KILN_NODISCARD enum kiln_code kiln_scan_start(struct kiln_scan *scan, struct kiln_store *store,
					      enum kiln_store_table table, struct kiln_error *err);
void kiln_scan_end(struct kiln_scan *scan);

/* The row that is next, without taking it; NULL at the end. Pages are read when they are needed:
 * FAILED, also for rows that are not in order, or longer than any that was written. */
enum kiln_store_result kiln_scan_peek(struct kiln_scan *scan, const struct kiln_scan_row **row,
				      struct kiln_error *err);
void kiln_scan_take(struct kiln_scan *scan);

/* The sealed column. */
const struct kiln_db_value *kiln_scan_sealed(const struct kiln_scan *scan,
					     const struct kiln_scan_row *row);

#endif
