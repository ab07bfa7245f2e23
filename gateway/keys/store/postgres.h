/* SPDX-License-Identifier: Apache-2.0
 * The parts of the PostgreSQL database: postgres_link.c is a connection, postgres.c runs the
 * store's statements and transactions on two of them. */
#ifndef KILN_KEYS_STORE_POSTGRES_H
#define KILN_KEYS_STORE_POSTGRES_H

#include "keys/store/db.h"
#include "keys/store/libpq.h"

#define KILN_PG_CONNECT_S    5u     /* for one attempt */
#define KILN_PG_ANSWER_MS    20000u /* the server's own limit is below it */
#define KILN_PG_STATEMENT_MS 15000u
#define KILN_PG_LOCK_MS      5000u
#define KILN_PG_RETRY_MS     1000u /* after a connection that failed; doubled each time */
#define KILN_PG_RETRY_MAX_MS 16000u

/* One connection. */
struct kiln_pg_link {
	PGconn *conn;
	const char *settings;
	enum kiln_db_use use;
	bool apart; /* for limits: its writes may be lost in a crash of the server */
	bool prepared[KILN_SQL_COUNT];
	uint64_t retry_at_ms, retry_ms;
};

/* Connects if there is no good connection. FAILED at once while the last failure is recent. */
enum kiln_store_result kiln_pg_connect(struct kiln_pg_link *link, struct kiln_error *err);
void kiln_pg_disconnect(struct kiln_pg_link *link);
bool kiln_pg_lost(const struct kiln_pg_link *link);

/* One answer, to be cleared; NULL and *err when the server has none or refuses. */
PGresult *kiln_pg_query(struct kiln_pg_link *link, const char *text, struct kiln_error *err);
PGresult *kiln_pg_run(struct kiln_pg_link *link, enum kiln_sql sql,
		      const struct kiln_db_value *values, struct kiln_error *err);

#endif
