/* SPDX-License-Identifier: Apache-2.0
 * A profile's role_arn, assumed with the credentials found so far. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/chain_inner.h"

/* The hops were collected from the last role to the first. */
static const char *profile_of(const struct kiln_chain *chain)
{
	return chain->plan.hops[chain->plan.hop_count - 1 - chain->hop];
}

static const char *get(const struct kiln_chain *chain, const char *key)
{
	return kiln_profile_get(&chain->profiles, profile_of(chain), key);
}

static bool read_duration(const char *text, unsigned *seconds)
{
	*seconds = 0;
	if (text == NULL)
		return true;
	const size_t len = strspn(text, "0123456789");
	if (text[len] != '\0' || len == 0 || len > 5)
		return false;
	*seconds = (unsigned)strtoul(text, NULL, 10);
	return *seconds >= 900 && *seconds <= 43200;
}

static enum kiln_step start(struct kiln_chain *chain, int64_t now)
{
	const char *name = get(chain, "role_session_name");
	struct kiln_sts_assume assume = {
	    .role_arn = get(chain, "role_arn"),
	    .session_name = name != NULL ? name : chain->session_name,
	    .external_id = get(chain, "external_id"),
	    .region = chain->region,
	};
	if (!read_duration(get(chain, "duration_seconds"), &assume.duration))
		return kiln_chain_fail(
		    chain, KILN_E_CONFIG,
		    "the AWS profile '%.60s': duration_seconds must be 900 to 43200",
		    profile_of(chain));
	if (chain->region[0] == '\0')
		return kiln_chain_fail(chain, KILN_E_CONFIG,
				       "no region is known to ask STS in: set AWS_REGION");
	kiln_http_request_clear(&chain->http);
	return kiln_chain_ask_http(chain, kiln_sts_assume_request(&chain->endpoints, &assume,
								  &chain->fresh, now, &chain->http,
								  &chain->problem));
}

static enum kiln_step answer(struct kiln_chain *chain, int64_t now,
			     const struct kiln_chain_answer *answer)
{
	(void)now;
	struct kiln_aws_credentials assumed;
	struct kiln_error why;
	if (kiln_chain_is_transient(answer->http) && kiln_chain_again(chain))
		return KILN_STEP_ASK;
	if (kiln_sts_assume_read(answer->http, false, &assumed, &why) != KILN_OK)
		return kiln_chain_fail(chain, why.code, "the role of the AWS profile '%.60s': %s",
				       profile_of(chain), why.message);
	kiln_aws_credentials_clear(&chain->fresh);
	chain->fresh = assumed;
	kiln_chain_source(chain, "profile %.60s, role %.80s", profile_of(chain),
			  get(chain, "role_arn"));
	chain->hop++;
	return KILN_STEP_DONE;
}

const struct kiln_provider kiln_provider_assume = {start, answer};
