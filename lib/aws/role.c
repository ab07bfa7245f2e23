/* SPDX-License-Identifier: Apache-2.0
 * ARNs of roles and of those who called STS. Nothing here matches by pattern: a role is equal or it
 * is not. */
#include "aws/role.h"

#include <stdio.h>
#include <string.h>

#include "aws/region.h"

/* arn:partition:service:region:account:resource; the resource may hold colons. */
struct arn {
	struct {
		const char *at;
		size_t len;
	} part[6];
};

enum { PARTITION = 1, SERVICE, REGION, ACCOUNT, RESOURCE };

static bool split(const char *text, size_t len, struct arn *arn)
{
	for (unsigned i = 0; i < 5; i++) {
		const char *colon = len > 0 ? memchr(text, ':', len) : NULL;
		if (colon == NULL)
			return false;
		arn->part[i].at = text;
		arn->part[i].len = (size_t)(colon - text);
		len -= arn->part[i].len + 1;
		text = colon + 1;
	}
	arn->part[RESOURCE].at = text;
	arn->part[RESOURCE].len = len;
	return arn->part[0].len == 3 && memcmp(arn->part[0].at, "arn", 3) == 0;
}

static bool is(const struct arn *arn, unsigned part, const char *text)
{
	return arn->part[part].len == strlen(text) &&
	       memcmp(arn->part[part].at, text, arn->part[part].len) == 0;
}

static bool begins(const struct arn *arn, const char *text)
{
	return arn->part[RESOURCE].len >= strlen(text) &&
	       memcmp(arn->part[RESOURCE].at, text, strlen(text)) == 0;
}

static bool is_account(const char *text, size_t len)
{
	if (len != 12)
		return false;
	for (size_t i = 0; i < len; i++)
		if (text[i] < '0' || text[i] > '9')
			return false;
	return true;
}

bool kiln_aws_is_name(const char *text, size_t len, size_t max)
{
	if (len < 1 || len > max)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char c = text[i];
		if (!((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      (c != '\0' && strchr("_+=,.@-", c) != NULL)))
			return false;
	}
	return true;
}

static bool known_partition(const struct arn *arn)
{
	return kiln_aws_partition_named(arn->part[PARTITION].at, arn->part[PARTITION].len) != NULL;
}

/* All parts were checked, so they fit. */
static void fill(struct kiln_aws_role *role, const struct arn *arn, const char *name, size_t len)
{
	memset(role, 0, sizeof *role);
	memcpy(role->partition, arn->part[PARTITION].at, arn->part[PARTITION].len);
	memcpy(role->account, arn->part[ACCOUNT].at, arn->part[ACCOUNT].len);
	memcpy(role->name, name, len);
}

static enum kiln_code refuse(struct kiln_error *err, const char *arn, const char *reason)
{
	return kiln_fail(err, KILN_E_CONFIG, "'%.120s' is no role that can be allowed: %s", arn,
			 reason);
}

static const char *name_problem(const char *name, size_t len)
{
	if (memchr(name, '*', len) != NULL || memchr(name, '?', len) != NULL)
		return "wildcards are not for identities, name each role";
	if (memchr(name, '/', len) != NULL)
		return "STS does not tell a role's path: write role/Name without it";
	if (len == 0 || len > 64)
		return "a role's name has 1 to 64 characters";
	if (!kiln_aws_is_name(name, len, 64))
		return "a role's name is made of A-Z a-z 0-9 and _+=,.@-";
	return NULL;
}

static const char *resource_problem(const struct arn *arn)
{
	if (is(arn, SERVICE, "sts") && begins(arn, "assumed-role/"))
		return "it is a session; write arn:PARTITION:iam::ACCOUNT:role/NAME";
	if (!is(arn, SERVICE, "iam"))
		return "its service is not iam";
	if (arn->part[REGION].len != 0)
		return "roles have no region: two colons follow iam";
	if (memchr(arn->part[ACCOUNT].at, '*', arn->part[ACCOUNT].len) != NULL)
		return "wildcards are not for identities, name the account";
	if (!is_account(arn->part[ACCOUNT].at, arn->part[ACCOUNT].len))
		return "an account has 12 digits";
	if (!begins(arn, "role/"))
		return "it does not name a role (role/Name)";
	return NULL;
}

