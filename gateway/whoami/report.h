/* SPDX-License-Identifier: Apache-2.0
 *
 * What `kiln whoami` found, and how it says so.
 */
#ifndef KILN_WHOAMI_REPORT_H
#define KILN_WHOAMI_REPORT_H

#include "aws/chain.h"
#include "aws/role.h"
#include "aws/sts.h"

struct kiln_whoami_report {
	struct kiln_error problem; /* KILN_OK: role and the rest are known */
	struct kiln_aws_role role;
	char session[KILN_AWS_SESSION_MAX + 1];
	const struct kiln_sts_identity *caller; /* NULL: STS was not asked, or did not say */
	const char *source;                     /* of the credentials; NULL: there are none */
	int64_t now, expires_at;                /* seconds since 1970; expires_at 0: not known */
	const char *region, *region_source;     /* NULL: none */
	char sts[512];                          /* whom STS is asked at; empty while that is open */
	const struct kiln_chain *chain;         /* where it looked; NULL: not at all */
};

void kiln_whoami_print(const struct kiln_whoami_report *report);
void kiln_whoami_print_json(const struct kiln_whoami_report *report);

/* What the operator can do about the problem; NULL: the problem says it all. */
const char *kiln_whoami_advice(const struct kiln_whoami_report *report);

#endif
