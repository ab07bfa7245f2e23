/* SPDX-License-Identifier: Apache-2.0
 *
 * A proof of identity: a signed request to STS that says GetCallerIdentity, with a body that can be
 * no form, which the signer hands to its peer and the peer sends to STS. What AWS guarantees: only
 * who holds a role's credentials can make one, and the signature covers the body, the region's host
 * and the time.
 *
 *   POST https://sts.REGION.SUFFIX/?Action=GetCallerIdentity&Version=2011-06-15
 *
 * The verifier rebuilds the request. Only the Authorization, the date, the token and the body are
 * the peer's.
 */
#ifndef KILN_AWS_PROOF_H
#define KILN_AWS_PROOF_H

#include "aws/credentials.h"

#define KILN_AWS_AUTHORIZATION_MAX 512u
#define KILN_AWS_BODY_MAX          65536u
#define KILN_AWS_PROOF_WINDOW      300 /* seconds a proof's date may be off, either way */
#define KILN_AWS_SIGNATURE_LEN     64u

struct kiln_aws_proof {
	char region[33];
	char authorization[KILN_AWS_AUTHORIZATION_MAX + 1];
	char date[17]; /* 20260115T120000Z */
	char *token;   /* on the heap, KILN_AWS_TOKEN_MAX at most */
	uint8_t *body; /* on the heap, KILN_AWS_BODY_MAX at most; NULL when empty */
	size_t body_len;
};

/* Signs the body, which is empty or begins with '{' and holds no '&': else the peer could send it
 * as a form, with parameters of its own choice in it, and that is KILN_E_USAGE. KILN_E_CREDENTIALS
 * when the credentials have no session token (keys of a user prove no role), KILN_E_CONFIG for a
 * region that AWS has not, KILN_E_LIMIT for too long a body. Their expiry is not looked at: that is
 * the chain's to judge, which goes on using those of an instance whose metadata service is late,
 * and STS's. out is not read; on failure it is empty. */
KILN_NODISCARD enum kiln_code kiln_aws_prove(const struct kiln_aws_credentials *credentials,
					     const char *region, int64_t now, const void *body,
					     size_t len, struct kiln_aws_proof *out,
					     struct kiln_error *err);

/* Everything that can be said without STS: sizes, characters, the Authorization's strict grammar,
 * algorithm, scope, signed headers, a known region, a date within the window. The body must be
 * one that kiln_aws_prove would sign. KILN_E_ROAST_PROOF with the rule otherwise.
 */
KILN_NODISCARD enum kiln_code kiln_aws_proof_check(const struct kiln_aws_proof *proof, int64_t now,
						   struct kiln_error *err);

/* The 64 hexadecimal digits (no NUL behind them) for a replay cache, in a proof that was made by
 * kiln_aws_prove or passed kiln_aws_proof_check. */
const char *kiln_aws_proof_signature(const struct kiln_aws_proof *proof);

/* The access key id in it, under the same condition; out is cut to its size. For rate limits and
 * logs: STS charges requests to this key's account. */
void kiln_aws_proof_key_id(const struct kiln_aws_proof *proof, char out[129]);

void kiln_aws_proof_clear(struct kiln_aws_proof *proof);

#endif
