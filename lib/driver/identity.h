/* SPDX-License-Identifier: Apache-2.0
 *
 * What a struct kiln_aws is made of, and what the driver asks of it. identity.c makes it and finds
 * out who we are, answers.c answers the credential chain's questions, verify.c asks STS who others
 * are. `lock` is held but while somebody is waited for. One thread at a time (`searching`) moves
 * the chain; the others read what it has found.
 */
#ifndef KILN_DRIVER_IDENTITY_H
#define KILN_DRIVER_IDENTITY_H

#include <pthread.h>

#include <kiln/tls.h>

#include "aws/chain.h"
#include "aws/role.h"
#include "driver/driver.h"
#include "roast/replay.h"

struct kiln_aws {
	pthread_mutex_t lock;
	pthread_cond_t changed; /* `searching` ended; on CLOCK_MONOTONIC */
	bool searching;
	struct kiln_chain *chain;
	struct kiln_roast_replay *replay;
	struct kiln_tls_config *configs[2]; /* by enum kiln_role */

	/* Who STS says we are with the credentials of this key; "": it was not asked. */
	char known_key[129];
	struct kiln_aws_role role;
	char session[KILN_AWS_SESSION_MAX + 1];
	struct kiln_error problem; /* why STS does not say it, */
	kiln_time_ms ask_again_at; /* for as long */
};

/* The given one, or the process's own. */
struct kiln_aws *kiln_aws_get(struct kiln_aws *aws, struct kiln_error *err) KILN_NODISCARD;

/* Credentials to sign with and the role that they are; waits for both. */
enum kiln_code kiln_aws_ready(struct kiln_aws *aws, kiln_time_ms deadline,
			      struct kiln_aws_role *role, struct kiln_error *err) KILN_NODISCARD;

/* Signs a payload as ourselves, who must still be the role `as` (NULL: whoever): KILN_E_CREDENTIALS
 * when the credentials have become another's. Waits where it is not known whose they are. */
enum kiln_code kiln_aws_sign(struct kiln_aws *aws, const struct kiln_aws_role *as,
			     const uint8_t *payload, size_t len, kiln_time_ms deadline,
			     struct kiln_aws_proof *out, struct kiln_error *err) KILN_NODISCARD;

/* verify.c: who made the proof, which passed kiln_aws_proof_check. */
enum kiln_code kiln_aws_verify(struct kiln_aws *aws, const struct kiln_aws_proof *proof,
			       kiln_time_ms deadline, struct kiln_aws_role *role,
			       char session[KILN_AWS_SESSION_MAX + 1],
			       struct kiln_error *err) KILN_NODISCARD;

/* verify.c: shows a proof to STS, and reads its answer. */
enum kiln_code kiln_aws_ask_sts(const struct kiln_sts_endpoints *endpoints,
				const struct kiln_aws_proof *proof, kiln_time_ms deadline,
				struct kiln_aws_role *role, char session[KILN_AWS_SESSION_MAX + 1],
				struct kiln_error *err) KILN_NODISCARD;

/* answers.c, by who is `searching`, with the lock held: answers the chain until it has no more
 * questions. KILN_E_TIMEOUT leaves the last one open, for whoever comes next. */
enum kiln_code kiln_aws_search(struct kiln_aws *aws, kiln_time_ms deadline,
			       struct kiln_error *err) KILN_NODISCARD;

#endif
