/* SPDX-License-Identifier: Apache-2.0
 * Who may ask STS next when many want to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "agent/queue.h"

struct question {
	struct kiln_queue_item item;
	uint64_t source;
	unsigned number;
};

static struct kiln_queue queue;
static unsigned lost[2000]; /* of each source */

static void put(uint64_t source, bool known, unsigned number)
{
	struct question *q = calloc(1, sizeof *q);
	assert_non_null(q);
	q->source = source;
	q->number = number;
	struct question *out = (struct question *)kiln_queue_put(&queue, &q->item, source, known);
	if (out == NULL)
		return;
	lost[out->source]++;
	free(out);
}

/* The source whose turn it is; 0: nobody's. */
static uint64_t take(bool newcomers, unsigned *number)
{
	struct question *q = (struct question *)kiln_queue_take(&queue, newcomers);
	const uint64_t source = q != NULL ? q->source : 0;
	if (q != NULL && number != NULL)
		*number = q->number;
	free(q);
	return source;
}

static unsigned drain(void)
{
	unsigned count = 0;
	while (take(true, NULL) != 0)
		count++;
	return count;
}

static int set_up(void **state)
{
	(void)state;
	kiln_queue_init(&queue, 42);
	memset(lost, 0, sizeof lost);
	return 0;
}

static void test_order(void **state)
{
	unsigned number;
	(void)state;
	assert_int_equal(take(true, NULL), 0);
	for (unsigned i = 0; i < 10; i++)
		put(7, false, i);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(take(true, &number), 7);
		assert_int_equal(number, i);
	}
	assert_int_equal(take(true, NULL), 0);
}

/* Somebody who asks once waits for one question of a crowd, not for all. */
static void test_turns(void **state)
{
	unsigned waited = 0;
	(void)state;
	for (unsigned i = 0; i < 400; i++)
		put(1, false, i);
	put(2, false, 0);
	while (take(true, NULL) != 2)
		waited++;
	assert_true(waited <= 1);
	assert_int_equal(drain(), 399 + 1 - waited);
}

/* The crowd loses what there is no room for: its newest. */
static void test_full(void **state)
{
	unsigned number, of_two = 0, last = 0;
	uint64_t source;
	(void)state;
	for (unsigned i = 0; i < KILN_QUEUE_MAX + 100; i++)
		put(1, false, i);
	assert_int_equal(lost[1], 100);
	for (unsigned i = 0; i < 50; i++)
		put(2, false, i);
	assert_int_equal(lost[1], 150);
	assert_int_equal(lost[2], 0);
	while ((source = take(true, &number)) != 0) {
		of_two += source == 2;
		last = source == 1 ? number : last;
	}
	assert_int_equal(of_two, 50);
	assert_int_equal(last, KILN_QUEUE_MAX - 51);
}

/* A thousand sources with a question each, and one that is known and asks a lot. */
static void test_known(void **state)
{
	unsigned known = 0;
	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		put(100 + i, false, 0);
	for (unsigned i = 0; i < 60; i++)
		put(1, true, i);
	assert_int_equal(lost[1], 0);
	for (unsigned i = 0; i < 40; i++)
		known += take(true, NULL) == 1;
	assert_int_equal(known, 30); /* three of four, and the others are not shut out */
	/* Where newcomers have no place, they wait. */
	for (unsigned i = 0; i < 30; i++)
		assert_int_equal(take(false, NULL), 1);
	assert_int_equal(take(false, NULL), 0);
	assert_int_equal(drain(), KILN_QUEUE_MAX - 60 - 10);
}

/* When all that wait are known, the longest flow of them loses. */
static void test_full_of_known(void **state)
{
	(void)state;
	for (unsigned i = 0; i < KILN_QUEUE_MAX; i++)
		put(1, true, i);
	put(2, true, 0);
	assert_int_equal(lost[1], 1);
	put(3, false, 0); /* the only newcomer, and no known one gives way to it */
	assert_int_equal(lost[3], 1);
	assert_int_equal(drain(), KILN_QUEUE_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(test_order, set_up),
	    cmocka_unit_test_setup(test_turns, set_up),
	    cmocka_unit_test_setup(test_full, set_up),
	    cmocka_unit_test_setup(test_known, set_up),
	    cmocka_unit_test_setup(test_full_of_known, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
