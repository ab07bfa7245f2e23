/* SPDX-License-Identifier: Apache-2.0
 * What environment and profile say: region, endpoints, and which provider is asked. */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "aws/chain_inner.h"
#include "aws/region.h"

const char *kiln_chain_env(const struct kiln_chain *chain, const char *name)
{
	const size_t len = strlen(name);
	for (size_t i = 0; i < chain->environ_count; i++) {
		const char *entry = chain->environ[i];
		if (strncmp(entry, name, len) == 0 && entry[len] == '=')
			return entry[len + 1] != '\0' ? entry + len + 1 : NULL;
	}
	return NULL;
}

const char *kiln_chain_profile(const struct kiln_chain *chain)
{
	if (chain->explicit_profile != NULL)
		return chain->explicit_profile;
	const char *named = kiln_chain_env(chain, "AWS_PROFILE");
	return named != NULL ? named : "default";
}

const char *kiln_chain_credentials_file(const struct kiln_chain *chain)
{
	const char *path = kiln_chain_env(chain, "AWS_SHARED_CREDENTIALS_FILE");
	return path != NULL ? path : "~/.aws/credentials";
}

const char *kiln_chain_config_file(const struct kiln_chain *chain)
{
	const char *path = kiln_chain_env(chain, "AWS_CONFIG_FILE");
	return path != NULL ? path : "~/.aws/config";
}

const char *kiln_chain_setting(const struct kiln_chain *chain, const char *name, const char *key)
{
	const char *value = kiln_chain_env(chain, name);
	if (value != NULL)
		return value;
	return kiln_profile_get(&chain->profiles, kiln_chain_profile(chain), key);
}

static bool is_true(const char *value)
{
	return value != NULL && strcasecmp(value, "true") == 0;
}

static const char *sts_url_of_environ(const struct kiln_chain *chain)
{
	const char *url = kiln_chain_env(chain, "AWS_ENDPOINT_URL_STS");
	return url != NULL ? url : kiln_chain_env(chain, "AWS_ENDPOINT_URL");
}

static const char *sts_url(const struct kiln_chain *chain)
{
	const char *profile = kiln_chain_profile(chain);
	if (is_true(kiln_chain_setting(chain, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
				       "ignore_configured_endpoint_urls")))
		return NULL;
	const char *url = sts_url_of_environ(chain);
	if (url == NULL)
		url = kiln_profile_sts_url(&chain->profiles, profile);
	return url != NULL ? url : kiln_profile_get(&chain->profiles, profile, "endpoint_url");
}

static enum kiln_code set_override(struct kiln_sts_endpoints *endpoints, const char *url,
				   struct kiln_error *err)
{
	if (url != NULL && strlen(url) >= sizeof endpoints->override)
		return kiln_fail(err, KILN_E_CONFIG, "the STS endpoint's URL is too long");
	if (url != NULL)
		(void)snprintf(endpoints->override, sizeof endpoints->override, "%s", url);
	return kiln_sts_endpoints_check(endpoints, err);
}

enum kiln_code kiln_chain_check_environ(const struct kiln_chain *chain, struct kiln_error *err)
{
	struct kiln_sts_endpoints found = {.development = chain->development};
	if (is_true(kiln_chain_env(chain, "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS")))
		return KILN_OK;
	return set_override(&found, sts_url_of_environ(chain), err);
}

static enum kiln_code settle_endpoints(struct kiln_chain *chain, struct kiln_error *err)
{
	struct kiln_sts_endpoints found = {.development = chain->development};
	found.dual_stack = is_true(
	    kiln_chain_setting(chain, "AWS_USE_DUALSTACK_ENDPOINT", "use_dualstack_endpoint"));
	found.fips =
	    is_true(kiln_chain_setting(chain, "AWS_USE_FIPS_ENDPOINT", "use_fips_endpoint"));
	const enum kiln_code code = set_override(&found, sts_url(chain), err);
	if (code == KILN_OK)
		chain->endpoints = found;
	return code;
}

