/* SPDX-License-Identifier: Apache-2.0
 * Roles: what an operator may write, and what STS may say. */
#include "aws_test.h"

#include "aws/role.h"

static void refused(const char *arn, const char *reason)
{
	struct kiln_aws_role role;
	struct kiln_error err;
	assert_why(kiln_aws_role_parse(arn, &role, &err), &err, KILN_E_CONFIG, reason);
}

static void operator_writes(void **state)
{
	(void)state;
	static const char *const arns[] = {
	    "arn:aws:iam::123456789012:role/Gateway",
	    "arn:aws-cn:iam::000000000000:role/a",
	    "arn:aws-us-gov:iam::123456789012:role/_+=,.@-",
	    "arn:aws:iam::123456789012:role/"
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789ab",
	};
	for (size_t i = 0; i < sizeof arns / sizeof arns[0]; i++) {
		struct kiln_aws_role role;
		char again[KILN_AWS_ROLE_ARN_MAX];
		assert_int_equal(kiln_aws_role_parse(arns[i], &role, NULL), KILN_OK);
		kiln_aws_role_format(&role, again);
		assert_string_equal(again, arns[i]);
	}
}

static void operator_refused(void **state)
{
	(void)state;
	refused("", "write arn:aws:iam");
	refused("Gateway", "write arn:aws:iam");
	refused("urn:aws:iam::123456789012:role/R", "write arn:aws:iam");
	refused("arn:aws:iam::123456789012", "write arn:aws:iam");
	refused("arn:azure:iam::123456789012:role/R", "no such partition");
	refused("arn::iam::123456789012:role/R", "no such partition");
	refused("arn:*:iam::123456789012:role/R", "no such partition");
	refused("arn:aws:s3:::bucket", "not iam");
	refused("arn:aws:sts::123456789012:role/R", "not iam");
	refused("arn:aws:sts::123456789012:assumed-role/R/S", "it is a session");
	refused("arn:aws:iam:us-east-1:123456789012:role/R", "no region");
	refused("arn:aws:iam::*:role/R", "name the account");
	refused("arn:aws:iam::12345678901:role/R", "12 digits");
	refused("arn:aws:iam::1234567890123:role/R", "12 digits");
	refused("arn:aws:iam::12345678901a:role/R", "12 digits");
	refused("arn:aws:iam:::role/R", "12 digits");
	refused("arn:aws:iam::123456789012:user/U", "does not name a role");
	refused("arn:aws:iam::123456789012:root", "does not name a role");
	refused("arn:aws:iam::123456789012:Role/R", "does not name a role");
	refused("arn:aws:iam::123456789012:role/path/R", "path");
	refused("arn:aws:iam::123456789012:role//R", "path");
	refused("arn:aws:iam::123456789012:role/*", "wildcards");
	refused("arn:aws:iam::123456789012:role/R?", "wildcards");
	refused("arn:aws:iam::123456789012:role/", "1 to 64");
	refused("arn:aws:iam::123456789012:role/R R", "made of");
	refused("arn:aws:iam::123456789012:role/R:x", "made of");
	refused("arn:aws:iam::123456789012:role/R\n", "made of");
	refused("arn:aws:iam::123456789012:role/R\xc3\xa4", "made of");
	refused("arn:aws:iam::123456789012:role/"
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789abc",
		"1 to 64");
}

static struct kiln_aws_role role_of(const char *arn)
{
	struct kiln_aws_role role;
	assert_int_equal(kiln_aws_role_parse(arn, &role, NULL), KILN_OK);
	return role;
}

static void all_fields_count(void **state)
{
	(void)state;
	const struct kiln_aws_role it = role_of("arn:aws:iam::123456789012:role/Gateway");
	static const char *const others[] = {
	    "arn:aws:iam::999999999999:role/Gateway", "arn:aws-cn:iam::123456789012:role/Gateway",
	    "arn:aws:iam::123456789012:role/gateway", "arn:aws:iam::123456789012:role/Gateway2",
	    "arn:aws:iam::123456789012:role/Gatewa"};
	struct kiln_aws_role same = role_of("arn:aws:iam::123456789012:role/Gateway");
	assert_true(kiln_aws_role_equal(&it, &same));
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
		const struct kiln_aws_role other = role_of(others[i]);
		assert_false(kiln_aws_role_equal(&it, &other));
	}
}

