/* SPDX-License-Identifier: Apache-2.0
 *
 * Profiles of the shared files, and how one of them leads to credentials: where the first ones come
 * from, and which roles are then assumed one after the other.
 */
#ifndef KILN_AWS_PROFILE_H
#define KILN_AWS_PROFILE_H

#include "aws/ini.h"

struct kiln_profiles {
	struct kiln_ini config, credentials;
};

bool kiln_profile_exists(const struct kiln_profiles *profiles, const char *profile);
/* The credentials file goes before the config file. */
const char *kiln_profile_get(const struct kiln_profiles *profiles, const char *profile,
			     const char *key);
/* The sts endpoint_url of the profile's services section. */
const char *kiln_profile_sts_url(const struct kiln_profiles *profiles, const char *profile);

enum kiln_base {
	KILN_BASE_NONE, /* the profile says nothing of credentials */
	KILN_BASE_STATIC,
	KILN_BASE_PROCESS,
	KILN_BASE_WEB_IDENTITY,
	KILN_BASE_ENVIRONMENT,
	KILN_BASE_CONTAINER,
	KILN_BASE_IMDS,
};

#define KILN_PLAN_HOPS_MAX 5u

struct kiln_plan {
	enum kiln_base base;
	const char *profile; /* of the base */
	const char
	    *hops[KILN_PLAN_HOPS_MAX]; /* profiles whose role_arn is assumed, the last first */
	unsigned hop_count;
};

/* KILN_E_CONFIG for a profile that is not there, a loop, or settings that contradict each other.
 * The plan points into the profiles. */
KILN_NODISCARD enum kiln_code kiln_plan_profile(const struct kiln_profiles *profiles,
						const char *profile, struct kiln_plan *plan,
						struct kiln_error *err);

#endif
