/* SPDX-License-Identifier: Apache-2.0
 * The replay cache: once is once, for fifteen minutes, in bounded memory. */
#include "wire.h"

#include <stdio.h>

#include "roast/replay.h"

#define NOW INT64_C(1767225600)

static const char *signature(unsigned n)
{
	static char text[65];
	(void)snprintf(text, sizeof text, "%064x", n);
	return text;
}

static struct kiln_roast_replay *open_cache(uint32_t capacity)
{
	struct kiln_error err = {0};
	struct kiln_roast_replay *cache = kiln_roast_replay_new(capacity, &err);
	if (cache == NULL)
		fail_msg("%s", err.message);
	return cache;
}

static bool enter(struct kiln_roast_replay *cache, unsigned n, int64_t now)
{
	struct kiln_error err = {0};
	const enum kiln_code rc = kiln_roast_replay_enter(cache, signature(n), now, &err);
	if (rc != KILN_OK)
		assert_int_equal(rc, KILN_E_ROAST_PROOF);
	return rc == KILN_OK;
}

static void test_once(void **state)
{
	struct kiln_roast_replay *cache = open_cache(100);
	(void)state;
	assert_true(enter(cache, 1, NOW));
	assert_true(enter(cache, 2, NOW + 1));
	assert_false(enter(cache, 1, NOW + 2));
	assert_false(enter(cache, 1, NOW + 899));
	assert_false(enter(cache, 2, NOW + 899));
	assert_true(enter(cache, 1, NOW + 900));
	assert_false(enter(cache, 2, NOW + 900));
	assert_int_equal(kiln_roast_replay_count(cache).refused, 4);
	assert_int_equal(kiln_roast_replay_count(cache).kept, 2);
	kiln_roast_replay_free(cache);
}

/* The digits' case is not part of the signature. */
static void test_case(void **state)
{
	struct kiln_roast_replay *cache = open_cache(4);
	struct kiln_error err = {0};
	(void)state;
	assert_true(enter(cache, 0xabcdef, NOW));
	char text[65];
	(void)snprintf(text, sizeof text, "%064X", 0xabcdefu);
	assert_int_equal(kiln_roast_replay_enter(cache, text, NOW, &err), KILN_E_ROAST_PROOF);
	text[63] = 'g';
	assert_int_equal(kiln_roast_replay_enter(cache, text, NOW, &err), KILN_E_ROAST_PROOF);
	kiln_roast_replay_forget(cache, text);
	assert_int_equal(kiln_roast_replay_count(cache).kept, 1);
	kiln_roast_replay_free(cache);
}

static void test_forget(void **state)
{
	struct kiln_roast_replay *cache = open_cache(3);
	(void)state;
	/* Invented signatures, as many as somebody likes, push none of the good ones out. */
	assert_true(enter(cache, 1, NOW));
	assert_true(enter(cache, 2, NOW));
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(enter(cache, 1000 + i, NOW));
		kiln_roast_replay_forget(cache, signature(1000 + i));
	}
	kiln_roast_replay_forget(cache, signature(77));
	assert_false(enter(cache, 1, NOW));
	assert_false(enter(cache, 2, NOW));
	assert_int_equal(kiln_roast_replay_count(cache).evicted, 0);
	/* The oldest, the newest and one in the middle. */
	assert_true(enter(cache, 3, NOW));
	kiln_roast_replay_forget(cache, signature(2));
	kiln_roast_replay_forget(cache, signature(1));
	kiln_roast_replay_forget(cache, signature(3));
	assert_int_equal(kiln_roast_replay_count(cache).kept, 0);
	for (unsigned i = 1; i <= 3; i++)
		assert_true(enter(cache, i, NOW));
	kiln_roast_replay_free(cache);
}

static void test_bounded(void **state)
{
	struct kiln_roast_replay *cache = open_cache(8);
	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_true(enter(cache, i, NOW));
	assert_int_equal(kiln_roast_replay_count(cache).kept, 8);
	assert_int_equal(kiln_roast_replay_count(cache).evicted, 992);
	for (unsigned i = 992; i < 1000; i++)
		assert_false(enter(cache, i, NOW));
	assert_true(enter(cache, 991, NOW));
	kiln_roast_replay_free(cache);
}

/* Against a plain list, with a fixed sequence of chances. */
static void test_model(void **state)
{
	struct kiln_roast_replay *cache = open_cache(64);
	int64_t entered[256];
	uint32_t random = 1;
	int64_t now = NOW;
	(void)state;
	for (size_t i = 0; i < 256; i++)
		entered[i] = -1;
	for (unsigned step = 0; step < 200000; step++) {
		random = random * 1664525u + 1013904223u;
		const unsigned n = random >> 24;
		now +=
		    5 + (random >> 8) % 40; /* at most 180 within the window, often fewer than 64 */
		unsigned kept = 0;
		for (size_t i = 0; i < 256; i++)
			kept += entered[i] >= 0 && now - entered[i] < 900;
		const bool there = entered[n] >= 0 && now - entered[n] < 900;
		if ((random >> 16) % 8 == 0) {
			kiln_roast_replay_forget(cache, signature(n));
			entered[n] = -1;
			continue;
		}
		if (kept >= 63)
			continue; /* what is evicted is test_bounded's */
		assert_int_equal(enter(cache, n, now), !there);
		if (!there)
			entered[n] = now;
	}
	assert_int_equal(kiln_roast_replay_count(cache).evicted, 0);
	kiln_roast_replay_free(cache);
}

static void test_capacity(void **state)
{
	struct kiln_error err = {0};
	(void)state;
	assert_null(kiln_roast_replay_new(0, &err));
	assert_int_equal(err.code, KILN_E_CONFIG);
	assert_null(kiln_roast_replay_new(KILN_ROAST_REPLAY_MAX + 1, &err));
	kiln_roast_replay_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_once),   cmocka_unit_test(test_case),
	    cmocka_unit_test(test_forget), cmocka_unit_test(test_bounded),
	    cmocka_unit_test(test_model),  cmocka_unit_test(test_capacity),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
