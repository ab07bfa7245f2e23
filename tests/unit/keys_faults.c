/* SPDX-License-Identifier: Apache-2.0
 * What happens when the store fails: each call of it, and its commit. */
#include "keys_rig.h"

#include "base/bytes.h"
#include "keys/client_inner.h"

#define NAME "ada"
#define PASS "correct horse"

static void init(struct rig *rig)
{
	rig_init(rig);
	rig_start(rig);
	rig_register(rig, NAME, PASS);
}

/* Registration and one request while the n-th call of the store fails, for every n. What the
 * client was told is in the store; what it was not told may be, but never by half. */
static void test_store_faults(void **state)
{
	unsigned long n = 0;
	bool failed = true;
	(void)state;
	while (failed && ++n < 500) {
		struct rig rig;
		struct rig_link link;
		struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
		const struct kiln_keys_ask ask = {.operation = KILN_KEYS_GENERATE};
		rig_init(&rig);
		rig_start(&rig);
		rig.store->fail_call = n;
		options.registration = true;
		rig_connect(&link, &rig, 1, NULL);
		(void)rig_client(&link, &options);
		enum kiln_keys_step step = rig_run(&link);
		if (step == KILN_KEYS_DONE) {
			assert_int_equal(rig.store->now.user_count, 1);
			options.registration = false;
			(void)rig_client(&link, &options);
			step = rig_run(&link);
			if (step == KILN_KEYS_WANT_REQUEST)
				step = rig_ask(&link, &ask);
			assert_int_equal(rig.store->now.key_count, step == KILN_KEYS_DONE);
		} else {
			assert_int_equal(rig.store->now.user_count, 0);
		}
		if (step != KILN_KEYS_DONE)
			assert_int_equal(kiln_keys_client_error(link.client, NULL)->code,
					 KILN_E_KEYS_BUSY);
		failed = rig.store->calls >= n && n < 400 && rig.events[KILN_KEYS_EVENT_STORE] > 0;
		rig_disconnect(&link);
		rig.store->fail_call = 0;
		rig_end(&rig);
	}
	assert_in_range(n, 20, 200);
}

static enum kiln_store_result remember_nothing(void *ctx, const struct kiln_keys_known *known,
					       uint64_t now_ms, struct kiln_error *err)
{
	(void)ctx;
	(void)known;
	(void)now_ms;
	(void)kiln_fail(err, KILN_E_SYSTEM, "no");
	return KILN_STORE_FAILED;
}

/* The last step of a registration fails: there is no user, and the line goes to nobody's log. */
static void test_registration_undone(void **state)
{
	struct rig rig;
	struct rig_link link;
	struct kiln_keys_store calls = memory_store_calls;
	struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	(void)state;
	options.registration = true;
	calls.known_put = remember_nothing;
	rig_init(&rig);
	rig.options.store = &calls;
	rig_start(&rig);
	rig_connect(&link, &rig, 1, NULL);
	(void)rig_client(&link, &options);
	assert_int_equal(rig_run(&link), KILN_KEYS_BROKEN);
	assert_int_equal(kiln_keys_client_error(link.client, NULL)->code, KILN_E_KEYS_BUSY);
	rig_disconnect(&link);
	assert_int_equal(rig.store->now.user_count, 0);
	assert_int_equal(
	    memory_count_lines(rig.store, NULL, KILN_KEYS_DID_REGISTER, KILN_KEYS_STORE), 1);
	rig_end(&rig);
}

