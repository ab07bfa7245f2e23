/* SPDX-License-Identifier: Apache-2.0
 * The relay's deadlines: --send-timeout, --idle-timeout and --close-timeout, alone and against each
 * other. The clock moves only when the test says so. */
#include "relay_rig.h"

static struct rig rig;

#define HOUR 3600000u

static void start(uint32_t send, uint32_t idle, uint32_t close)
{
	rig_open(&rig, KILN_SERVER);
	rig.worker.settings.send_timeout = send;
	rig.worker.settings.idle_timeout = idle;
	rig.worker.settings.close_timeout = close;
	rig_relay(&rig, false, NULL);
}

static bool relaying(void)
{
	return rig.conn != NULL && rig.conn->phase == KILN_PHASE_RELAY;
}

/* Lets time pass in small steps; how long the connection lived, at most limit ms. */
static uint64_t wait_for_end(uint64_t limit)
{
	const uint64_t began = rig_ms;
	while (relaying() && rig_ms - began < limit)
		rig_advance(&rig, 10);
	return rig_ms - began;
}

static void expect_end_after(uint64_t ms)
{
	assert_in_range(wait_for_end(2 * ms + 1000), ms, ms + KILN_WHEEL_TICK + 10);
	assert_false(relaying());
	assert_int_equal(rig.counters.timeouts, 1);
}

static void clean_up(const char *why)
{
	rig_turn(&rig);
	if (rig.conn != NULL) { /* lingers behind its alert */
		rig_peer_ends(&rig, 0);
		rig_turn(&rig);
	}
	assert_true(rig_gone(&rig));
	assert_int_equal(rig_ended.code, KILN_E_TIMEOUT);
	assert_string_equal(rig_ended.why, why);
	rig_close(&rig);
}

static const char plain_stuck[] = "the plain side did not read for the send timeout";
static const char peer_stuck[] = "the TLS peer did not read for the send timeout";
static const char half_closed[] =
    "half closed, and the other side was silent for the close timeout";
static const char idle[] = "idle for the idle timeout";

/* The send timeout holds whatever the idle timeout is. */
static void test_target_does_not_read(void **state)
{
	static const uint32_t idles[] = {0, 300, 1000, HOUR};
	(void)state;
	for (int i = 0; i < 4; i++) {
		start(1000, idles[i], 0);
		rig_advance(&rig, 100);
		rig_peer_says(&rig, KILN_RECORD_DATA, "data", 4);
		rig_turn(&rig);
		expect_end_after(1000);
		assert_int_equal(rig_direct_alert(&rig), KILN_ALERT_INTERNAL_ERROR);
		clean_up(plain_stuck);
	}
}

static void test_peer_does_not_read(void **state)
{
	static const uint32_t idles[] = {0, 300, 1000, HOUR};
	(void)state;
	for (int i = 0; i < 4; i++) {
		start(1000, idles[i], 0);
		rig_advance(&rig, 100);
		rig_plain_says(&rig, "data", 4);
		rig_turn(&rig);
		expect_end_after(1000);
		clean_up(peer_stuck);
	}
}

/* The older of two stuck sends counts. */
static void test_both_do_not_read(void **state)
{
	(void)state;
	start(1000, 0, 0);
	rig_plain_says(&rig, "data", 4);
	rig_turn(&rig);
	rig_advance(&rig, 500);
	rig_peer_says(&rig, KILN_RECORD_DATA, "data", 4);
	rig_turn(&rig);
	expect_end_after(500);
	clean_up(peer_stuck);
}

/* A slow reader is no dead reader. */
static void test_slow_progress(void **state)
{
	(void)state;
	start(1000, 0, 0);
	rig_peer_says(&rig, KILN_RECORD_DATA, "slow reader", 11);
	rig_turn(&rig);
	for (int i = 0; i < 10; i++) {
		rig_advance(&rig, 900);
		rig_plain_takes(&rig, 1);
		rig_turn(&rig);
	}
	assert_true(relaying());
	expect_end_after(1000);
	clean_up(plain_stuck);
}

static void test_idle(void **state)
{
	static const uint32_t sends[] = {0, 100, HOUR};
	(void)state;
	for (int i = 0; i < 3; i++) {
		start(sends[i], 2000, 0);
		expect_end_after(2000);
		clean_up(idle);
	}
}

