/* SPDX-License-Identifier: Apache-2.0
 *
 * The statements of the store, the same for both databases, and its tables.
 */
#ifndef KILN_KEYS_STORE_SQL_H
#define KILN_KEYS_STORE_SQL_H

#include <stdbool.h>

#include "keys/store/seal.h"

#define KILN_STORE_SCHEMA 2   /* the version that this program reads and writes */
#define KILN_SQL_SCAN     512 /* rows that a SCAN gives at most */

/* "x(name, text, parameters, columns, what)": b bytes, n number. */
#define KILN_SQL_STATEMENTS(x)                                                                     \
	x(META_GET, "SELECT value FROM kiln_meta WHERE name = ?1", "b", "b", 0) x(                 \
	    META_LOCK, "SELECT value FROM kiln_meta WHERE name = ?1", "b", "b",                    \
	    LOCK) x(META_ADD,                                                                      \
		    "INSERT INTO kiln_meta (name, value) VALUES (?1, ?2) ON CONFLICT DO NOTHING",  \
		    "bb", "",                                                                      \
		    WRITE) x(META_SET, "UPDATE kiln_meta SET value = ?2 WHERE name = ?1", "bb",    \
			     "", WRITE) x(META_DROP, "DELETE FROM kiln_meta WHERE name = ?1", "b", \
					  "", WRITE)                                               \
	    x(META_SCAN,                                                                           \
	      "SELECT name, value FROM kiln_meta WHERE name > ?1 ORDER BY name LIMIT 512", "b",    \
	      "bb",                                                                                \
	      0) x(USERS_BY_NAME,                                                                  \
		   "SELECT coalesce(u.uid, ?2), coalesce(h.sealed, ?2), coalesce(u.sealed, ?3) "   \
		   "FROM (SELECT 1) one LEFT JOIN kiln_users u ON u.name = ?1 LEFT JOIN "          \
		   "kiln_heads h ON h.uid = coalesce(u.uid, ?2)",                                  \
		   "bbb", "bbb",                                                                   \
		   0) x(USERS_GET,                                                                 \
			"SELECT u.uid, coalesce(h.sealed, u.uid), u.sealed FROM kiln_users u "     \
			"LEFT JOIN kiln_heads h ON h.uid = u.uid WHERE u.uid = ?1",                \
			"b", "bbb",                                                                \
			0) x(USERS_LOCK, "SELECT name, sealed FROM kiln_users WHERE uid = ?1",     \
			     "b", "bb",                                                            \
			     LOCK) x(USERS_ADD,                                                    \
				     "INSERT INTO kiln_users (uid, name, sealed) "                 \
				     "VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",                 \
				     "bbb", "",                                                    \
				     WRITE) x(USERS_SET,                                           \
					      "UPDATE kiln_users SET sealed = ?2 WHERE uid = ?1",  \
					      "bb", "", WRITE)                                     \
		x(USERS_SCAN,                                                                      \
		  "SELECT uid, name, sealed FROM kiln_users WHERE uid > ?1 ORDER BY uid "          \
		  "LIMIT 512",                                                                     \
		  "b", "bbb",                                                                      \
		  0) x(HEADS_GET, "SELECT sealed FROM kiln_heads WHERE uid = ?1", "b", "b",        \
		       0) x(HEADS_LOCK, "SELECT sealed FROM kiln_heads WHERE uid = ?1", "b", "b",  \
			    LOCK) x(HEADS_ADD,                                                     \
				    "INSERT INTO kiln_heads (uid, sealed) VALUES (?1, ?2) ON "     \
				    "CONFLICT DO NOTHING",                                         \
				    "bb", "",                                                      \
				    WRITE) x(HEADS_SET,                                            \
					     "UPDATE kiln_heads SET sealed = ?2 WHERE uid = ?1",   \
					     "bb", "", WRITE) x(HEADS_SCAN,                        \
								"SELECT uid, sealed FROM "         \
								"kiln_heads WHERE uid > ?1 "       \
								"ORDER BY uid LIMIT 512",          \
								"b", "bb", 0)                      \
		    x(KEYS_GET,                                                                    \
		      "SELECT coalesce(k.key_id, h.uid), h.sealed, coalesce(k.sealed, h.uid) "     \
		      "FROM kiln_heads h LEFT JOIN kiln_keys k ON k.owner = h.uid AND (k.key_id "  \
		      "= ?2 OR length(k.sealed) = ?3) WHERE h.uid = ?1 ORDER BY k.key_id",         \
		      "bbn", "bbb",                                                                \
		      0) x(KEYS_LOCK,                                                              \
			   "SELECT sealed FROM kiln_keys WHERE owner = ?1 AND key_id = ?2", "bb",  \
			   "b", LOCK)                                                              \
			x(KEYS_TAKEN, "SELECT key_id FROM kiln_keys WHERE key_id = ?1", "b", "b",  \
			  0) x(KEYS_ADD,                                                           \
			       "INSERT INTO kiln_keys (owner, key_id, sealed) "                    \
			       "VALUES (?1, ?2, ?3) ON CONFLICT DO "                               \
			       "NOTHING",                                                          \
			       "bbb", "", WRITE) x(KEYS_SET,                                       \
						   "UPDATE kiln_keys SET sealed = ?3 "             \
						   "WHERE owner = ?1 AND key_id = ?2",             \
						   "bbb", "", WRITE)                               \
			    x(KEYS_SCAN,                                                           \
			      "SELECT owner, key_id, sealed FROM kiln_keys WHERE (owner, "         \
			      "key_id) > (?1, ?2) ORDER BY "                                       \
			      "owner, key_id LIMIT 512",                                           \
			      "bb", "bbb",                                                         \
			      0) x(AUDIT_GET,                                                      \
				   "SELECT sealed FROM kiln_audit WHERE uid = ?1 AND "             \
				   "number = ?2",                                                  \
				   "bn", "b", 0) x(AUDIT_ADD,                                      \
						   "INSERT INTO kiln_audit (uid, number, "         \
						   "sealed) VALUES (?1, ?2, ?3) ON CONFLICT DO "   \
						   "NOTHING",                                      \
						   "bnb", "", WRITE) x(AUDIT_SET,                  \
								       "UPDATE kiln_audit SET "    \
								       "sealed = ?3 WHERE uid "    \
								       "= ?1 AND number = ?2",     \
								       "bnb", "", WRITE)           \
				x(AUDIT_DROP,                                                      \
				  "DELETE FROM kiln_audit WHERE uid = ?1 AND number < ?2", "bn",   \
				  "", WRITE) x(AUDIT_LIST,                                         \
					       "SELECT number, sealed FROM kiln_audit WHERE "      \
					       "uid = ?1 AND number >= ?2 ORDER BY number "        \
					       "LIMIT 512",                                        \
					       "bn", "nb",                                         \
					       0) x(AUDIT_SCAN,                                    \
						    "SELECT uid, number, sealed FROM "             \
						    "kiln_audit WHERE "                            \
						    "(uid, number) > (?1, ?2) ORDER BY "           \
						    "uid, number LIMIT 512",                       \
						    "bn", "bnb", 0) x(LIMITS_GET,                  \
								      "SELECT stale, sealed "      \
								      "FROM kiln_limits WHERE "    \
								      "id = ?1",                   \
								      "b", "nb", APART)            \
				    x(LIMITS_ADD,                                                  \
				      "INSERT INTO kiln_limits (id, stale, "                       \
				      "sealed) VALUES (?1, ?2, ?3) ON "                            \
				      "CONFLICT DO "                                               \
				      "NOTHING",                                                   \
				      "bnb", "",                                                   \
				      WRITE | APART) x(LIMITS_SWAP,                                \
						       "UPDATE kiln_limits SET stale = ?2, "       \
						       "sealed = "                                 \
						       "?3 WHERE id = ?1 AND sealed = ?4",         \
						       "bnbb", "", WRITE | APART)                  \
					x(LIMITS_SET,                                              \
					  "UPDATE kiln_limits SET "                                \
					  "stale = "                                               \
					  "?2, sealed = ?3 WHERE id = "                            \
					  "?1",                                                    \
					  "bnb", "",                                               \
					  WRITE) x(LIMITS_DROP,                                    \
						   "DELETE FROM kiln_limits WHERE id = ?1 AND "    \
						   "sealed = ?2",                                  \
						   "bb", "",                                       \
						   WRITE | APART) x(LIMITS_SWEEP,                  \
								    "DELETE FROM kiln_limits "     \
								    "WHERE id IN (SELECT id FROM " \
								    "kiln_limits WHERE stale <= "  \
								    "?1 "                          \
								    "LIMIT 512)",                  \
								    "n", "", WRITE | APART)        \
					    x(LIMITS_SCAN,                                         \
					      "SELECT id, stale, sealed FROM "                     \
					      "kiln_limits WHERE id > ?1 ORDER BY id "             \
					      "LIMIT 512",                                         \
					      "b", "bnb",                                          \
					      0) x(KNOWN_GET,                                      \
						   "SELECT sealed FROM kiln_known "                \
						   "WHERE account = ?1 AND source = "              \
						   "?2",                                           \
						   "bb", "b",                                      \
						   0) x(KNOWN_ALL,                                 \
							"SELECT source, sealed FROM "              \
							"kiln_known WHERE account = ?1",           \
							"b", "bb", 0)                              \
						x(KNOWN_ADD,                                       \
						  "INSERT INTO kiln_known "                        \
						  "(account, source, sealed) "                     \
						  "VALUES (?1, ?2, ?3) ON "                        \
						  "CONFLICT DO "                                   \
						  "NOTHING",                                       \
						  "bbb", "", WRITE)                                \
						    x(KNOWN_SET,                                   \
						      "UPDATE kiln_known "                         \
						      "SET sealed = ?3 "                           \
						      "WHERE account = "                           \
						      "?1 AND source = "                           \
						      "?2",                                        \
						      "bbb", "",                                   \
						      WRITE) x(KNOWN_DROP,                         \
							       "DELETE FROM kiln_known WHERE "     \
							       "account = ?1 AND source = ?2",     \
							       "bb", "",                           \
							       WRITE) x(KNOWN_SCAN,                \
									"SELECT account, "         \
									"source, sealed FROM "     \
									"kiln_known WHERE "        \
									"(account, source) > "     \
									"(?1, ?2) "                \
									"ORDER BY account, "       \
									"source LIMIT 512",        \
									"bb", "bbb", 0)            \
							x(TOKENS_GET,                              \
							  "SELECT "                                \
							  "sealed "                                \
							  "FROM "                                  \
							  "kiln_"                                  \
							  "tokens "                                \
							  "WHERE id = "                            \
							  "?1",                                    \
							  "b", "b", 0) x(TOKENS_ADD,               \
									 "INSERT INTO "            \
									 "kiln_tokens (id, "       \
									 "sealed) VALUES (?1, "    \
									 "?2) ON CONFLICT DO "     \
									 "NOTHING",                \
									 "bb", "",                 \
									 WRITE) x(TOKENS_SET,      \
										  "UPDATE "        \
										  "kiln_tokens "   \
										  "SET sealed "    \
										  "= ?2 WHERE "    \
										  "id = ?1",       \
										  "bb", "", WRITE) \
							    x(TOKENS_DROP,                         \
							      "DELETE FROM "                       \
							      "kiln_tokens WHERE id "              \
							      "= ?1",                              \
							      "b", "", WRITE) x(TOKENS_SCAN,       \
										"SELECT id, "      \
										"sealed FROM "     \
										"kiln_tokens "     \
										"WHERE id > "      \
										"?1 ORDER BY "     \
										"id LIMIT 512",    \
										"b", "bb", 0)      \
								x(ANCHORS_GET,                     \
								  "SELECT sealed "                 \
								  "FROM "                          \
								  "kiln_anchors "                  \
								  "WHERE writer = "                \
								  "?1",                            \
								  "b", "b", 0) x(ANCHORS_ADD,      \
										 "INSERT "         \
										 "INTO "           \
										 "kiln_"           \
										 "anchors "        \
										 "(writer, "       \
										 "sealed) "        \
										 "VALUES "         \
										 "(?1, ?2) "       \
										 "ON "             \
										 "CONFLICT "       \
										 "DO NOTHING",     \
										 "bb", "", WRITE)  \
								    x(ANCHORS_SET,                 \
								      "UPDATE "                    \
								      "kiln_anchors "              \
								      "SET sealed = "              \
								      "?2 WHERE "                  \
								      "writer = ?1",               \
								      "bb", "", WRITE)             \
									x(ANCHORS_SCAN,            \
									  "SELECT "                \
									  "writer, "               \
									  "sealed "                \
									  "FROM "                  \
									  "kiln_"                  \
									  "anchors "               \
									  "WHERE "                 \
									  "writer > "              \
									  "?1 ORDER "              \
									  "BY writer "             \
									  "LIMIT 512",             \
									  "b", "bb", 0)

enum kiln_sql {
/* NOLINTNEXTLINE(bugprone-macro-parentheses): a name takes none */
#define KILN_SQL_NAME(name, text, in, out, what) KILN_SQL_##name,
	KILN_SQL_STATEMENTS(KILN_SQL_NAME)
#undef KILN_SQL_NAME
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
	enum kiln_store_table table;
	const char *name;
	unsigned keys;
	enum kiln_sql scan, add, set;
};

/* All tables but meta. */
#define KILN_SQL_TABLES 8u
extern const struct kiln_sql_table kiln_sql_tables[KILN_SQL_TABLES];

/* The tables' definitions, for SQLite and for PostgreSQL; a list of statements for each step of
 * the schema, ended by NULL. [1] makes version 1, [2] goes from 1 to 2. */
extern const char *const kiln_sql_sqlite_1[], *const kiln_sql_sqlite_2[];
extern const char *const kiln_sql_postgres_1[], *const kiln_sql_postgres_2[];

#endif
