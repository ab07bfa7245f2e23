/* SPDX-License-Identifier: Apache-2.0
 * Fair shares, on a board in ordinary memory: no kernel, no rights. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "steer/board.h"

#define PLENTY 100000u

static struct kiln_steer_board shared;
static struct kiln_board board;

static void open_board(unsigned workers)
{
	memset(&shared, 0, sizeof shared);
	board = (struct kiln_board){.shared = &shared, .fd = -1, .workers = workers};
	for (unsigned w = 0; w < workers; w++) {
		assert_int_equal(kiln_board_set_ready(&board, w, false, NULL), KILN_OK);
		assert_int_equal(kiln_board_set_ready(&board, w, true, NULL), KILN_OK);
	}
}

static bool is_over(unsigned w)
{
	return shared.seats[w].active > shared.seats[w].limit;
}

static void the_limit_is_a_quarter_above_the_mean(void **state)
{
	(void)state;
	assert_int_equal(kiln_board_limit(0, 1, PLENTY), 8);
	assert_int_equal(kiln_board_limit(200, 2, PLENTY), 133);
	assert_int_equal(kiln_board_limit(UINT64_C(256) * UINT32_MAX, 256, PLENTY), PLENTY - 1);
	assert_int_equal(kiln_board_limit(0, 2, 0), 0);
}

/* Somebody can always take one more: with the mean known, not everybody is above it. */
static void not_everybody_is_over(void **state)
{
	(void)state;
	for (unsigned workers = 1; workers <= 16; workers++) {
		open_board(workers);
		for (unsigned n = 1; n <= 1000; n++) {
			unsigned over = 0;
			for (unsigned w = 0; w < workers; w++)
				kiln_board_accepted(&board, w, n * (w + 1), PLENTY);
			for (unsigned w = 0; w < workers; w++)
				kiln_board_ended(&board, w, n * (w + 1), PLENTY);
			for (unsigned w = 0; w < workers; w++)
				over += is_over(w);
			assert_true(over < workers);
		}
	}
}

static void one_above_its_share_says_so_and_takes_it_back(void **state)
{
	(void)state;
	open_board(2);
	kiln_board_accepted(&board, 1, 100, PLENTY);
	for (uint32_t n = 1; n <= 182; n++) {
		kiln_board_accepted(&board, 0, n, PLENTY);
		assert_int_equal(is_over(0), n > (100 + n) * 5 / 8 + 8);
	}
	assert_false(is_over(0));
	kiln_board_accepted(&board, 0, 250, PLENTY);
	assert_true(is_over(0));
	kiln_board_ended(&board, 0, 150, PLENTY);
	assert_false(is_over(0));
}

static void a_full_worker_is_over_its_share(void **state)
{
	(void)state;
	open_board(2);
	kiln_board_accepted(&board, 1, 49, 50);
	kiln_board_accepted(&board, 0, 49, 50);
	assert_false(is_over(0));
	kiln_board_accepted(&board, 0, 50, 50);
	assert_true(is_over(0));
	kiln_board_ended(&board, 0, 49, 50);
	assert_false(is_over(0));
}

static void a_dead_worker_does_not_count(void **state)
{
	(void)state;
	open_board(3);
	kiln_board_accepted(&board, 2, 3000, PLENTY);
	kiln_board_accepted(&board, 1, 100, PLENTY);
	kiln_board_accepted(&board, 0, 200, PLENTY);
	assert_int_equal(shared.seats[0].limit, 3300 * 5 / 12 + 8);
	assert_int_equal(kiln_board_set_ready(&board, 2, false, NULL), KILN_OK);
	assert_int_equal(shared.seats[2].active, 0);
	kiln_board_ended(&board, 0, 200, PLENTY);
	assert_int_equal(shared.seats[0].limit, 300 * 5 / 8 + 8);
	/* Its successor begins with nothing, and counts as one of three. */
	assert_int_equal(kiln_board_set_ready(&board, 2, true, NULL), KILN_OK);
	assert_false(is_over(2));
	kiln_board_accepted(&board, 0, 200, PLENTY);
	assert_int_equal(shared.seats[0].limit, 300 * 5 / 12 + 8);
}

/* With 256 workers the others are looked at every sixteenth time, and when it is full at once. */
static void many_workers_are_looked_at_now_and_then(void **state)
{
	uint32_t looked = 0, before;

	(void)state;
	open_board(256);
	before = shared.seats[0].limit;
	for (uint32_t n = 1; n <= 160; n++) {
		shared.seats[1].active += 4096; /* a limit that differs each time it is computed */
		kiln_board_accepted(&board, 0, n, UINT32_MAX);
		assert_int_equal(shared.seats[0].active, n);
		looked += shared.seats[0].limit != before;
		before = shared.seats[0].limit;
	}
	assert_int_equal(looked, 10);
	kiln_board_accepted(&board, 0, 161, 161);
	assert_true(is_over(0));
}

static void what_arrives_is_no_longer_on_its_way(void **state)
{
	(void)state;
	open_board(2);
	shared.seats[0].arriving = 2;
	kiln_board_accepted(&board, 0, 1, PLENTY);
	assert_int_equal(shared.seats[0].arriving, 1);
	kiln_board_ended(&board, 0, 0, PLENTY);
	assert_int_equal(shared.seats[0].arriving, 1);
	kiln_board_accepted(&board, 0, 1, PLENTY);
	kiln_board_accepted(&board, 0, 2, PLENTY); /* of a tick before: forgotten there */
	assert_int_equal(shared.seats[0].arriving, 0);
}

static void without_a_board_nothing_happens(void **state)
{
	struct kiln_board none = {0};

	(void)state;
	kiln_board_accepted(NULL, 0, 1, PLENTY);
	kiln_board_ended(NULL, 0, 1, PLENTY);
	kiln_board_accepted(&none, 0, 1, PLENTY);
	kiln_board_ended(&none, 0, 1, PLENTY);
	kiln_board_close(&none);
	kiln_board_close(NULL);
	assert_int_equal(kiln_board_set_ready(&none, 0, true, NULL), KILN_E_USAGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_limit_is_a_quarter_above_the_mean),
	    cmocka_unit_test(not_everybody_is_over),
	    cmocka_unit_test(one_above_its_share_says_so_and_takes_it_back),
	    cmocka_unit_test(a_full_worker_is_over_its_share),
	    cmocka_unit_test(a_dead_worker_does_not_count),
	    cmocka_unit_test(many_workers_are_looked_at_now_and_then),
	    cmocka_unit_test(what_arrives_is_no_longer_on_its_way),
	    cmocka_unit_test(without_a_board_nothing_happens),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
