/* SPDX-License-Identifier: Apache-2.0
 * Accepting under limits and errors, and what is left when a worker ends. */
#include "life_rig.h"

#include <errno.h>
#include <unistd.h>

static struct life life;

static struct kiln_op *listener(void)
{
	return &life.rig.worker.listeners[0].op;
}

static void start(unsigned max_connections)
{
	struct kiln_worker *worker = &life.rig.worker;
	life_open(&life, KILN_SERVER, NULL);
	worker->settings.max_connections = max_connections;
	kiln_worker_listen(worker, 1000); /* never touched by this engine */
	kiln_worker_accept(worker, true);
	assert_true(listener()->armed);
}

static void arrives(bool last)
{
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	(void)close(fds[1]);
	if (last)
		script_result(&life.rig.io, listener(), fds[0]);
	else
		script_more(&life.rig.io, listener(), fds[0]);
}

/* The newest connection's peer is gone. */
static void one_leaves(void)
{
	script_result(&life.rig.io, &life.rig.worker.conns->tls_in, 0);
	rig_turn(&life.rig);
}

static void stop(void)
{
	struct kiln_worker *worker = &life.rig.worker;
	kiln_worker_accept(worker, false);
	while (worker->conns != NULL)
		one_leaves();
	rig_turn(&life.rig);
	assert_int_equal(worker->counters->active, 0);
	life_close(&life);
}

static void test_many_arrive(void **state)
{
	(void)state;
	start(100);
	for (int i = 0; i < 10; i++)
		arrives(false);
	rig_turn(&life.rig);
	assert_int_equal(life.rig.worker.conn_count, 10);
	assert_int_equal(life.rig.counters.accepted, 10);
	assert_true(listener()->armed);
	stop();
}

/* A multishot accept may end with a connection in hand. */
static void test_last_event_with_a_connection(void **state)
{
	(void)state;
	start(100);
	arrives(true);
	rig_turn(&life.rig);
	assert_int_equal(life.rig.worker.conn_count, 1);
	assert_true(listener()->armed);
	stop();
}

/* A full descriptor table: pause, try again, go on. */
static void test_no_descriptors(void **state)
{
	static const int errors[] = {EMFILE, ENFILE, ENOBUFS, ENOMEM};
	(void)state;
	for (int i = 0; i < 4; i++) {
		start(100);
		for (int round = 1; round <= 3; round++) {
			script_result(&life.rig.io, listener(), -errors[i]);
			rig_turn(&life.rig);
			assert_false(listener()->armed);
			assert_int_equal(life.rig.counters.accept_errors, round);
			rig_advance(&life.rig, 90);
			assert_false(listener()->armed);
			rig_advance(&life.rig, 10 + KILN_WHEEL_TICK);
			assert_true(listener()->armed);
		}
		arrives(false);
		rig_turn(&life.rig);
		assert_int_equal(life.rig.worker.conn_count, 1);
		stop();
	}
}

/* The end of a connection is a better moment than the retry. */
static void test_descriptor_comes_free(void **state)
{
	(void)state;
	start(100);
	arrives(false);
	rig_turn(&life.rig);
	script_result(&life.rig.io, listener(), -EMFILE);
	rig_turn(&life.rig);
	assert_false(listener()->armed);
	one_leaves();
	assert_true(listener()->armed);
	stop();
}

static void test_transient_errors(void **state)
{
	static const int errors[] = {ECONNABORTED, EAGAIN, ECANCELED};
	(void)state;
	for (int i = 0; i < 3; i++) {
		start(100);
		script_result(&life.rig.io, listener(), -errors[i]);
		rig_turn(&life.rig);
		assert_true(listener()->armed);
		assert_int_equal(life.rig.counters.accept_errors, 0);
		stop();
	}
}

static void test_connection_limit(void **state)
{
	(void)state;
	start(3);
	for (int i = 0; i < 3; i++)
		arrives(false);
	rig_turn(&life.rig);
	rig_turn(&life.rig);
	assert_int_equal(life.rig.worker.conn_count, 3);
	assert_int_equal(life.rig.counters.refused_limit, 1);
	assert_false(listener()->armed);
	one_leaves();
	assert_true(listener()->armed);
	arrives(false);
	rig_turn(&life.rig);
	rig_turn(&life.rig);
	assert_int_equal(life.rig.worker.conn_count, 3);
	assert_false(listener()->armed);
	stop();
}

/* The limit is reached and left again before the cancel of the accept came back. */
static void test_limit_and_late_cancel(void **state)
{
	(void)state;
	start(1);
	life.rig.io.late_cancel = true;
	arrives(false);
	rig_turn(&life.rig);
	assert_true(listener()->cancelling);
	one_leaves();
	assert_int_equal(life.rig.worker.conn_count, 0);
	assert_true(listener()->armed);
	script_cancelled(&life.rig.io, listener());
	rig_turn(&life.rig);
	assert_true(listener()->armed);
	assert_false(listener()->cancelling);
	life.rig.io.late_cancel = false;
	stop();
}

/* While draining nothing is accepted again, whatever ends. */
static void test_no_accept_while_draining(void **state)
{
	(void)state;
	start(1);
	arrives(false);
	rig_turn(&life.rig);
	kiln_worker_accept(&life.rig.worker, false);
	rig_turn(&life.rig);
	one_leaves();
	assert_false(listener()->armed);
	rig_advance(&life.rig, 1000);
	assert_false(listener()->armed);
	stop();
}

/* A worker that ends frees its connections in whatever phase they are. */
static void test_worker_ends(void **state)
{
	(void)state;
	for (int phase = 0; phase < 6; phase++) {
		struct rig *rig = &life.rig;
		life_open(&life, KILN_SERVER, NULL);
		rig->worker.settings.proxy_in = phase == 0;
		rig->worker.settings.proxy_out =
		    phase == 3 ? KILN_PROXY_SEND_CONN : KILN_PROXY_SEND_OFF;
		life_accept(&life, true);
		if (phase >= 2)
			life_exchange(&life, SIZE_MAX);
		if (phase >= 3)
			life_connected(&life);
		if (phase >= 4) {
			tls_peer_write(&life.peer, "data", 4);
			life_peer_thinks(&life);
			rig_peer_gives(rig, rig->from_peer.len - (phase == 5));
			rig_turn(rig);
		}
		kiln_worker_close(&rig->worker);
		assert_int_equal(rig_ended.count, 1);
		assert_int_equal(rig->worker.conn_count, 0);
		assert_int_equal(rig_ended.code, KILN_E_TIMEOUT);
		if (phase >= 2) { /* keys are there: the peer is told, and the target is reset */
			assert_int_equal(rig_ended.alert_sent, KILN_ALERT_INTERNAL_ERROR);
			assert_true(phase == 2 || rig->io.reset[1]);
		}
		tls_peer_close(&life.peer);
		wire_free(&life.heard);
		wire_free(&rig->from_peer);
		(void)close(rig->tls_far);
		if (rig->plain_far >= 0)
			(void)close(rig->plain_far);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_many_arrive),
	    cmocka_unit_test(test_last_event_with_a_connection),
	    cmocka_unit_test(test_no_descriptors),
	    cmocka_unit_test(test_descriptor_comes_free),
	    cmocka_unit_test(test_transient_errors),
	    cmocka_unit_test(test_connection_limit),
	    cmocka_unit_test(test_limit_and_late_cancel),
	    cmocka_unit_test(test_no_accept_while_draining),
	    cmocka_unit_test(test_worker_ends),
	};
	return cmocka_run_group_tests_name("life: accept", tests, life_make_certificates,
					   life_free_certificates);
}
