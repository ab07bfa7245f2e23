/* SPDX-License-Identifier: Apache-2.0
 *
 * Roast from memory: people with AWS credentials, an STS that really verifies their signatures and
 * knows their ARNs, and one end of a connection that asks it.
 */
#ifndef KILN_TESTS_ROAST_RIG_H
#define KILN_TESTS_ROAST_RIG_H

#include "wire.h"

#include "roast/payload.h"
#include "roast/replay.h"
#include "roast/roast.h"

#define RIG_NOW INT64_C(1767225600) /* 2026-01-01 */
#define RIG_MS  UINT64_C(5000000)   /* what the clock that never goes back shows then */

/* What somebody has, and what STS calls them. */
struct person {
	const char *key_id, *secret, *token;
	const char *arn;  /* as STS answers */
	const char *role; /* as an operator writes it; NULL: no role */
};

extern const struct person client_person, server_person, mallory, iam_user;

/* The person's proof of a payload, signed at the time now. */
void person_prove(const struct person *person, const char *region, int64_t now, const void *payload,
		  size_t len, struct kiln_aws_proof *out);

/* Who signed it; NULL when STS would refuse it. */
const struct person *sts_ask(const struct kiln_aws_proof *proof, int64_t now);

struct kiln_aws_role rig_role(const char *arn);

struct side {
	struct kiln_roast *roast;
	const struct person *who;
	struct kiln_aws_role allowed, own;
	struct kiln_roast_replay *replays; /* NULL: none kept */
	enum kiln_roast_step step;
	struct kiln_error err;
	struct wire in; /* from the peer, not yet consumed */
	uint64_t ms;
	unsigned questions; /* asked of STS */
};

struct side_options {
	enum kiln_role role;
	const struct person *who;
	const char *allowed; /* ARN; NULL: the other of client_person and server_person */
	bool no_binding, require_binding;
	const char *server_name; /* NULL: 192.0.2.1 */
	struct kiln_roast_replay *replays;
};

void side_open(struct side *side, const struct side_options *options);
void side_close(struct side *side);

/* Moves on as far as what is in `in` allows, fed in pieces of at most chunk, with its questions
 * answered. */
void side_run(struct side *side, size_t chunk);

/* Takes what the side has to send. */
void side_take(struct side *from, struct wire *to);

/* Both sides until neither moves. */
void sides_run(struct side *client, struct side *server, size_t chunk);

void assert_refused(const struct side *side, enum kiln_code code, const char *words);

/* ---- a hello taken apart and put together again, as somebody in between would do it */

/* The payload in a hello, as text; to be freed. */
char *hello_payload(const struct wire *hello);
/* A hello of that person with that payload. */
void hello_make(struct wire *hello, const struct person *person, const char *payload);

/* The text with the first `from` replaced; to be freed. Fails the test when it is not there. */
char *replaced(const char *text, const char *from, const char *to);

#endif
