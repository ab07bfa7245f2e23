/* SPDX-License-Identifier: Apache-2.0
 * Limits and known sources, of which a store on SQLite keeps some in memory: nothing that counts
 * may be there alone. The same over PostgreSQL, where it keeps none: keys_stores_kept
 * sqlite|postgresql.
 */
#include "keys_stores_suite.h"

#include "keys/store/sqlite.h"

#define NOW 1000000

/* One attempt, and then a wait. */
static const struct kiln_keys_limit limit = {
    .free = 1, .first_ms = 60000, .most_ms = 60000, .forget_ms = 3600000};

static bool take(unsigned n)
{
	struct kiln_keys_verdict verdict;
	OK(CALL->limit_take(S, KILN_KEYS_LIMIT_SOURCE, (const uint8_t *)&n, sizeof n, &limit, NOW,
			    &verdict, &err));
	return verdict.allowed;
}

static void give(unsigned n)
{
	OK(CALL->limit_give(S, KILN_KEYS_LIMIT_SOURCE, (const uint8_t *)&n, sizeof n, &limit, NOW,
			    &err));
}

static void begin_again(void)
{
	OK(CALL->commit(S, &err));
	rig_close(&rig);
	rig_open(&rig);
	OK(CALL->begin(S, &err));
}

static off_t log_size(void)
{
	char name[210];
	struct stat st;
	(void)snprintf(name, sizeof name, "%s-wal", rig.where);
	assert_int_equal(stat(name, &st), 0);
	return st.st_size;
}

/* More of them than are kept. */
static void test_many(void **state)
{
	(void)state;
	const unsigned many = 4 * KILN_STORE_KEPT;
	OK(CALL->begin(S, &err));
	for (unsigned n = 0; n < many; n++)
		assert_true(take(n));
	for (unsigned n = 0; n < many; n++)
		assert_false(take(n));
	for (unsigned n = 0; n < many; n += 2)
		give(n);
	begin_again();
	for (unsigned n = 0; n < many; n++)
		assert_int_equal(take(n), n % 2 == 0);
	begin_again();
	for (unsigned n = 0; n < many; n++)
		assert_false(take(n));
	CALL->rollback(S);
}

static void test_given_back_at_once(void **state)
{
	(void)state;
	if (!suite_is_sqlite())
		return;
	OK(CALL->begin(S, &err));
	assert_true(take(1));
	OK(CALL->commit(S, &err));
	const off_t before = log_size();
	OK(CALL->begin(S, &err));
	for (unsigned n = 2; n < 50; n++) {
		assert_true(take(n));
		give(n);
	}
	OK(CALL->commit(S, &err));
	assert_int_equal(log_size(), before); /* nothing was written */
	OK(CALL->begin(S, &err));
	assert_true(take(2));
	assert_false(take(1));
	CALL->rollback(S);
}

/* What was taken before a frame stays taken when that is undone, and so does what it gave back. */
static void test_frames(void **state)
{
	(void)state;
	OK(CALL->begin(S, &err));
	for (unsigned n = 1; n < 4; n++)
		assert_true(take(n));
	OK(CALL->savepoint(S, &err));
	give(1);
	OK(CALL->release(S, &err));
	OK(CALL->savepoint(S, &err));
	give(2);
	assert_true(take(2));
	if (suite_is_sqlite()) /* for the others it would count at once */
		give(3);
	OK(CALL->undo(S, &err));
	assert_false(take(2));
	assert_false(take(3));
	begin_again();
	assert_true(take(1));
	assert_false(take(2));
	assert_false(take(3));
	CALL->rollback(S);
}

static void test_rolled_back(void **state)
{
	(void)state;
	OK(CALL->begin(S, &err));
	assert_true(take(1));
	OK(CALL->commit(S, &err));
	OK(CALL->begin(S, &err));
	if (suite_is_sqlite())
		give(1);
	CALL->rollback(S);
	OK(CALL->begin(S, &err));
	assert_false(take(1));
	CALL->rollback(S);
}

