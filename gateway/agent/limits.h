/* SPDX-License-Identifier: Apache-2.0
 *
 * How often one source may make the agent ask STS. Everybody can send a hello that looks right, and
 * each costs a request to AWS; so each source has a bucket of tokens, refilled at a rate. A source
 * is an IPv4 address or an IPv6 /64. The table is fixed in size: who floods it with sources pushes
 * out the oldest ones, which then merely start again with a full bucket.
 */
#ifndef KILN_AGENT_LIMITS_H
#define KILN_AGENT_LIMITS_H

#include "agent/message.h"

#define KILN_LIMITS_SETS 1024u
#define KILN_LIMITS_WAYS 4u

struct kiln_limits {
	uint32_t per_second, burst; /* per_second 0: no limit */
	uint64_t seed;
	struct kiln_limit_bucket {
		uint64_t source;
		uint64_t at_ms;      /* when it was filled to this; 0: free */
		uint64_t millionths; /* of a token */
	} buckets[KILN_LIMITS_SETS][KILN_LIMITS_WAYS];
};

/* seed: random, so that nobody can choose addresses that share a set. */
void kiln_limits_init(struct kiln_limits *limits, uint32_t per_second, uint64_t seed);

/* Takes a token of this source's at now_ms (monotonic, > 0); false when there is none. All zeros is
 * no source: a target of our own choice, or somebody on this machine. */
bool kiln_limits_take(struct kiln_limits *limits, const uint8_t source[KILN_AGENT_SOURCE],
		      uint64_t now_ms);

#endif
