/* SPDX-License-Identifier: Apache-2.0
 * Memory goes back when a crowd has gone, and not for anything less. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "worker/heap.h"

static void test_crowd(void **state)
{
	struct kiln_heap heap = {0};
	(void)state;
	for (unsigned n = 200; n-- > 0;)
		assert_false(kiln_heap_note(&heap, n));
	unsigned given = 0, at = 0;
	for (unsigned n = 800; n-- > 0;)
		if (kiln_heap_note(&heap, n)) {
			given++;
			at = n;
		}
	assert_int_equal(given, 1);
	assert_int_equal(at, 100);
	/* Those who stay for long are no crowd that has gone. */
	for (unsigned n = 10500; n-- > 10000;)
		assert_false(kiln_heap_note(&heap, n));
}

#ifndef __SANITIZE_ADDRESS__

#define BLOCKS 4000u
#define SIZE   4000u

static long resident_kib(void)
{
	char line[256];
	long kib = -1;
	FILE *file = fopen("/proc/self/status", "r");
	assert_non_null(file);
	while (kib < 0 && fgets(line, sizeof line, file) != NULL)
		if (strncmp(line, "VmRSS:", 6) == 0)
			kib = strtol(line + 6, NULL, 10);
	(void)fclose(file);
	assert_true(kib > 0);
	return kib;
}

/* 16 MiB below a block that stays. */
static void test_memory(void **state)
{
	static void *blocks[BLOCKS];
	struct kiln_heap heap = {0};
	(void)state;
	for (unsigned i = 0; i < BLOCKS; i++) {
		blocks[i] = malloc(SIZE);
		assert_non_null(blocks[i]);
		memset(blocks[i], 1, SIZE);
	}
	void *last = malloc(SIZE);
	const long full = resident_kib();
	bool given = false;
	for (unsigned i = BLOCKS; i-- > 0;) {
		free(blocks[i]);
		given |= kiln_heap_note(&heap, i);
	}
	assert_true(given);
	assert_true(full - resident_kib() > 12000);
	free(last);
}

#endif

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_crowd),
#ifndef __SANITIZE_ADDRESS__
	    cmocka_unit_test(test_memory),
#endif
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
