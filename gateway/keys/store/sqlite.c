/* SPDX-License-Identifier: Apache-2.0
 * The store's statements on SQLite; see db.h. */
#include "keys/store/sqlite.h"

#include <string.h>

static struct kiln_sqlite *of(struct kiln_db *db)
{
	return (struct kiln_sqlite *)db;
}

enum kiln_store_result kiln_sqlite_fail(struct kiln_sqlite *s, const char *what,
					struct kiln_error *err)
{
	const int code = sqlite3_errcode(s->handle) & 0xff;
	const char *advice = "";
	switch (code) {
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB: advice = "; the file is damaged: restore a backup"; break;
	case SQLITE_FULL: advice = "; make room on its disk"; break;
	case SQLITE_BUSY: advice = "; another program holds it"; break;
	case SQLITE_READONLY:
	case SQLITE_PERM:
	case SQLITE_CANTOPEN:
		advice = "; this user needs to write the file and its directory";
		break;
	default: break;
	}
	(void)kiln_fail(err, KILN_E_STORE, "%.40s: SQLite says: %.80s%s", what,
			sqlite3_errmsg(s->handle), advice);
	return KILN_STORE_FAILED;
}

static enum kiln_store_result exec(struct kiln_db *db, const char *text, struct kiln_error *err)
{
	if (sqlite3_exec(of(db)->handle, text, NULL, NULL, NULL) != SQLITE_OK)
		return kiln_sqlite_fail(of(db), text, err);
	return KILN_STORE_OK;
}

static enum kiln_store_result control(struct kiln_db *db, enum kiln_sqlite_control which,
				      struct kiln_error *err)
{
	static const char *const texts[KILN_SQLITE_CONTROLS] = {
	    [KILN_SQLITE_BEGIN] = "BEGIN IMMEDIATE",
	    [KILN_SQLITE_COMMIT] = "COMMIT",
	    [KILN_SQLITE_SAVEPOINT] = "SAVEPOINT frame",
	    [KILN_SQLITE_RELEASE] = "RELEASE frame",
	};
	struct kiln_sqlite *s = of(db);
	sqlite3_stmt **statement = &s->controls[which];
	enum kiln_store_result result = KILN_STORE_OK;
	if ((*statement == NULL &&
	     sqlite3_prepare_v3(s->handle, texts[which], -1, SQLITE_PREPARE_PERSISTENT, statement,
				NULL) != SQLITE_OK) ||
	    sqlite3_step(*statement) != SQLITE_DONE)
		result = kiln_sqlite_fail(s, texts[which], err);
	(void)sqlite3_reset(*statement);
	return result;
}

/* After an error of the disk or of memory, also in what only reads, SQLite may roll the transaction
 * back by itself. What came next would be one of its own: half of a batch, kept. */
static enum kiln_store_result still_there(const struct kiln_sqlite *s, struct kiln_error *err)
{
	if (!s->begun || sqlite3_get_autocommit(s->handle) == 0)
		return KILN_STORE_OK;
	(void)kiln_fail(
	    err, KILN_E_STORE,
	    "SQLite gave the transaction up after an error, and what was in it is undone");
	return KILN_STORE_FAILED;
}

static enum kiln_store_result prepare(struct kiln_sqlite *s, enum kiln_sql sql,
				      struct kiln_error *err)
{
	if (s->statements[sql] == NULL &&
	    sqlite3_prepare_v3(s->handle, kiln_sql[sql].text, -1, SQLITE_PREPARE_PERSISTENT,
			       &s->statements[sql], NULL) != SQLITE_OK)
		return kiln_sqlite_fail(s, kiln_sql[sql].text, err);
	return KILN_STORE_OK;
}

static bool bind(sqlite3_stmt *statement, const char *in, const struct kiln_db_value *values)
{
	int failed = 0;
	for (int i = 0; in[i] != '\0'; i++) {
		const struct kiln_db_value *v = &values[i];
		if (in[i] == 'n')
			failed |= sqlite3_bind_int64(statement, i + 1, v->number);
		else /* the pointer of an empty value must not be NULL, or it would be one */
			failed |= sqlite3_bind_blob64(statement, i + 1,
						      v->len > 0 ? (const void *)v->data : "",
						      v->len, SQLITE_STATIC);
	}
	return failed == SQLITE_OK;
}

