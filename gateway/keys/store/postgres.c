/* SPDX-License-Identifier: Apache-2.0
 * The store's statements on PostgreSQL; see db.h and docs/architecture.md, K4.
 *
 * READ COMMITTED; rows that are read to be written are locked (FOR UPDATE), names and ids are
 * unique by their indexes. Limits are written on a second connection, see limits.c. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "keys/store/postgres.h"

#define RESOLVE_MS 8000u /* to find out what became of a commit */

struct kiln_postgres {
	struct kiln_db db;
	struct kiln_pg_link link, limits;
	char settings[4096];
};

static struct kiln_postgres *of(struct kiln_db *db)
{
	return (struct kiln_postgres *)db;
}

static enum kiln_store_result done(PGresult *result)
{
	kiln_pq.clear(result);
	return result != NULL ? KILN_STORE_OK : KILN_STORE_FAILED;
}

static enum kiln_store_result exec(struct kiln_db *db, const char *text, struct kiln_error *err)
{
	return done(kiln_pg_query(&of(db)->link, text, err));
}

/* ---- statements */

static bool columns(const PGresult *result, int row, const char *out, struct kiln_db_value *values)
{
	for (int i = 0; out[i] != '\0'; i++) {
		const int len = kiln_pq.getlength(result, row, i);
		const uint8_t *data = (const uint8_t *)kiln_pq.getvalue(result, row, i);
		if (out[i] == 'n' && len != 8)
			return false;
		values[i] = (struct kiln_db_value){.data = data, .len = (size_t)len};
		if (out[i] == 'n')
			for (int b = 0; b < 8; b++)
				values[i].number =
				    (int64_t)((uint64_t)values[i].number << 8 | data[b]);
	}
	return true;
}

static enum kiln_store_result rows(const PGresult *result, enum kiln_sql sql, kiln_db_row row,
				   void *ctx, struct kiln_error *err)
{
	struct kiln_db_value values[KILN_SQL_COLUMNS_MAX];
	enum kiln_store_result told = KILN_STORE_OK;
	const int count = row != NULL ? kiln_pq.ntuples(result) : 0;
	for (int i = 0; i < count && told == KILN_STORE_OK; i++) {
		if (!columns(result, i, kiln_sql[sql].out, values)) {
			(void)kiln_fail(err, KILN_E_STORE,
					"the store's tables are not of this program's schema");
			return KILN_STORE_FAILED;
		}
		told = row(ctx, values, err);
	}
	return told;
}

static enum kiln_store_result run(struct kiln_db *db, enum kiln_sql sql,
				  const struct kiln_db_value *values, kiln_db_row row, void *ctx,
				  uint64_t *changed, struct kiln_error *err)
{
	struct kiln_postgres *p = of(db);
	struct kiln_pg_link *link = &p->link;
	if (kiln_sql[sql].apart && p->link.use == KILN_DB_SERVE) {
		link = &p->limits;
		if (kiln_pg_connect(link, err) != KILN_STORE_OK)
			return KILN_STORE_FAILED;
	}
	PGresult *result = kiln_pg_run(link, sql, values, err);
	if (result == NULL)
		return KILN_STORE_FAILED;
	const enum kiln_store_result told = rows(result, sql, row, ctx, err);
	if (changed != NULL)
		*changed = strtoull(kiln_pq.cmdTuples(result), NULL, 10);
	kiln_pq.clear(result);
	return told;
}

/* ---- transactions */

static enum kiln_store_result begin_with(struct kiln_db *db, const char *text,
					 struct kiln_error *err)
{
	struct kiln_pg_link *link = &of(db)->link;
	for (int i = 0; i < 2; i++) {
		if (kiln_pg_connect(link, err) != KILN_STORE_OK)
			return KILN_STORE_FAILED;
		if (done(kiln_pg_query(link, text, err)) == KILN_STORE_OK)
			return KILN_STORE_OK;
		if (!kiln_pg_lost(link))
			break; /* it was lost since the last batch: once more, on a new one */
	}
	return KILN_STORE_FAILED;
}

static enum kiln_store_result begin(struct kiln_db *db, struct kiln_error *err)
{
	return begin_with(db, "BEGIN ISOLATION LEVEL READ COMMITTED", err);
}

