/* SPDX-License-Identifier: Apache-2.0
 * Any body as STS's answer. Run: fuzz_aws_sts tests/fuzz/corpus/aws_sts
 *
 * The first byte chooses the status; the rest is the body. What is accepted must be whole. */
#include "fuzz.h"

#include <stdio.h>

#include "aws/role.h"
#include "aws/sts.h"

static void identity(const struct kiln_http_answer *answer)
{
	struct kiln_sts_identity who;
	struct kiln_aws_role role;
	char session[KILN_AWS_SESSION_MAX + 1], account[13];
	struct kiln_error err;
	if (kiln_sts_identity_read(answer, &who, &err) != KILN_OK) {
		require(err.code == KILN_E_STS || err.code == KILN_E_ROAST_PROOF);
		return;
	}
	require(answer->status == 200 && answer->body[0] == '{');
	require(kiln_aws_account_of(who.arn, strlen(who.arn), account));
	require(strcmp(account, who.account) == 0 && who.user_id[0] != '\0');
	if (kiln_aws_role_of_session(who.arn, strlen(who.arn), &role, session, NULL) == KILN_OK)
		require(strcmp(role.account, account) == 0);
}

static void assumed(const struct kiln_http_answer *answer, bool web_identity)
{
	struct kiln_aws_credentials credentials;
	struct kiln_error err;
	if (kiln_sts_assume_read(answer, web_identity, &credentials, &err) == KILN_OK)
		require(credentials.session_token != NULL && credentials.expires_at > 0 &&
			credentials.access_key_id[0] != '\0');
	else
		require(credentials.session_token == NULL);
	kiln_aws_credentials_clear(&credentials);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = {200, 400, 403, 500, 302, 0, 429, 204};
	struct fuzz_input in = {data, size};
	struct kiln_http_answer answer = {.status = statuses[fuzz_byte(&in) % 8]};
	uint8_t *body = fuzz_bytes(&in, in.left, &answer.len);
	answer.body = body;
	(void)snprintf(answer.content_type, sizeof answer.content_type, "application/json");
	identity(&answer);
	assumed(&answer, false);
	assumed(&answer, true);
	(void)kiln_sts_throttled(&answer);
	free(body);
	return 0;
}
