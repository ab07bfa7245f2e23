/* SPDX-License-Identifier: Apache-2.0
 * The worker's side of a hand-off: what the application answers, when it says it, and how it ends.
 */
#include "handoff_rig.h"

#include <errno.h>
#include <unistd.h>

static void test_refused(void **state)
{
	struct kiln_handoff_message message;
	(void)state;
	handoff_start(0, 0);
	(void)close(handoff_receive(&message));
	handoff_say(KILN_HANDOFF_REFUSED, message.number);
	handoff_expect_refused(KILN_E_TARGET);
}

/* Taken and lost before the answer came: it is offered again, once. */
static void test_offered_again(void **state)
{
	struct kiln_handoff_message message;
	(void)state;
	handoff_start(0, 0);
	(void)close(handoff_receive(&message));
	(void)close(handoff.channel);
	handoff.channel = -1;
	script_result(&handoff.life.rig.io, &handoff.life.rig.worker.handoff.in, 1);
	rig_turn(&handoff.life.rig);
	assert_int_equal(handoff.life.rig.counters.handoff_lost, 1);
	rig_advance(&handoff.life.rig, 10 + KILN_WHEEL_TICK);
	handoff_expect_taken();
	assert_int_equal(handoff.sends, 2);
	handoff_stop();
}

/* An answer counts, also when an error stands in front of it. */
static void test_answer_and_end(void **state)
{
	struct kiln_handoff_message message;
	(void)state;
	handoff_start(0, 0);
	(void)close(handoff_receive(&message));
	handoff_answer_unread(KILN_HANDOFF_TAKEN, message.number);
	assert_int_equal(send(handoff.life.rig.worker.handoff.fd, "unread", 6, 0), 6);
	(void)close(handoff.channel); /* with a message unread: ECONNRESET for the worker */
	handoff.channel = -1;
	script_result(&handoff.life.rig.io, &handoff.life.rig.worker.handoff.in, 1);
	rig_turn(&handoff.life.rig);
	assert_int_equal(handoff.life.rig.counters.handed_off, 1);
	assert_int_equal(handoff.life.rig.conn->phase, KILN_PHASE_RELAY);
	handoff_stop();
}

/* An answer counts also when it is sending that finds the channel broken: what one application took
 * is not offered to the next. */
static void test_answer_and_broken_channel(void **state)
{
	struct kiln_handoff_message message;
	(void)state;
	handoff_start(0, 0);
	(void)close(handoff_receive(&message));
	handoff_answer_unread(KILN_HANDOFF_TAKEN, message.number);
	(void)close(handoff.channel);
	handoff.channel = -1;
	/* The next connection is added before the event of the channel's end is seen. */
	struct kiln_handoff_channel *c = &handoff.life.rig.worker.handoff;
	struct kiln_link second = {.worker = &handoff.life.rig.worker};
	struct kiln_handing next = {.link = &second, .theirs = {STDERR_FILENO, STDERR_FILENO}};
	next.message = c->first->message;
	handoff.failures[1] = EPIPE;
	kiln_handoff_add(c, &next);
	kiln_handoff_flush(c);
	assert_int_equal(handoff.sends, 2);
	assert_int_equal(handoff.life.rig.counters.handed_off, 1);
	assert_int_equal(handoff.life.rig.counters.handoff_lost, 1);
	assert_int_equal(handoff.life.rig.conn->phase, KILN_PHASE_RELAY);
	assert_ptr_equal(c->first, &next); /* alone */
	assert_ptr_equal(c->unsent, &next);
	kiln_handoff_remove(c, &next);
	handoff_stop();
}

/* A worker that ends hears first what was taken, so that it does not end that. */
static void test_answer_and_stop(void **state)
{
	struct kiln_handoff_message message;
	(void)state;
	handoff_start(0, 0);
	const int taken = handoff_receive(&message);
	handoff_answer_unread(KILN_HANDOFF_TAKEN, message.number);
	kiln_handoff_finish(&handoff.life.rig.worker.handoff);
	assert_int_equal(handoff.life.rig.counters.handed_off, 1);
	assert_int_equal(handoff.life.rig.conn->phase, KILN_PHASE_RELAY);
	assert_int_equal(send(handoff.channel, "late", 4, MSG_NOSIGNAL),
			 -1); /* nothing is taken now */
	(void)close(taken);
	handoff_stop();
}

/* The same where the worker is closed at --shutdown-timeout: it is a relayed one that is cut off
 * then, and none that was refused. */
