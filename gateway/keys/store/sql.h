/* SPDX-License-Identifier: Apache-2.0
 *
 * The statements of the store, the same for both databases, and its tables.
 */
#ifndef KILN_KEYS_STORE_SQL_H
#define KILN_KEYS_STORE_SQL_H

#include <stdbool.h>

#include "keys/store/seal.h"

#define KILN_STORE_SCHEMA 3   /* the version that this program reads and writes */
#define KILN_SQL_SCAN     512 /* rows that a SCAN gives at most */

enum kiln_sql {
#define STATEMENT(name, in, out, what, text) KILN_SQL_##name,
#include "keys/store/statements.def"
	KILN_SQL_COUNT,
};

struct kiln_sql_statement {
	const char *text;
	const char *in, *out; /* a letter for each parameter, each column */
	bool write;
	bool lock;  /* rows are locked until the transaction ends */
	bool apart; /* on its own where the database can: it counts at once, whatever becomes of
		       the transaction */
};
#define KILN_SQL_COLUMNS_MAX 4u

extern const struct kiln_sql_statement kiln_sql[KILN_SQL_COUNT];

/* A table: keys columns of primary key, perhaps one more, and last the sealed one. scan takes the
 * key of the row before, add all columns, set the key, the one more if it is a number, and the
 * sealed column. */
struct kiln_sql_table {
	const char *name;
	enum kiln_store_table table;
	unsigned keys;
	enum kiln_sql scan, add, set;
	int since; /* this version of the schema */
};

/* All tables but meta. */
#define KILN_SQL_TABLES 8u
extern const struct kiln_sql_table kiln_sql_tables[KILN_SQL_TABLES];

/* The tables' definitions, for SQLite and for PostgreSQL; a list of statements for each step of
 * the schema, ended by NULL. [1] makes version 1, [2] goes from 1 to 2. */
extern const char *const kiln_sql_sqlite_1[], *const kiln_sql_sqlite_2[];
extern const char *const kiln_sql_sqlite_3[];
extern const char *const kiln_sql_postgres_1[], *const kiln_sql_postgres_2[];
extern const char *const kiln_sql_postgres_3[];

#endif
