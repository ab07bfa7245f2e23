/* SPDX-License-Identifier: Apache-2.0
 * The statements and the tables of the store; see sql.h. */
#include "keys/store/sql.h"

#include <stddef.h>

enum { WRITE = 1, LOCK = 2, APART = 4 };

const struct kiln_sql_statement kiln_sql[KILN_SQL_COUNT] = {
#define STATEMENT(name, in_, out_, what, text_)                                                    \
	[KILN_SQL_##name] = {                                                                      \
	    .text = (text_),                                                                       \
	    .in = (in_),                                                                           \
	    .out = (out_),                                                                         \
	    .write = ((what)&WRITE) != 0,                                                          \
	    .lock = ((what)&LOCK) != 0,                                                            \
	    .apart = ((what)&APART) != 0,                                                          \
	},
#include "keys/store/statements.def"
};

const struct kiln_sql_table kiln_sql_tables[KILN_SQL_TABLES] = {
    {"kiln_users", KILN_TABLE_USERS, 1, KILN_SQL_USERS_SCAN, KILN_SQL_USERS_ADD, KILN_SQL_USERS_SET,
     1},
    {"kiln_heads", KILN_TABLE_HEADS, 1, KILN_SQL_HEADS_SCAN, KILN_SQL_HEADS_ADD, KILN_SQL_HEADS_SET,
     1},
    {"kiln_keys", KILN_TABLE_KEYS, 2, KILN_SQL_KEYS_SCAN, KILN_SQL_KEYS_ADD, KILN_SQL_KEYS_SET, 1},
    {"kiln_audit", KILN_TABLE_AUDIT, 2, KILN_SQL_AUDIT_SCAN, KILN_SQL_AUDIT_ADD, KILN_SQL_AUDIT_SET,
     1},
    {"kiln_limits", KILN_TABLE_LIMITS, 1, KILN_SQL_LIMITS_SCAN, KILN_SQL_LIMITS_ADD,
     KILN_SQL_LIMITS_SET, 1},
    {"kiln_known", KILN_TABLE_KNOWN, 2, KILN_SQL_KNOWN_SCAN, KILN_SQL_KNOWN_ADD, KILN_SQL_KNOWN_SET,
     1},
    {"kiln_tokens", KILN_TABLE_TOKENS, 1, KILN_SQL_TOKENS_SCAN, KILN_SQL_TOKENS_ADD,
     KILN_SQL_TOKENS_SET, 2},
    {"kiln_anchors", KILN_TABLE_ANCHORS, 1, KILN_SQL_ANCHORS_SCAN, KILN_SQL_ANCHORS_ADD,
     KILN_SQL_ANCHORS_SET, 2},
};

/* Version 1. docs/operations.md tells what is in the tables. A row of limits and of known is small
 * and changes often; PostgreSQL keeps room beside it, so that a change stays on its page. */
#define VERSION_1(BYTES, NUMBER, END, ROOM)                                                        \
	"CREATE TABLE kiln_meta (name " BYTES " PRIMARY KEY, value " BYTES " NOT NULL)" END,       \
	    "CREATE TABLE kiln_users (uid " BYTES " PRIMARY KEY, name " BYTES                      \
	    " NOT NULL UNIQUE, sealed " BYTES " NOT NULL)" END,                                    \
	    "CREATE TABLE kiln_heads (uid " BYTES " PRIMARY KEY, sealed " BYTES                    \
	    " NOT NULL)" ROOM END,                                                                 \
	    "CREATE TABLE kiln_keys (owner " BYTES " NOT NULL, key_id " BYTES                      \
	    " NOT NULL UNIQUE, sealed " BYTES " NOT NULL, PRIMARY KEY (owner, key_id))" END,       \
	    "CREATE TABLE kiln_audit (uid " BYTES " NOT NULL, number " NUMBER                      \
	    " NOT NULL, sealed " BYTES " NOT NULL, PRIMARY KEY (uid, number))" END,                \
	    "CREATE TABLE kiln_limits (id " BYTES " PRIMARY KEY, stale " NUMBER                    \
	    " NOT NULL, sealed " BYTES " NOT NULL)" ROOM END,                                      \
	    "CREATE INDEX kiln_limits_stale ON kiln_limits (stale)",                               \
	    "CREATE TABLE kiln_known (account " BYTES " NOT NULL, source " BYTES                   \
	    " NOT NULL, sealed " BYTES " NOT NULL, PRIMARY KEY (account, source))" ROOM END

/* Version 2 adds tokens for registration, and anchors against a roll-back. */
#define VERSION_2(BYTES, END)                                                                      \
	"CREATE TABLE kiln_tokens (id " BYTES " PRIMARY KEY, sealed " BYTES " NOT NULL)" END,      \
	    "CREATE TABLE kiln_anchors (writer " BYTES " PRIMARY KEY, sealed " BYTES               \
	    " NOT NULL)" END

#define SQLITE_END " STRICT, WITHOUT ROWID"
const char *const kiln_sql_sqlite_1[] = {VERSION_1("BLOB", "INTEGER", SQLITE_END, ""), NULL};
const char *const kiln_sql_sqlite_2[] = {VERSION_2("BLOB", SQLITE_END), NULL};

/* Version 3, for SQLite alone: its tables without rowid have whole rows in their inner pages too. A
 * user's row is so long that eight fill a page: with a million users there were seven pages on the
 * way to one, and more inner pages than its cache holds. As a table with rowids there are three. */
#define MOVE(table, columns)                                                                       \
	"ALTER TABLE " table " RENAME TO kiln_before",                                             \
	    "CREATE TABLE " table " " columns " STRICT",                                           \
	    "INSERT INTO " table " SELECT * FROM kiln_before", "DROP TABLE kiln_before"
const char *const kiln_sql_sqlite_3[] = {
    MOVE("kiln_users", "(uid BLOB NOT NULL PRIMARY KEY, name BLOB NOT NULL UNIQUE, "
		       "sealed BLOB NOT NULL)"),
    MOVE("kiln_keys", "(owner BLOB NOT NULL, key_id BLOB NOT NULL UNIQUE, sealed BLOB NOT NULL, "
		      "PRIMARY KEY (owner, key_id))"),
    NULL};

#define ROOM " WITH (fillfactor = 70)"
const char *const kiln_sql_postgres_1[] = {VERSION_1("BYTEA", "BIGINT", "", ROOM), NULL};
const char *const kiln_sql_postgres_2[] = {VERSION_2("BYTEA", ""), NULL};
const char *const kiln_sql_postgres_3[] = {NULL};
