/* SPDX-License-Identifier: Apache-2.0
 * Any text as the shared config file, and the way from its profiles to a plan.
 * Run: fuzz_aws_ini tests/fuzz/corpus/aws_ini */
#include "fuzz.h"

#include "aws/command.h"
#include "aws/profile.h"

static void plan(const struct kiln_profiles *profiles, const char *profile)
{
	struct kiln_plan plan;
	struct kiln_command command;
	if (kiln_plan_profile(profiles, profile, &plan, NULL) != KILN_OK)
		return;
	require(plan.hop_count <= KILN_PLAN_HOPS_MAX);
	for (unsigned i = 0; i < plan.hop_count; i++)
		require(kiln_profile_get(profiles, plan.hops[i], "role_arn") != NULL);
	const char *line = kiln_profile_get(profiles, profile, "credential_process");
	if (line != NULL && kiln_command_split(line, &command, NULL) == KILN_OK) {
		require(command.argv[0] != NULL);
		kiln_command_clear(&command);
	}
	(void)kiln_profile_sts_url(profiles, profile);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct kiln_profiles profiles = {0};
	size_t config, credentials;
	uint8_t *first = fuzz_bytes(&in, fuzz_short(&in), &config);
	uint8_t *second = fuzz_bytes(&in, in.left, &credentials);
	if (kiln_ini_read(first, config, "config", &profiles.config, NULL) == KILN_OK &&
	    kiln_ini_read(second, credentials, "credentials", &profiles.credentials, NULL) ==
		KILN_OK) {
		for (size_t i = 0; i < profiles.config.count; i++) {
			const struct kiln_ini_item *item = &profiles.config.items[i];
			require(item->section[0] != '\0' || item->key == NULL);
			require(item->key == NULL || item->key[0] != '\0');
		}
		plan(&profiles, "default");
		plan(&profiles, "p");
		plan(&profiles, "q");
	}
	kiln_ini_clear(&profiles.config);
	kiln_ini_clear(&profiles.credentials);
	free(first);
	free(second);
	return 0;
}