/* A batch that cannot be committed took nothing and gave nothing. */
static void test_not_committed(void **state)
{
	(void)state;
	if (!suite_is_sqlite())
		return;
	struct kiln_keys_user user;
	struct kiln_keys_audit line;
	rig_add_user(&rig, 1);
	rig_user(&user, 1);
	rig_line(&line, KILN_KEYS_DID_LOGIN, 5);
	OK(CALL->begin(S, &err));
	assert_true(take(1));
	OK(CALL->commit(S, &err));
	OK(CALL->begin(S, &err));
	give(1);
	OK(CALL->audit_append(S, user.user_id, &line, &err));
	/* In the place of the line that comes next. */
	const struct kiln_db_value damage[] = {KILN_DB_BYTES(user.user_id, sizeof user.user_id),
					       KILN_DB_NUMBER(2), KILN_DB_BYTES(user.user_id, 1)};
	OK(kiln_store_run(S, KILN_SQL_AUDIT_ADD, damage, NULL, NULL, NULL, &err));
	IS(CALL->commit(S, &err), FAILED);
	OK(CALL->begin(S, &err));
	assert_false(take(1));
	CALL->rollback(S);
}

static uint64_t generation(const struct kiln_keys_user *user)
{
	uint64_t found = 0;
	OK(CALL->user_generation(S, user->user_id, &found, &err));
	return found;
}

/* Heads too: what was undone or rolled back is of no account, nor is what it made of them. */
static void test_heads(void **state)
{
	(void)state;
	struct kiln_keys_user user;
	struct kiln_keys_audit line;
	struct kiln_store_report report;
	uint64_t found;
	rig_add_user(&rig, 1);
	rig_user(&user, 1);
	rig_line(&line, KILN_KEYS_DID_LOGIN, 5);
	OK(CALL->begin(S, &err));
	assert_int_equal(generation(&user), 1);
	OK(CALL->savepoint(S, &err));
	OK(CALL->user_change(S, &user, &err));
	OK(CALL->audit_append(S, user.user_id, &line, &err));
	assert_int_equal(generation(&user), 2);
	OK(CALL->undo(S, &err));
	assert_int_equal(generation(&user), 1);
	OK(CALL->user_change(S, &user, &err));
	CALL->rollback(S);
	OK(CALL->begin(S, &err));
	assert_int_equal(generation(&user), 1);
	OK(CALL->user_change(S, &user, &err));
	OK(CALL->audit_append(S, user.user_id, &line, &err));
	assert_int_equal(generation(&user), 2);
	OK(CALL->commit(S, &err));
	OK(CALL->begin(S, &err));
	assert_int_equal(generation(&user), 2);
	OK(CALL->audit_append(S, user.user_id, &line, &err));
	begin_again();
	assert_int_equal(generation(&user), 2);
	user.user_id[0] ^= 1;
	IS(CALL->user_generation(S, user.user_id, &found, &err), ABSENT);
	CALL->rollback(S);
	/* Every log's chain, and what its head says of it. */
	rig_close(&rig);
	assert_int_equal(kiln_store_check(&rig.options, &report, &err), KILN_OK);
	assert_int_equal(report.found, 0);
	rig_open(&rig);
}

static void behind(const char *text)
{
	const struct kiln_sqlite *db = (const struct kiln_sqlite *)S->db;
	assert_int_equal(sqlite3_exec(db->handle, text, NULL, NULL, NULL), SQLITE_OK);
}

/* SQLite rolls back by itself when the disk fails, also below what only reads. Nothing of the batch
 * is kept then, nor what memory knows of it, and nothing comes to be outside of it. */
static void test_given_up(void **state)
{
	(void)state;
	struct kiln_keys_user user;
	struct kiln_keys_audit line;
	struct kiln_error ignored;
	if (!suite_is_sqlite())
		return;
	rig_add_user(&rig, 1);
	rig_user(&user, 1);
	rig_line(&line, KILN_KEYS_DID_LOGIN, 5);
	OK(CALL->begin(S, &err));
	OK(CALL->user_change(S, &user, &err));
	behind("ROLLBACK");
	IS(CALL->savepoint(S, &err), FAILED);
	assert_non_null(strstr(err.message, "gave the transaction up"));
	CALL->rollback(S);
	OK(CALL->begin(S, &err));
	assert_int_equal(generation(&user), 1);
	OK(CALL->user_change(S, &user, &err));
	behind("ROLLBACK");
	OK(CALL->audit_append(S, user.user_id, &line, &err)); /* it waits for the commit */
	IS(CALL->commit(S, &err), FAILED);
	OK(CALL->begin(S, &err));
	OK(CALL->savepoint(S, &err));
	OK(CALL->user_change(S, &user, &err));
	behind("ROLLBACK");
	IS(CALL->user_by_id(S, user.user_id, &user, &ignored), FAILED);
	IS(CALL->release(S, &err), FAILED);
	IS(CALL->undo(S, &err), FAILED);
	rig_user(&user, 1);
	OK(CALL->begin(S, &err));
	assert_int_equal(generation(&user), 1);
	OK(CALL->user_change(S, &user, &err));
	OK(CALL->commit(S, &err));
	rig_close(&rig);
	rig_open(&rig);
	OK(CALL->begin(S, &err));
	assert_int_equal(generation(&user), 2);
	CALL->rollback(S);
}

