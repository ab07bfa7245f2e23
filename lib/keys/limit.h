/* SPDX-License-Identifier: Apache-2.0
 *
 * Limits on attempts, with back-off: the first few are free, each further one makes the next wait
 * twice as long, up to a maximum; what was attempted is forgotten with time. Pure functions over a
 * small struct that a store keeps.
 */
#ifndef KILN_KEYS_LIMIT_H
#define KILN_KEYS_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/* Whose attempts a bucket counts. The numbers are in the store. */
enum kiln_keys_limit_kind {
	KILN_KEYS_LIMIT_SOURCE = 1,   /* logins from a source, whatever the account */
	KILN_KEYS_LIMIT_STRANGER = 2, /* on an account from sources that never logged in to it */
	KILN_KEYS_LIMIT_KNOWN = 3,    /* on an account from one source or device that did */
	KILN_KEYS_LIMIT_REGISTER = 4, /* registrations from a source */
};

#define KILN_KEYS_LIMIT_KEY_MAX 304u /* source, device and account name */

struct kiln_keys_limit {
	uint32_t free;      /* attempts without a wait */
	uint32_t first_ms;  /* the wait after the first that is not free */
	uint32_t most_ms;   /* the longest wait */
	uint32_t forget_ms; /* one attempt is forgotten in this time */
};

/* Who is one source: an IPv4 address; of IPv6 the /64, for who has one address has at least the
 * other 2^64 beside it. 16 bytes, IPv4 mapped into IPv6. */
void kiln_keys_source_prefix(const uint8_t source[16], uint8_t prefix[16]);

/* All zeroes: a fresh bucket. */
struct kiln_keys_bucket {
	uint32_t attempts;      /* that are not forgotten */
	uint64_t since_ms;      /* forgotten up to here */
	uint64_t not_before_ms; /* nothing is allowed before */
	bool refused;           /* since the last that was allowed */
};

struct kiln_keys_verdict {
	bool allowed;
	bool first;              /* refused, and the first one since one was allowed */
	uint32_t retry_after_ms; /* refused: how long to wait */
};

/* Counts an attempt, if it is allowed. A clock that went back counts as one that stands. */
struct kiln_keys_verdict kiln_keys_bucket_take(struct kiln_keys_bucket *bucket,
					       const struct kiln_keys_limit *limit,
					       uint64_t now_ms);

/* The attempt was honest: takes it back, and the wait that it brought. */
void kiln_keys_bucket_give(struct kiln_keys_bucket *bucket, const struct kiln_keys_limit *limit,
			   uint64_t now_ms);

/* Nothing is left in it at that time: a store may drop it. */
bool kiln_keys_bucket_fresh(const struct kiln_keys_bucket *bucket,
			    const struct kiln_keys_limit *limit, uint64_t now_ms);

#endif
