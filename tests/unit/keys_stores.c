/* SPDX-License-Identifier: Apache-2.0
 * The key server's store, over SQLite and PostgreSQL: users, their keys, limits, tokens. */
#include "keys_stores_suite.h"

static void test_users(void **state)
{
	(void)state;
	struct kiln_keys_user user, other, got;
	rig_user(&user, 1);
	OK(CALL->begin(S, &err));
	IS(CALL->user_by_name(S, user.name, user.name_len, &got, &err), ABSENT);
	OK(CALL->user_create(S, &user, &err));
	OK(CALL->user_by_name(S, user.name, user.name_len, &got, &err));
	assert_memory_equal(&got, &user, sizeof user);
	rig_user(&other, 2);
	memcpy(other.name, user.name, sizeof other.name);
	other.name_len = user.name_len;
	IS(CALL->user_create(S, &other, &err), TAKEN);
	rig_user(&other, 2);
	memcpy(other.user_id, user.user_id, sizeof other.user_id);
	IS(CALL->user_create(S, &other, &err), TAKEN);
	memset(other.user_id, 0, sizeof other.user_id);
	IS(CALL->user_create(S, &other, &err), TAKEN); /* nobody's */
	OK(CALL->commit(S, &err));
	rig_close(&rig);
	rig_open(&rig);
	OK(CALL->begin(S, &err));
	OK(CALL->user_by_id(S, user.user_id, &got, &err));
	assert_memory_equal(&got, &user, sizeof user);
	CALL->rollback(S);
	suite_check_clean(1, 0);
}

static void test_long_names(void **state)
{
	(void)state;
	struct kiln_keys_user user, got;
	OK(CALL->begin(S, &err));
	for (unsigned n = 1; n <= KILN_KEYS_NAME_MAX; n += n < 60 || n > 70 ? 31 : 1) {
		rig_user(&user, n);
		memset(user.name, 'n', n);
		user.name_len = (uint8_t)n;
		OK(CALL->user_create(S, &user, &err));
		OK(CALL->user_by_name(S, user.name, user.name_len, &got, &err));
		assert_int_equal(got.name_len, n);
	}
	OK(CALL->commit(S, &err));
}

static void test_change_password(void **state)
{
	(void)state;
	struct kiln_keys_user user, got;
	rig_add_user(&rig, 1);
	rig_user(&user, 1);
	OK(CALL->begin(S, &err));
	memset(user.record, 0x55, sizeof user.record);
	memset(user.wrapped, 0x66, sizeof user.wrapped);
	OK(CALL->user_change(S, &user, &err));
	IS(CALL->user_change(S, &user, &err), STALE);
	OK(CALL->user_by_id(S, user.user_id, &got, &err));
	assert_int_equal(got.generation, 2);
	assert_memory_equal(got.record, user.record, sizeof user.record);
	assert_memory_equal(got.wrapped, user.wrapped, sizeof user.wrapped);
	rig_user(&user, 9);
	IS(CALL->user_change(S, &user, &err), ABSENT);
	OK(CALL->commit(S, &err));
	suite_check_clean(1, 1);
}

