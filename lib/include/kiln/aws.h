/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS roles, as an operator names them and as STS proves them.
 *
 * A role is its partition, account and name, compared exactly: the same name in another account is
 * another role. STS's answer has lost a role's path, so a role with a path is named without it:
 * arn:aws:iam::123456789012:role/Name stands for that name under any path of that account.
 */
#ifndef KILN_AWS_H
#define KILN_AWS_H

#include <kiln/error.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KILN_AWS_ROLE_ARN_MAX 160u /* bytes of a formatted ARN with its NUL, always enough */

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

#ifdef __cplusplus
}
#endif
#endif
