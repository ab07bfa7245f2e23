/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS STS as data: where it is, what is asked, what its answers say. JSON is asked for and nothing
 * else is read: an answer that is not exactly STS's form is refused.
 */
#ifndef KILN_AWS_STS_H
#define KILN_AWS_STS_H

#include "aws/http.h"
#include "aws/proof.h"

#define KILN_STS_ANSWER_MAX 65536u

struct kiln_sts_endpoints {
	bool dual_stack,
	    fips;           /* for requests of our own; a proof's host is fixed by its signature */
	char override[256]; /* AWS_ENDPOINT_URL_STS: scheme://host[:port]; empty: none */
	bool development;   /* lets override be plain http, or no host of AWS: on loopback only */
};

/* Refuses an override that is not https to a host of AWS's STS, but with development to loopback.
 */
KILN_NODISCARD enum kiln_code kiln_sts_endpoints_check(const struct kiln_sts_endpoints *endpoints,
						       struct kiln_error *err);

/* ---- GetCallerIdentity */

struct kiln_sts_identity {
	char arn[2049];
	char account[13];
	char user_id[129];
};

/* The request that shows a checked proof to STS. */
KILN_NODISCARD enum kiln_code kiln_sts_identity_request(const struct kiln_sts_endpoints *endpoints,
							const struct kiln_aws_proof *proof,
							struct kiln_http_request *out,
							struct kiln_error *err);

/* KILN_E_ROAST_PROOF when STS refuses the proof; KILN_E_STS when it gave no answer, throttles,
 * fails, or answers in a form that is not its own. The account is the ARN's. */
KILN_NODISCARD enum kiln_code kiln_sts_identity_read(const struct kiln_http_answer *answer,
						     struct kiln_sts_identity *out,
						     struct kiln_error *err);

/* STS throttles by the signer's account: who backs off should do so for that signer, not for all.
 */
bool kiln_sts_throttled(const struct kiln_http_answer *answer);

/* ---- credentials */

struct kiln_sts_assume {
	const char *role_arn;
	const char *session_name;
	const char *external_id;  /* NULL: none */
	unsigned duration;        /* seconds; 0: the service's default */
	const char *web_identity; /* the token, for AssumeRoleWithWebIdentity; else NULL */
	const char *region;
};

/* With web_identity: unsigned AssumeRoleWithWebIdentity, credentials may be NULL. Else AssumeRole,
 * signed with them. */
KILN_NODISCARD enum kiln_code
kiln_sts_assume_request(const struct kiln_sts_endpoints *endpoints,
			const struct kiln_sts_assume *assume,
			const struct kiln_aws_credentials *credentials, int64_t now,
			struct kiln_http_request *out, struct kiln_error *err);

/* KILN_E_CREDENTIALS when STS refuses, KILN_E_STS as above. */
KILN_NODISCARD enum kiln_code kiln_sts_assume_read(const struct kiln_http_answer *answer,
						   bool web_identity,
						   struct kiln_aws_credentials *out,
						   struct kiln_error *err);

#endif