/* A login and a request are told of as done when they are kept, and not before. */
static void test_told_when_kept(void **state)
{
	static const uint16_t outcomes[] = {KILN_KEYS_STORE, KILN_KEYS_SUCCESS};
	const struct kiln_keys_ask ask = {.operation = KILN_KEYS_GENERATE_SERVER};
	struct rig rig;
	struct rig_link link;
	size_t len;
	(void)state;
	init(&rig);
	for (unsigned i = 0; i < 4; i++) {
		const struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
		const int what = i < 2 ? KILN_KEYS_EVENT_LOGIN : KILN_KEYS_EVENT_REQUEST;
		const uint8_t *out;
		rig_connect(&link, &rig, 1, NULL);
		(void)rig_client(&link, &options);
		if (i < 2) {
			uint8_t answer[1024];
			size_t consumed;
			out = kiln_keys_client_output(link.client, &len);
			const size_t n = rig_raw(&link, out, len, answer, sizeof answer);
			kiln_keys_client_sent(link.client, len);
			(void)kiln_keys_client_feed(link.client, answer, n, &consumed);
			(void)kiln_keys_client_stretch(link.client);
		} else {
			assert_int_equal(rig_run(&link), KILN_KEYS_WANT_REQUEST);
			assert_int_equal(kiln_keys_client_request(link.client, &ask, NULL),
					 KILN_OK);
		}
		const unsigned before = rig.events[what];
		out = kiln_keys_client_output(link.client, &len);
		kiln_keys_conn_feed(link.conn, out, len, rig.now);
		assert_int_equal(rig.events[what], before);
		rig.store->fail_commit = i % 2 == 0;
		assert_int_equal(rig_commit(&rig), i % 2 == 1);
		rig.store->fail_commit = false;
		assert_int_equal(rig.events[what], before + 1);
		assert_int_equal(rig.event.what, what);
		assert_int_equal(rig.event.outcome, outcomes[i % 2]);
		rig_disconnect(&link);
	}
	rig_end(&rig);
}

/* A batch of two sessions whose commit fails: both are told, and nothing was done. */
static void test_commit_fails(void **state)
{
	struct rig rig;
	struct rig_link a, b;
	size_t len;
	const struct kiln_keys_ask ask = {.operation = KILN_KEYS_GENERATE_SERVER};
	(void)state;
	init(&rig);
	rig_login(&a, &rig, NAME, PASS);
	const struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	rig_connect(&b, &rig, 1, NULL);
	(void)rig_client(&b, &options);
	assert_int_equal(kiln_keys_client_request(a.client, &ask, NULL), KILN_OK);
	const uint8_t *out = kiln_keys_client_output(a.client, &len);
	kiln_keys_conn_feed(a.conn, out, len, rig.now);
	kiln_keys_client_sent(a.client, len);
	out = kiln_keys_client_output(b.client, &len);
	kiln_keys_conn_feed(b.conn, out, len, rig.now);
	kiln_keys_client_sent(b.client, len);
	(void)kiln_keys_conn_output(a.conn, &len);
	assert_int_equal(len, 0); /* not before commit */
	rig.store->fail_commit = true;
	assert_false(rig_commit(&rig));
	rig.store->fail_commit = false;
	assert_int_equal(rig.store->now.key_count, 0);
	assert_int_equal(rig_run(&a), KILN_KEYS_BROKEN);
	assert_int_equal(rig_run(&b), KILN_KEYS_BROKEN);
	assert_int_equal(kiln_keys_client_error(a.client, NULL)->code, KILN_E_KEYS_BUSY);
	assert_int_equal(kiln_keys_client_error(b.client, NULL)->code, KILN_E_KEYS_BUSY);
	rig_disconnect(&a);
	rig_disconnect(&b);
	rig_end(&rig);
}

/* The store is lost in the middle of a commit: nobody is told that nothing was done. */
static void test_commit_lost(void **state)
{
	const struct kiln_keys_ask ask = {.operation = KILN_KEYS_GENERATE_SERVER};
	struct rig rig;
	struct rig_link link;
	size_t len;
	(void)state;
	init(&rig);
	rig_login(&link, &rig, NAME, PASS);
	assert_int_equal(kiln_keys_client_request(link.client, &ask, NULL), KILN_OK);
	const uint8_t *out = kiln_keys_client_output(link.client, &len);
	kiln_keys_conn_feed(link.conn, out, len, rig.now);
	kiln_keys_client_sent(link.client, len);
	rig.store->lose_commit = true;
	assert_false(rig_commit(&rig));
	rig.store->lose_commit = false;
	assert_int_equal(rig.store->now.key_count, 1);
	assert_int_equal(rig.event.outcome, KILN_KEYS_OUTCOME_UNKNOWN);
	assert_int_equal(rig_run(&link), KILN_KEYS_BROKEN);
	const struct kiln_error *err = kiln_keys_client_error(link.client, NULL);
	assert_int_equal(err->code, KILN_E_KEYS_OUTCOME);
	assert_non_null(strstr(err->message, "look before asking"));
	assert_int_equal(kiln_keys_server_count(rig.server).open, 0);
	rig_disconnect(&link);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_commit_lost),         cmocka_unit_test(test_store_faults),
	    cmocka_unit_test(test_registration_undone), cmocka_unit_test(test_told_when_kept),
	    cmocka_unit_test(test_commit_fails),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
