/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside the chain: its parts, and the providers, one file each. A provider asks through
 * kiln_chain_ask_*, and leaves what it found in chain->fresh, or the reason in chain->problem.
 */
#ifndef KILN_AWS_CHAIN_INNER_H
#define KILN_AWS_CHAIN_INNER_H

#include "aws/chain.h"
#include "aws/command.h"
#include "aws/profile.h"
#include "aws/text.h"

enum kiln_step {
	KILN_STEP_ASK,  /* chain->question is to be answered */
	KILN_STEP_DONE, /* chain->fresh has the credentials (IMDS's region: chain->region) */
	KILN_STEP_FAILED,
};

struct kiln_provider {
	enum kiln_step (*start)(struct kiln_chain *chain, int64_t now);
	enum kiln_step (*answer)(struct kiln_chain *chain, int64_t now,
				 const struct kiln_chain_answer *answer);
};

enum kiln_phase {
	KILN_PHASE_REST,
	KILN_PHASE_CREDENTIALS_FILE,
	KILN_PHASE_CONFIG_FILE,
	KILN_PHASE_REGION,
	KILN_PHASE_BASE,
	KILN_PHASE_HOP,
};

#define KILN_IMDS_TOKEN_MAX 256u

struct kiln_imds {
	char token[KILN_IMDS_TOKEN_MAX + 1];
	int64_t token_until;
	bool for_region;
	bool renewed; /* the token was refused once: get another, but only once */
	char role[65];
	unsigned state;
};

struct kiln_chain {
	/* settings */
	char **environ;
	size_t environ_count;
	char *explicit_profile;
	char explicit_region[33];
	char session_name[65];
	bool development;
	uint64_t random;

	/* the search */
	enum kiln_phase phase;
	const struct kiln_provider *provider;
	struct kiln_profiles profiles;
	struct kiln_plan plan;
	unsigned hop;   /* hops done */
	unsigned tries; /* of the question under way */
	bool asking;
	struct kiln_chain_question question;
	struct kiln_http_request http;
	struct kiln_command command;
	struct kiln_text path;
	struct kiln_text bearer; /* a token that was read from a file */
	struct kiln_imds imds;
	struct kiln_aws_credentials fresh;
	char file_problem[120]; /* a shared file that is there and cannot be read */
	int file_errors[2];     /* of the credentials file and the config file; 0: it was read */
	struct kiln_chain_tried tried[KILN_CHAIN_TRIED_MAX];
	unsigned tried_count;

	/* what was found */
	struct kiln_aws_credentials current;
	bool current_is_imds;
	bool have_current;
	char region[33];
	char region_source[160];
	struct kiln_sts_endpoints endpoints;
	struct kiln_error problem;
	bool failed;
	bool has_command; /* the last plan */
	unsigned failures;
	int64_t wake_at;
	int64_t seen; /* the clock, when it was last shown */
};

/* ---- settings (chain_settings.c) */

/* NULL: not set, or empty. */
const char *kiln_chain_env(const struct kiln_chain *chain, const char *name);
const char *kiln_chain_profile(const struct kiln_chain *chain);
/* An environment variable, else the profile's key. */
const char *kiln_chain_setting(const struct kiln_chain *chain, const char *name, const char *key);
/* Region and endpoints, from everything that is known without asking. */
/* What can be said of the environment before any file is read: an STS endpoint that is refused. */
KILN_NODISCARD enum kiln_code kiln_chain_check_environ(const struct kiln_chain *chain,
						       struct kiln_error *err);
KILN_NODISCARD enum kiln_code kiln_chain_settle(struct kiln_chain *chain, struct kiln_error *err);
/* Where the credentials come from. */
KILN_NODISCARD enum kiln_code kiln_chain_plan(struct kiln_chain *chain, struct kiln_error *err);
/* The files' names as the operator knows them. */
const char *kiln_chain_credentials_file(const struct kiln_chain *chain);
const char *kiln_chain_config_file(const struct kiln_chain *chain);

/* ---- what the search met, for the operator (chain_tried.c) */

void kiln_chain_tried_environment(struct kiln_chain *chain);
void kiln_chain_tried_files(struct kiln_chain *chain);
/* What comes behind the files, down to the plan's base. */
void kiln_chain_tried_rest(struct kiln_chain *chain);

/* ---- questions (chain_ask.c); a leading "~/" is HOME */

enum kiln_step kiln_chain_ask_file(struct kiln_chain *chain, const char *path, size_t max);
enum kiln_step kiln_chain_ask_command(struct kiln_chain *chain, const char *line);
/* The request in chain->http, unless building it failed. */
enum kiln_step kiln_chain_ask_http(struct kiln_chain *chain, enum kiln_code built);
/* The same question again; false: that was tried often enough. */
bool kiln_chain_again(struct kiln_chain *chain);
KILN_PRINTF(3, 4)
enum kiln_step kiln_chain_fail(struct kiln_chain *chain, enum kiln_code code, const char *format,
			       ...);
/* The answer to a metadata question: true when it is good for nothing but trying again. */
bool kiln_chain_is_transient(const struct kiln_http_answer *http);
/* A file's content without the blanks around it, as chain->bearer. */
enum kiln_step kiln_chain_take_token(struct kiln_chain *chain, const char *what,
				     const struct kiln_chain_answer *answer, size_t max);
KILN_PRINTF(2, 3)
void kiln_chain_source(struct kiln_chain *chain, const char *format, ...);

/* ---- providers */

extern const struct kiln_provider kiln_provider_environment, kiln_provider_static,
    kiln_provider_process, kiln_provider_web_identity, kiln_provider_container, kiln_provider_imds,
    kiln_provider_assume;

/* Whether the environment configures it. */
bool kiln_provider_environment_set(const struct kiln_chain *chain);
bool kiln_provider_web_identity_set(const struct kiln_chain *chain);
bool kiln_provider_container_set(const struct kiln_chain *chain);
bool kiln_provider_imds_off(const struct kiln_chain *chain);
const char *kiln_provider_imds_endpoint(const struct kiln_chain *chain);

#endif