static enum kiln_store_result snapshot(struct kiln_db *db, struct kiln_error *err)
{
	return begin_with(db, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
}

static void rollback(struct kiln_db *db)
{
	struct kiln_error ignored;
	if (!kiln_pg_lost(&of(db)->link))
		(void)exec(db, "ROLLBACK", &ignored);
}

static enum kiln_store_result savepoint(struct kiln_db *db, struct kiln_error *err)
{
	return exec(db, "SAVEPOINT frame", err);
}

static enum kiln_store_result release(struct kiln_db *db, struct kiln_error *err)
{
	return exec(db, "RELEASE SAVEPOINT frame", err);
}

static enum kiln_store_result undo(struct kiln_db *db, struct kiln_error *err)
{
	const enum kiln_store_result result =
	    exec(db, "ROLLBACK TO SAVEPOINT frame; RELEASE SAVEPOINT frame", err);
	if (result != KILN_STORE_OK)
		rollback(db);
	return result;
}

/* ---- commit: when the connection is lost in the middle of it, the server knows what became of it,
 * by the transaction's number */

static uint64_t now_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static bool ask_number(struct kiln_pg_link *link, char number[24], struct kiln_error *err)
{
	PGresult *result = kiln_pg_query(link, "SELECT pg_current_xact_id()::text", err);
	if (result == NULL)
		return false;
	(void)snprintf(number, 24, "%.20s", kiln_pq.getvalue(result, 0, 0));
	kiln_pq.clear(result);
	return number[strspn(number, "0123456789")] == '\0' && number[0] != '\0';
}

static enum kiln_store_result unknown(struct kiln_error *err)
{
	(void)kiln_fail(err, KILN_E_STORE,
			"the connection to PostgreSQL was lost during a commit, and it cannot be "
			"asked what became of it");
	return KILN_STORE_UNKNOWN;
}

static enum kiln_store_result resolve(struct kiln_pg_link *link, const char *number,
				      struct kiln_error *err)
{
	char text[80];
	struct kiln_error lost = *err;
	const uint64_t end = now_ms() + RESOLVE_MS;
	(void)snprintf(text, sizeof text, "SELECT pg_xact_status('%s'::xid8)", number);
	for (; now_ms() < end; (void)poll(NULL, 0, 50)) {
		char status = '\0';
		PGresult *result = kiln_pg_connect(link, err) == KILN_STORE_OK
				       ? kiln_pg_query(link, text, err)
				       : NULL;
		if (result != NULL)
			status = kiln_pq.getvalue(result, 0, 0)[0];
		kiln_pq.clear(result);
		if (status == 'c')
			return KILN_STORE_OK; /* committed */
		if (status == 'a') {
			*err = lost;
			return KILN_STORE_FAILED; /* aborted */
		}
	}
	return unknown(err);
}

static enum kiln_store_result commit(struct kiln_db *db, bool wrote, struct kiln_error *err)
{
	struct kiln_pg_link *link = &of(db)->link;
	char number[24] = "";
	if (wrote && !ask_number(link, number, err)) {
		rollback(db);
		return KILN_STORE_FAILED;
	}
	PGresult *result = kiln_pg_query(link, "COMMIT", err);
	if (result == NULL)
		return wrote && kiln_pg_lost(link) ? resolve(link, number, err) : KILN_STORE_FAILED;
	/* A transaction in which a statement failed answers so. */
	const bool committed = strcmp(kiln_pq.cmdStatus(result), "COMMIT") == 0;
	kiln_pq.clear(result);
	if (!committed)
		(void)kiln_fail(err, KILN_E_STORE, "PostgreSQL rolled the batch back");
	return committed ? KILN_STORE_OK : KILN_STORE_FAILED;
}

/* ---- what else a database can do */

static enum kiln_store_result exists(struct kiln_db *db, bool *yes, struct kiln_error *err)
{
	PGresult *result =
	    kiln_pg_query(&of(db)->link,
			  "SELECT 1 FROM pg_catalog.pg_class WHERE relname = 'kiln_meta' AND "
			  "pg_catalog.pg_table_is_visible(oid)",
			  err);
	*yes = result != NULL && kiln_pq.ntuples(result) > 0;
	return done(result);
}

/* Its pages are its own business (initdb --data-checksums): all that is asked for is read. */
static enum kiln_store_result verify(struct kiln_db *db,
				     void (*found)(void *ctx, const char *sentence), void *ctx,
				     struct kiln_error *err)
{
	(void)db;
	(void)found;
	(void)ctx;
	(void)err;
	return KILN_STORE_OK;
}

/* Nothing that is asked of it here takes long. */
static void watch(struct kiln_db *db, const char *what, kiln_store_progress progress, void *ctx)
{
	(void)db;
	(void)what;
	(void)progress;
	(void)ctx;
}

/* Old versions of rows are PostgreSQL's to remove, its logs the operator's: docs/operations.md says
 * what that means for what was deleted. */
static enum kiln_store_result scrub(struct kiln_db *db, struct kiln_error *err)
{
	(void)db;
	(void)err;
	return KILN_STORE_OK;
}

/* What was not committed is not there. */
static void discard(struct kiln_db *db)
{
	(void)db;
}

static void close_links(struct kiln_db *db)
{
	struct kiln_postgres *p = of(db);
	kiln_pg_disconnect(&p->link);
	kiln_pg_disconnect(&p->limits);
	kiln_wipe(p, sizeof *p); /* there may be a password in the settings */
	free(p);
}

static const struct kiln_db_driver driver = {
    .name = "postgresql",
    .limits_apart = true,
    .migrations = {NULL, kiln_sql_postgres_1, kiln_sql_postgres_2, kiln_sql_postgres_3},
    .run = run,
    .exec = exec,
    .begin = begin,
    .commit = commit,
    .rollback = rollback,
    .savepoint = savepoint,
    .release = release,
    .undo = undo,
    .snapshot = snapshot,
    .exists = exists,
    .verify = verify,
    .watch = watch,
    .scrub = scrub,
    .discard = discard,
    .close = close_links,
};

enum kiln_code kiln_postgres_open(const char *settings, enum kiln_db_use use, struct kiln_db **db,
				  struct kiln_error *err)
{
	*db = NULL;
	enum kiln_code code = kiln_pq_load(err);
	if (code != KILN_OK)
		return code;
	struct kiln_postgres *p = calloc(1, sizeof *p);
	if (p == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for the store");
	p->db.driver = &driver;
	(void)snprintf(p->settings, sizeof p->settings, "%s", settings);
	p->link = (struct kiln_pg_link){.settings = p->settings, .use = use};
	p->limits = (struct kiln_pg_link){.settings = p->settings, .use = use, .apart = true};
	if (kiln_pg_connect(&p->link, err) != KILN_STORE_OK) {
		code = err->code;
		close_links(&p->db);
		return code;
	}
	*db = &p->db;
	return KILN_OK;
}