static void test_keys(void **state)
{
	(void)state;
	struct kiln_keys_user user, other;
	struct kiln_keys_key key, got;
	rig_add_user(&rig, 1);
	rig_add_user(&rig, 2);
	rig_user(&user, 1);
	rig_user(&other, 2);
	rig_key(&key, &user, 1);
	OK(CALL->begin(S, &err));
	OK(CALL->key_id_free(S, key.key_id, &err));
	OK(CALL->key_create(S, &key, &err));
	IS(CALL->key_id_free(S, key.key_id, &err), TAKEN);
	IS(CALL->key_create(S, &key, &err), TAKEN);
	struct kiln_keys_key stolen = key; /* another user's, with the same id */
	memcpy(stolen.owner, other.user_id, sizeof stolen.owner);
	IS(CALL->key_create(S, &stolen, &err), TAKEN);
	OK(CALL->key_get(S, key.key_id, user.user_id, &got, &err));
	assert_memory_equal(&got, &key, sizeof key);
	IS(CALL->key_get(S, key.key_id, other.user_id, &got, &err), ABSENT);
	OK(CALL->key_retrieved(S, key.key_id, user.user_id, 4711, &err));
	OK(CALL->key_get(S, key.key_id, user.user_id, &got, &err));
	assert_int_equal(got.retrieved_ms, 4711);
	IS(CALL->key_delete(S, key.key_id, other.user_id, 5, &err), ABSENT);
	OK(CALL->key_delete(S, key.key_id, user.user_id, 5, &err));
	IS(CALL->key_get(S, key.key_id, user.user_id, &got, &err), ABSENT);
	IS(CALL->key_delete(S, key.key_id, user.user_id, 5, &err), ABSENT);
	IS(CALL->key_id_free(S, key.key_id, &err), TAKEN); /* for ever */
	IS(CALL->key_create(S, &key, &err), TAKEN);
	OK(CALL->commit(S, &err));
	suite_check_clean(2, 2);
}

static void test_too_many_keys(void **state)
{
	(void)state;
	struct kiln_keys_user user;
	struct kiln_keys_key key;
	rig_close(&rig);
	rig.options.keys_max = 3;
	rig_open(&rig);
	rig_add_user(&rig, 1);
	rig_user(&user, 1);
	OK(CALL->begin(S, &err));
	for (unsigned n = 0; n < 3; n++) {
		rig_key(&key, &user, n);
		OK(CALL->key_create(S, &key, &err));
	}
	rig_key(&key, &user, 3);
	IS(CALL->key_create(S, &key, &err), FULL);
	rig_key(&key, &user, 0);
	OK(CALL->key_delete(S, key.key_id, user.user_id, 1, &err));
	rig_key(&key, &user, 3);
	OK(CALL->key_create(S, &key, &err));
	/* The deleted ones count too, four for one. */
	for (unsigned n = 3; n < 13; n++) {
		rig_key(&key, &user, n);
		OK(CALL->key_delete(S, key.key_id, user.user_id, 1, &err));
		rig_key(&key, &user, n + 1);
		OK(CALL->key_create(S, &key, &err));
	}
	OK(CALL->key_delete(S, key.key_id, user.user_id, 1, &err));
	rig_key(&key, &user, 14);
	IS(CALL->key_create(S, &key, &err), FULL);
	OK(CALL->commit(S, &err));
}

/* What a frame did is taken back, whether it waits or was written meanwhile; the rest stays. */
static void test_undo(void **state)
{
	(void)state;
	struct kiln_keys_user one, two, got;
	struct kiln_keys_audit line, lines[10];
	const struct kiln_keys_audit_filter all = {.last_action = 255};
	uint64_t next;
	rig_user(&one, 1);
	rig_user(&two, 2);
	rig_line(&line, KILN_KEYS_DID_LOGIN, 5);
	OK(CALL->begin(S, &err));
	OK(CALL->user_create(S, &one, &err));
	OK(CALL->audit_append(S, one.user_id, &line, &err));
	OK(CALL->savepoint(S, &err));
	OK(CALL->user_create(S, &two, &err));
	OK(CALL->audit_append(S, one.user_id, &line, &err));
	OK(CALL->audit_append(S, two.user_id, &line, &err));
	size_t count = 10; /* makes them be written, those before the frame too */
	OK(CALL->audit_list(S, one.user_id, &all, lines, &count, &next, &err));
	assert_int_equal(count, 2);
	OK(CALL->undo(S, &err));
	IS(CALL->user_by_name(S, two.name, two.name_len, &got, &err), ABSENT);
	OK(CALL->savepoint(S, &err));
	OK(CALL->audit_append(S, one.user_id, &line, &err));
	OK(CALL->release(S, &err));
	OK(CALL->commit(S, &err));
	OK(CALL->begin(S, &err));
	count = 10;
	OK(CALL->audit_list(S, one.user_id, &all, lines, &count, &next, &err));
	assert_int_equal(count, 2);
	CALL->rollback(S);
	suite_check_clean(1, 2);
	OK(CALL->begin(S, &err));
	OK(CALL->user_create(S, &two, &err));
	CALL->rollback(S);
	suite_check_clean(1, 2);
}

