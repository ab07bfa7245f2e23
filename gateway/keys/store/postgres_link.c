/* SPDX-License-Identifier: Apache-2.0
 * One connection to PostgreSQL: every wait has an end; see postgres.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/bytes.h"
#include "keys/store/postgres.h"

#define BYTEA    17u /* PostgreSQL's own numbers of types */
#define INT8     20u
#define TEXT_MAX 512u

static uint64_t now_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

bool kiln_pg_lost(const struct kiln_pg_link *link)
{
	return link->conn == NULL || kiln_pq.status(link->conn) != CONNECTION_OK;
}

void kiln_pg_disconnect(struct kiln_pg_link *link)
{
	kiln_pq.finish(link->conn); /* NULL is nothing */
	link->conn = NULL;
	memset(link->prepared, 0, sizeof link->prepared);
}

/* libpq's messages end with a line's end, and may have several lines; the first says it. */
static void say_lost(struct kiln_pg_link *link, const char *what, struct kiln_error *err)
{
	const char *text = link->conn != NULL ? kiln_pq.errorMessage(link->conn) : "";
	(void)kiln_fail(err, KILN_E_TARGET, "%s PostgreSQL: %.*s", what,
			(int)(strcspn(text, "\n") < 160 ? strcspn(text, "\n") : 160),
			text[0] != '\0' ? text : "no connection");
}

/* ---- one question, one answer */

/* Until the answer can be had without a wait. */
static bool wait_for_answer(struct kiln_pg_link *link, struct kiln_error *err)
{
	const uint64_t end = now_ms() + KILN_PG_ANSWER_MS;
	for (;;) {
		const int unsent = kiln_pq.flush(link->conn);
		if (unsent < 0)
			return false;
		if (unsent == 0 && kiln_pq.isBusy(link->conn) == 0)
			return true;
		const uint64_t now = now_ms();
		struct pollfd p = {.fd = kiln_pq.socket(link->conn),
				   .events = (short)(POLLIN | (unsent > 0 ? POLLOUT : 0))};
		if (now >= end || p.fd < 0) {
			(void)kiln_fail(err, KILN_E_TIMEOUT,
					"PostgreSQL did not answer within %u s",
					KILN_PG_ANSWER_MS / 1000);
			return false;
		}
		if (poll(&p, 1, (int)(end - now)) < 0 && errno != EINTR)
			return false;
		if ((p.revents & (POLLIN | POLLERR | POLLHUP)) != 0 &&
		    kiln_pq.consumeInput(link->conn) == 0)
			return false;
	}
}

static bool good(const PGresult *result)
{
	const ExecStatusType status = kiln_pq.resultStatus(result);
	return status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK;
}

static void say_refused(const PGresult *result, struct kiln_error *err)
{
	const char *text = kiln_pq.resultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
	const char *state = kiln_pq.resultErrorField(result, PG_DIAG_SQLSTATE);
	/* XX: its files are damaged; all else says nothing of what is in the store. */
	const bool damaged = state != NULL && strncmp(state, "XX", 2) == 0;
	(void)kiln_fail(err, damaged ? KILN_E_STORE : KILN_E_TARGET,
			"PostgreSQL says: %.150s (%.5s)", text != NULL ? text : "nothing",
			state != NULL ? state : "-----");
}

/* The last of the answers, or the first that is a refusal. A connection on which an answer did not
 * come in time is of no use any more: the answer may still come. */
static PGresult *answer(struct kiln_pg_link *link, int sent, struct kiln_error *err)
{
	PGresult *kept = NULL;
	*err = (struct kiln_error){0};
	for (;;) {
		if (sent == 0 || !wait_for_answer(link, err)) {
			if (err->code == KILN_OK)
				say_lost(link, "the connection is lost:", err);
			kiln_pq.clear(kept);
			kiln_pg_disconnect(link);
			return NULL;
		}
		PGresult *next = kiln_pq.getResult(link->conn);
		if (next == NULL)
			break;
		if (kept != NULL && !good(kept)) {
			kiln_pq.clear(next);
			continue;
		}
		kiln_pq.clear(kept);
		kept = next;
	}
	if (kept != NULL && good(kept))
		return kept;
	if (kept != NULL)
		say_refused(kept, err);
	else
		say_lost(link, "no answer from", err);
	kiln_pq.clear(kept);
	if (kiln_pq.status(link->conn) != CONNECTION_OK)
		kiln_pg_disconnect(link);
	return NULL;
}

