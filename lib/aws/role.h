/* SPDX-License-Identifier: Apache-2.0
 *
 * What STS says about a caller, as a role: arn:P:sts::A:assumed-role/ROLE/SESSION. Everything else
 * that can call STS (users, root, federated users) is refused, named as what it is.
 */
#ifndef KILN_AWS_ROLE_H
#define KILN_AWS_ROLE_H

#include <kiln/aws.h>

/* arn has len bytes and needs no NUL. KILN_E_ACCESS_DENIED for a caller that is no role,
 * KILN_E_ROAST_PROOF for what is no ARN of a caller at all. */
KILN_NODISCARD enum kiln_code kiln_aws_role_of_session(const char *arn, size_t len,
						       struct kiln_aws_role *role,
						       char session[KILN_AWS_SESSION_MAX + 1],
						       struct kiln_error *err);

/* The account of any caller's ARN; false when arn is not of STS's or IAM's form. */
bool kiln_aws_account_of(const char *arn, size_t len, char account[13]);

/* 1 to max bytes of [A-Za-z0-9_+=,.@-]: role and session names. */
bool kiln_aws_is_name(const char *text, size_t len, size_t max);

#endif
