/* SPDX-License-Identifier: Apache-2.0
 * The key server's store, over SQLite and PostgreSQL, as a whole: several servers, backup, anchor,
 * another key, and rows that are put back under a running server. */
#include "keys_stores_suite.h"

/* Of two servers at one store. */
static void test_two_servers(void **state)
{
	(void)state;
	struct kiln_store *second;
	if (suite_is_sqlite()) {
		assert_int_equal(kiln_store_open(&rig.options, &second, &err), KILN_E_LIMIT);
		assert_non_null(strstr(err.message, "in use by process"));
		return;
	}
	struct kiln_keys_user user, got;
	struct kiln_keys_audit line;
	const struct kiln_keys_limit limit = {
	    .free = 3, .first_ms = 1000, .most_ms = 8000, .forget_ms = 60000};
	struct kiln_keys_verdict verdict;
	second = rig_second(&rig);
	rig_user(&user, 1);
	rig_line(&line, KILN_KEYS_DID_LOGIN, 1);
	OK(CALL->begin(S, &err));
	OK(CALL->user_create(S, &user, &err));
	OK(CALL->commit(S, &err));
	OK(CALL->begin(second, &err));
	user.user_id[0] ^= 1;
	IS(CALL->user_create(second, &user, &err), TAKEN);
	user.user_id[0] ^= 1;
	OK(CALL->user_by_name(second, user.name, user.name_len, &got, &err));
	/* Both batches are open, and both write to the same user's log: the numbers are drawn when
	 * they commit. */
	OK(CALL->begin(S, &err));
	for (int i = 0; i < 3; i++) {
		OK(CALL->audit_append(i % 2 ? S : second, user.user_id, &line, &err));
		OK(CALL->limit_take(i % 2 ? S : second, KILN_KEYS_LIMIT_SOURCE, user.name, 4,
				    &limit, 1000, &verdict, &err));
		assert_true(verdict.allowed);
	}
	OK(CALL->limit_take(S, KILN_KEYS_LIMIT_SOURCE, user.name, 4, &limit, 1000, &verdict, &err));
	assert_false(verdict.allowed);
	OK(CALL->commit(S, &err));
	OK(CALL->commit(second, &err));
	kiln_store_close(second);
	suite_check_clean(1, 3);
}

static void test_backup(void **state)
{
	(void)state;
	struct kiln_keys_user user, got;
	struct kiln_store_options where = rig.options;
	for (unsigned n = 1; n <= 700; n++) /* more than a page of a scan */
		rig_add_user(&rig, n);
	assert_int_equal(kiln_store_backup(&rig.options, rig.backup, &err), KILN_OK);
	assert_int_equal(kiln_store_backup(&rig.options, rig.backup, &err), KILN_E_CONFIG);
	rig_add_user(&rig, 1000);
	rig_close(&rig);
	assert_int_equal(kiln_store_restore(&where, rig.backup, &err), KILN_E_CONFIG);
	rig_drop(&rig);
	assert_int_equal(kiln_store_restore(&where, rig.backup, &err), KILN_OK);
	rig_open(&rig);
	rig_user(&user, 700);
	OK(CALL->begin(S, &err));
	OK(CALL->user_by_name(S, user.name, user.name_len, &got, &err));
	rig_user(&user, 1000);
	IS(CALL->user_by_name(S, user.name, user.name_len, &got, &err), ABSENT);
	CALL->rollback(S);
	suite_check_clean(700, 700);
}