PGresult *kiln_pg_query(struct kiln_pg_link *link, const char *text, struct kiln_error *err)
{
	if (kiln_pg_lost(link)) {
		say_lost(link, "no connection to", err);
		return NULL;
	}
	return answer(link, kiln_pq.sendQuery(link->conn, text), err);
}

/* SQLite's ?1 is PostgreSQL's $1. */
static bool prepare(struct kiln_pg_link *link, enum kiln_sql sql, const char *name,
		    struct kiln_error *err)
{
	char text[TEXT_MAX];
	Oid types[KILN_SQL_COLUMNS_MAX];
	int count = 0;
	const struct kiln_sql_statement *s = &kiln_sql[sql];
	(void)snprintf(text, sizeof text, "%s%s", s->text, s->lock ? " FOR UPDATE" : "");
	for (char *p = text; *p != '\0'; p++)
		if (*p == '?')
			*p = '$';
	for (; s->in[count] != '\0'; count++)
		types[count] = s->in[count] == 'n' ? INT8 : BYTEA;
	PGresult *result =
	    answer(link, kiln_pq.sendPrepare(link->conn, name, text, count, types), err);
	kiln_pq.clear(result);
	link->prepared[sql] = result != NULL;
	return result != NULL;
}

PGresult *kiln_pg_run(struct kiln_pg_link *link, enum kiln_sql sql,
		      const struct kiln_db_value *values, struct kiln_error *err)
{
	char name[16];
	uint8_t numbers[KILN_SQL_COLUMNS_MAX][8];
	const char *data[KILN_SQL_COLUMNS_MAX];
	int lengths[KILN_SQL_COLUMNS_MAX], formats[KILN_SQL_COLUMNS_MAX], count = 0;
	const char *in = kiln_sql[sql].in;
	if (kiln_pg_lost(link)) {
		say_lost(link, "no connection to", err);
		return NULL;
	}
	(void)snprintf(name, sizeof name, "kiln_%u", (unsigned)sql);
	if (!link->prepared[sql] && !prepare(link, sql, name, err))
		return NULL;
	for (; in[count] != '\0'; count++) {
		const struct kiln_db_value *v = &values[count];
		kiln_store_be64(numbers[count], (uint64_t)v->number);
		data[count] = in[count] == 'n' ? (const char *)numbers[count]
			      : v->len > 0     ? (const char *)v->data
					       : "";
		lengths[count] = in[count] == 'n' ? 8 : (int)v->len;
		formats[count] = 1; /* binary */
	}
	return answer(link,
		      kiln_pq.sendQueryPrepared(link->conn, name, count, data, lengths, formats, 1),
		      err);
}

/* ---- connecting */

static void be_silent(void *arg, const char *message)
{
	(void)arg;
	(void)message;
}

/* What a server must be like: it loses nothing that it acknowledged. */
static const char *const settings_of_all[] = {
    "SET statement_timeout = 15000; SET lock_timeout = 5000;"
    "SET idle_in_transaction_session_timeout = 120000; SET bytea_output = hex",
    "DO $$ BEGIN IF current_setting('fsync') <> 'on' THEN RAISE EXCEPTION 'fsync is off on that "
    "server: it would lose what it acknowledged'; END IF; END $$",
};
static const char sync_on[] = "SELECT set_config('synchronous_commit', 'on', false) WHERE "
			      "current_setting('synchronous_commit') = 'off'";
static const char sync_off[] = "SET synchronous_commit = off";

