/* SPDX-License-Identifier: Apache-2.0
 *
 * How often one source may make the agent ask STS. Everybody can send a hello that looks right, and
 * each costs a request to AWS; so each source has a bucket of tokens, refilled at a rate. A source
 * is an IPv4 address or an IPv6 /64. The table is fixed in size: who floods it with sources pushes
 * out the oldest ones, which then merely start again with a full bucket.
 *
 * And which sources are known: those of which STS has vouched for somebody in the last 15 minutes.
 * Into that table comes only who has AWS credentials.
 */
#ifndef KILN_AGENT_LIMITS_H
#define KILN_AGENT_LIMITS_H

#include "agent/message.h"

#define KILN_LIMITS_SETS 1024u
#define KILN_LIMITS_WAYS 4u
#define KILN_KNOWN_MS    900000u

struct kiln_limits {
	uint32_t per_second, burst; /* per_second 0: no limit */
	uint64_t seed;
	struct kiln_limit_bucket {
		uint64_t source;
		uint64_t at_ms;      /* when it was filled to this; 0: free */
		uint64_t millionths; /* of a token */
	} buckets[KILN_LIMITS_SETS][KILN_LIMITS_WAYS];
	struct kiln_limit_known {
		uint64_t source;
		uint64_t at_ms; /* when STS vouched last; 0: free */
	} known[KILN_LIMITS_SETS][KILN_LIMITS_WAYS];
};

/* seed: random, so that nobody can choose addresses that share a set. */
void kiln_limits_init(struct kiln_limits *limits, uint32_t per_second, uint64_t seed);

/* Takes a token of this source's at now_ms (monotonic, > 0); false when there is none. All zeros is
 * no source: a target of our own choice, or somebody on this machine. */
bool kiln_limits_take(struct kiln_limits *limits, const uint8_t source[KILN_AGENT_SOURCE],
		      uint64_t now_ms);

/* STS has vouched for somebody at this source. */
void kiln_limits_vouch(struct kiln_limits *limits, const uint8_t source[KILN_AGENT_SOURCE],
		       uint64_t now_ms);
/* Whether it has lately; of no source always. */
bool kiln_limits_knows(const struct kiln_limits *limits, const uint8_t source[KILN_AGENT_SOURCE],
		       uint64_t now_ms);

/* The source as a number: all its addresses have the same. */
uint64_t kiln_limits_source(const uint8_t address[KILN_AGENT_SOURCE]);

#endif