static enum kiln_store_result columns(sqlite3_stmt *statement, const char *out,
				      struct kiln_db_value *values, struct kiln_error *err)
{
	for (int i = 0; out[i] != '\0'; i++) {
		const int wanted = out[i] == 'n' ? SQLITE_INTEGER : SQLITE_BLOB;
		if (sqlite3_column_type(statement, i) != wanted) {
			(void)kiln_fail(err, KILN_E_STORE,
					"the store is damaged: %.100s gives a column of another "
					"type; restore a backup",
					sqlite3_sql(statement));
			return KILN_STORE_FAILED;
		}
		values[i] = out[i] == 'n'
				? KILN_DB_NUMBER(sqlite3_column_int64(statement, i))
				: KILN_DB_BYTES(sqlite3_column_blob(statement, i),
						(size_t)sqlite3_column_bytes(statement, i));
	}
	return KILN_STORE_OK;
}

static enum kiln_store_result step(struct kiln_sqlite *s, sqlite3_stmt *statement, const char *out,
				   kiln_db_row row, void *ctx, struct kiln_error *err)
{
	struct kiln_db_value values[KILN_SQL_COLUMNS_MAX];
	enum kiln_store_result result = KILN_STORE_OK;
	while (result == KILN_STORE_OK) {
		const int rc = sqlite3_step(statement);
		if (rc == SQLITE_DONE)
			return KILN_STORE_OK;
		if (rc != SQLITE_ROW)
			return kiln_sqlite_fail(s, sqlite3_sql(statement), err);
		result = columns(statement, out, values, err);
		if (result == KILN_STORE_OK && row != NULL)
			result = row(ctx, values, err);
	}
	return result;
}

static enum kiln_store_result run(struct kiln_db *db, enum kiln_sql sql,
				  const struct kiln_db_value *values, kiln_db_row row, void *ctx,
				  uint64_t *changed, struct kiln_error *err)
{
	struct kiln_sqlite *s = of(db);
	enum kiln_store_result result = still_there(s, err);
	if (result == KILN_STORE_OK)
		result = prepare(s, sql, err);
	sqlite3_stmt *statement = s->statements[sql];
	if (result != KILN_STORE_OK)
		return result;
	const sqlite3_int64 before = sqlite3_total_changes64(s->handle);
	if (bind(statement, kiln_sql[sql].in, values))
		result = step(s, statement, kiln_sql[sql].out, row, ctx, err);
	else
		result = kiln_sqlite_fail(s, kiln_sql[sql].text, err);
	(void)sqlite3_reset(statement);
	(void)sqlite3_clear_bindings(statement);
	if (changed != NULL)
		*changed = (uint64_t)(sqlite3_total_changes64(s->handle) - before);
	return result;
}

/* ---- transactions: one writer from the beginning, so that no commit can be in conflict */

static void rollback(struct kiln_db *db)
{
	if (sqlite3_get_autocommit(of(db)->handle) == 0)
		(void)sqlite3_exec(of(db)->handle, "ROLLBACK", NULL, NULL, NULL);
	of(db)->begun = false;
}

static enum kiln_store_result begin(struct kiln_db *db, struct kiln_error *err)
{
	const enum kiln_store_result result = control(db, KILN_SQLITE_BEGIN, err);
	of(db)->begun = result == KILN_STORE_OK;
	return result;
}

static enum kiln_store_result snapshot(struct kiln_db *db, struct kiln_error *err)
{
	return exec(db, "BEGIN", err);
}

static enum kiln_store_result commit(struct kiln_db *db, bool wrote, struct kiln_error *err)
{
	(void)wrote;
	enum kiln_store_result result = still_there(of(db), err);
	if (result == KILN_STORE_OK)
		result = control(db, KILN_SQLITE_COMMIT, err);
	if (result != KILN_STORE_OK)
		rollback(db);
	of(db)->begun = false;
	return result;
}

