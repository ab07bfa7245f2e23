/* SPDX-License-Identifier: Apache-2.0
 * Token buckets of sources; see limits.h. */
#include "agent/limits.h"

#include <string.h>

#define TOKEN 1000000u

void kiln_limits_init(struct kiln_limits *limits, uint32_t per_second, uint64_t seed)
{
	memset(limits, 0, sizeof *limits);
	limits->per_second = per_second;
	limits->burst = per_second * 2;
	limits->seed = seed;
}

static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

/* The first half of an IPv6 address, or an IPv4 address below a prefix that no first half has. */
uint64_t kiln_limits_source(const uint8_t address[KILN_AGENT_SOURCE])
{
	const bool four = memcmp(address, mapped, sizeof mapped) == 0;
	uint64_t source = 0;
	for (unsigned i = 0; i < 8; i++)
		source = source << 8 | (four ? (i < 4 ? 0xff : address[8 + i]) : address[i]);
	return source;
}

/* Mixes well enough that a secret seed keeps the sets unpredictable. */
static unsigned set_of(const struct kiln_limits *limits, uint64_t source)
{
	uint64_t x = source ^ limits->seed;
	for (unsigned i = 0; i < 3; i++) {
		x ^= x >> 32;
		x *= UINT64_C(0xd6e8feb86659fd93);
		x += limits->seed;
	}
	return (unsigned)(x >> 40) % KILN_LIMITS_SETS;
}

static struct kiln_limit_bucket *find(struct kiln_limits *limits, uint64_t source)
{
	struct kiln_limit_bucket *set = limits->buckets[set_of(limits, source)], *oldest = set;
	for (unsigned i = 0; i < KILN_LIMITS_WAYS; i++) {
		if (set[i].at_ms != 0 && set[i].source == source)
			return &set[i];
		if (set[i].at_ms < oldest->at_ms)
			oldest = &set[i];
	}
	oldest->source = source;
	oldest->at_ms = 0;
	return oldest;
}

static void refill(const struct kiln_limits *limits, struct kiln_limit_bucket *bucket,
		   uint64_t now_ms)
{
	const uint64_t full = (uint64_t)limits->burst * TOKEN;
	const uint64_t elapsed = now_ms - bucket->at_ms;
	const uint64_t per_ms = (uint64_t)limits->per_second * (TOKEN / 1000);
	if (bucket->at_ms == 0 || elapsed > full / per_ms)
		bucket->millionths = full;
	else
		bucket->millionths += elapsed * per_ms;
	if (bucket->millionths > full)
		bucket->millionths = full;
	bucket->at_ms = now_ms;
}

static bool is_nobody(const uint8_t address[KILN_AGENT_SOURCE])
{
	static const uint8_t nobody[KILN_AGENT_SOURCE];
	return memcmp(address, nobody, sizeof nobody) == 0;
}

bool kiln_limits_take(struct kiln_limits *limits, const uint8_t address[KILN_AGENT_SOURCE],
		      uint64_t now_ms)
{
	if (limits->per_second == 0 || is_nobody(address))
		return true;
	struct kiln_limit_bucket *bucket = find(limits, kiln_limits_source(address));
	refill(limits, bucket, now_ms);
	if (bucket->millionths < TOKEN)
		return false;
	bucket->millionths -= TOKEN;
	return true;
}

void kiln_limits_vouch(struct kiln_limits *limits, const uint8_t address[KILN_AGENT_SOURCE],
		       uint64_t now_ms)
{
	const uint64_t source = kiln_limits_source(address);
	struct kiln_limit_known *set = limits->known[set_of(limits, source)], *place = set;
	for (unsigned i = 0; i < KILN_LIMITS_WAYS; i++) {
		if (set[i].at_ms != 0 && set[i].source == source) {
			set[i].at_ms = now_ms;
			return;
		}
		if (set[i].at_ms < place->at_ms)
			place = &set[i];
	}
	*place = (struct kiln_limit_known){.source = source, .at_ms = now_ms};
}

bool kiln_limits_knows(const struct kiln_limits *limits, const uint8_t address[KILN_AGENT_SOURCE],
		       uint64_t now_ms)
{
	const uint64_t source = kiln_limits_source(address);
	const struct kiln_limit_known *set = limits->known[set_of(limits, source)];
	for (unsigned i = 0; i < KILN_LIMITS_WAYS; i++)
		if (set[i].at_ms != 0 && set[i].source == source)
			return now_ms - set[i].at_ms < KILN_KNOWN_MS;
	return is_nobody(address);
}