static void test_answer_and_cut_off(void **state)
{
	struct kiln_handoff_message message;
	struct life *life = &handoff.life;
	(void)state;
	handoff_start(0, 0);
	(void)close(handoff_receive(&message));
	handoff_answer_unread(KILN_HANDOFF_TAKEN, message.number);
	kiln_worker_close(&life->rig.worker);
	assert_int_equal(rig_ended.count, 1);
	assert_int_equal(rig_ended.code, KILN_E_TIMEOUT);
	assert_int_equal(life->rig.counters.handed_off, 1);
	assert_int_equal(life->rig.counters.handoff_failed, 0);
	(void)close(handoff.channel);
	(void)close(handoff.listener);
	(void)close(handoff.notice);
	handoff.channel = handoff.notice = -1;
	tls_peer_close(&life->peer);
	wire_free(&life->heard);
	wire_free(&life->rig.from_peer);
	(void)close(life->rig.tls_far);
}

/* Taken when it was given up: counted. Numbers that were never given are not. */
static void test_taken_late(void **state)
{
	struct kiln_handoff_message message;
	(void)state;
	handoff_start(0, 0);
	(void)close(handoff_receive(&message));
	rig_advance(&handoff.life.rig, 1000 + KILN_WHEEL_TICK);
	assert_int_equal(handoff.life.rig.counters.timeouts, 1);
	handoff_say(KILN_HANDOFF_TAKEN, 0);
	handoff_say(KILN_HANDOFF_TAKEN, message.number + 1);
	handoff_say(KILN_HANDOFF_REFUSED, message.number);
	assert_int_equal(handoff.life.rig.counters.handoff_late, 0);
	handoff_say(KILN_HANDOFF_TAKEN, message.number);
	assert_int_equal(handoff.life.rig.counters.handoff_late, 1);
	handoff_expect_refused(KILN_E_TIMEOUT);
}

/* An application that talks without end gets its turn, and no more. */
static void test_many_answers(void **state)
{
	struct kiln_handoff_message message;
	(void)state;
	handoff_start(0, 0);
	const int stream = handoff_receive(&message);
	for (unsigned i = 0; i < 64; i++)
		handoff_answer_unread(KILN_HANDOFF_TAKEN, message.number + 1 + i);
	handoff_say(KILN_HANDOFF_TAKEN, message.number);
	assert_int_equal(handoff.life.rig.conn->phase, KILN_PHASE_HANDOFF);
	struct kiln_op *in = &handoff.life.rig.worker.handoff.in;
	rig_turn(&handoff.life.rig); /* the operation's last event; then it is armed anew */
	assert_true(in->armed && !in->cancelling);
	script_more(&handoff.life.rig.io, in, 1);
	rig_turn(&handoff.life.rig);
	assert_int_equal(handoff.life.rig.conn->phase, KILN_PHASE_RELAY);
	(void)close(stream);
	handoff_stop();
}

/* The application says how it ends and leaves, and has not read what we said: which makes
 * ECONNRESET on our side, in front of its word. */
static void leave_unread(const char said[2])
{
	struct kiln_handoff_message message;
	handoff_start(0, 0);
	const int stream = handoff_receive(&message);
	handoff_say(KILN_HANDOFF_TAKEN, message.number);
	struct kiln_link *conn = handoff.life.rig.conn;
	assert_int_equal(conn->phase, KILN_PHASE_RELAY);
	kiln_link_notify(conn, 1, KILN_ALERT_CLOSE_NOTIFY);
	assert_int_equal(send(handoff.notice, said, 2, 0), 2);
	(void)close(handoff.notice);
	(void)close(stream);
	handoff.notice = -1;
	script_result(&handoff.life.rig.io, &conn->plain_in, 0);
	rig_turn(&handoff.life.rig);
	life_exchange(&handoff.life, SIZE_MAX);
}

static void test_ended_unread(void **state)
{
	(void)state;
	leave_unread("\1\0");
	assert_int_equal(life_peer_alert(), KILN_ALERT_CLOSE_NOTIFY);
	assert_true(handoff.life.peer_closed);
	handoff_stop();
}

/* An alert of the application is the one that the client gets. */
static void test_alert_of_application(void **state)
{
	(void)state;
	leave_unread("\2\x31"); /* access_denied */
	assert_int_equal(life_peer_alert(), KILN_ALERT_ACCESS_DENIED);
	if (handoff.life.rig.conn != NULL && handoff.life.rig.conn->phase == KILN_PHASE_LINGER) {
		rig_peer_ends(&handoff.life.rig, 0);
		rig_turn(&handoff.life.rig);
	}
	assert_true(rig_gone(&handoff.life.rig));
	handoff_close_channel();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_offered_again),
	    cmocka_unit_test(test_answer_and_end),
	    cmocka_unit_test(test_answer_and_broken_channel),
	    cmocka_unit_test(test_answer_and_stop),
	    cmocka_unit_test(test_answer_and_cut_off),
	    cmocka_unit_test(test_taken_late),
	    cmocka_unit_test(test_many_answers),
	    cmocka_unit_test(test_ended_unread),
	    cmocka_unit_test(test_alert_of_application),
	};
	return cmocka_run_group_tests_name("hand-off: answers", tests, life_make_certificates,
					   life_free_certificates);
}
