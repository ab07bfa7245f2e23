/* SPDX-License-Identifier: Apache-2.0
 * The key server's store, over SQLite and PostgreSQL: keys_stores sqlite|postgresql. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "keys/store/internal.h"
#include "keys_stores_rig.h"

static struct rig rig;
static struct kiln_error err;
static const char *kind;
static uint64_t next; /* of audit_list */

#define OK(call)        assert_int_equal((call), KILN_STORE_OK)
#define IS(call, value) assert_int_equal((call), KILN_STORE_##value)
#define S               rig.store

static void check_clean(uint64_t users, uint64_t lines)
{
	struct kiln_store_report report;
	assert_int_equal(kiln_store_check(&rig.options, &report, &err), KILN_OK);
	if (report.found > 0)
		print_error("%s %s %s\n", report.findings[0].table, report.findings[0].row,
			    report.findings[0].what);
	assert_int_equal(report.found, 0);
	assert_int_equal(report.users, users);
	assert_int_equal(report.audit_lines, lines);
}

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
	check_clean(1, 0);
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
	check_clean(1, 1);
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
	check_clean(2, 2);
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

static void test_audit(void **state)
{
	(void)state;
	struct kiln_keys_user user;
	struct kiln_keys_audit line, got[40];
	const struct kiln_keys_audit_filter all = {.last_action = 255};
	size_t count;
	rig_add_user(&rig, 1);
	rig_user(&user, 1);
	OK(CALL->begin(S, &err));
	for (unsigned n = 2; n <= 20; n++) {
		rig_line(&line, n % 2 ? KILN_KEYS_DID_LOGIN : KILN_KEYS_DID_SIGN, n * 100);
		line.has_key = n % 2 == 0;
		line.key_id[0] = (uint8_t)n;
		OK(CALL->audit_append(S, user.user_id, &line, &err));
	}
	count = 40;
	OK(CALL->audit_list(S, user.user_id, &all, got, &count, &next, &err));
	assert_int_equal(count, 20); /* what the same batch wrote is seen */
	OK(CALL->commit(S, &err));
	OK(CALL->begin(S, &err));
	for (unsigned n = 0; n < 20; n++)
		assert_int_equal(got[n].number, n + 1);
	const uint8_t ids[2][KILN_KEYS_KEY_ID_LEN] = {{4}, {8}};
	struct kiln_keys_audit_filter some = {.first_action = KILN_KEYS_FIRST_KEY_ACTION,
					      .last_action = 255,
					      .after_ms = 500,
					      .before_ms = 1200};
	count = 40;
	OK(CALL->audit_list(S, user.user_id, &some, got, &count, &next, &err));
	assert_int_equal(count, 4); /* 600, 800, 1000, 1200 */
	some.key_ids = ids;
	some.key_id_count = 2;
	count = 40;
	OK(CALL->audit_list(S, user.user_id, &some, got, &count, &next, &err));
	assert_int_equal(count, 1);
	assert_int_equal(got[0].number, 8);
	struct kiln_keys_audit_filter from = all;
	from.from_number = 15;
	count = 3;
	OK(CALL->audit_list(S, user.user_id, &from, got, &count, &next, &err));
	assert_int_equal(count, 3);
	assert_int_equal(got[2].number, 17);
	assert_int_equal(next, 18);
	from.from_number = 18;
	count = 3;
	OK(CALL->audit_list(S, user.user_id, &from, got, &count, &next, &err));
	assert_int_equal(count, 3);
	assert_int_equal(next, 0);
	rig_user(&user, 99);
	IS(CALL->audit_append(S, user.user_id, &line, &err), ABSENT);
	count = 3;
	OK(CALL->audit_list(S, user.user_id, &all, got, &count, &next, &err));
	assert_int_equal(count, 0);
	OK(CALL->commit(S, &err));
	check_clean(1, 20);
}

