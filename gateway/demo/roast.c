/* SPDX-License-Identifier: Apache-2.0
 * The demo's second part: both sides prove AWS roles, with `kiln sts` in the place of AWS; and each
 * side meets somebody whose role it does not want. */
#include <stdio.h>
#include <string.h>

#include "demo/stage.h"
#include "sts/make_keys.h"

#define CLIENT_ROLE   "arn:aws:iam::123456789012:role/Orders"
#define SERVER_ROLE   "arn:aws:iam::210987654321:role/Ledger"
#define STRANGER_ROLE "arn:aws:iam::123456789012:role/Stranger"

struct cast {
	struct kiln_demo_stage *stage;
	char keys[PATH_MAX];             /* what `kiln sts` knows */
	char endpoint[128];              /* AWS_ENDPOINT_URL_STS=... */
	char credentials[PATH_MAX + 64]; /* AWS_SHARED_CREDENTIALS_FILE=..., a profile each */
	struct kiln_demo_process *sts, *server, *client;
};

/* ---- AWS ----------------------------------------------------------------------------------- */

static enum kiln_code make_keys(struct cast *cast, struct kiln_error *err)
{
	static const char *const roles[] = {CLIENT_ROLE, SERVER_ROLE, STRANGER_ROLE};
	FILE *nobody = fopen("/dev/null", "we");
	if (nobody == NULL)
		return kiln_fail(err, KILN_E_SYSTEM, "/dev/null cannot be opened");
	enum kiln_code rc = kiln_demo_file(cast->stage, "keys", cast->keys, err);
	if (rc == KILN_OK)
		rc = kiln_stsd_make_keys(cast->keys, roles, 3, "us-east-1", false, nobody, err);
	(void)fclose(nobody);
	(void)snprintf(cast->credentials, sizeof cast->credentials,
		       "AWS_SHARED_CREDENTIALS_FILE=%s.credentials", cast->keys);
	return rc;
}

static enum kiln_code start_sts(struct cast *cast, struct kiln_error *err)
{
	const char *const arguments[] = {"sts",      "--keys",      cast->keys,
					 "--listen", "127.0.0.1:0", NULL};
	const struct kiln_demo_start start = {.arguments = arguments};
	json_t *ready = NULL;
	enum kiln_code rc = make_keys(cast, err);
	if (rc == KILN_OK)
		rc = kiln_demo_start(cast->stage, &start, &cast->sts, &ready, err);
	if (rc == KILN_OK)
		(void)snprintf(cast->endpoint, sizeof cast->endpoint,
			       "AWS_ENDPOINT_URL_STS=http://%.64s", kiln_demo_listen(ready));
	json_decref(ready);
	return rc;
}

/* ---- gateways ------------------------------------------------------------------------------ */

/* A gateway that is one role and lets in another. */
static enum kiln_code start_gateway(const struct cast *cast, const char *mode, const char *target,
				    const char *is, const char *allowed,
				    struct kiln_demo_process **process, json_t **ready,
				    struct kiln_error *err)
{
	char profile[96];
	(void)snprintf(profile, sizeof profile, "AWS_PROFILE=%.64s", strrchr(is, '/') + 1);
	const char *const environment[] = {
	    cast->endpoint,         cast->credentials, "AWS_CONFIG_FILE=/dev/null",
	    "AWS_REGION=us-east-1", profile,           NULL};
	const char *const arguments[] = {mode,
					 "--listen",
					 "127.0.0.1:0",
					 "--target",
					 target,
					 "--roast",
					 "--allow-role",
					 allowed,
					 "--require-binding",
					 "--development-sts",
					 "--workers",
					 "1",
					 NULL};
	const struct kiln_demo_start start = {
	    .arguments = arguments,
	    .environment = environment,
	    .identity = true,
	};
	return kiln_demo_start(cast->stage, &start, process, ready, err);
}

static enum kiln_code start_both(struct cast *cast, struct kiln_demo_part *part,
				 struct kiln_error *err)
{
	char target[32];
	(void)snprintf(target, sizeof target, "127.0.0.1:%u", cast->stage->backend_port);
	enum kiln_code rc = start_gateway(cast, "server", target, SERVER_ROLE, CLIENT_ROLE,
					  &cast->server, &part->server_ready, err);
	if (rc == KILN_OK)
		rc =
		    start_gateway(cast, "client", kiln_demo_listen(part->server_ready), CLIENT_ROLE,
				  SERVER_ROLE, &cast->client, &part->client_ready, err);
	return rc;
}

/* Another client of the same server, which comes to nothing. */
static enum kiln_code attempt(struct cast *cast, const char *is, const char *allowed,
			      struct kiln_demo_part *part, struct kiln_demo_refusal what,
			      struct kiln_error *err)
{
	struct kiln_demo_process *client = NULL;
	struct kiln_demo_refusal *refusal = &part->refusals[part->refusal_count++];
	json_t *ready = NULL;
	*refusal = what;
	enum kiln_code rc = start_gateway(cast, "client", kiln_demo_listen(part->server_ready), is,
					  allowed, &client, &ready, err);
	if (rc == KILN_OK)
		rc = kiln_demo_attempt(cast->server, client, ready, refusal, err);
	json_decref(ready);
	return rc;
}

enum kiln_code kiln_demo_roast(struct kiln_demo_stage *stage, struct kiln_demo_part *part,
			       struct kiln_error *err)
{
	struct cast cast = {.stage = stage};
	part->client_name = CLIENT_ROLE;
	part->server_name = SERVER_ROLE;
	kiln_demo_say("\nRoast: AWS roles in place of certificates, `kiln sts` in the place of "
		      "AWS\n  the server is %s and lets in …/Orders, the client the other way "
		      "round",
		      SERVER_ROLE);
	enum kiln_code rc = start_sts(&cast, err);
	if (rc == KILN_OK)
		rc = start_both(&cast, part, err);
	if (rc == KILN_OK)
		rc = kiln_demo_move(stage, cast.server, cast.client, part, err);
	if (rc == KILN_OK)
		rc = attempt(&cast, STRANGER_ROLE, SERVER_ROLE, part,
			     (struct kiln_demo_refusal){.who = "a client with another role",
							.by_server = true},
			     err);
	if (rc == KILN_OK)
		rc = attempt(&cast, CLIENT_ROLE, STRANGER_ROLE, part,
			     (struct kiln_demo_refusal){
				 .who = "the right client, sent to a server with another role "
					"than it wants"},
			     err);
	return rc;
}
