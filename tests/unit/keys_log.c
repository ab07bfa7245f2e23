/* SPDX-License-Identifier: Apache-2.0
 * Audit logs, as a session gives them: client against server, with nobody in between. */
#include "keys_rig.h"

#include "keys/audit.h"

#define NAME "ada@example.com"
#define PASS "correct horse"

static void test_audit(void **state)
{
	struct rig *rig = *state;
	struct rig_link link;
	struct kiln_keys_answer made;
	rig_register(rig, NAME, PASS);
	struct kiln_keys_ask ask = {.operation = KILN_KEYS_GENERATE_SERVER};
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, &made), KILN_OK);
	ask = (struct kiln_keys_ask){.operation = KILN_KEYS_AUDIT, .which = KILN_KEYS_AUDIT_ALL};
	rig_login(&link, rig, NAME, PASS);
	assert_int_equal(rig_ask(&link, &ask), KILN_KEYS_DONE);
	const struct kiln_keys_answer *a = kiln_keys_client_answer(link.client);
	const uint8_t expected[] = {KILN_KEYS_DID_REGISTER, KILN_KEYS_DID_LOGIN,
				    KILN_KEYS_DID_GENERATE_SERVER, KILN_KEYS_DID_LOGIN,
				    KILN_KEYS_DID_AUDIT};
	assert_int_equal(a->entry_count, sizeof expected);
	for (size_t i = 0; i < sizeof expected; i++) {
		assert_int_equal(a->entries[i].action, expected[i]);
		assert_int_equal(a->entries[i].number, i + 1);
		assert_int_equal(a->entries[i].actor, KILN_KEYS_BY_USER);
		assert_int_equal(a->entries[i].outcome, 0);
		assert_int_equal(a->entries[i].source[15], 1);
	}
	assert_true(a->entries[2].has_key);
	assert_memory_equal(a->entries[2].key_id, made.key_id, 16);
	rig_disconnect(&link);

	const uint8_t ids[1][16] = {{1}};
	ask.which = KILN_KEYS_AUDIT_KEYS;
	rig_login(&link, rig, NAME, PASS);
	assert_int_equal(rig_ask(&link, &ask), KILN_KEYS_DONE);
	assert_int_equal(kiln_keys_client_answer(link.client)->entry_count, 1);
	rig_disconnect(&link);
	ask.key_ids = ids;
	ask.key_id_count = 1;
	rig_login(&link, rig, NAME, PASS);
	assert_int_equal(rig_ask(&link, &ask), KILN_KEYS_DONE);
	assert_int_equal(kiln_keys_client_answer(link.client)->entry_count, 0);
	rig_disconnect(&link);
	ask = (struct kiln_keys_ask){.operation = KILN_KEYS_AUDIT,
				     .which = KILN_KEYS_AUDIT_SYSTEM,
				     .after_ms = rig->now.unix_ms + 1};
	rig_pass(rig, 1000);
	rig_login(&link, rig, NAME, PASS);
	assert_int_equal(rig_ask(&link, &ask), KILN_KEYS_DONE);
	assert_int_equal(kiln_keys_client_answer(link.client)->entry_count, 2);
	rig_disconnect(&link);
}

static void add_lines(struct rig *rig, int count)
{
	const struct kiln_keys_audit line = {.action = KILN_KEYS_DID_SIGN};
	struct kiln_error err;
	assert_int_equal(memory_store_calls.begin(rig->store, &err), KILN_STORE_OK);
	for (int i = 0; i < count; i++)
		assert_int_equal(memory_store_calls.audit_append(
				     rig->store, rig->store->now.users[0].user_id, &line, &err),
				 KILN_STORE_OK);
	assert_int_equal(memory_store_calls.commit(rig->store, &err), KILN_STORE_OK);
}

/* More lines than a frame has room for. */
static void test_audit_pages(void **state)
{
	struct rig *rig = *state;
	struct rig_link link;
	rig_register(rig, NAME, PASS);
	add_lines(rig, 700);
	const struct kiln_keys_ask ask = {.operation = KILN_KEYS_AUDIT,
					  .which = KILN_KEYS_AUDIT_ALL};
	rig_login(&link, rig, NAME, PASS);
	assert_int_equal(rig_ask(&link, &ask), KILN_KEYS_DONE);
	const struct kiln_keys_answer *a = kiln_keys_client_answer(link.client);
	assert_int_equal(a->entry_count, 703);
	for (size_t i = 0; i < a->entry_count; i++)
		assert_int_equal(a->entries[i].number, i + 1);
	rig_disconnect(&link);
}

/* A session's part of the log: what passes from the line `from` on, its first and last numbers, and
 * where it goes on. */
