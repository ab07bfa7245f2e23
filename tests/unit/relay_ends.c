/* SPDX-License-Identifier: Apache-2.0
 * How a relay ends: half-close in both orders, close_notify, truncation, and what comes after. */
#include "relay_rig.h"

#include <errno.h>

static struct rig rig;

static void start(bool kernel)
{
	rig_open(&rig, KILN_SERVER);
	rig_relay(&rig, kernel, NULL);
}

static void finish(enum kiln_code code)
{
	assert_true(rig_gone(&rig));
	assert_int_equal(rig_ended.count, 1);
	assert_int_equal(rig_ended.code, code);
	rig_close(&rig);
}

static void test_peer_closes_first(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig_peer_says(&rig, KILN_RECORD_DATA, "request", 7);
		rig_peer_close_notify(&rig);
		rig_flush(&rig);
		assert_true(rig_plain_sees_fin(&rig));
		assert_false(rig_peer_sees_fin(&rig));
		rig_plain_says(&rig, "an answer", 9);
		rig_flush(&rig);
		assert_false(rig_gone(&rig));
		rig_plain_ends(&rig, 0);
		rig_flush(&rig);
		assert_wire(rig.plain_got, "request");
		assert_wire(rig.peer_got, "an answer");
		assert_true(rig.peer_close_notify);
		assert_false(rig.io.reset[1]);
		finish(KILN_OK);
	}
}

static void test_target_closes_first(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig_plain_says(&rig, "bye", 3);
		rig_plain_ends(&rig, 0);
		rig_flush(&rig);
		assert_wire(rig.peer_got, "bye");
		assert_true(rig.peer_close_notify);
		assert_true(rig_peer_sees_fin(&rig));
		assert_false(rig_plain_sees_fin(&rig));
		rig_peer_says(&rig, KILN_RECORD_DATA, "more", 4);
		rig_flush(&rig);
		assert_wire(rig.plain_got, "more");
		rig_peer_close_notify(&rig);
		rig_flush(&rig);
		finish(KILN_OK);
	}
}

/* A peer that takes our close_notify for the end and just closes, or does not even read it (a
 * reset), is no failure. But the plain side may still read: what came goes there, then a reset. */
static void test_fin_after_our_close_notify(void **state)
{
	static const int ends[] = {0, -ECONNRESET};
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++)
		for (int e = 0; e < 2; e++) {
			start(kernel);
			rig_plain_ends(&rig, 0);
			rig_flush(&rig);
			rig_peer_says(&rig, KILN_RECORD_DATA, "said", 4);
			rig_peer_ends(&rig, ends[e]);
			rig_turn(&rig);
			assert_false(rig_gone(&rig));
			rig_flush(&rig);
			assert_wire(rig.plain_got, "said");
			assert_true(rig.io.reset[1]);
			assert_true(rig_ended.unanswered);
			assert_string_equal(rig_ended.why, "");
			assert_int_equal(rig.counters.no_close_notify, 1);
			assert_int_equal(rig.counters.truncated, 0);
			finish(KILN_OK);
		}
}

/* What breaks on our side of the network is no manner of the peer's. */
static void test_failure_after_our_close_notify(void **state)
{
	(void)state;
	start(true);
	rig_plain_ends(&rig, 0);
	rig_flush(&rig);
	rig_peer_ends(&rig, -ETIMEDOUT);
	rig_flush(&rig);
	assert_true(rig.io.reset[1]);
	assert_false(rig_ended.unanswered);
	assert_int_equal(rig.counters.truncated, 1);
	assert_int_equal(rig.counters.no_close_notify, 0);
	finish(KILN_E_TLS_TRUNCATED);
}

/* RFC 8446 6.1: a FIN without close_notify. What came before it is delivered, then a reset. */
static void test_truncation_behind_data(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig_peer_says(&rig, KILN_RECORD_DATA, "one", 3);
		rig_turn(&rig);
		rig_peer_says(&rig, KILN_RECORD_DATA, "two", 3);
		rig_peer_ends(&rig, 0);
		rig_turn(&rig);
		assert_false(rig_gone(&rig));
		rig_flush(&rig);
		assert_wire(rig.plain_got, "onetwo");
		assert_false(rig.peer_close_notify);
		assert_int_equal(rig.counters.truncated, 1);
		assert_true(rig.io.reset[1]);
		finish(KILN_E_TLS_TRUNCATED);
	}
}

/* Also inside a record. */
static void test_truncation_inside_a_record(void **state)
{
	(void)state;
	start(false);
	rig_peer_seals(&rig, KILN_RECORD_DATA, "whole", 5);
	rig_peer_seals(&rig, KILN_RECORD_DATA, "part", 4);
	rig_peer_gives(&rig, rig.from_peer.len - 1);
	rig_peer_ends(&rig, 0);
	rig_flush(&rig);
	assert_wire(rig.plain_got, "whole");
	assert_int_equal(rig.counters.truncated, 1);
	finish(KILN_E_TLS_TRUNCATED);
}

/* RFC 8446 6.1: what comes after close_notify is ignored, be it data or nonsense. */
static void test_data_after_close_notify(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig_peer_says(&rig, KILN_RECORD_DATA, "kept", 4);
		rig_peer_close_notify(&rig);
		rig_peer_says(&rig, KILN_RECORD_DATA, "lost", 4);
		rig_peer_says(&rig, 99, "odd", 3);
		rig_flush(&rig);
		assert_wire(rig.plain_got, "kept");
		assert_true(rig_plain_sees_fin(&rig));
		rig_plain_ends(&rig, 0);
		rig_flush(&rig);
		finish(KILN_OK);
	}
}

