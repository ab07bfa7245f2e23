/* SPDX-License-Identifier: Apache-2.0
 * Keys that stand in a profile of the shared files. */
#include "aws/chain_inner.h"

static enum kiln_step start(struct kiln_chain *chain, int64_t now)
{
	(void)now;
	struct kiln_error why;
	const struct kiln_profiles *profiles = &chain->profiles;
	const char *profile = chain->plan.profile;
	if (kiln_aws_credentials_set(
		&chain->fresh, kiln_profile_get(profiles, profile, "aws_access_key_id"),
		kiln_profile_get(profiles, profile, "aws_secret_access_key"),
		kiln_profile_get(profiles, profile, "aws_session_token"), 0, &why) != KILN_OK)
		return kiln_chain_fail(chain, why.code, "the AWS profile '%.60s': %s", profile,
				       why.message);
	kiln_chain_source(chain, "profile %.60s", profile);
	return KILN_STEP_DONE;
}

/* It never asks. */
const struct kiln_provider kiln_provider_static = {start, NULL};