static void test_anchor(void **state)
{
	(void)state;
	rig_close(&rig);
	rig_drop(&rig);
	rig.options.anchor = rig.anchor;
	assert_int_equal(kiln_store_create(&rig.options, &err), KILN_OK);
	rig_open(&rig);
	rig_put_setup(&rig);
	rig_add_user(&rig, 1);
	struct kiln_store_options plain = rig.options;
	plain.anchor = NULL;
	assert_int_equal(kiln_store_backup(&plain, rig.backup, &err), KILN_OK);
	rig_add_user(&rig, 2);
	rig_close(&rig);
	rig_open(&rig); /* the anchor agrees */
	rig_close(&rig);
	rig_drop(&rig);
	assert_int_equal(kiln_store_restore(&plain, rig.backup, &err), KILN_OK);
	assert_int_equal(kiln_store_open(&rig.options, &rig.store, &err), KILN_E_STORE);
	assert_non_null(strstr(err.message, "older than its anchor, by 1 batches"));
}

static void test_rotation(void **state)
{
	(void)state;
	char path[256];
	uint64_t sealed;
	struct kiln_keys_user user, got;
	struct kiln_store_key *old = rig.key;
	(void)snprintf(path, sizeof path, "%s/key2", rig.dir);
	struct kiln_store_key *fresh = kiln_store_key_make(path, &err);
	for (unsigned n = 1; n <= 30; n++)
		rig_add_user(&rig, n);
	assert_int_equal(kiln_store_rotate(&rig.options, fresh, &sealed, &err), KILN_E_LIMIT);
	rig_close(&rig);
	assert_int_equal(kiln_store_rotate(&rig.options, old, &sealed, &err), KILN_E_CONFIG);
	assert_int_equal(kiln_store_rotate(&rig.options, fresh, &sealed, &err), KILN_OK);
	assert_int_equal(sealed, 30 * 3 + 1); /* row, head and line of each; nobody's head */
	assert_int_equal(kiln_store_open(&rig.options, &rig.store, &err), KILN_E_CONFIG);
	rig.options.key = fresh;
	rig_open(&rig);
	rig_user(&user, 30);
	OK(CALL->begin(S, &err));
	OK(CALL->user_by_name(S, user.name, user.name_len, &got, &err));
	CALL->rollback(S);
	suite_check_clean(30, 30);
	rig.options.key = rig.key = fresh;
	kiln_store_key_free(old);
}

static void test_wrong_key(void **state)
{
	(void)state;
	char path[256];
	struct kiln_store_options wrong = rig.options;
	(void)snprintf(path, sizeof path, "%s/key2", rig.dir);
	struct kiln_store_key *other = kiln_store_key_make(path, &err);
	wrong.key = other;
	rig_close(&rig);
	assert_int_equal(kiln_store_open(&wrong, &rig.store, &err), KILN_E_CONFIG);
	assert_non_null(strstr(err.message, "does not open the store"));
	assert_int_equal(chmod(path, 0640), 0);
	const struct kiln_store_key_source source = {.file = path, .fd = -1};
	assert_null(kiln_store_key_read(&source, &err));
	assert_non_null(strstr(err.message, "by others"));
	kiln_store_key_free(other);
}

/* Root made it, and the server is another user. */
static void test_files_of_another(void **state)
{
	(void)state;
	if (geteuid() != 0 || !suite_is_sqlite())
		skip();
	rig_close(&rig);
	assert_int_equal(chmod(rig.dir, 0755), 0);
	assert_int_equal(seteuid(65534), 0);
	const enum kiln_code code = kiln_store_open(&rig.options, &rig.store, &err);
	assert_int_equal(seteuid(0), 0);
	assert_int_equal(code, KILN_E_CONFIG);
	assert_non_null(strstr(err.message, ".lock belongs to user root (0)"));
	assert_non_null(strstr(err.message, "(65534)"));
}

