/* SPDX-License-Identifier: Apache-2.0
 * Credentials in the environment: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN. */
#include "aws/chain_inner.h"

bool kiln_provider_environment_set(const struct kiln_chain *chain)
{
	return kiln_chain_env(chain, "AWS_ACCESS_KEY_ID") != NULL;
}

static enum kiln_step start(struct kiln_chain *chain, int64_t now)
{
	(void)now;
	struct kiln_error why;
	if (kiln_aws_credentials_set(&chain->fresh, kiln_chain_env(chain, "AWS_ACCESS_KEY_ID"),
				     kiln_chain_env(chain, "AWS_SECRET_ACCESS_KEY"),
				     kiln_chain_env(chain, "AWS_SESSION_TOKEN"), 0,
				     &why) != KILN_OK)
		return kiln_chain_fail(chain, why.code,
				       "the environment (AWS_ACCESS_KEY_ID ...): %s", why.message);
	kiln_chain_source(chain, "environment");
	return KILN_STEP_DONE;
}

/* It never asks. */
const struct kiln_provider kiln_provider_environment = {start, NULL};
