/* SPDX-License-Identifier: Apache-2.0
 * Steering by load, on the running kernel: all clients on one CPU, and connections that stay. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "steer_rig.h"

#define SKIPPED 77
#define PLENTY  100000u
#define HELD    300u

struct crowd {
	struct rig rig;
	unsigned cpu;                          /* worker 0's, and that of all clients */
	unsigned has[RIG_WORKERS_MAX];         /* connections of each worker */
	int clients[HELD], conns[HELD];        /* -1: not there */
	unsigned count, owner[HELD], accepted; /* owner of each conn */
};

static struct crowd crowd;

/* Worker 0 is on the clients' CPU, and the others are on CPUs that take no packet. */
static int gather(void **state)
{
	const unsigned workers = *(const unsigned *)*state;
	unsigned cpu_of_worker[RIG_WORKERS_MAX];

	crowd = (struct crowd){0};
	assert_int_equal(rig_cpus(&crowd.cpu, 1), 1);
	for (unsigned w = 0; w < workers; w++)
		cpu_of_worker[w] = w == 0 ? crowd.cpu : 1024 + w;
	rig_open(&crowd.rig, workers, cpu_of_worker);
	rig_pin(crowd.cpu);
	return 0;
}

static int disperse(void **state)
{
	(void)state;
	for (unsigned i = 0; i < crowd.count; i++)
		close(crowd.clients[i]);
	for (unsigned i = 0; i < crowd.accepted; i++)
		close(crowd.conns[i]);
	rig_unpin();
	rig_close(&crowd.rig);
	return 0;
}

static void arrive(void)
{
	assert_true(crowd.count < HELD);
	crowd.clients[crowd.count++] = rig_connect(&crowd.rig);
}

/* Accepts one as a worker does; returns which. */
static unsigned take(uint32_t most)
{
	unsigned worker;

	crowd.conns[crowd.accepted] = rig_take(&crowd.rig, &worker);
	crowd.owner[crowd.accepted++] = worker;
	kiln_board_accepted(&crowd.rig.board, worker, ++crowd.has[worker], most);
	return worker;
}

static void assert_spread(uint32_t total)
{
	const unsigned workers = crowd.rig.workers;
	const uint32_t limit = kiln_board_limit(total, workers, PLENTY);
	uint32_t sum = 0;

	for (unsigned w = 0; w < workers; w++) {
		sum += crowd.has[w];
		/* One over the limit is how a worker finds out. */
		assert_in_range(crowd.has[w], 1, limit + 1);
		if (w > 0) /* those without a CPU share the rest evenly */
			assert_in_range(crowd.has[w] + 1, crowd.has[1], crowd.has[1] + 2);
	}
	assert_int_equal(sum, total);
	assert_true(crowd.has[0] >= total / workers);
}

/* One after the other: the CPU's own worker has its share, and no more. */
static void held_connections_spread(void **state)
{
	(void)state;
	for (unsigned n = 0; n < HELD; n++) {
		arrive();
		(void)take(PLENTY);
	}
	assert_spread(HELD);
}

/* All at once: nobody has accepted any, so only what is on its way can tell. */
static void a_burst_spreads_before_anybody_accepts(void **state)
{
	unsigned queued = 0;

	(void)state;
	for (unsigned n = 0; n < HELD; n++)
		arrive();
	for (unsigned n = 0; n < HELD; n++)
		(void)take(PLENTY);
	for (unsigned w = 0; w < crowd.rig.workers; w++)
		queued += rig_queue_is_empty(&crowd.rig, w);
	assert_int_equal(queued, crowd.rig.workers);
	for (unsigned w = 0; w < crowd.rig.workers; w++)
		assert_true(crowd.has[w] >= HELD * 3 / 10 / (crowd.rig.workers - 1));
}

static void connections_that_end_follow_their_cpu(void **state)
{
	uint64_t skipped[RIG_WORKERS_MAX];

	(void)state;
	for (unsigned n = 0; n < HELD; n++) {
		arrive();
		assert_int_equal(take(PLENTY), 0);
		kiln_board_ended(&crowd.rig.board, 0, --crowd.has[0], PLENTY);
	}
	kiln_steer_counts(crowd.rig.steer, NULL, skipped);
	assert_int_equal(skipped[0], 0);
}

static void one_over_its_share_gets_none_until_it_is_not(void **state)
{
	uint64_t skipped[RIG_WORKERS_MAX];

	(void)state;
	crowd.has[0] = 100;
	kiln_board_ended(&crowd.rig.board, 0, 100, PLENTY);
	for (unsigned n = 0; n < 20; n++) {
		arrive();
		assert_int_not_equal(take(PLENTY), 0);
	}
	kiln_steer_counts(crowd.rig.steer, NULL, skipped);
	assert_int_equal(skipped[0], 20);
	crowd.has[0] = 0;
	kiln_board_ended(&crowd.rig.board, 0, 0, PLENTY);
	arrive();
	assert_int_equal(take(PLENTY), 0);
}

static void a_full_one_is_passed_over(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 4; n++) {
		arrive();
		assert_int_equal(take(4), 0);
	}
	arrive();
	assert_int_not_equal(take(4), 0);
}

/* Everybody over: somebody takes it all the same. */
static void when_all_are_over_the_least_loaded_takes_it(void **state)
{
	const unsigned last = crowd.rig.workers - 1;

	(void)state;
	for (unsigned w = 0; w < crowd.rig.workers; w++)
		kiln_board_ended(&crowd.rig.board, w, w == last ? 19 : 20, 1);
	arrive();
	assert_int_equal(take(1), last);
}

static void a_killed_ones_number_is_forgotten(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 60; n++) {
		arrive();
		(void)take(PLENTY);
	}
	/* It dies and comes back: 0 connections, its CPU's choice again. */
	assert_int_equal(kiln_board_set_ready(&crowd.rig.board, 0, false, NULL), KILN_OK);
	arrive();
	assert_int_not_equal(take(PLENTY), 0);
	assert_int_equal(kiln_board_set_ready(&crowd.rig.board, 0, true, NULL), KILN_OK);
	crowd.has[0] = 0;
	arrive();
	assert_int_equal(take(PLENTY), 0);
}

int main(void)
{
	unsigned two = 2, five = 5;
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_prestate_setup_teardown(held_connections_spread, gather, disperse,
						     &two),
	    cmocka_unit_test_prestate_setup_teardown(held_connections_spread, gather, disperse,
						     &five),
	    cmocka_unit_test_prestate_setup_teardown(a_burst_spreads_before_anybody_accepts, gather,
						     disperse, &two),
	    cmocka_unit_test_prestate_setup_teardown(a_burst_spreads_before_anybody_accepts, gather,
						     disperse, &five),
	    cmocka_unit_test_prestate_setup_teardown(connections_that_end_follow_their_cpu, gather,
						     disperse, &two),
	    cmocka_unit_test_prestate_setup_teardown(one_over_its_share_gets_none_until_it_is_not,
						     gather, disperse, &five),
	    cmocka_unit_test_prestate_setup_teardown(a_full_one_is_passed_over, gather, disperse,
						     &two),
	    cmocka_unit_test_prestate_setup_teardown(when_all_are_over_the_least_loaded_takes_it,
						     gather, disperse, &five),
	    cmocka_unit_test_prestate_setup_teardown(a_killed_ones_number_is_forgotten, gather,
						     disperse, &five),
	};
	return rig_may_steer() ? cmocka_run_group_tests(tests, NULL, NULL) : SKIPPED;
}