/* Rows that were put back behind a running server's back: each opens, as it did once. */
static void test_user_put_back(void **state)
{
	(void)state;
	struct kiln_keys_user user, got;
	struct kiln_store_cell old;
	rig_add_user(&rig, 1);
	rig_user(&user, 1);
	const struct kiln_db_value uid[] = {KILN_DB_BYTES(user.user_id, sizeof user.user_id)};
	OK(CALL->begin(S, &err));
	OK(kiln_store_get(S, KILN_SQL_USERS_LOCK, uid, &old, &err));
	memset(user.record, 0x55, sizeof user.record);
	OK(CALL->user_change(S, &user, &err));
	OK(CALL->user_by_name(S, user.name, user.name_len, &got, &err));
	const struct kiln_db_value back[] = {uid[0], KILN_DB_BYTES(old.bytes, old.len)};
	OK(kiln_store_put(S, KILN_SQL_USERS_SET, back, KILN_STORE_ABSENT, &err));
	OK(CALL->commit(S, &err));
	OK(CALL->begin(S, &err));
	IS(CALL->user_by_name(S, user.name, user.name_len, &got, &err), FAILED);
	assert_non_null(strstr(err.message, "another password"));
	IS(CALL->user_by_id(S, user.user_id, &got, &err), FAILED);
	IS(CALL->user_change(S, &user, &err), FAILED);
	IS(CALL->user_by_name(S, (const uint8_t *)"nobody", 6, &got, &err), ABSENT);
	CALL->rollback(S);
}

static void test_key_put_back(void **state)
{
	(void)state;
	struct kiln_keys_user user;
	struct kiln_keys_key key, other, got;
	struct kiln_store_cell old;
	rig_add_user(&rig, 1);
	rig_user(&user, 1);
	rig_key(&key, &user, 1);
	rig_key(&other, &user, 2);
	const struct kiln_db_value id[] = {KILN_DB_BYTES(key.owner, sizeof key.owner),
					   KILN_DB_BYTES(key.key_id, sizeof key.key_id)};
	OK(CALL->begin(S, &err));
	IS(CALL->key_get(S, key.key_id, user.user_id, &got, &err), ABSENT);
	OK(CALL->key_create(S, &key, &err));
	OK(CALL->key_create(S, &other, &err));
	OK(kiln_store_get(S, KILN_SQL_KEYS_LOCK, id, &old, &err));
	OK(CALL->key_delete(S, key.key_id, user.user_id, 5, &err));
	IS(CALL->key_get(S, key.key_id, user.user_id, &got, &err), ABSENT);
	OK(CALL->key_get(S, other.key_id, user.user_id, &got, &err));
	assert_memory_equal(&got, &other, sizeof other);
	const struct kiln_db_value back[] = {id[0], id[1], KILN_DB_BYTES(old.bytes, old.len)};
	OK(kiln_store_put(S, KILN_SQL_KEYS_SET, back, KILN_STORE_ABSENT, &err));
	OK(CALL->commit(S, &err));
	OK(CALL->begin(S, &err));
	IS(CALL->key_get(S, key.key_id, user.user_id, &got, &err), FAILED);
	assert_non_null(strstr(err.message, "deleted keys"));
	IS(CALL->key_retrieved(S, key.key_id, user.user_id, 9, &err), FAILED);
	IS(CALL->key_delete(S, key.key_id, user.user_id, 9, &err), FAILED);
	CALL->rollback(S);
}

/* What a command says of a commit that was lost is what happened, and not that a row is missing. */
static void test_lost_commit_is_told(void **state)
{
	struct kiln_error lost = {0};
	(void)state;
	(void)kiln_fail(&lost, KILN_E_STORE, "lost during a commit");
	assert_int_equal(kiln_store_code(KILN_STORE_UNKNOWN, &lost), KILN_E_STORE);
	assert_string_equal(lost.message, "lost during a commit");
	assert_int_equal(kiln_store_code(KILN_STORE_ABSENT, &lost), KILN_E_STORE);
	assert_string_equal(lost.message, "a row of the store is missing");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {T(test_two_servers),      T(test_lost_commit_is_told),
					   T(test_backup),           T(test_anchor),
					   T(test_rotation),         T(test_wrong_key),
					   T(test_files_of_another), T(test_user_put_back),
					   T(test_key_put_back)};
	suite_choose(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