static enum kiln_store_result savepoint(struct kiln_db *db, struct kiln_error *err)
{
	const enum kiln_store_result result = still_there(of(db), err);
	return result == KILN_STORE_OK ? control(db, KILN_SQLITE_SAVEPOINT, err) : result;
}

static enum kiln_store_result release(struct kiln_db *db, struct kiln_error *err)
{
	const enum kiln_store_result result = still_there(of(db), err);
	return result == KILN_STORE_OK ? control(db, KILN_SQLITE_RELEASE, err) : result;
}

/* A full disk, or one that fails, ends the whole transaction: then there is no savepoint either. */
static enum kiln_store_result undo(struct kiln_db *db, struct kiln_error *err)
{
	const enum kiln_store_result result = exec(db, "ROLLBACK TO frame; RELEASE frame", err);
	if (result != KILN_STORE_OK)
		rollback(db);
	return result;
}

/* ---- what else a database can do */

static int take_yes(void *ctx, int count, char **values, char **names)
{
	(void)values;
	(void)names;
	*(bool *)ctx = count > 0;
	return 0;
}

static enum kiln_store_result exists(struct kiln_db *db, bool *yes, struct kiln_error *err)
{
	const char *const text = "SELECT 1 FROM sqlite_schema WHERE name = 'kiln_meta'";
	*yes = false;
	if (sqlite3_exec(of(db)->handle, text, take_yes, yes, NULL) != SQLITE_OK)
		return kiln_sqlite_fail(of(db), "opening the store", err);
	return KILN_STORE_OK;
}

struct findings {
	void (*found)(void *ctx, const char *sentence);
	void *ctx;
};

static int take_finding(void *ctx, int count, char **values, char **names)
{
	const struct findings *findings = ctx;
	(void)names;
	if (count > 0 && values[0] != NULL && strcmp(values[0], "ok") != 0)
		findings->found(findings->ctx, values[0]);
	return 0;
}

static int go_on(void *ctx)
{
	const struct kiln_sqlite *s = ctx;
	s->progress(s->progress_ctx, s->watched, -1);
	return 0;
}

static void watch(struct kiln_db *db, const char *what, kiln_store_progress progress, void *ctx)
{
	struct kiln_sqlite *s = of(db);
	s->watched = what;
	s->progress = progress;
	s->progress_ctx = ctx;
	sqlite3_progress_handler(s->handle, 100000, progress != NULL ? go_on : NULL, s);
}

static enum kiln_store_result verify(struct kiln_db *db,
				     void (*found)(void *ctx, const char *sentence), void *ctx,
				     struct kiln_error *err)
{
	struct kiln_sqlite *s = of(db);
	struct findings findings = {found, ctx};
	const int rc =
	    sqlite3_exec(s->handle, "PRAGMA integrity_check(20)", take_finding, &findings, NULL);
	return rc == SQLITE_OK ? KILN_STORE_OK : kiln_sqlite_fail(s, "integrity_check", err);
}

/* secure_delete overwrites rows in their pages; the log still has the pages as they were. Nobody
 * waits for who reads (a backup): the next commit tries again. */
static enum kiln_store_result scrub(struct kiln_db *db, struct kiln_error *err)
{
	struct kiln_sqlite *s = of(db);
	(void)sqlite3_busy_timeout(s->handle, 0);
	const int rc =
	    sqlite3_wal_checkpoint_v2(s->handle, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
	(void)sqlite3_busy_timeout(s->handle, KILN_SQLITE_BUSY_MS);
	return rc == SQLITE_OK ? KILN_STORE_OK
			       : kiln_sqlite_fail(s, "emptying the write-ahead log", err);
}

const struct kiln_db_driver kiln_sqlite_driver = {
    .name = "sqlite",
    .one_file = true,
    .one_server = true,
    .migrations = {NULL, kiln_sql_sqlite_1, kiln_sql_sqlite_2, kiln_sql_sqlite_3},
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
    .discard = kiln_sqlite_discard,
    .close = kiln_sqlite_close,
};
