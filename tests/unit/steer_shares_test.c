/* SPDX-License-Identifier: Apache-2.0
 * Which workers a CPU's connections go to: every count of workers and CPUs, without a kernel. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "steer/shares.h"

static struct kiln_steer_share shares[KILN_STEER_CPUS_MAX];
static uint16_t order[KILN_STEER_WORKERS_MAX];

/* Counts how often each worker is within reach of the CPUs below cpus. */
static void reach(unsigned *reached, unsigned workers, unsigned cpus)
{
	memset(reached, 0, sizeof *reached * workers);
	for (unsigned cpu = 0; cpu < cpus; cpu++) {
		assert_true(shares[cpu].count > 0);
		assert_true(shares[cpu].first + shares[cpu].count <= (int)workers);
		for (unsigned i = 0; i < shares[cpu].count; i++) {
			assert_true(order[shares[cpu].first + i] < workers);
			reached[order[shares[cpu].first + i]]++;
		}
	}
}

static void every_worker_is_reached_and_evenly(void **state)
{
	(void)state;
	for (unsigned workers = 1; workers <= 20; workers++) {
		for (unsigned cpus = 1; cpus <= 20; cpus++) {
			unsigned reached[20], least = UINT32_MAX, most = 0;
			assert_int_equal(
			    kiln_steer_shares(shares, order, workers, cpus, NULL, NULL), KILN_OK);
			reach(reached, workers, cpus);
			for (unsigned w = 0; w < workers; w++) {
				least = reached[w] < least ? reached[w] : least;
				most = reached[w] > most ? reached[w] : most;
			}
			assert_true(least >= 1);
			assert_true(most - least <= 1);
		}
	}
}

static void the_default_is_cpu_modulo_workers(void **state)
{
	(void)state;
	assert_int_equal(kiln_steer_shares(shares, order, 3, 8, NULL, NULL), KILN_OK);
	for (unsigned cpu = 0; cpu < KILN_STEER_CPUS_MAX; cpu++) {
		assert_int_equal(shares[cpu].count, 1);
		assert_int_equal(order[shares[cpu].first], cpu % 3);
	}
}

static void named_cpus_are_kept(void **state)
{
	const unsigned cpu_of_worker[] = {6, 2, 6, 9};

	(void)state;
	assert_int_equal(kiln_steer_shares(shares, order, 4, 8, cpu_of_worker, NULL), KILN_OK);
	assert_int_equal(shares[6].count, 2);
	assert_int_equal(order[shares[6].first], 0);
	assert_int_equal(order[shares[6].first + 1], 2);
	assert_int_equal(shares[2].count, 1);
	assert_int_equal(order[shares[2].first], 1);
	assert_int_equal(order[shares[9].first], 3);
	/* CPU 5 has none of its own: it takes number 5 modulo 4. */
	assert_int_equal(shares[5].count, 1);
	assert_int_equal(order[shares[5].first], 1);
}

static void an_impossible_cpu_is_refused(void **state)
{
	const unsigned cpu_of_worker[] = {0, KILN_STEER_CPUS_MAX};
	struct kiln_error err = {0};

	(void)state;
	assert_int_equal(kiln_steer_shares(shares, order, 2, 8, cpu_of_worker, &err), KILN_E_USAGE);
	assert_non_null(strstr(err.message, "worker 1 cannot be on CPU 4096"));
}

static void the_largest_tables_fit(void **state)
{
	unsigned reached[KILN_STEER_WORKERS_MAX];

	(void)state;
	assert_int_equal(kiln_steer_shares(shares, order, KILN_STEER_WORKERS_MAX, 2, NULL, NULL),
			 KILN_OK);
	assert_int_equal(shares[1].count, KILN_STEER_WORKERS_MAX / 2);
	reach(reached, KILN_STEER_WORKERS_MAX, 2);
	for (unsigned w = 0; w < KILN_STEER_WORKERS_MAX; w++)
		assert_int_equal(reached[w], 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_worker_is_reached_and_evenly),
	    cmocka_unit_test(the_default_is_cpu_modulo_workers),
	    cmocka_unit_test(named_cpus_are_kept),
	    cmocka_unit_test(an_impossible_cpu_is_refused),
	    cmocka_unit_test(the_largest_tables_fit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
