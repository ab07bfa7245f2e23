/* SPDX-License-Identifier: Apache-2.0
 * The credential chain's machine: files, plan, region, provider, roles; then rest until the
 * credentials grow old. */
#include "aws/chain.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/chain_inner.h"
#include "aws/region.h"
#include "aws/role.h"
#include "base/bytes.h"

#define ADVISORY  INT64_C(900) /* seconds before expiry: begin to refresh */
#define MANDATORY INT64_C(600) /* try hard */
#define SOONEST   INT64_C(10)  /* after any success, whatever expiry and clock say */

/* ------------------------------------------------------------------ times */

/* Up to limit - 1; xorshift is enough to spread machines. */
static int64_t spread(struct kiln_chain *chain, int64_t limit)
{
	chain->random ^= chain->random << 13;
	chain->random ^= chain->random >> 7;
	chain->random ^= chain->random << 17;
	return (int64_t)(chain->random % (uint64_t)limit);
}

/* It may be set, by hours. Forwards it ends a wait, once; backwards it must not make one longer. */
static void follow_clock(struct kiln_chain *chain, int64_t now)
{
	if (chain->phase == KILN_PHASE_REST && now < chain->seen && chain->wake_at > 0 &&
	    chain->wake_at < INT64_MAX)
		chain->wake_at -= chain->seen - now;
	chain->seen = now;
}

static bool is_expired(const struct kiln_chain *chain, int64_t now)
{
	return chain->current.expires_at != 0 && chain->current.expires_at <= now;
}

/* 1, 2, 4 ... seconds up to a limit that grows with the time that is left. */
static int64_t delay_after_failure(struct kiln_chain *chain, int64_t now)
{
	int64_t limit = 30;
	if (chain->have_current && is_expired(chain, now) && chain->current_is_imds)
		return 300 + spread(chain, 300);
	if (chain->have_current && !is_expired(chain, now))
		limit = chain->current.expires_at - now > MANDATORY ? 60 : 10;
	const unsigned doublings = chain->failures < 7 ? chain->failures - 1 : 6;
	const int64_t delay = INT64_C(1) << doublings;
	return (delay < limit ? delay : limit) + spread(chain, 2);
}

static int64_t refresh_at(const struct kiln_chain *chain, int64_t now)
{
	const int64_t expires_at = chain->current.expires_at;
	if (expires_at == 0)
		return INT64_MAX;
	/* Short-lived ones would be due at once, again and again: half of what is left. */
	const int64_t left = expires_at - now;
	const int64_t half = left / 2 < 300 ? left / 2 : 300;
	const int64_t soonest = now + (half + 1 > SOONEST ? half + 1 : SOONEST);
	return expires_at - ADVISORY > soonest ? expires_at - ADVISORY : soonest;
}

/* ------------------------------------------------------------------ ends of a search */

static void forget_search(struct kiln_chain *chain)
{
	chain->phase = KILN_PHASE_REST;
	chain->asking = false;
	kiln_http_request_clear(&chain->http);
	kiln_command_clear(&chain->command);
	kiln_text_clear(&chain->bearer);
	kiln_text_clear(&chain->path);
	kiln_aws_credentials_clear(&chain->fresh);
	kiln_ini_clear(&chain->profiles.config);
	kiln_ini_clear(&chain->profiles.credentials);
	chain->plan = (struct kiln_plan){0};
}

static void search_failed(struct kiln_chain *chain, int64_t now)
{
	forget_search(chain);
	chain->failed = true;
	chain->failures++;
	chain->wake_at = now + delay_after_failure(chain, now);
}

static void search_done(struct kiln_chain *chain, int64_t now)
{
	const bool imds = chain->plan.base == KILN_BASE_IMDS && chain->plan.hop_count == 0;
	const int64_t expires_at = chain->fresh.expires_at;
	if (expires_at != 0 && expires_at <= now && !imds) {
		(void)kiln_chain_fail(chain, KILN_E_CREDENTIALS,
				      "the credentials from %s have already expired",
				      chain->fresh.source);
		search_failed(chain, now);
		return;
	}
	kiln_aws_credentials_clear(&chain->current);
	chain->current = chain->fresh;
	chain->fresh = (struct kiln_aws_credentials){0};
	chain->have_current = true;
	chain->current_is_imds = imds;
	chain->failed = false;
	chain->failures = 0;
	forget_search(chain);
	chain->wake_at =
	    is_expired(chain, now) ? now + 300 + spread(chain, 300) : refresh_at(chain, now);
}

/* ------------------------------------------------------------------ phases */

static void run(struct kiln_chain *chain, int64_t now, enum kiln_step step);

static void begin(struct kiln_chain *chain, int64_t now, enum kiln_phase phase,
		  const struct kiln_provider *provider)
{
	chain->phase = phase;
	chain->provider = provider;
	run(chain, now, provider->start(chain, now));
}

static const struct kiln_provider *provider_of(enum kiln_base base)
{
	switch (base) {
	case KILN_BASE_STATIC: return &kiln_provider_static;
	case KILN_BASE_PROCESS: return &kiln_provider_process;
	case KILN_BASE_WEB_IDENTITY: return &kiln_provider_web_identity;
	case KILN_BASE_ENVIRONMENT: return &kiln_provider_environment;
	case KILN_BASE_CONTAINER: return &kiln_provider_container;
	case KILN_BASE_IMDS: return &kiln_provider_imds;
	case KILN_BASE_NONE: break;
	}
	return NULL; /* a plan always has a base */
}

