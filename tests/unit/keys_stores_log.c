/* SPDX-License-Identifier: Apache-2.0
 * The key server's store, over SQLite and PostgreSQL: audit logs. */
#include "keys_stores_suite.h"

static uint64_t next; /* of audit_list */

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
	suite_check_clean(1, 20);
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
	suite_check_clean(0, 23000 - got.number + 1);
}

#define DAY UINT64_C(86400000)

static void add_lines(const struct kiln_keys_user *user, unsigned count, uint64_t time_ms)
{
	struct kiln_keys_audit line;
	rig_line(&line, KILN_KEYS_DID_LOGIN, time_ms);
	OK(CALL->begin(S, &err));
	for (unsigned n = 0; n < count; n++)
		OK(CALL->audit_append(S, user->user_id, &line, &err));
	OK(CALL->commit(S, &err));
}

/* The numbers of the first line that is there, and of the last. */
static void assert_lines(const struct kiln_keys_user *user, uint64_t first, uint64_t last)
{
	const struct kiln_keys_audit_filter all = {.last_action = 255};
	struct kiln_keys_audit got[200];
	size_t count = 200;
	OK(CALL->begin(S, &err));
	OK(CALL->audit_list(S, user->user_id, &all, got, &count, &next, &err));
	CALL->rollback(S);
	assert_int_equal(next, 0);
	assert_int_equal(count, last + 1 - first);
	assert_int_equal(got[0].number, first);
	assert_int_equal(got[count - 1].number, last);
}

static void test_old_lines_go(void **state)
{
	(void)state;
	struct kiln_keys_user user, idle;
	struct kiln_keys_audit line;
	rig_close(&rig);
	rig.options.audit_days = 10;
	rig_open(&rig);
	rig_add_user(&rig, 1); /* in 1970, as number 1 */
	rig_add_user(&rig, 2);
	rig_user(&user, 1);
	rig_user(&idle, 2);
	add_lines(&user, 98, 100 * DAY); /* their time is after the first line's, so that goes */
	assert_lines(&user, 2, 99);
	add_lines(&user, 10, 110 * DAY); /* 10 days, not more */
	assert_lines(&user, 2, 109);
	/* What is undone has removed nothing. */
	rig_line(&line, KILN_KEYS_DID_LOGIN, 110 * DAY + 1);
	OK(CALL->begin(S, &err));
	for (unsigned n = 0; n < 16; n++)
		OK(CALL->audit_append(S, user.user_id, &line, &err));
	CALL->rollback(S);
	assert_lines(&user, 2, 109);
	/* Some at once, not all. */
	add_lines(&user, 16, 110 * DAY + 1);
	assert_lines(&user, 66, 125);
	add_lines(&user, 16, 110 * DAY + 1);
	assert_lines(&user, 100, 141);
	assert_lines(&idle, 1, 1); /* who does nothing keeps his */
	suite_check_clean(2, 43);
}

static void test_old_lines_stay(void **state)
{
	(void)state;
	struct kiln_keys_user user;
	rig_add_user(&rig, 1);
	rig_user(&user, 1);
	add_lines(&user, 99, 100000 * DAY);
	assert_lines(&user, 1, 100);
}

static void test_trim(void **state)
{
	(void)state;
	struct kiln_keys_user user, idle;
	struct kiln_store_trimmed done;
	struct kiln_store_options options = rig.options;
	options.audit_days = 10;
	rig_add_user(&rig, 1);
	rig_add_user(&rig, 2);
	rig_user(&user, 1);
	rig_user(&idle, 2);
	add_lines(&user, 150, 100 * DAY);
	add_lines(&user, 3, 105 * DAY);
	assert_int_equal(kiln_store_trim(&options, 111 * DAY, &done, &err), KILN_E_LIMIT);
	rig_close(&rig);
	assert_int_equal(kiln_store_trim(&options, 10 * DAY, &done, &err), KILN_OK);
	assert_int_equal(done.lines, 0);
	assert_int_equal(kiln_store_trim(&options, 111 * DAY, &done, &err), KILN_OK);
	assert_int_equal(done.lines, 152); /* all of the idle one's */
	assert_int_equal(done.logs, 2);
	assert_int_equal(done.kept, 3);
	rig_open(&rig);
	assert_lines(&user, 152, 154);
	suite_check_clean(2, 3);
	add_lines(&idle, 1, 111 * DAY); /* the log goes on where it was */
	assert_lines(&idle, 2, 2);
	suite_check_clean(2, 4);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {T(test_audit),          T(test_long_log),
					   T(test_nobodys_log),    T(test_old_lines_go),
					   T(test_old_lines_stay), T(test_trim)};
	suite_choose(argc, argv);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