enum kiln_code kiln_aws_role_parse(const char *text, struct kiln_aws_role *role,
				   struct kiln_error *err)
{
	struct arn arn;
	if (!split(text, strlen(text), &arn))
		return refuse(err, text, "write arn:aws:iam::123456789012:role/Name");
	if (!known_partition(&arn))
		return refuse(err, text,
			      "AWS has no such partition (aws, aws-cn, aws-us-gov, ...)");
	const char *problem = resource_problem(&arn);
	if (problem != NULL)
		return refuse(err, text, problem);
	const char *name = arn.part[RESOURCE].at + strlen("role/");
	const size_t len = arn.part[RESOURCE].len - strlen("role/");
	problem = name_problem(name, len);
	if (problem != NULL)
		return refuse(err, text, problem);
	fill(role, &arn, name, len);
	return KILN_OK;
}

bool kiln_aws_role_equal(const struct kiln_aws_role *a, const struct kiln_aws_role *b)
{
	return strcmp(a->partition, b->partition) == 0 && strcmp(a->account, b->account) == 0 &&
	       strcmp(a->name, b->name) == 0;
}

void kiln_aws_role_format(const struct kiln_aws_role *role, char out[KILN_AWS_ROLE_ARN_MAX])
{
	(void)snprintf(out, KILN_AWS_ROLE_ARN_MAX, "arn:%s:iam::%s:role/%s", role->partition,
		       role->account, role->name);
}

/* ------------------------------------------------------------------ what STS says */

static bool caller_shape(const struct arn *arn)
{
	return known_partition(arn) && (is(arn, SERVICE, "sts") || is(arn, SERVICE, "iam")) &&
	       arn->part[REGION].len == 0 &&
	       is_account(arn->part[ACCOUNT].at, arn->part[ACCOUNT].len) &&
	       arn->part[RESOURCE].len > 0;
}

static const char *who_else(const struct arn *arn)
{
	if (is(arn, SERVICE, "iam") && begins(arn, "user/"))
		return "an IAM user";
	if (is(arn, SERVICE, "iam") && is(arn, RESOURCE, "root"))
		return "the root of its account";
	if (is(arn, SERVICE, "sts") && begins(arn, "federated-user/"))
		return "a federated user";
	return "no session of a role";
}

enum kiln_code kiln_aws_role_of_session(const char *text, size_t len, struct kiln_aws_role *role,
					char session[KILN_AWS_SESSION_MAX + 1],
					struct kiln_error *err)
{
	static const char prefix[] = "assumed-role/";
	struct arn arn;
	if (len > 2048 || !split(text, len, &arn) || !caller_shape(&arn))
		return kiln_fail(err, KILN_E_ROAST_PROOF, "STS's answer names no caller's ARN");
	if (!is(&arn, SERVICE, "sts") || !begins(&arn, prefix))
		return kiln_fail(err, KILN_E_ACCESS_DENIED,
				 "the caller of account %.12s is %s; only roles can be allowed",
				 arn.part[ACCOUNT].at, who_else(&arn));
	const char *name = arn.part[RESOURCE].at + sizeof prefix - 1;
	const size_t left = arn.part[RESOURCE].len - (sizeof prefix - 1);
	const char *slash = left > 0 ? memchr(name, '/', left) : NULL;
	const size_t name_len = slash != NULL ? (size_t)(slash - name) : 0;
	if (slash == NULL || !kiln_aws_is_name(name, name_len, 64) ||
	    !kiln_aws_is_name(slash + 1, left - name_len - 1, KILN_AWS_SESSION_MAX))
		return kiln_fail(err, KILN_E_ROAST_PROOF,
				 "STS's answer names a session in a form that is not its own");
	fill(role, &arn, name, name_len);
	memset(session, 0, KILN_AWS_SESSION_MAX + 1);
	memcpy(session, slash + 1, left - name_len - 1);
	return KILN_OK;
}

bool kiln_aws_account_of(const char *text, size_t len, char account[13])
{
	struct arn arn;
	if (!split(text, len, &arn) || !caller_shape(&arn))
		return false;
	memcpy(account, arn.part[ACCOUNT].at, 12);
	account[12] = '\0';
	return true;
}
