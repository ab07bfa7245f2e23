/* SPDX-License-Identifier: Apache-2.0
 * Any text as an ARN: an operator's, and STS's. Run: fuzz_aws_arn tests/fuzz/corpus/aws_arn
 *
 * A role that was read must be written as it was read, and must be the role that STS's ARN of the
 * same name stands for. */
#include "fuzz.h"

#include <stdio.h>

#include "aws/region.h"
#include "aws/role.h"
#include "aws/url.h"

static void operators(const char *text)
{
	struct kiln_aws_role role, again;
	char arn[KILN_AWS_ROLE_ARN_MAX], session[KILN_AWS_SESSION_MAX + 1], said[256];
	struct kiln_error err;
	if (kiln_aws_role_parse(text, &role, &err) != KILN_OK) {
		require(err.code == KILN_E_CONFIG);
		return;
	}
	kiln_aws_role_format(&role, arn);
	require(strcmp(arn, text) == 0);
	(void)snprintf(said, sizeof said, "arn:%s:sts::%s:assumed-role/%s/s", role.partition,
		       role.account, role.name);
	require(kiln_aws_role_of_session(said, strlen(said), &again, session, NULL) == KILN_OK);
	require(kiln_aws_role_equal(&role, &again));
}

static void services(const char *text, size_t len)
{
	struct kiln_aws_role role;
	char arn[512], session[KILN_AWS_SESSION_MAX + 1], account[13];
	if (kiln_aws_role_of_session(text, len, &role, session, NULL) != KILN_OK)
		return;
	const int n = snprintf(arn, sizeof arn, "arn:%s:sts::%s:assumed-role/%s/%s", role.partition,
			       role.account, role.name, session);
	require(n > 0 && (size_t)n == len && memcmp(arn, text, len) == 0);
	require(kiln_aws_account_of(text, len, account) && strcmp(account, role.account) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct kiln_url url;
	size_t len;
	char *bytes = (char *)fuzz_bytes(&in, size, &len);
	services(bytes, len);
	char *text = strndup(bytes, len);
	require(text != NULL);
	operators(text);
	(void)kiln_aws_region_plausible(text);
	if (kiln_url_read(text, &url))
		require(url.authority_at + url.authority_len <= strlen(text) && url.port <= 65535);
	free(text);
	free(bytes);
	return 0;
}
