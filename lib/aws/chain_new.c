/* SPDX-License-Identifier: Apache-2.0
 * The credential chain's birth and death: what it copies, it wipes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/chain_inner.h"
#include "aws/region.h"
#include "aws/role.h"
#include "base/bytes.h"

static bool is_ours(const char *entry)
{
	return strncmp(entry, "AWS_", 4) == 0 || strncmp(entry, "HOME=", 5) == 0;
}

static bool copy_environ(struct kiln_chain *chain, const char *const *environ)
{
	size_t count = 0;
	for (const char *const *p = environ; p != NULL && *p != NULL; p++)
		count += is_ours(*p) ? 1 : 0;
	chain->environ = calloc(count + 1, sizeof *chain->environ);
	if (chain->environ == NULL)
		return false;
	for (const char *const *p = environ; p != NULL && *p != NULL; p++) {
		if (!is_ours(*p))
			continue;
		chain->environ[chain->environ_count] = strdup(*p);
		if (chain->environ[chain->environ_count] == NULL)
			return false;
		chain->environ_count++;
	}
	return true;
}

static enum kiln_code check(const struct kiln_chain_options *options, struct kiln_error *err)
{
	if (options->region != NULL && kiln_aws_region_plausible(options->region) == NULL)
		return kiln_fail(err, KILN_E_CONFIG, "'%.40s' is no region of AWS",
				 options->region);
	if (options->session_name != NULL &&
	    !kiln_aws_is_name(options->session_name, strlen(options->session_name), 64))
		return kiln_fail(err, KILN_E_CONFIG, "'%.70s' is no name for a role's session",
				 options->session_name);
	return KILN_OK;
}

enum kiln_code kiln_chain_new(const struct kiln_chain_options *options, struct kiln_chain **out,
			      struct kiln_error *err)
{
	*out = NULL;
	const enum kiln_code code = check(options, err);
	if (code != KILN_OK)
		return code;
	struct kiln_chain *chain = calloc(1, sizeof *chain);
	if (chain == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for AWS credentials");
	chain->wake_at = INT64_MIN;
	chain->development = options->development;
	chain->endpoints.development = options->development;
	chain->random = options->seed | 1;
	(void)snprintf(chain->session_name, sizeof chain->session_name, "%s",
		       options->session_name != NULL ? options->session_name : "kiln");
	if (options->region != NULL)
		(void)snprintf(chain->explicit_region, sizeof chain->explicit_region, "%s",
			       options->region);
	chain->explicit_profile = options->profile != NULL ? strdup(options->profile) : NULL;
	if (!copy_environ(chain, options->environ) ||
	    (options->profile != NULL && chain->explicit_profile == NULL)) {
		kiln_chain_free(chain);
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for AWS credentials");
	}
	const enum kiln_code good = kiln_chain_check_environ(chain, err);
	if (good == KILN_OK)
		*out = chain;
	else
		kiln_chain_free(chain);
	return good;
}

void kiln_chain_free(struct kiln_chain *chain)
{
	if (chain == NULL)
		return;
	for (size_t i = 0; i < chain->environ_count; i++) {
		kiln_wipe(chain->environ[i], strlen(chain->environ[i]));
		free(chain->environ[i]);
	}
	free(chain->environ);
	free(chain->explicit_profile);
	kiln_http_request_clear(&chain->http);
	kiln_command_clear(&chain->command);
	kiln_text_clear(&chain->bearer);
	kiln_text_clear(&chain->path);
	kiln_ini_clear(&chain->profiles.config);
	kiln_ini_clear(&chain->profiles.credentials);
	kiln_aws_credentials_clear(&chain->fresh);
	kiln_aws_credentials_clear(&chain->current);
	kiln_wipe(chain, sizeof *chain);
	free(chain);
}
