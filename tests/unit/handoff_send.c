/* SPDX-License-Identifier: Apache-2.0
 * The worker's side of a hand-off: every way in which sending fails, and what the client and the
 * application then see. */
#include "handoff_rig.h"

#include <errno.h>
#include <unistd.h>

static void test_sent(void **state)
{
	(void)state;
	handoff_start(0, 0);
	assert_int_equal(handoff.sends, 1);
	handoff_expect_taken();
	handoff_stop();
}

static void test_interrupted(void **state)
{
	(void)state;
	handoff_start(EINTR, 0);
	assert_int_equal(handoff.sends, 2);
	handoff_expect_taken();
	handoff_stop();
}

/* A full queue says when it has room. */
static void test_full(void **state)
{
	(void)state;
	handoff_start(EAGAIN, EAGAIN);
	struct kiln_op *room = &handoff.life.rig.worker.handoff.room;
	for (unsigned i = 1; i <= 2; i++) {
		assert_int_equal(handoff.sends, i);
		assert_true(room->armed);
		assert_int_equal(room->kind, KILN_OP_WRITABLE);
		script_result(&handoff.life.rig.io, room, 1);
		rig_turn(&handoff.life.rig);
	}
	handoff_expect_taken();
	handoff_stop();
}

/* Other shortages pass without a word, and are tried again. */
static void test_short_of_something(void **state)
{
	static const int errors[] = {ENOBUFS, ENOMEM, ETOOMANYREFS};
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		handoff_start(errors[i], errors[i]);
		assert_false(handoff.life.rig.worker.handoff.room.armed);
		assert_int_equal(handoff.sends, 1);
		rig_advance(&handoff.life.rig, 10 + KILN_WHEEL_TICK);
		assert_int_equal(handoff.sends, 2);
		rig_advance(&handoff.life.rig, 20 + KILN_WHEEL_TICK);
		assert_int_equal(handoff.sends, 3);
		handoff_expect_taken();
		handoff_stop();
	}
}

/* The application is gone: another channel, after a pause. A packet that went in part did not go
 * into a socket of packets. */
static void test_broken_channel(void **state)
{
	static const int errors[] = {EPIPE, ECONNRESET, ECONNREFUSED, ENOTCONN, -1};
	(void)state;
	for (size_t i = 0; i < 5; i++) {
		struct kiln_handoff_message message;
		handoff_start(errors[i], 0);
		assert_int_equal(handoff.life.rig.counters.handoff_lost, 1);
		rig_turn(&handoff.life.rig);
		assert_int_equal(handoff.life.rig.worker.handoff.fd, -1);
		assert_int_equal(handoff_receive(&message),
				 -1); /* the first one, which is closed */
		(void)close(handoff.channel);
		handoff.channel = -1;
		assert_int_equal(handoff.sends, 1);
		rig_advance(&handoff.life.rig, 10 + KILN_WHEEL_TICK);
		assert_int_equal(handoff.sends, 2);
		handoff_expect_taken();
		handoff_stop();
	}
}

/* What is wrong with one connection ends that one. */
static void test_cannot_be_sent(void **state)
{
	static const int errors[] = {EMSGSIZE, EINVAL, EBADF, EPERM};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		handoff_start(errors[i], 0);
		assert_true(handoff.life.rig.worker.handoff.fd >= 0);
		assert_null(handoff.life.rig.worker.handoff.first);
		handoff_expect_refused(KILN_E_TARGET);
	}
}

static void test_deadline(void **state)
{
	static const int errors[] = {0, EAGAIN, ENOBUFS, EPIPE};
	(void)state;
	for (size_t i = 0; i < 4; i++) {
		handoff_start(errors[i], errors[i]);
		handoff.failures[2] = handoff.failures[3] = errors[i];
		rig_advance(&handoff.life.rig, 1000 + KILN_WHEEL_TICK);
		assert_int_equal(handoff.life.rig.counters.timeouts, 1);
		if (handoff.life.rig.worker.handoff.room.armed) {
			script_result(&handoff.life.rig.io, &handoff.life.rig.worker.handoff.room,
				      1);
			rig_turn(&handoff.life.rig);
		}
		handoff_expect_refused(KILN_E_TIMEOUT);
	}
}

/* Another user listens there. */
static void test_stranger(void **state)
{
	(void)state;
	handoff_start(0, 0);
	struct kiln_settings *settings = &handoff.life.rig.worker.settings;
	settings->handoff_any_own = false;
	settings->handoff_user = geteuid() + 1;
	(void)close(
	    accept4(handoff.listener, NULL, NULL, SOCK_CLOEXEC)); /* the first one: let in */
	script_result(&handoff.life.rig.io, &handoff.life.rig.worker.handoff.in, 1);
	rig_turn(&handoff.life.rig);
	rig_advance(&handoff.life.rig, 10 + KILN_WHEEL_TICK);
	assert_int_equal(handoff.life.rig.worker.handoff.fd, -1);
	assert_int_equal(handoff.sends, 1);
	rig_advance(&handoff.life.rig, 1000 + KILN_WHEEL_TICK);
	handoff_expect_refused(KILN_E_TIMEOUT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sent),           cmocka_unit_test(test_interrupted),
	    cmocka_unit_test(test_full),           cmocka_unit_test(test_short_of_something),
	    cmocka_unit_test(test_broken_channel), cmocka_unit_test(test_cannot_be_sent),
	    cmocka_unit_test(test_deadline),       cmocka_unit_test(test_stranger),
	};
	return cmocka_run_group_tests_name("hand-off: sending", tests, life_make_certificates,
					   life_free_certificates);
}
