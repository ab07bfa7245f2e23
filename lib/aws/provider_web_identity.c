/* SPDX-License-Identifier: Apache-2.0
 * Web identity (IAM roles for service accounts): a token in a file, exchanged at STS for a role's
 * credentials. The file is read for each refresh: Kubernetes replaces it. */
#include <stdio.h>
#include <string.h>

#include "aws/chain_inner.h"

#define TOKEN_MAX 20000u /* STS's own limit */

bool kiln_provider_web_identity_set(const struct kiln_chain *chain)
{
	return kiln_chain_env(chain, "AWS_WEB_IDENTITY_TOKEN_FILE") != NULL;
}

/* With a profile its keys count; else the environment. */
static const char *setting(const struct kiln_chain *chain, const char *name, const char *key)
{
	if (chain->plan.profile != NULL)
		return kiln_profile_get(&chain->profiles, chain->plan.profile, key);
	return kiln_chain_env(chain, name);
}

static enum kiln_step start(struct kiln_chain *chain, int64_t now)
{
	(void)now;
	if (setting(chain, "AWS_ROLE_ARN", "role_arn") == NULL)
		return kiln_chain_fail(
		    chain, KILN_E_CONFIG,
		    "AWS_WEB_IDENTITY_TOKEN_FILE is set, but AWS_ROLE_ARN is not");
	if (chain->region[0] == '\0')
		return kiln_chain_fail(chain, KILN_E_CONFIG,
				       "no region is known to ask STS in: set AWS_REGION");
	return kiln_chain_ask_file(
	    chain, setting(chain, "AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file"),
	    TOKEN_MAX);
}

static enum kiln_step exchange(struct kiln_chain *chain, int64_t now,
			       const struct kiln_chain_answer *answer)
{
	const enum kiln_step step =
	    kiln_chain_take_token(chain, "the web identity token", answer, TOKEN_MAX);
	if (step != KILN_STEP_DONE)
		return step;
	const char *name = setting(chain, "AWS_ROLE_SESSION_NAME", "role_session_name");
	const struct kiln_sts_assume assume = {
	    .role_arn = setting(chain, "AWS_ROLE_ARN", "role_arn"),
	    .session_name = name != NULL ? name : chain->session_name,
	    .web_identity = chain->bearer.data,
	    .region = chain->region,
	};
	kiln_http_request_clear(&chain->http);
	const enum kiln_code code = kiln_sts_assume_request(&chain->endpoints, &assume, NULL, now,
							    &chain->http, &chain->problem);
	kiln_text_clear(&chain->bearer);
	return kiln_chain_ask_http(chain, code);
}

static enum kiln_step answer(struct kiln_chain *chain, int64_t now,
			     const struct kiln_chain_answer *answer)
{
	struct kiln_error why;
	if (chain->question.ask == KILN_CHAIN_FILE)
		return exchange(chain, now, answer);
	if (kiln_chain_is_transient(answer->http) && kiln_chain_again(chain))
		return KILN_STEP_ASK;
	const char *arn = setting(chain, "AWS_ROLE_ARN", "role_arn");
	if (kiln_sts_assume_read(answer->http, true, &chain->fresh, &why) != KILN_OK)
		return kiln_chain_fail(chain, why.code, "web identity for %.80s: %s", arn,
				       why.message);
	kiln_chain_source(chain, "web identity, role %.120s", arn);
	return KILN_STEP_DONE;
}

const struct kiln_provider kiln_provider_web_identity = {start, answer};
