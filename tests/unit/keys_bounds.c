/* SPDX-License-Identifier: Apache-2.0
 * How many sessions there may be, for how long, and how much may wait. */
#include "keys_rig.h"

#define NAME "ada"
#define PASS "correct horse"

static const struct kiln_keys_ask generate = {.operation = KILN_KEYS_GENERATE_SERVER};

static void test_bounds(void **state)
{
	struct rig rig;
	struct rig_link link, other;
	struct kiln_keys_client *kept[4];
	const struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	(void)state;
	rig_init(&rig);
	rig.options.sessions_per_conn_max = 4;
	rig.options.sessions_max = 5;
	rig.options.detached_max = 1;
	rig_start(&rig);
	rig_register(&rig, NAME, PASS);
	rig_connect(&link, &rig, 1, NULL);
	/* Sessions that are done make room for others, on and on. */
	for (int i = 0; i < 40; i++) {
		(void)rig_client(&link, &options);
		assert_int_equal(rig_run(&link), KILN_KEYS_WANT_REQUEST);
		assert_int_equal(rig_ask(&link, &generate), KILN_KEYS_DONE);
	}
	for (size_t i = 0; i < 4; i++) {
		(void)rig_client(&link, &options);
		assert_int_equal(rig_run(&link), KILN_KEYS_WANT_REQUEST);
		kept[i] = link.client;
		link.client = NULL;
	}
	(void)rig_client(&link, &options);
	assert_int_equal(rig_run(&link), KILN_KEYS_BROKEN);
	assert_int_equal(kiln_keys_client_error(link.client, NULL)->code, KILN_E_KEYS_BUSY);
	rig_login(&other, &rig, NAME, PASS);
	struct rig_link third;
	rig_connect(&third, &rig, 3, NULL);
	(void)rig_client(&third, &options);
	assert_int_equal(rig_run(&third), KILN_KEYS_BROKEN);
	rig_disconnect(&third);
	rig_disconnect(&link);
	assert_int_equal(kiln_keys_server_count(rig.server).detached, 1);
	for (size_t i = 0; i < 4; i++)
		kiln_keys_client_free(kept[i]);
	rig_disconnect(&other);
	rig_end(&rig);
}

static void test_deadlines(void **state)
{
	struct rig rig;
	struct rig_link link;
	const struct kiln_keys_client_options options = rig_client_options(NAME, PASS);
	(void)state;
	rig_start_losing(&rig, NAME, PASS);
	const uint8_t *id = rig_user(&rig, NAME)->user_id;
	rig_pass(&rig, 30000);
	assert_int_equal(kiln_keys_server_count(rig.server).sessions, 0);
	assert_true(kiln_keys_server_deadline(rig.server) == UINT64_MAX);

	/* Between KE2 and KE3. */
	rig_connect(&link, &rig, 1, NULL);
	(void)rig_client(&link, &options);
	rig.tap_frame = KILN_KEYS_KE3;
	assert_int_equal(rig_run(&link), KILN_KEYS_WANT_INPUT);
	assert_int_equal(kiln_keys_server_deadline(rig.server), rig.now.steady_ms + 120000);
	rig_pass(&rig, 119999);
	assert_int_equal(kiln_keys_server_count(rig.server).sessions, 1);
	rig_pass(&rig, 1);
	assert_int_equal(kiln_keys_server_count(rig.server).sessions, 0);
	assert_int_equal(memory_count_lines(rig.store, id, KILN_KEYS_DID_LOGIN, KILN_KEYS_EXPIRED),
			 1);
	assert_int_equal(rig_run(&link), KILN_KEYS_BROKEN);
	rig.tap_frame = -1;
	rig_disconnect(&link);

	/* Open, and nothing is asked. */
	rig_login(&link, &rig, NAME, PASS);
	rig_pass(&rig, 60000);
	assert_int_equal(kiln_keys_server_count(rig.server).sessions, 0);
	assert_int_equal(
	    memory_count_lines(rig.store, id, KILN_KEYS_DID_REQUEST, KILN_KEYS_EXPIRED), 1);
	rig_disconnect(&link);

	/* Without a connection. */
	rig_login(&link, &rig, NAME, PASS);
	rig_disconnect(&link);
	assert_int_equal(kiln_keys_server_count(rig.server).detached, 1);
	rig_pass(&rig, 30000);
	assert_int_equal(kiln_keys_server_count(rig.server).detached, 0);
	rig_end(&rig);
}

/* Nobody keeps a session for ever by moving it. */
static void test_moved_for_ever(void **state)
{
	struct rig rig;
	struct rig_link link;
	unsigned times = 0;
	(void)state;
	rig_start_losing(&rig, NAME, PASS);
	rig_login(&link, &rig, NAME, PASS);
	do {
		rig_move(&link, 1);
		rig_pass(&rig, 10000);
	} while (rig_run(&link) == KILN_KEYS_WANT_REQUEST && ++times < 1000);
	assert_int_equal(times, 64);
	rig_disconnect(&link);
	rig_end(&rig);
}

/* What waits to be read is bounded. */
static void test_full(void **state)
{
	struct rig rig;
	struct rig_link link;
	uint8_t frame[29] = {0, 0, 0, 25, 0x77};
	unsigned n = 0;
	(void)state;
	rig_init(&rig);
	rig.options.output_max = 1000;
	rig_start(&rig);
	rig_connect(&link, &rig, 1, NULL);
	while (!kiln_keys_conn_full(link.conn) && n < 100) {
		kiln_keys_conn_feed(link.conn, frame, sizeof frame, rig.now);
		n++;
	}
	assert_in_range(n, 10, 60);
	(void)rig_commit(&rig);
	rig_disconnect(&link);
	rig_end(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_deadlines),
	    cmocka_unit_test(test_moved_for_ever),
	    cmocka_unit_test(test_full),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
