/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS roles, as an operator names them and as STS proves them; and the credentials of this process.
 *
 * A role is its partition, account and name, compared exactly: the same name in another account is
 * another role. STS's answer has lost a role's path, so a role with a path is named without it:
 * arn:aws:iam::123456789012:role/Name stands for that name under any path of that account.
 *
 * Errors. *err is filled on failure and left alone on success; err may be NULL.
 */
#ifndef KILN_AWS_H
#define KILN_AWS_H

#include <kiln/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KILN_AWS_ROLE_ARN_MAX 160u /* bytes of a formatted ARN with its NUL, always enough */
#define KILN_AWS_SESSION_MAX  64u  /* bytes of a session's name, without a NUL */

struct kiln_aws_role {
	char partition[16]; /* "aws", "aws-cn", ... */
	char account[13];   /* 12 digits */
	char name[65];      /* 1 to 64 of [A-Za-z0-9_+=,.@-] */
};

/* Reads "arn:aws:iam::123456789012:role/Name". KILN_E_CONFIG with the reason otherwise: no role, a
 * path, a wildcard, a region, an account that is not 12 digits, a partition that AWS has not. */
KILN_API KILN_NODISCARD enum kiln_code
kiln_aws_role_parse(const char *arn, struct kiln_aws_role *role, struct kiln_error *err);

/* All three fields, byte for byte. */
KILN_API bool kiln_aws_role_equal(const struct kiln_aws_role *a, const struct kiln_aws_role *b);

/* Writes the ARN that kiln_aws_role_parse reads. */
KILN_API void kiln_aws_role_format(const struct kiln_aws_role *role,
				   char out[KILN_AWS_ROLE_ARN_MAX]);

/* ------------------------------------------------------------------ who we are */

#define KILN_AWS_TIMEOUT_MS 15000u

/* The identity of this process: AWS credentials, found as AWS's SDKs find them (environment; shared
 * files with profiles, credential_process and roles to assume; web identity; container; IMDSv2) and
 * kept fresh; the role that STS says they belong to; and the peers' proofs that were seen already,
 * each of which is good once.
 *
 * Threads. Any number may use one at once. While one of them looks for new credentials, the others
 * go on with the old ones, or wait, each for as long as its own time allows. */
struct kiln_aws;

/* Everything zero is a good choice. Nothing is kept. */
struct kiln_aws_options {
	const char *region;  /* NULL: as the SDKs find it */
	const char *profile; /* of the shared files; NULL: AWS_PROFILE, or "default" */

	/* Lets AWS_ENDPOINT_URL_STS lead to loopback, and be plain http: for `kiln sts`. Who
	 * answers there can name any role: for development only. */
	bool development_sts;
};

/* Copies what the environment says about AWS, so not while another thread changes it; asks nobody
 * yet. Calls curl_global_init, and may later run a credential_process (kiln/roast.h, "What happens
 * to the process"). options may be NULL. NULL with *err filled: KILN_E_CONFIG for a region that AWS
 * has not, or an STS endpoint in the environment that is refused. */
KILN_API struct kiln_aws *kiln_aws_open(const struct kiln_aws_options *options,
					struct kiln_error *err) KILN_NODISCARD;

/* Wipes and frees; connections do not need it any more. NULL is fine. No other thread may be using
 * it, nor will. */
KILN_API void kiln_aws_close(struct kiln_aws *aws);

/* The role that a peer will see, and its session. Looks for credentials and asks STS where that was
 * not done: a server that does so when it starts learns of a bad set-up then. aws may be NULL (the
 * process's own, see kiln/roast.h), timeout_ms 0 (KILN_AWS_TIMEOUT_MS), role or session NULL.
 *   KILN_E_CREDENTIALS    there are none, or they have expired
 *   KILN_E_CONFIG         no region is known, or the STS endpoint is refused
 *   KILN_E_STS            STS cannot be asked, or answers wrongly: try again later
 *   KILN_E_ROAST_PROOF    STS does not take the credentials
 *   KILN_E_ACCESS_DENIED  they are a user's, not a role's
 *   KILN_E_TIMEOUT        the time is over */
KILN_API enum kiln_code kiln_aws_whoami(struct kiln_aws *aws, uint32_t timeout_ms,
					struct kiln_aws_role *role,
					char session[KILN_AWS_SESSION_MAX + 1],
					struct kiln_error *err) KILN_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