/* Traffic in either direction restarts it, also when the send takes longer than the limit. */
static void test_idle_after_traffic(void **state)
{
	static const uint32_t sends[] = {0, 100, 5000, HOUR};
	(void)state;
	for (int i = 0; i < 4; i++) {
		start(sends[i], 2000, 0);
		for (int n = 0; n < 3; n++) {
			rig_advance(&rig, 1500);
			rig_peer_says(&rig, KILN_RECORD_DATA, "data", 4);
			rig_flush(&rig);
			rig_advance(&rig, 1500);
			rig_plain_says(&rig, "data", 4);
			rig_flush(&rig);
		}
		if (sends[i] > 2000) {
			rig_plain_says(&rig, "data", 4);
			rig_turn(&rig);
			rig_advance(&rig, 4000);
			rig_flush(&rig);
		}
		expect_end_after(2000);
		clean_up(idle);
	}
}

/* Without a send timeout a stuck send is idle, not immortal. */
static void test_stuck_without_send_timeout(void **state)
{
	(void)state;
	start(0, 2000, 0);
	rig_plain_says(&rig, "data", 4);
	rig_turn(&rig);
	expect_end_after(2000);
	clean_up(idle);
}

static void half_close(void)
{
	rig_peer_close_notify(&rig);
	rig_flush(&rig);
	assert_true(rig_plain_sees_fin(&rig));
}

static void test_half_closed(void **state)
{
	static const uint32_t sends[] = {0, 100, HOUR}, idles[] = {0, 500, HOUR};
	(void)state;
	for (int i = 0; i < 9; i++) {
		start(sends[i / 3], idles[i % 3], 1000);
		rig_advance(&rig, 400);
		half_close();
		expect_end_after(1000);
		clean_up(half_closed);
	}
}

/* What still comes from the other side keeps it alive. */
static void test_half_closed_with_traffic(void **state)
{
	static const uint32_t sends[] = {0, 100, HOUR};
	(void)state;
	for (int i = 0; i < 3; i++) {
		start(sends[i], 0, 1000);
		half_close();
		for (int n = 0; n < 5; n++) {
			rig_advance(&rig, 900);
			rig_plain_says(&rig, "data", 4);
			rig_flush(&rig);
		}
		assert_true(relaying());
		expect_end_after(1000);
		clean_up(half_closed);
	}
}

/* A send that is stuck at the moment the close timeout is looked at must not end the looking. */
static void test_half_closed_and_stuck(void **state)
{
	(void)state;
	start(0, 0, 1000);
	half_close();
	rig_advance(&rig, 900);
	rig_plain_says(&rig, "data", 4);
	rig_turn(&rig);
	expect_end_after(1000);
	clean_up(half_closed);
}

/* --close-timeout 0 is no limit of its own; the idle timeout stays. */
static void test_half_closed_without_limit(void **state)
{
	(void)state;
	start(100, 3000, 0);
	half_close();
	expect_end_after(3000);
	clean_up(idle);
	start(100, 0, 0);
	half_close();
	assert_in_range(wait_for_end(10 * 1000), 10 * 1000, 10 * 1000);
	rig_plain_ends(&rig, 0);
	rig_flush(&rig);
	assert_int_equal(rig_ended.code, KILN_OK);
	rig_close(&rig);
}

/* No limits at all: nothing is ever set. */
static void test_no_limits(void **state)
{
	(void)state;
	start(0, 0, 0);
	rig_peer_says(&rig, KILN_RECORD_DATA, "data", 4);
	rig_flush(&rig);
	assert_int_equal(rig.worker.wheel.count, 0);
	rig_plain_ends(&rig, 0);
	half_close();
	rig_flush(&rig);
	rig_close(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_target_does_not_read),
	    cmocka_unit_test(test_peer_does_not_read),
	    cmocka_unit_test(test_both_do_not_read),
	    cmocka_unit_test(test_slow_progress),
	    cmocka_unit_test(test_idle),
	    cmocka_unit_test(test_idle_after_traffic),
	    cmocka_unit_test(test_stuck_without_send_timeout),
	    cmocka_unit_test(test_half_closed),
	    cmocka_unit_test(test_half_closed_with_traffic),
	    cmocka_unit_test(test_half_closed_and_stuck),
	    cmocka_unit_test(test_half_closed_without_limit),
	    cmocka_unit_test(test_no_limits),
	};
	return cmocka_run_group_tests_name("relay: time", tests, NULL, NULL);
}
