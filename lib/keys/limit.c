/* SPDX-License-Identifier: Apache-2.0
 * Limits on attempts; see limit.h. */
#include "keys/limit.h"

#include <string.h>

void kiln_keys_source_prefix(const uint8_t source[16], uint8_t prefix[16])
{
	static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
	memcpy(prefix, source, 16);
	if (memcmp(source, mapped, sizeof mapped) != 0)
		memset(prefix + 8, 0, 8);
}

static uint32_t wait_after(const struct kiln_keys_limit *limit, uint32_t attempts)
{
	if (attempts < limit->free)
		return 0;
	const uint32_t doubled = attempts - limit->free;
	const uint64_t wait = doubled < 32 ? (uint64_t)limit->first_ms << doubled : UINT64_MAX;
	return wait < limit->most_ms ? (uint32_t)wait : limit->most_ms;
}

static void forget(struct kiln_keys_bucket *b, const struct kiln_keys_limit *limit, uint64_t now_ms)
{
	if (b->attempts == 0 || now_ms < b->since_ms || limit->forget_ms == 0) {
		b->since_ms = now_ms;
	} else {
		const uint64_t gone = (now_ms - b->since_ms) / limit->forget_ms;
		b->attempts -= gone < b->attempts ? (uint32_t)gone : b->attempts;
		b->since_ms += gone * limit->forget_ms;
	}
	/* A clock that went back makes nobody wait longer than the longest wait. */
	if (b->not_before_ms > now_ms && b->not_before_ms - now_ms > limit->most_ms)
		b->not_before_ms = now_ms + limit->most_ms;
}

struct kiln_keys_verdict kiln_keys_bucket_take(struct kiln_keys_bucket *bucket,
					       const struct kiln_keys_limit *limit, uint64_t now_ms)
{
	struct kiln_keys_verdict verdict = {0};
	forget(bucket, limit, now_ms);
	if (now_ms < bucket->not_before_ms) {
		verdict.first = !bucket->refused;
		verdict.retry_after_ms = (uint32_t)(bucket->not_before_ms - now_ms);
		bucket->refused = true;
		return verdict;
	}
	verdict.allowed = true;
	bucket->refused = false;
	if (bucket->attempts < UINT32_MAX)
		bucket->attempts++;
	/* Where there is nothing to wait for, another server's clock may be behind ours. */
	const uint32_t wait = wait_after(limit, bucket->attempts);
	bucket->not_before_ms = wait > 0 ? now_ms + wait : 0;
	return verdict;
}

void kiln_keys_bucket_give(struct kiln_keys_bucket *bucket, const struct kiln_keys_limit *limit,
			   uint64_t now_ms)
{
	forget(bucket, limit, now_ms);
	if (bucket->attempts > 0)
		bucket->attempts--;
	bucket->not_before_ms = 0;
}

bool kiln_keys_bucket_fresh(const struct kiln_keys_bucket *bucket,
			    const struct kiln_keys_limit *limit, uint64_t now_ms)
{
	struct kiln_keys_bucket then = *bucket;
	forget(&then, limit, now_ms);
	return then.attempts == 0 && then.not_before_ms <= now_ms;
}