/* More lines than wait at once. */
static void test_large_batch(void **state)
{
	(void)state;
	struct kiln_keys_user user;
	struct kiln_keys_audit line;
	rig_add_user(&rig, 1);
	rig_user(&user, 1);
	rig_line(&line, KILN_KEYS_DID_LOGIN, 5);
	OK(CALL->begin(S, &err));
	for (unsigned n = 0; n < 3000; n++) {
		OK(CALL->savepoint(S, &err));
		OK(CALL->audit_append(S, user.user_id, &line, &err));
		if (n % 3 == 0)
			OK(CALL->undo(S, &err));
		else
			OK(CALL->release(S, &err));
	}
	OK(CALL->commit(S, &err));
	suite_check_clean(1, 2001);
}

static void test_limits(void **state)
{
	(void)state;
	const struct kiln_keys_limit limit = {
	    .free = 2, .first_ms = 1000, .most_ms = 8000, .forget_ms = 60000};
	const uint8_t key[] = "source";
	struct kiln_keys_verdict verdict;
	uint64_t now = 1000000;
	OK(CALL->begin(S, &err));
	for (unsigned n = 0; n < 2; n++) {
		OK(CALL->limit_take(S, KILN_KEYS_LIMIT_SOURCE, key, 6, &limit, now, &verdict,
				    &err));
		assert_true(verdict.allowed);
	}
	OK(CALL->limit_take(S, KILN_KEYS_LIMIT_SOURCE, key, 6, &limit, now, &verdict, &err));
	assert_false(verdict.allowed);
	assert_true(verdict.first);
	OK(CALL->commit(S, &err));
	rig_close(&rig);
	rig_open(&rig);
	OK(CALL->begin(S, &err));
	OK(CALL->limit_take(S, KILN_KEYS_LIMIT_SOURCE, key, 6, &limit, now, &verdict, &err));
	assert_false(verdict.allowed);
	assert_false(verdict.first);
	OK(CALL->limit_take(S, KILN_KEYS_LIMIT_STRANGER, key, 6, &limit, now, &verdict, &err));
	assert_true(verdict.allowed); /* another kind */
	OK(CALL->limit_give(S, KILN_KEYS_LIMIT_SOURCE, key, 6, &limit, now, &err));
	OK(CALL->limit_take(S, KILN_KEYS_LIMIT_SOURCE, key, 6, &limit, now, &verdict, &err));
	assert_true(verdict.allowed);
	now += 3600000;
	for (unsigned n = 0; n < 600; n++) { /* whose rows are swept later */
		OK(CALL->limit_take(S, KILN_KEYS_LIMIT_SOURCE, (uint8_t *)&n, sizeof n, &limit,
				    now + n * 1000000, &verdict, &err));
		assert_true(verdict.allowed);
	}
	OK(CALL->commit(S, &err));
	suite_check_clean(0, 0);
}

