/* SPDX-License-Identifier: Apache-2.0
 *
 * Signatures that were seen already. A proof is good at STS for minutes and any number of times;
 * here each is good once. Kept by whoever asks STS, for all connections of the gateway.
 *
 * The cache is bounded: when it is full, the oldest signature goes, and that is counted. Losing one
 * costs little: who replays a hello without the CA's key gets as far as TLS and no further, and
 * after KILN_AWS_PROOF_WINDOW seconds the date refuses it.
 */
#ifndef KILN_ROAST_REPLAY_H
#define KILN_ROAST_REPLAY_H

#include <kiln/error.h>

#define KILN_ROAST_REPLAY_WINDOW 900 /* seconds: what STS tolerates, AWS says */
#define KILN_ROAST_REPLAY_MAX    (1u << 24)

struct kiln_roast_replay;

/* Room for capacity signatures, 1 to KILN_ROAST_REPLAY_MAX, of about 60 bytes each. */
struct kiln_roast_replay *kiln_roast_replay_new(uint32_t capacity,
						struct kiln_error *err) KILN_NODISCARD;
void kiln_roast_replay_free(struct kiln_roast_replay *cache);

/* Before STS is asked: remembers the 64 hexadecimal digits. KILN_E_ROAST_PROOF when they are there
 * already, so that of two that arrive at once only one is asked about. now is in seconds. */
enum kiln_code kiln_roast_replay_enter(struct kiln_roast_replay *cache, const char *signature,
				       int64_t now, struct kiln_error *err) KILN_NODISCARD;

/* After STS refused it, or could not be asked: the signature may come again, and one that somebody
 * invented takes no room. */
void kiln_roast_replay_forget(struct kiln_roast_replay *cache, const char *signature);

struct kiln_roast_replay_count {
	uint32_t kept;
	uint64_t refused,
	    evicted; /* since the start; evicted within their window, for lack of room */
};
struct kiln_roast_replay_count kiln_roast_replay_count(const struct kiln_roast_replay *cache);

#endif