static void sts_says(void **state)
{
	(void)state;
	static const char arn[] =
	    "arn:aws:sts::123456789012:assumed-role/Gateway/i-0123456789abcdef0";
	const struct kiln_aws_role want = role_of("arn:aws:iam::123456789012:role/Gateway");
	struct kiln_aws_role role;
	char session[KILN_AWS_SESSION_MAX + 1], account[13];
	assert_int_equal(kiln_aws_role_of_session(arn, sizeof arn - 1, &role, session, NULL),
			 KILN_OK);
	assert_true(kiln_aws_role_equal(&role, &want));
	assert_string_equal(session, "i-0123456789abcdef0");
	assert_true(kiln_aws_account_of(arn, sizeof arn - 1, account));
	assert_string_equal(account, "123456789012");
}

static void session_refused(const char *arn, enum kiln_code code, const char *reason)
{
	struct kiln_aws_role role;
	struct kiln_error err;
	char session[KILN_AWS_SESSION_MAX + 1];
	assert_why(kiln_aws_role_of_session(arn, strlen(arn), &role, session, &err), &err, code,
		   reason);
}

static void others_call_sts(void **state)
{
	(void)state;
	session_refused("arn:aws:iam::123456789012:user/Gateway", KILN_E_ACCESS_DENIED,
			"an IAM user");
	session_refused("arn:aws:iam::123456789012:user/assumed-role/Gateway/x",
			KILN_E_ACCESS_DENIED, "an IAM user");
	session_refused("arn:aws:iam::123456789012:root", KILN_E_ACCESS_DENIED, "the root");
	session_refused("arn:aws:sts::123456789012:federated-user/assumed-role/Gateway/x",
			KILN_E_ACCESS_DENIED, "a federated user");
	session_refused("arn:aws:iam::123456789012:assumed-role/Gateway/x", KILN_E_ACCESS_DENIED,
			"no session of a role");
	session_refused("arn:aws:iam::123456789012:role/Gateway", KILN_E_ACCESS_DENIED,
			"no session of a role");
	session_refused("", KILN_E_ROAST_PROOF, "no caller's ARN");
	session_refused("arn:aws:ec2::123456789012:assumed-role/G/x", KILN_E_ROAST_PROOF,
			"no caller's ARN");
	session_refused("arn:aws:sts:us-east-1:123456789012:assumed-role/G/x", KILN_E_ROAST_PROOF,
			"no caller's ARN");
	session_refused("arn:evil:sts::123456789012:assumed-role/G/x", KILN_E_ROAST_PROOF,
			"no caller's ARN");
	session_refused("arn:aws:sts::12345678901:assumed-role/G/x", KILN_E_ROAST_PROOF,
			"no caller's ARN");
	static const char *const forms[] = {
	    "G",    "G/",    "/x",  "",      "G/x/y", "p/G/x",
	    "G /x", "G/x y", "G/*", "G/x:y", "G\n/x", "G<!-- -->ate/x",
	};
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
		char arn[128];
		(void)snprintf(arn, sizeof arn, "arn:aws:sts::123456789012:assumed-role/%s",
			       forms[i]);
		session_refused(arn, KILN_E_ROAST_PROOF, "a session in a form");
	}
	char longest[4096];
	memset(longest, 'a', sizeof longest);
	memcpy(longest, "arn:aws:sts::123456789012:assumed-role/G/", 41);
	longest[41 + 65] = '\0';
	session_refused(longest, KILN_E_ROAST_PROOF, "a session in a form");
	longest[41 + 65] = 'a';
	longest[4095] = '\0';
	session_refused(longest, KILN_E_ROAST_PROOF, "no caller's ARN");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(operator_writes),  cmocka_unit_test(operator_refused),
	    cmocka_unit_test(all_fields_count), cmocka_unit_test(sts_says),
	    cmocka_unit_test(others_call_sts),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