/* The same when all of it came in one receive. */
static void test_one_receive_with_close_notify(void **state)
{
	(void)state;
	start(false);
	rig_peer_seals(&rig, KILN_RECORD_DATA, "kept", 4);
	rig_peer_seals(&rig, KILN_RECORD_ALERT, (const uint8_t[]){1, 0}, 2);
	rig_peer_seals(&rig, KILN_RECORD_DATA, "lost", 4);
	rig_peer_gives(&rig, SIZE_MAX);
	rig_flush(&rig);
	assert_wire(rig.plain_got, "kept");
	assert_true(rig_plain_sees_fin(&rig));
	rig_plain_ends(&rig, 0);
	rig_flush(&rig);
	finish(KILN_OK);
}

/* close_notify while the data before it still waits for a slow target. */
static void test_close_notify_behind_slow_data(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig_peer_says(&rig, KILN_RECORD_DATA, "one", 3);
		rig_turn(&rig);
		rig_peer_says(&rig, KILN_RECORD_DATA, "two", 3);
		rig_peer_close_notify(&rig);
		rig_turn(&rig);
		rig_plain_takes(&rig, 1);
		rig_turn(&rig);
		assert_false(rig_plain_sees_fin(&rig));
		rig_flush(&rig);
		assert_wire(rig.plain_got, "onetwo");
		assert_true(rig_plain_sees_fin(&rig));
		rig_plain_ends(&rig, 0);
		rig_flush(&rig);
		finish(KILN_OK);
	}
}

/* What the socket has to say once the stream is over, and be it that the peer is gone. */
static void test_error_behind_close_notify(void **state)
{
	static const int errors[] = {ECONNRESET, ETIMEDOUT, EBADMSG};
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++)
		for (int e = 0; e < 2 + kernel; e++) {
			start(kernel);
			rig_peer_says(&rig, KILN_RECORD_DATA, "one", 3);
			rig_turn(&rig);
			if (kernel) {
				rig_peer_says(&rig, KILN_RECORD_DATA, "two", 3);
				rig_peer_close_notify(&rig);
			} else { /* in one receive, not opened before the next one fails */
				rig_peer_seals(&rig, KILN_RECORD_DATA, "two", 3);
				rig_peer_seals(&rig, KILN_RECORD_ALERT, (const uint8_t[]){1, 0}, 2);
				rig_peer_gives(&rig, SIZE_MAX);
			}
			rig_peer_ends(&rig, -errors[e]);
			rig_flush(&rig);
			assert_wire(rig.plain_got, "onetwo");
			assert_true(rig_plain_sees_fin(&rig));
			rig_plain_ends(&rig, 0);
			rig_flush(&rig);
			assert_true(rig.peer_close_notify);
			finish(KILN_OK);
		}
}

/* A close_notify that goes out in two parts counts as sent only at its end. */
static void test_short_send_of_close_notify(void **state)
{
	(void)state;
	for (size_t first = 1; first < 2 + KILN_RECORD_OVERHEAD; first++) {
		start(false);
		rig_plain_ends(&rig, 0);
		rig_turn(&rig);
		rig_peer_takes(&rig, first);
		rig_turn(&rig);
		assert_false(rig_peer_sees_fin(&rig));
		rig_flush(&rig);
		assert_true(rig.peer_close_notify);
		assert_true(rig_peer_sees_fin(&rig));
		rig_peer_close_notify(&rig);
		rig_flush(&rig);
		finish(KILN_OK);
	}
}

static void test_user_canceled_then_close_notify(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig_peer_says(&rig, KILN_RECORD_ALERT, (const uint8_t[]){1, 90}, 2);
		rig_flush(&rig);
		assert_false(rig_plain_sees_fin(&rig));
		rig_peer_close_notify(&rig);
		rig_flush(&rig);
		assert_true(rig_plain_sees_fin(&rig));
		rig_plain_ends(&rig, 0);
		rig_flush(&rig);
		finish(KILN_OK);
	}
}

/* Both ends at once, in one turn. */
static void test_both_close_at_once(void **state)
{
	(void)state;
	for (int kernel = 0; kernel <= 1; kernel++) {
		start(kernel);
		rig_peer_close_notify(&rig);
		rig_plain_ends(&rig, 0);
		rig_flush(&rig);
		assert_true(rig.peer_close_notify);
		finish(KILN_OK);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_peer_closes_first),
	    cmocka_unit_test(test_target_closes_first),
	    cmocka_unit_test(test_fin_after_our_close_notify),
	    cmocka_unit_test(test_failure_after_our_close_notify),
	    cmocka_unit_test(test_truncation_behind_data),
	    cmocka_unit_test(test_truncation_inside_a_record),
	    cmocka_unit_test(test_data_after_close_notify),
	    cmocka_unit_test(test_one_receive_with_close_notify),
	    cmocka_unit_test(test_close_notify_behind_slow_data),
	    cmocka_unit_test(test_error_behind_close_notify),
	    cmocka_unit_test(test_short_send_of_close_notify),
	    cmocka_unit_test(test_user_canceled_then_close_notify),
	    cmocka_unit_test(test_both_close_at_once),
	};
	return cmocka_run_group_tests_name("relay: ends", tests, NULL, NULL);
}
