/* SPDX-License-Identifier: Apache-2.0
 * Where a search looked and what it found, in sentences. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "aws/chain_inner.h"

KILN_PRINTF(3, 4)
static void note(struct kiln_chain *chain, const char *where, const char *format, ...)
{
	if (chain->tried_count == KILN_CHAIN_TRIED_MAX)
		return;
	struct kiln_chain_tried *tried = &chain->tried[chain->tried_count++];
	va_list args;
	va_start(args, format);
	(void)snprintf(tried->where, sizeof tried->where, "%s", where);
	(void)vsnprintf(tried->found, sizeof tried->found, format, args);
	va_end(args);
}

void kiln_chain_tried_environment(struct kiln_chain *chain)
{
	note(chain, "environment", "AWS_ACCESS_KEY_ID is %s",
	     kiln_provider_environment_set(chain) ? "set" : "not set");
}

static const char *state(int error, char text[64])
{
	if (error == 0)
		return "was read";
	if (error == ENOENT || error == ENOTDIR)
		return "is not there";
	return strerror_r(error, text, 64);
}

void kiln_chain_tried_files(struct kiln_chain *chain)
{
	const char *profile = kiln_chain_profile(chain);
	const char *credentials = kiln_chain_credentials_file(chain);
	const char *config = kiln_chain_config_file(chain);
	char text[2][64];
	const char *found = "nothing for the profile";
	if (chain->plan.base != KILN_BASE_NONE)
		found = "the profile";
	else if (kiln_profile_exists(&chain->profiles, profile))
		found = "no credentials in the profile";
	note(chain, "shared files", "%s '%.40s'; %.40s %s, %.40s %s", found, profile, credentials,
	     state(chain->file_errors[0], text[0]), config, state(chain->file_errors[1], text[1]));
}

void kiln_chain_tried_rest(struct kiln_chain *chain)
{
	const enum kiln_base base = chain->plan.base;
	note(chain, "web identity", "AWS_WEB_IDENTITY_TOKEN_FILE is %s",
	     base == KILN_BASE_WEB_IDENTITY ? "set" : "not set");
	if (base == KILN_BASE_WEB_IDENTITY)
		return;
	note(chain, "container endpoint", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI or _FULL_URI %s",
	     base == KILN_BASE_CONTAINER ? "is set" : "is not set");
	if (base == KILN_BASE_CONTAINER)
		return;
	if (base == KILN_BASE_IMDS)
		note(chain, "instance metadata", "was asked (IMDSv2) at %.100s",
		     kiln_provider_imds_endpoint(chain));
	else
		note(chain, "instance metadata", "switched off by AWS_EC2_METADATA_DISABLED");
}

const struct kiln_chain_tried *kiln_chain_tried(const struct kiln_chain *chain, unsigned index)
{
	return index < chain->tried_count ? &chain->tried[index] : NULL;
}
