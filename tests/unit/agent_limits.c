/* SPDX-License-Identifier: Apache-2.0
 * How often a source may have STS asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "agent/limits.h"

static struct kiln_limits limits;

static void four(uint8_t source[KILN_AGENT_SOURCE], uint32_t address)
{
	memset(source, 0, KILN_AGENT_SOURCE);
	source[10] = source[11] = 0xff;
	for (int i = 0; i < 4; i++)
		source[12 + i] = (uint8_t)(address >> (24 - 8 * i));
}

static unsigned taken(const uint8_t source[KILN_AGENT_SOURCE], unsigned tries, uint64_t now)
{
	unsigned count = 0;
	for (unsigned i = 0; i < tries; i++)
		count += kiln_limits_take(&limits, source, now);
	return count;
}

static void test_burst_and_rate(void **state)
{
	(void)state;
	uint8_t source[KILN_AGENT_SOURCE], other[KILN_AGENT_SOURCE];
	four(source, 0xc0000201);
	four(other, 0xc0000202);
	kiln_limits_init(&limits, 10, 42);
	assert_int_equal(taken(source, 100, 1000), 20); /* two seconds' worth at once */
	assert_int_equal(taken(other, 100, 1000), 20);  /* and nobody pays for another */
	assert_int_equal(taken(source, 100, 1099), 0);
	assert_int_equal(taken(source, 100, 1100), 1);
	assert_int_equal(taken(source, 100, 1600), 5);
	assert_int_equal(taken(source, 100, 1000000), 20); /* full, and no fuller */
}

static void test_no_limit(void **state)
{
	(void)state;
	uint8_t source[KILN_AGENT_SOURCE];
	four(source, 1);
	kiln_limits_init(&limits, 0, 42);
	assert_int_equal(taken(source, 10000, 1), 10000);
}

static void test_nobody(void **state)
{
	(void)state;
	static const uint8_t source[KILN_AGENT_SOURCE];
	kiln_limits_init(&limits, 1, 42);
	assert_int_equal(taken(source, 1000, 1), 1000);
}

/* Whoever has an IPv6 network has 2^64 addresses: they are one source. */
static void test_ipv6_networks(void **state)
{
	(void)state;
	uint8_t a[KILN_AGENT_SOURCE] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 1};
	uint8_t b[KILN_AGENT_SOURCE] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 2};
	uint8_t c[KILN_AGENT_SOURCE] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 2, 1};
	kiln_limits_init(&limits, 1, 7);
	assert_int_equal(taken(a, 10, 5), 2);
	assert_int_equal(taken(b, 10, 5), 0);
	assert_int_equal(taken(c, 10, 5), 2);
}

/* A flood of sources pushes others out, and that never gives anybody less than a full bucket. */
static void test_flood_of_sources(void **state)
{
	(void)state;
	uint8_t source[KILN_AGENT_SOURCE], honest[KILN_AGENT_SOURCE];
	four(honest, 0x0a000001);
	kiln_limits_init(&limits, 1, 99);
	assert_int_equal(taken(honest, 2, 10), 2);
	for (uint32_t i = 0; i < 100000; i++) {
		four(source, 0x0b000000 + i);
		assert_true(kiln_limits_take(&limits, source, 20 + i / 1000));
	}
	assert_true(taken(honest, 5, 2000) >= 1);
}

/* Known for a quarter of an hour since STS vouched last; however many ask and are not. */
static void test_known(void **state)
{
	static const uint8_t nobody[KILN_AGENT_SOURCE];
	(void)state;
	uint8_t source[KILN_AGENT_SOURCE], honest[KILN_AGENT_SOURCE];
	four(honest, 0x0a000001);
	kiln_limits_init(&limits, 1, 99);
	assert_true(kiln_limits_knows(&limits, nobody, 5));
	assert_false(kiln_limits_knows(&limits, honest, 5));
	kiln_limits_vouch(&limits, honest, 5);
	for (uint32_t i = 0; i < 100000; i++) {
		four(source, 0x0b000000 + i);
		(void)kiln_limits_take(&limits, source, 6);
		assert_false(kiln_limits_knows(&limits, source, 6));
	}
	assert_true(kiln_limits_knows(&limits, honest, 4 + KILN_KNOWN_MS));
	assert_false(kiln_limits_knows(&limits, honest, 5 + KILN_KNOWN_MS));
	kiln_limits_vouch(&limits, honest, 10 + KILN_KNOWN_MS);
	assert_true(kiln_limits_knows(&limits, honest, 9 + 2 * KILN_KNOWN_MS));
	/* A set takes four, and gives up the one that was vouched for first. */
	for (uint32_t i = 0; i < 100000; i++) {
		four(source, 0x0b000000 + i);
		kiln_limits_vouch(&limits, source, 20 + KILN_KNOWN_MS);
		assert_true(kiln_limits_knows(&limits, source, 20 + KILN_KNOWN_MS));
	}
	assert_false(kiln_limits_knows(&limits, honest, 20 + KILN_KNOWN_MS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_burst_and_rate),   cmocka_unit_test(test_no_limit),
	    cmocka_unit_test(test_nobody),           cmocka_unit_test(test_ipv6_networks),
	    cmocka_unit_test(test_flood_of_sources), cmocka_unit_test(test_known),
	};
	return cmocka_run_group_tests_name("agent: limits", tests, NULL, NULL);
}
