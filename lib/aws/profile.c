/* SPDX-License-Identifier: Apache-2.0
 * From a profile to a plan; see profile.h. */
#include "aws/profile.h"

#include <stdio.h>
#include <string.h>

/* In the config file, profiles but "default" stand as [profile NAME]. */
static const char *config_section(const char *profile, char buffer[256])
{
	if (strcmp(profile, "default") == 0)
		return profile;
	(void)snprintf(buffer, 256, "profile %s", profile);
	return buffer;
}

bool kiln_profile_exists(const struct kiln_profiles *profiles, const char *profile)
{
	char buffer[256];
	return kiln_ini_has(&profiles->credentials, profile) ||
	       kiln_ini_has(&profiles->config, config_section(profile, buffer)) ||
	       (strcmp(profile, "default") == 0 &&
		kiln_ini_has(&profiles->config, "profile default"));
}

const char *kiln_profile_get(const struct kiln_profiles *profiles, const char *profile,
			     const char *key)
{
	char buffer[256];
	const char *value = kiln_ini_get(&profiles->credentials, profile, NULL, key);
	if (value == NULL)
		value = kiln_ini_get(&profiles->config, config_section(profile, buffer), NULL, key);
	if (value == NULL && strcmp(profile, "default") == 0)
		value = kiln_ini_get(&profiles->config, "profile default", NULL, key);
	return value;
}

const char *kiln_profile_sts_url(const struct kiln_profiles *profiles, const char *profile)
{
	char section[256];
	const char *services = kiln_profile_get(profiles, profile, "services");
	if (services == NULL)
		return NULL;
	(void)snprintf(section, sizeof section, "services %s", services);
	return kiln_ini_get(&profiles->config, section, "sts", "endpoint_url");
}

static enum kiln_code refuse(struct kiln_error *err, const char *profile, const char *why)
{
	return kiln_fail(err, KILN_E_CONFIG, "the AWS profile '%.60s' cannot be used: %s", profile,
			 why);
}

static enum kiln_code credential_source(const char *profile, const char *source,
					struct kiln_plan *plan, struct kiln_error *err)
{
	plan->profile = profile;
	if (strcmp(source, "Environment") == 0)
		plan->base = KILN_BASE_ENVIRONMENT;
	else if (strcmp(source, "Ec2InstanceMetadata") == 0)
		plan->base = KILN_BASE_IMDS;
	else if (strcmp(source, "EcsContainer") == 0)
		plan->base = KILN_BASE_CONTAINER;
	else
		return refuse(err, profile,
			      "credential_source must be Environment, Ec2InstanceMetadata or "
			      "EcsContainer");
	return KILN_OK;
}

/* Credentials that the profile itself holds. */
static enum kiln_code own(const struct kiln_profiles *profiles, const char *profile,
			  struct kiln_plan *plan, struct kiln_error *err)
{
	plan->profile = profile;
	if (kiln_profile_get(profiles, profile, "aws_access_key_id") != NULL)
		plan->base = KILN_BASE_STATIC;
	else if (kiln_profile_get(profiles, profile, "credential_process") != NULL)
		plan->base = KILN_BASE_PROCESS;
	else if (kiln_profile_get(profiles, profile, "sso_session") != NULL ||
		 kiln_profile_get(profiles, profile, "sso_account_id") != NULL)
		return refuse(err, profile,
			      "sso needs a browser; give it a credential_process (aws configure "
			      "export-credentials --format process)");
	else
		plan->base = KILN_BASE_NONE;
	return KILN_OK;
}

static const char *role_problem(const struct kiln_profiles *profiles, const char *profile)
{
	const bool source = kiln_profile_get(profiles, profile, "source_profile") != NULL;
	const bool named = kiln_profile_get(profiles, profile, "credential_source") != NULL;
	if (source && named)
		return "it has both source_profile and credential_source";
	if (kiln_profile_get(profiles, profile, "mfa_serial") != NULL)
		return "mfa_serial: there is nobody to ask for a code";
	if (!source && !named)
		return "role_arn needs source_profile, credential_source or "
		       "web_identity_token_file";
	return NULL;
}

static bool visited(const struct kiln_plan *plan, const char *profile)
{
	for (unsigned i = 0; i < plan->hop_count; i++)
		if (strcmp(plan->hops[i], profile) == 0)
			return true;
	return false;
}

enum kiln_code kiln_plan_profile(const struct kiln_profiles *profiles, const char *profile,
				 struct kiln_plan *plan, struct kiln_error *err)
{
	*plan = (struct kiln_plan){0};
	for (;;) {
		if (strlen(profile) > 128 || !kiln_profile_exists(profiles, profile))
			return refuse(err, profile, "it is in none of the shared files");
		if (kiln_profile_get(profiles, profile, "role_arn") == NULL)
			return own(profiles, profile, plan, err);
		if (kiln_profile_get(profiles, profile, "web_identity_token_file") != NULL) {
			plan->base = KILN_BASE_WEB_IDENTITY;
			plan->profile = profile;
			return KILN_OK;
		}
		const char *problem = role_problem(profiles, profile);
		if (problem == NULL && visited(plan, profile))
			problem = "its source_profile leads back to itself";
		if (problem == NULL && plan->hop_count == KILN_PLAN_HOPS_MAX)
			problem = "too many roles are assumed on the way to it";
		if (problem != NULL)
			return refuse(err, profile, problem);
		plan->hops[plan->hop_count++] = profile;
		const char *named = kiln_profile_get(profiles, profile, "credential_source");
		if (named != NULL)
			return credential_source(profile, named, plan, err);
		const char *source = kiln_profile_get(profiles, profile, "source_profile");
		if (strcmp(source, profile) == 0) /* its own keys assume its role */
			return own(profiles, profile, plan, err);
		profile = source;
	}
}
