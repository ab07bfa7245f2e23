/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS credentials in memory: wiped when they go, never logged.
 */
#ifndef KILN_AWS_CREDENTIALS_H
#define KILN_AWS_CREDENTIALS_H

#include <kiln/error.h>

#define KILN_AWS_TOKEN_MAX 8192u /* bytes of a session token */

struct kiln_aws_credentials {
	char access_key_id[129];
	char secret_access_key[257];
	char *session_token; /* on the heap; NULL: none (keys of a user) */
	int64_t expires_at;  /* seconds since 1970; 0: never */
	char source[160];    /* for the operator: "environment", "IMDSv2, role X", ... */
};

/* Fills *out with copies; out is not read, and empty after a failure. token may be NULL or empty:
 * none. Refuses (KILN_E_ CREDENTIALS, saying which part and never its value) what is empty, too
 * long or not printable ASCII without blanks: all three end in HTTP headers. */
KILN_NODISCARD enum kiln_code kiln_aws_credentials_set(struct kiln_aws_credentials *out,
						       const char *access_key_id,
						       const char *secret_access_key,
						       const char *token, int64_t expires_at,
						       struct kiln_error *err);

KILN_NODISCARD enum kiln_code kiln_aws_credentials_copy(struct kiln_aws_credentials *out,
							const struct kiln_aws_credentials *from,
							struct kiln_error *err);

/* Wipes everything and frees the token; what is left is empty and may be cleared again. */
void kiln_aws_credentials_clear(struct kiln_aws_credentials *credentials);

#endif
