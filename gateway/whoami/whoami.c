/* SPDX-License-Identifier: Apache-2.0
 * `kiln whoami`: the gateway's own search for an identity (agent/identity.h) in a loop of its own,
 * until its first attempt has ended. */
#include "whoami/whoami.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "agent/identity.h"
#include "aws/sts_request.h"
#include "base/clock.h"
#include "whoami/options.h"
#include "whoami/report.h"

#define QUIET_MS 2000u /* who waits longer wants to know for what */

static uint64_t monotonic_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- the search ---------------------------------------------------------------------------- */

static void say_progress(const struct kiln_identity *identity, char said[KILN_IDENTITY_DOING_MAX])
{
	char doing[KILN_IDENTITY_DOING_MAX];
	kiln_identity_doing(identity, doing);
	if (doing[0] == '\0' || strcmp(doing, said) == 0)
		return;
	(void)fprintf(stderr, "kiln whoami: still %s ...\n", doing);
	memcpy(said, doing, sizeof doing);
}

static enum kiln_code give_up(const struct kiln_identity *identity, uint64_t after_ms,
			      struct kiln_error *err)
{
	char doing[KILN_IDENTITY_DOING_MAX];
	kiln_identity_doing(identity, doing);
	return kiln_fail(err, KILN_E_TIMEOUT, "gave up after %llu ms (--timeout), while %s",
			 (unsigned long long)after_ms, doing[0] != '\0' ? doing : "waiting");
}

/* KILN_OK when the search has ended, well or not. */
static enum kiln_code search(const struct kiln_whoami_options *o, struct kiln_exchanges *http,
			     struct kiln_identity *identity, struct kiln_error *err)
{
	const uint64_t start = monotonic_ms(), end = start + o->timeout_ms;
	char said[KILN_IDENTITY_DOING_MAX] = "";
	for (;;) {
		const uint64_t now = monotonic_ms();
		const int due = kiln_identity_turn(identity, now);
		if (kiln_identity_settled(identity))
			return KILN_OK;
		if (now >= end)
			return give_up(identity, o->timeout_ms, err);
		if (now - start >= QUIET_MS)
			say_progress(identity, said);
		/* Wakes up in time to say what it waits for. */
		uint64_t wait = now - start < QUIET_MS ? start + QUIET_MS - now : 250;
		if (end - now < wait)
			wait = end - now;
		if (due >= 0 && (uint64_t)due < wait)
			wait = (uint64_t)due;
		if (kiln_exchanges_turn(http, NULL, 0, (int)wait, err) != KILN_OK)
			return err->code;
	}
}

/* ---- what came of it ----------------------------------------------------------------------- */

static void find_sts(const struct kiln_identity *identity, struct kiln_whoami_report *report)
{
	const struct kiln_sts_endpoints *endpoints = kiln_identity_endpoints(identity);
	char host[KILN_STS_HOST_MAX];
	if (endpoints->override[0] != '\0') {
		(void)snprintf(report->sts, sizeof report->sts, "%s", endpoints->override);
	} else if (report->region != NULL) {
		kiln_sts_proof_host(report->region, host);
		(void)snprintf(report->sts, sizeof report->sts, "https://%s", host);
	}
}

static void fill(const struct kiln_identity *identity, struct kiln_whoami_report *report)
{
	const struct kiln_aws_credentials *credentials;
	struct kiln_agent_message message;
	const struct kiln_chain *chain = kiln_identity_chain(identity);
	kiln_identity_describe(identity, &message);
	report->chain = chain;
	report->role = message.role;
	memcpy(report->session, message.session, sizeof report->session);
	report->problem.code = message.code;
	memcpy(report->problem.message, message.text, sizeof report->problem.message);
	if (message.code != KILN_OK && kiln_chain_problem(chain) != NULL)
		report->problem = *kiln_chain_problem(chain); /* in full */
	report->now = kiln_wall_clock();
	report->caller = kiln_identity_caller(identity);
	report->region = kiln_chain_region(chain);
	report->region_source = kiln_chain_region_source(chain);
	if (report->region != NULL && report->region_source == NULL)
		report->region_source = "--region";
	if (kiln_chain_credentials(chain, report->now, &credentials, NULL) == KILN_OK) {
		report->source = credentials->source;
		report->expires_at = credentials->expires_at;
	}
	find_sts(identity, report);
}

static int tell(const struct kiln_whoami_options *o, const struct kiln_whoami_report *report)
{
	if (o->json)
		kiln_whoami_print_json(report);
	else
		kiln_whoami_print(report);
	return report->problem.code == KILN_OK ? 0 : 1;
}

static int run(const struct kiln_whoami_options *o)
{
	struct kiln_whoami_report report = {0};
	struct kiln_error err = {0};
	struct kiln_identity *identity = NULL;
	int status = 1;
	struct kiln_exchanges *http = kiln_exchanges_new(&err);
	const struct kiln_identity_options options = {
	    .http = http,
	    .region = o->region,
	    .development = o->development,
	    .silent = true,
	};
	if (http != NULL)
		identity = kiln_identity_new(&options, &err);
	if (identity != NULL) {
		const enum kiln_code rc = search(o, http, identity, &err);
		fill(identity, &report);
		if (rc != KILN_OK)
			report.problem = err;
		status = tell(o, &report);
	} else {
		report.problem = err;
		status = tell(o, &report);
	}
	kiln_identity_free(identity);
	kiln_exchanges_free(http);
	return status;
}

int kiln_whoami_main(int argc, char **argv)
{
	struct kiln_whoami_options o;
	struct kiln_error err = {0};
	if (kiln_whoami_options_read(&o, argc, argv, &err) != KILN_OK) {
		(void)fprintf(stderr, "kiln whoami: %s\n", err.message);
		return 2;
	}
	if (o.help) {
		(void)fputs(kiln_whoami_help, stdout);
		return 0;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	return run(&o);
}