static void test_known(void **state)
{
	(void)state;
	struct kiln_keys_known known = {.name = (const uint8_t *)"alice", .name_len = 5};
	OK(CALL->begin(S, &err));
	IS(CALL->known_get(S, &known, &err), ABSENT);
	for (uint8_t n = 0; n < KILN_KEYS_KNOWN_MAX; n++) {
		known.source[0] = n;
		OK(CALL->known_put(S, &known, 1000 + n, &err));
	}
	known.source[0] = 0;
	OK(CALL->known_put(S, &known, 10000000, &err)); /* now the latest */
	known.source[0] = 99;
	OK(CALL->known_put(S, &known, 10000001, &err));
	known.source[0] = 1;
	IS(CALL->known_get(S, &known, &err), ABSENT); /* the oldest had to go */
	known.source[0] = 0;
	OK(CALL->known_get(S, &known, &err));
	known.source[0] = 99;
	OK(CALL->known_get(S, &known, &err));
	OK(CALL->commit(S, &err));
}

/* Beside sources, and with a bound of their own. */
static void test_known_devices(void **state)
{
	(void)state;
	uint8_t device[KILN_KEYS_DEVICE_LEN] = {0};
	const struct kiln_keys_known source = {.name = (const uint8_t *)"dora", .name_len = 4};
	struct kiln_keys_known known = source, other = source;
	known.device = other.device = device;
	other.name = (const uint8_t *)"emma";
	OK(CALL->begin(S, &err));
	OK(CALL->known_put(S, &source, 1, &err));
	IS(CALL->known_get(S, &known, &err), ABSENT);
	for (uint8_t n = 0; n <= KILN_KEYS_KNOWN_MAX; n++) {
		device[0] = n;
		OK(CALL->known_put(S, &known, 1000 + n, &err));
		OK(CALL->known_get(S, &known, &err));
		IS(CALL->known_get(S, &other, &err), ABSENT);
	}
	OK(CALL->known_get(S, &source, &err));
	device[0] = 0;
	IS(CALL->known_get(S, &known, &err), ABSENT); /* the oldest had to go */
	device[0] = 1;
	OK(CALL->known_get(S, &known, &err));
	OK(CALL->commit(S, &err));
}

static void test_tokens(void **state)
{
	(void)state;
	const uint8_t token[] = "registration token";
	OK(CALL->begin(S, &err));
	IS(CALL->token_get(S, token, 18, 5, &err), ABSENT);
	OK(CALL->token_add(S, token, 18, 100, &err));
	IS(CALL->token_add(S, token, 18, 100, &err), TAKEN);
	OK(CALL->token_get(S, token, 18, 99, &err));
	IS(CALL->token_get(S, token, 18, 100, &err), ABSENT);
	IS(CALL->token_spend(S, token, 18, 100, &err), ABSENT);
	OK(CALL->token_spend(S, token, 18, 99, &err));
	IS(CALL->token_spend(S, token, 18, 99, &err), ABSENT);
	IS(CALL->token_add(S, token, 18, 200, &err), TAKEN); /* used is used */
	IS(CALL->token_get(S, token, 18, 99, &err), ABSENT);
	OK(CALL->commit(S, &err));
}

static void test_setup(void **state)
{
	(void)state;
	struct kiln_opaque_setup setup, got;
	memset(&setup, 8, sizeof setup);
	rig_close(&rig);
	rig_drop(&rig);
	assert_int_equal(kiln_store_create(&rig.options, &err), KILN_OK);
	rig_open(&rig);
	OK(CALL->begin(S, &err));
	IS(CALL->setup_get(S, &got, &err), ABSENT);
	OK(CALL->setup_put(S, &setup, &err));
	IS(CALL->setup_put(S, &setup, &err), TAKEN);
	OK(CALL->commit(S, &err));
	rig_close(&rig);
	rig_open(&rig);
	OK(CALL->begin(S, &err));
	OK(CALL->setup_get(S, &got, &err));
	assert_memory_equal(&got, &setup, sizeof setup);
	CALL->rollback(S);
}

/* ---- copies and keys */

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    T(test_users),         T(test_long_names),    T(test_change_password), T(test_keys),
	    T(test_too_many_keys), T(test_undo),          T(test_large_batch),     T(test_limits),
	    T(test_known),         T(test_known_devices), T(test_tokens),          T(test_setup)};
	suite_choose(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