/* A region that was found once, also by asking, stays until something else is configured. */
static enum kiln_code settle_region(struct kiln_chain *chain, struct kiln_error *err)
{
	const char *profile = kiln_chain_profile(chain);
	char of_profile[160];
	(void)snprintf(of_profile, sizeof of_profile, "the AWS profile '%.128s'", profile);
	const struct {
		const char *value, *source;
	} places[] = {
	    {chain->explicit_region[0] != '\0' ? chain->explicit_region : NULL, ""},
	    {kiln_chain_env(chain, "AWS_REGION"), "AWS_REGION"},
	    {kiln_chain_env(chain, "AWS_DEFAULT_REGION"), "AWS_DEFAULT_REGION"},
	    {kiln_profile_get(&chain->profiles, profile, "region"), of_profile},
	};
	size_t i = 0;
	while (i < sizeof places / sizeof places[0] && places[i].value == NULL)
		i++;
	if (i == sizeof places / sizeof places[0])
		return KILN_OK;
	if (kiln_aws_region_plausible(places[i].value) == NULL)
		return kiln_fail(err, KILN_E_CONFIG, "'%.40s' is no region of AWS",
				 places[i].value);
	(void)snprintf(chain->region, sizeof chain->region, "%s", places[i].value);
	(void)snprintf(chain->region_source, sizeof chain->region_source, "%s", places[i].source);
	return KILN_OK;
}

enum kiln_code kiln_chain_settle(struct kiln_chain *chain, struct kiln_error *err)
{
	const enum kiln_code code = settle_region(chain, err);
	return code != KILN_OK ? code : settle_endpoints(chain, err);
}

static enum kiln_code plan_profile(struct kiln_chain *chain, struct kiln_error *err)
{
	const char *profile = kiln_chain_profile(chain);
	const bool named =
	    chain->explicit_profile != NULL || kiln_chain_env(chain, "AWS_PROFILE") != NULL;
	chain->plan = (struct kiln_plan){.profile = profile};
	if (!named && !kiln_profile_exists(&chain->profiles, profile))
		return KILN_OK;
	const enum kiln_code code = kiln_plan_profile(&chain->profiles, profile, &chain->plan, err);
	if (code != KILN_OK || chain->plan.base != KILN_BASE_NONE)
		return code;
	if (chain->plan.hop_count > 0)
		return kiln_fail(
		    err, KILN_E_CONFIG,
		    "the AWS profile '%.60s', which others build on, has no credentials",
		    chain->plan.profile);
	if (chain->explicit_profile != NULL)
		return kiln_fail(err, KILN_E_CREDENTIALS,
				 "the AWS profile '%.60s' has no credentials", profile);
	return KILN_OK;
}

static void plan_rest(struct kiln_chain *chain)
{
	if (kiln_provider_web_identity_set(chain))
		chain->plan.base = KILN_BASE_WEB_IDENTITY;
	else if (kiln_provider_container_set(chain))
		chain->plan.base = KILN_BASE_CONTAINER;
	else if (!kiln_provider_imds_off(chain))
		chain->plan.base = KILN_BASE_IMDS;
}

enum kiln_code kiln_chain_plan(struct kiln_chain *chain, struct kiln_error *err)
{
	if (chain->explicit_profile == NULL)
		kiln_chain_tried_environment(chain);
	if (chain->explicit_profile == NULL && kiln_provider_environment_set(chain)) {
		chain->plan = (struct kiln_plan){.base = KILN_BASE_ENVIRONMENT};
		return KILN_OK;
	}
	const enum kiln_code code = plan_profile(chain, err);
	kiln_chain_tried_files(chain);
	if (code != KILN_OK || chain->plan.base != KILN_BASE_NONE)
		return code;
	chain->plan.profile = NULL; /* what follows is configured by the environment alone */
	plan_rest(chain);
	kiln_chain_tried_rest(chain);
	if (chain->plan.base != KILN_BASE_NONE)
		return KILN_OK;
	return kiln_fail(err, KILN_E_CREDENTIALS,
			 "neither environment nor shared files nor a container have AWS "
			 "credentials, and the metadata service is switched off%s%s",
			 chain->file_problem[0] != '\0' ? "; " : "", chain->file_problem);
}