/* "kilnkeys" as a number; of the database. Who killed a server waits for its connection to end. */
#define LOCK_NUMBER "7739836656116922739"

static enum kiln_store_result try_lock(struct kiln_pg_link *link, const char *text, bool *held,
				       struct kiln_error *err)
{
	PGresult *result = kiln_pg_query(link, text, err);
	if (result == NULL)
		return KILN_STORE_FAILED;
	*held = kiln_pq.ntuples(result) == 1 && kiln_pq.getvalue(result, 0, 0)[0] == 't';
	kiln_pq.clear(result);
	return KILN_STORE_OK;
}

static enum kiln_store_result take_lock(struct kiln_pg_link *link, struct kiln_error *err)
{
	const char *text = link->use == KILN_DB_SERVE
			       ? "SELECT pg_try_advisory_lock_shared(" LOCK_NUMBER ")"
			       : "SELECT pg_try_advisory_lock(" LOCK_NUMBER ")";
	const uint64_t end = now_ms() + 3000;
	bool held = false;
	if (link->use == KILN_DB_READ || link->apart)
		return KILN_STORE_OK;
	for (;;) {
		const enum kiln_store_result result = try_lock(link, text, &held, err);
		if (result != KILN_STORE_OK || held)
			return result;
		if (now_ms() >= end)
			break;
		(void)poll(NULL, 0, 50);
	}
	(void)kiln_fail(err, KILN_E_LIMIT,
			link->use == KILN_DB_SERVE
			    ? "the store is being restored, or gets a new key: try again later"
			    : "key servers have the store open: stop them first");
	return KILN_STORE_FAILED;
}

static enum kiln_store_result set_up(struct kiln_pg_link *link, struct kiln_error *err)
{
	const char *const texts[] = {settings_of_all[0], settings_of_all[1],
				     link->apart ? sync_off : sync_on};
	if (kiln_pq.setnonblocking(link->conn, 1) != 0 ||
	    kiln_pq.serverVersion(link->conn) < 130000) {
		(void)kiln_fail(err, KILN_E_UNSUPPORTED, "PostgreSQL 13 or later is needed");
		return KILN_STORE_FAILED;
	}
	(void)kiln_pq.setNoticeProcessor(link->conn, be_silent, NULL);
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		PGresult *result = kiln_pg_query(link, texts[i], err);
		if (result == NULL)
			return KILN_STORE_FAILED;
		kiln_pq.clear(result);
	}
	return take_lock(link, err);
}

enum kiln_store_result kiln_pg_connect(struct kiln_pg_link *link, struct kiln_error *err)
{
	char timeout[8];
	/* What comes first is overridden by the operator's settings. */
	const char *const names[] = {"connect_timeout", "application_name", "dbname", NULL};
	const char *const values[] = {timeout, "kiln-keys", link->settings, NULL};
	if (!kiln_pg_lost(link))
		return KILN_STORE_OK;
	kiln_pg_disconnect(link);
	if (now_ms() < link->retry_at_ms) {
		(void)kiln_fail(err, KILN_E_TARGET,
				"no connection to PostgreSQL; trying again soon");
		return KILN_STORE_FAILED;
	}
	(void)snprintf(timeout, sizeof timeout, "%u", KILN_PG_CONNECT_S);
	link->conn = kiln_pq.connectdbParams(names, values, 1);
	enum kiln_store_result result = KILN_STORE_FAILED;
	if (link->conn != NULL && kiln_pq.status(link->conn) == CONNECTION_OK)
		result = set_up(link, err);
	else
		say_lost(link, "no connection to", err);
	if (result == KILN_STORE_OK) {
		link->retry_ms = 0;
		return result;
	}
	kiln_pg_disconnect(link);
	link->retry_ms = link->retry_ms == 0                     ? KILN_PG_RETRY_MS
			 : link->retry_ms < KILN_PG_RETRY_MAX_MS ? 2 * link->retry_ms
								 : link->retry_ms;
	link->retry_at_ms = now_ms() + link->retry_ms;
	return result;
}