static void test_head_missing(void **state)
{
	(void)state;
	struct kiln_keys_user user;
	uint64_t found;
	if (!suite_is_sqlite())
		return;
	rig_add_user(&rig, 1);
	rig_user(&user, 1);
	OK(CALL->begin(S, &err));
	assert_int_equal(generation(&user), 1);
	behind("DELETE FROM kiln_heads");
	IS(CALL->user_change(S, &user, &err), FAILED);
	assert_non_null(strstr(err.message, "kiln_heads"));
	CALL->rollback(S);
	behind("DELETE FROM kiln_heads");
	OK(CALL->begin(S, &err));
	IS(CALL->user_generation(S, user.user_id, &found, &err), FAILED);
	assert_non_null(strstr(err.message, "kiln_heads"));
	CALL->rollback(S);
}

static int take_number(void *ctx, int count, char **values, char **names)
{
	(void)names;
	*(long *)ctx = count == 1 ? strtol(values[0], NULL, 10) : 0;
	return 0;
}

static long cache_kib(void)
{
	long kib = 0;
	const struct kiln_sqlite *db = (const struct kiln_sqlite *)S->db;
	assert_int_equal(sqlite3_exec(db->handle, "PRAGMA cache_size", take_number, &kib, NULL),
			 SQLITE_OK);
	return -kib;
}

static void test_cache(void **state)
{
	(void)state;
	if (!suite_is_sqlite())
		return;
	assert_int_equal(cache_kib(), KILN_STORE_CACHE_MIB * 1024);
	rig_close(&rig);
	rig.options.cache_mib = 9;
	rig_open(&rig);
	assert_int_equal(cache_kib(), 9 * 1024);
}

static void test_sources(void **state)
{
	(void)state;
	struct kiln_keys_known known = {.name = (const uint8_t *)"alice", .name_len = 5};
	OK(CALL->begin(S, &err));
	OK(CALL->known_put(S, &known, NOW, &err));
	OK(CALL->known_get(S, &known, &err));
	CALL->rollback(S);
	OK(CALL->begin(S, &err));
	IS(CALL->known_get(S, &known, &err), ABSENT);
	OK(CALL->savepoint(S, &err));
	OK(CALL->known_put(S, &known, NOW, &err));
	OK(CALL->known_get(S, &known, &err));
	OK(CALL->undo(S, &err));
	IS(CALL->known_get(S, &known, &err), ABSENT);
	for (uint8_t n = 0; n <= KILN_KEYS_KNOWN_MAX; n++) {
		known.source[0] = n;
		OK(CALL->known_put(S, &known, NOW + n, &err));
		OK(CALL->known_get(S, &known, &err));
	}
	known.source[0] = 0;
	IS(CALL->known_get(S, &known, &err), ABSENT); /* it had to go, seen as it was */
	OK(CALL->commit(S, &err));
}

/* A login after an hour is written, and decides who goes next. */
static void test_source_again(void **state)
{
	(void)state;
	struct kiln_keys_known known = {.name = (const uint8_t *)"alice", .name_len = 5};
	const uint64_t later = NOW + 3600000;
	OK(CALL->begin(S, &err));
	for (uint8_t n = 0; n < KILN_KEYS_KNOWN_MAX; n++) {
		known.source[0] = n;
		OK(CALL->known_put(S, &known, NOW + n, &err));
	}
	known.source[0] = 0;
	OK(CALL->known_get(S, &known, &err));
	OK(CALL->known_put(S, &known, later, &err));
	OK(CALL->known_get(S, &known, &err));
	known.source[0] = 99;
	OK(CALL->known_put(S, &known, later, &err));
	known.source[0] = 0;
	OK(CALL->known_get(S, &known, &err));
	begin_again();
	OK(CALL->known_get(S, &known, &err));
	known.source[0] = 1;
	IS(CALL->known_get(S, &known, &err), ABSENT);
	CALL->rollback(S);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    T(test_many),        T(test_given_back_at_once), T(test_frames),
	    T(test_rolled_back), T(test_not_committed),      T(test_heads),
	    T(test_cache),       T(test_given_up),           T(test_head_missing),
	    T(test_sources),     T(test_source_again),
	};
	suite_choose(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