static void ask_for_file(struct kiln_chain *chain, int64_t now, enum kiln_phase phase)
{
	const bool config = phase == KILN_PHASE_CONFIG_FILE;
	const char *path =
	    config ? kiln_chain_config_file(chain) : kiln_chain_credentials_file(chain);
	chain->phase = phase;
	if (kiln_chain_ask_file(chain, path, KILN_INI_FILE_MAX) != KILN_STEP_ASK)
		search_failed(chain, now);
}

static void begin_base(struct kiln_chain *chain, int64_t now)
{
	chain->imds.for_region = false;
	chain->hop = 0;
	begin(chain, now, KILN_PHASE_BASE, provider_of(chain->plan.base));
}

static void files_are_read(struct kiln_chain *chain, int64_t now)
{
	if (kiln_chain_settle(chain, &chain->problem) != KILN_OK ||
	    kiln_chain_plan(chain, &chain->problem) != KILN_OK) {
		search_failed(chain, now);
		return;
	}
	chain->has_command = chain->plan.base == KILN_BASE_PROCESS;
	if (chain->region[0] != '\0' || kiln_provider_imds_off(chain)) {
		begin_base(chain, now);
		return;
	}
	chain->imds.for_region = true;
	begin(chain, now, KILN_PHASE_REGION, &kiln_provider_imds);
}

static void base_or_hop_done(struct kiln_chain *chain, int64_t now)
{
	if (chain->hop < chain->plan.hop_count)
		begin(chain, now, KILN_PHASE_HOP, &kiln_provider_assume);
	else
		search_done(chain, now);
}

static void run(struct kiln_chain *chain, int64_t now, enum kiln_step step)
{
	if (step == KILN_STEP_ASK)
		return;
	if (chain->phase == KILN_PHASE_REGION)
		begin_base(chain, now); /* without a region, only who needs one fails */
	else if (step == KILN_STEP_FAILED)
		search_failed(chain, now);
	else
		base_or_hop_done(chain, now);
}

/* A file that is not there is none. One that cannot be read is remembered for the case that nothing
 * else has credentials. */
static void take_file(struct kiln_chain *chain, int64_t now, const struct kiln_chain_answer *answer)
{
	const bool config = chain->phase == KILN_PHASE_CONFIG_FILE;
	struct kiln_ini *ini = config ? &chain->profiles.config : &chain->profiles.credentials;
	chain->file_errors[config ? 1 : 0] = answer->error;
	if (answer->error == 0) {
		char what[100];
		(void)snprintf(what, sizeof what, "%.90s", chain->path.data);
		if (kiln_ini_read(answer->data, answer->len, what, ini, &chain->problem) !=
		    KILN_OK) {
			search_failed(chain, now);
			return;
		}
	} else if (answer->error != ENOENT && answer->error != ENOTDIR) {
		char text[64];
		(void)snprintf(chain->file_problem, sizeof chain->file_problem,
			       "%.60s cannot be read: %s", chain->path.data,
			       strerror_r(answer->error, text, sizeof text));
	}
	if (config)
		files_are_read(chain, now);
	else
		ask_for_file(chain, now, KILN_PHASE_CONFIG_FILE);
}

/* ------------------------------------------------------------------ the owner's calls */

const struct kiln_chain_question *kiln_chain_step(struct kiln_chain *chain, int64_t now)
{
	follow_clock(chain, now);
	if (chain->phase == KILN_PHASE_REST && now >= chain->wake_at) {
		chain->file_problem[0] = '\0';
		chain->tried_count = 0;
		ask_for_file(chain, now, KILN_PHASE_CREDENTIALS_FILE);
	}
	return chain->asking ? &chain->question : NULL;
}

void kiln_chain_answer(struct kiln_chain *chain, int64_t now,
		       const struct kiln_chain_answer *answer)
{
	if (!chain->asking)
		return;
	follow_clock(chain, now);
	chain->asking = false;
	if (chain->phase == KILN_PHASE_CREDENTIALS_FILE || chain->phase == KILN_PHASE_CONFIG_FILE)
		take_file(chain, now, answer);
	else
		run(chain, now, chain->provider->answer(chain, now, answer));
}

int64_t kiln_chain_wake_at(const struct kiln_chain *chain)
{
	return chain->wake_at;
}

void kiln_chain_refresh(struct kiln_chain *chain)
{
	if (chain->phase == KILN_PHASE_REST)
		chain->wake_at = INT64_MIN;
}

enum kiln_code kiln_chain_credentials(const struct kiln_chain *chain, int64_t now,
				      const struct kiln_aws_credentials **out,
				      struct kiln_error *err)
{
	*out = &chain->current;
	if (chain->have_current && (!is_expired(chain, now) || chain->current_is_imds))
		return KILN_OK;
	*out = NULL;
	if (chain->failed)
		return kiln_fail(err, KILN_E_CREDENTIALS, "no AWS credentials: %.200s",
				 chain->problem.message);
	if (chain->have_current)
		return kiln_fail(err, KILN_E_CREDENTIALS, "the credentials from %s have expired",
				 chain->current.source);
	return kiln_fail(err, KILN_E_CREDENTIALS, "AWS credentials are still being looked for");
}

const char *kiln_chain_region(const struct kiln_chain *chain)
{
	return chain->region[0] != '\0' ? chain->region : NULL;
}

const char *kiln_chain_region_source(const struct kiln_chain *chain)
{
	return chain->region_source[0] != '\0' ? chain->region_source : NULL;
}

const struct kiln_sts_endpoints *kiln_chain_endpoints(const struct kiln_chain *chain)
{
	return &chain->endpoints;
}

bool kiln_chain_has_command(const struct kiln_chain *chain)
{
	return chain->has_command;
}

const struct kiln_error *kiln_chain_problem(const struct kiln_chain *chain)
{
	return chain->failed ? &chain->problem : NULL;
}