static void expect_part(struct rig *rig, struct kiln_keys_ask ask, uint64_t first, uint64_t last,
			uint64_t next)
{
	struct rig_link link;
	ask.operation = KILN_KEYS_AUDIT;
	ask.which = KILN_KEYS_AUDIT_ALL;
	rig_login(&link, rig, NAME, PASS);
	assert_int_equal(rig_ask(&link, &ask), KILN_KEYS_DONE);
	const struct kiln_keys_answer *a = kiln_keys_client_answer(link.client);
	assert_int_equal(a->entry_count, first == 0 ? 0 : last - first + 1);
	for (size_t i = 0; i < a->entry_count; i++)
		assert_int_equal(a->entries[i].number, first + i);
	assert_int_equal(a->next, next);
	rig_disconnect(&link);
}

/* More lines than a session gives: it says where the log goes on, and the next session does. */
static void test_audit_parts(void **state)
{
	struct rig *rig = *state;
	static const uint8_t ids[1][KILN_KEYS_KEY_ID_LEN] = {{9}};
	kiln_keys_server_free(rig->server);
	rig->options.audit_pages_max = 2;
	rig_start(rig);
	rig_register(rig, NAME, PASS);
	add_lines(rig, 700);
	expect_part(rig, (struct kiln_keys_ask){0}, 1, 600, 601);
	expect_part(rig, (struct kiln_keys_ask){.from_number = 601}, 601, 705, 0);
	/* No more than is asked for. */
	expect_part(rig, (struct kiln_keys_ask){.from_number = 100, .limit = 301}, 100, 400, 401);
	expect_part(rig, (struct kiln_keys_ask){.from_number = 100, .limit = 5}, 100, 104, 105);
	/* Pages on which nothing passes, because the store looks at so many lines at once. */
	rig->store->scan_max = 250;
	struct kiln_keys_ask none = {.key_ids = ids, .key_id_count = 1};
	expect_part(rig, none, 0, 0, 501);
	none.from_number = 501;
	expect_part(rig, none, 0, 0, 0);
}

/* A server that gives the same lines again and again, or leads round in a circle. */
static void test_audit_in_circles(void **state)
{
	struct rig *rig = *state;
	const struct kiln_keys_ask ask = {.operation = KILN_KEYS_AUDIT,
					  .which = KILN_KEYS_AUDIT_ALL};
	rig_register(rig, NAME, PASS);
	add_lines(rig, 400);
	uint64_t *number = &rig->store->now.lines[250].entry.number;
	const uint64_t right = *number;
	*number = 7;
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, NULL), KILN_E_KEYS_PROTOCOL);
	*number = right;
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, NULL), KILN_OK);
}

static struct kiln_keys_store lying;
static uint64_t led_to; /* where the lying server says that the log goes on */
static size_t too_many;

static enum kiln_store_result lie(void *ctx, const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
				  const struct kiln_keys_audit_filter *filter,
				  struct kiln_keys_audit *entries, size_t *count, uint64_t *next,
				  struct kiln_error *err)
{
	*count += too_many;
	const enum kiln_store_result result =
	    memory_store_calls.audit_list(ctx, user_id, filter, entries, count, next, err);
	if (led_to != 0)
		*next = led_to;
	return result;
}

/* A page that gives nothing leads on, or the client is led about for ever; and a page begins where
 * the one before said. More lines than were asked for are not taken. */
static void test_audit_led_about(void **state)
{
	static const uint8_t ids[1][KILN_KEYS_KEY_ID_LEN] = {{9}};
	struct rig *rig = *state;
	kiln_keys_server_free(rig->server);
	lying = memory_store_calls;
	lying.audit_list = lie;
	rig->options.store = &lying;
	rig_start(rig);
	rig_register(rig, NAME, PASS);
	add_lines(rig, 400);
	struct kiln_keys_ask ask = {.operation = KILN_KEYS_AUDIT,
				    .which = KILN_KEYS_AUDIT_ALL,
				    .from_number = 20,
				    .key_ids = ids,
				    .key_id_count = 1};
	for (led_to = 19; led_to < 22; led_to++)
		assert_int_equal(rig_do(rig, NAME, PASS, &ask, NULL), KILN_E_KEYS_PROTOCOL);
	led_to = 0;
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, NULL), KILN_OK);
	ask = (struct kiln_keys_ask){
	    .operation = KILN_KEYS_AUDIT, .which = KILN_KEYS_AUDIT_ALL, .limit = 10};
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, NULL), KILN_OK);
	too_many = 1;
	assert_int_equal(rig_do(rig, NAME, PASS, &ask, NULL), KILN_E_KEYS_PROTOCOL);
	too_many = 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    RIG_TEST(test_audit),           RIG_TEST(test_audit_pages),
	    RIG_TEST(test_audit_parts),     RIG_TEST(test_audit_in_circles),
	    RIG_TEST(test_audit_led_about),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