/* One call looks at so many lines and no more, whatever it finds, and says where to go on. */
static void test_long_log(void **state)
{
	(void)state;
	struct kiln_keys_user user;
	struct kiln_keys_audit line, got[2];
	struct kiln_keys_audit_filter some = {.first_action = KILN_KEYS_DID_SIGN,
					      .last_action = KILN_KEYS_DID_SIGN};
	const unsigned total = 2 * KILN_KEYS_AUDIT_SCAN_MAX + 100;
	size_t count = 2, calls = 0;
	rig_add_user(&rig, 1);
	rig_user(&user, 1);
	OK(CALL->begin(S, &err));
	for (unsigned n = 2; n <= total; n++) {
		rig_line(&line, n < total ? KILN_KEYS_DID_LOGIN : KILN_KEYS_DID_SIGN, n);
		OK(CALL->audit_append(S, user.user_id, &line, &err));
	}
	OK(CALL->commit(S, &err));
	OK(CALL->begin(S, &err));
	OK(CALL->audit_list(S, user.user_id, &some, got, &count, &next, &err));
	assert_int_equal(count, 0);
	assert_int_equal(next, KILN_KEYS_AUDIT_SCAN_MAX + 1);
	for (some.from_number = next; next != 0; some.from_number = next, calls++) {
		count = 2;
		OK(CALL->audit_list(S, user.user_id, &some, got, &count, &next, &err));
	}
	assert_int_equal(calls, 2);
	assert_int_equal(count, 1);
	assert_int_equal(got[0].number, total);
	CALL->rollback(S);
}

/* Strangers write it: it does not grow for ever, and its chain still holds. */
static void test_nobodys_log(void **state)
{
	(void)state;
	static const uint8_t nobody[KILN_KEYS_USER_ID_LEN];
	const struct kiln_keys_audit_filter all = {.last_action = 255};
	struct kiln_keys_audit line, got;
	size_t count = 1;
	rig_line(&line, KILN_KEYS_DID_LOGIN, 1);
	for (unsigned batch = 0; batch < 23; batch++) {
		OK(CALL->begin(S, &err));
		for (unsigned n = 0; n < 1000; n++)
			OK(CALL->audit_append(S, nobody, &line, &err));
		OK(CALL->commit(S, &err));
	}
	OK(CALL->begin(S, &err));
	OK(CALL->audit_list(S, nobody, &all, &got, &count, &next, &err));
	assert_int_equal(count, 1);
	assert_true(got.number > 1);
	CALL->rollback(S);
	check_clean(0, 23000 - got.number + 1);
}

/* What a frame did is taken back, whether it waits or was written meanwhile; the rest stays. */
static void test_undo(void **state)
{
	(void)state;
	struct kiln_keys_user one, two, got;
	struct kiln_keys_audit line, lines[10];
	const struct kiln_keys_audit_filter all = {.last_action = 255};
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
	check_clean(1, 2);
	OK(CALL->begin(S, &err));
	OK(CALL->user_create(S, &two, &err));
	CALL->rollback(S);
	check_clean(1, 2);
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
	check_clean(1, 2001);
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
	check_clean(0, 0);
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

/* Of two servers at one store. */
static void test_two_servers(void **state)
{
	(void)state;
	struct kiln_store *second;
	if (strcmp(kind, "sqlite") == 0) {
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
	check_clean(1, 3);
}

/* ---- copies and keys */

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
	check_clean(700, 700);
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
	check_clean(30, 30);
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
	if (geteuid() != 0 || strcmp(kind, "sqlite") != 0)
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

static int make(void **state)
{
	(void)state;
	rig_make(&rig, kind);
	return 0;
}

static int take_down(void **state)
{
	(void)state;
	rig_remove(&rig);
	return 0;
}

#define T(f) cmocka_unit_test_setup_teardown(f, make, take_down)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	    T(test_users),         T(test_long_names),       T(test_change_password),
	    T(test_keys),          T(test_too_many_keys),    T(test_audit),
	    T(test_long_log),      T(test_nobodys_log),      T(test_undo),
	    T(test_large_batch),   T(test_limits),           T(test_known),
	    T(test_known_devices), T(test_tokens),           T(test_setup),
	    T(test_two_servers),   T(test_backup),           T(test_anchor),
	    T(test_rotation),      T(test_wrong_key),        T(test_user_put_back),
	    T(test_key_put_back),  T(test_files_of_another),
	};
	kind = argc > 1 ? argv[1] : "sqlite";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
