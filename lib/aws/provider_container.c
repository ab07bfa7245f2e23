/* SPDX-License-Identifier: Apache-2.0
 * The container endpoint: ECS (a path on 169.254.170.2) and EKS Pod Identity (a whole URL, with a
 * token from a file that is read for each refresh). */
#include <stdio.h>
#include <string.h>

#include "aws/chain_inner.h"
#include "aws/credentials_json.h"
#include "aws/url.h"

#define TIMEOUT_MS 2000u
#define TOKEN_MAX  16384u
#define RELATIVE   "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
#define FULL       "AWS_CONTAINER_CREDENTIALS_FULL_URI"
#define TOKEN_FILE "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"

bool kiln_provider_container_set(const struct kiln_chain *chain)
{
	return kiln_chain_env(chain, RELATIVE) != NULL || kiln_chain_env(chain, FULL) != NULL;
}

/* The token would go wherever the URL says: over plain http only to the two agents' addresses and
 * to this machine. */
static bool may_be_asked(const struct kiln_url *url)
{
	if (url->https || kiln_url_is_loopback(url))
		return true;
	return url->is_v6 ? strcmp(url->host, "fd00:ec2::23") == 0
			  : strcmp(url->host, "169.254.170.2") == 0 ||
				strcmp(url->host, "169.254.170.23") == 0;
}

static enum kiln_step begin_request(struct kiln_chain *chain)
{
	const char *relative = kiln_chain_env(chain, RELATIVE), *full = kiln_chain_env(chain, FULL);
	char text[1024];
	struct kiln_url url;
	if (relative == NULL && full == NULL)
		return kiln_chain_fail(chain, KILN_E_CONFIG,
				       "credential_source is EcsContainer, but neither " RELATIVE
				       " nor " FULL " is set");
	const int len = relative != NULL
			    ? snprintf(text, sizeof text, "http://169.254.170.2%s", relative)
			    : snprintf(text, sizeof text, "%s", full);
	if (len < 0 || (size_t)len >= sizeof text || (relative != NULL && relative[0] != '/') ||
	    !kiln_url_read(text, &url))
		return kiln_chain_fail(chain, KILN_E_CONFIG, "%s is not of the form of a URL",
				       relative != NULL ? RELATIVE : FULL);
	if (!may_be_asked(&url))
		return kiln_chain_fail(chain, KILN_E_CONFIG,
				       FULL " is refused: http only to loopback, 169.254.170.2, "
					    "169.254.170.23 or [fd00:ec2::23]");
	kiln_http_request_clear(&chain->http);
	const enum kiln_code code =
	    kiln_http_request_init(&chain->http, "GET", text, &chain->problem);
	chain->http.timeout_ms = TIMEOUT_MS;
	chain->http.answer_max = KILN_CREDENTIALS_JSON_MAX;
	chain->http.link_local = !url.https;
	return code == KILN_OK ? KILN_STEP_DONE : KILN_STEP_FAILED;
}

static enum kiln_step ask(struct kiln_chain *chain, const char *token)
{
	enum kiln_code code = KILN_OK;
	if (token != NULL)
		code =
		    kiln_http_request_header(&chain->http, "Authorization", token, &chain->problem);
	return kiln_chain_ask_http(chain, code);
}

static enum kiln_step start(struct kiln_chain *chain, int64_t now)
{
	(void)now;
	const enum kiln_step step = begin_request(chain);
	if (step != KILN_STEP_DONE)
		return step;
	const char *file = kiln_chain_env(chain, TOKEN_FILE);
	if (file != NULL)
		return kiln_chain_ask_file(chain, file, TOKEN_MAX);
	return ask(chain, kiln_chain_env(chain, "AWS_CONTAINER_AUTHORIZATION_TOKEN"));
}

static enum kiln_step answer(struct kiln_chain *chain, int64_t now,
			     const struct kiln_chain_answer *answer)
{
	(void)now;
	struct kiln_error why;
	if (chain->question.ask == KILN_CHAIN_FILE) {
		const enum kiln_step step =
		    kiln_chain_take_token(chain, "the container's token", answer, TOKEN_MAX);
		return step == KILN_STEP_DONE ? ask(chain, chain->bearer.data) : step;
	}
	if (kiln_chain_is_transient(answer->http) && kiln_chain_again(chain))
		return KILN_STEP_ASK;
	if (answer->http->status == 0)
		return kiln_chain_fail(chain, KILN_E_CREDENTIALS,
				       "the container endpoint gives no answer: %.120s",
				       answer->http->problem);
	if (answer->http->status != 200)
		return kiln_chain_fail(chain, KILN_E_CREDENTIALS,
				       "the container endpoint answers with status %d",
				       answer->http->status);
	if (kiln_credentials_read(KILN_CREDENTIALS_CONTAINER, answer->http->body, answer->http->len,
				  &chain->fresh, &why) != KILN_OK)
		return kiln_chain_fail(chain, why.code, "the container endpoint: %s", why.message);
	kiln_chain_source(chain, "container endpoint %.120s", chain->http.url);
	return KILN_STEP_DONE;
}

const struct kiln_provider kiln_provider_container = {start, answer};
