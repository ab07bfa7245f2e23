/* SPDX-License-Identifier: Apache-2.0
 * Who we are: credentials and the role they belong to, for all threads; see identity.h. */
#include "driver/identity.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "base/clock.h"
#include "roast/roast.h"

extern char **environ;

#define SIGNATURES   65536u /* 2 in a connection: 15 minutes of 70 connections a second */
#define ASK_AGAIN_MS 1000   /* after STS could not say who we are */

/* ---- making one ---------------------------------------------------------------------------- */

static enum kiln_code fill(struct kiln_aws *aws, const struct kiln_aws_options *o,
			   struct kiln_error *err)
{
	struct kiln_chain_options chain = {
	    .environ = (const char *const *)environ,
	    .profile = o->profile,
	    .region = o->region,
	    .development = o->development_sts,
	};
	(void)!getrandom(&chain.seed, sizeof chain.seed, GRND_NONBLOCK); /* spreads, no secret */
	enum kiln_code rc = kiln_chain_new(&chain, &aws->chain, err);
	if (rc == KILN_OK)
		rc = kiln_roast_prepare(err);
	if (rc != KILN_OK)
		return rc;
	aws->replay = kiln_roast_replay_new(SIGNATURES, err);
	if (aws->replay == NULL)
		return err->code;
	for (int role = KILN_CLIENT; role <= KILN_SERVER; role++) {
		aws->configs[role] = kiln_roast_config_new((enum kiln_role)role, NULL, err);
		if (aws->configs[role] == NULL)
			return err->code;
	}
	return KILN_OK;
}

static bool make_lock(struct kiln_aws *aws)
{
	pthread_condattr_t attributes;
	if (pthread_condattr_init(&attributes) != 0)
		return false;
	const bool made = pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0 &&
			  pthread_cond_init(&aws->changed, &attributes) == 0;
	(void)pthread_condattr_destroy(&attributes);
	return made && pthread_mutex_init(&aws->lock, NULL) == 0;
}

struct kiln_aws *kiln_aws_open(const struct kiln_aws_options *options, struct kiln_error *err)
{
	static const struct kiln_aws_options defaults;
	struct kiln_error own;
	err = err != NULL ? err : &own;
	struct kiln_aws *aws = calloc(1, sizeof *aws);
	/* Once for all the exchanges to come: each counts, and the last one out would tear down. */
	if (aws == NULL || !make_lock(aws) || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
		free(aws);
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for an AWS identity");
		return NULL;
	}
	if (fill(aws, options != NULL ? options : &defaults, err) == KILN_OK)
		return aws;
	kiln_aws_close(aws);
	return NULL;
}

void kiln_aws_close(struct kiln_aws *aws)
{
	if (aws == NULL)
		return;
	kiln_chain_free(aws->chain);
	kiln_roast_replay_free(aws->replay);
	kiln_tls_config_unref(aws->configs[KILN_CLIENT]);
	kiln_tls_config_unref(aws->configs[KILN_SERVER]);
	curl_global_cleanup();
	(void)pthread_cond_destroy(&aws->changed);
	(void)pthread_mutex_destroy(&aws->lock);
	free(aws);
}

struct kiln_aws *kiln_aws_get(struct kiln_aws *aws, struct kiln_error *err)
{
	static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	static struct kiln_aws *of_process;
	if (aws != NULL)
		return aws;
	(void)pthread_mutex_lock(&lock);
	if (of_process == NULL)
		of_process = kiln_aws_open(NULL, err);
	aws = of_process;
	(void)pthread_mutex_unlock(&lock);
	return aws;
}

/* ---- the role, with the lock held ---------------------------------------------------------- */

static enum kiln_code make_own_proof(struct kiln_aws *aws, struct kiln_aws_proof *proof,
				     struct kiln_error *err)
{
	static const char nothing[] = "{}";
	const struct kiln_aws_credentials *credentials;
	const int64_t now = kiln_wall_clock();
	const char *region = kiln_chain_region(aws->chain);
	const enum kiln_code rc = kiln_chain_credentials(aws->chain, now, &credentials, err);
	if (rc != KILN_OK)
		return rc;
	if (region == NULL)
		return kiln_fail(err, KILN_E_CONFIG, "no AWS region is known; set AWS_REGION");
	return kiln_aws_prove(credentials, region, now, nothing, sizeof nothing - 1, proof, err);
}

/* By who is `searching`. A failure holds for a moment, so that not everybody who waits finds it out
 * himself; but not one that only says that this caller had no more time. */
static enum kiln_code learn_role(struct kiln_aws *aws, kiln_time_ms deadline,
				 struct kiln_error *err)
{
	struct kiln_aws_proof proof;
	struct kiln_aws_role role;
	struct kiln_error why = {0};
	char key[sizeof aws->known_key], session[sizeof aws->session];
	enum kiln_code rc = make_own_proof(aws, &proof, err);
	if (rc != KILN_OK)
		return rc;
	const struct kiln_sts_endpoints endpoints = *kiln_chain_endpoints(aws->chain);
	kiln_aws_proof_key_id(&proof, key);
	(void)pthread_mutex_unlock(&aws->lock);
	rc = kiln_aws_ask_sts(&endpoints, &proof, deadline, &role, session, &why);
	kiln_aws_proof_clear(&proof);
	(void)pthread_mutex_lock(&aws->lock);
	if (rc != KILN_OK) {
		(void)kiln_fail(err, rc, "our own role is not known: %.220s", why.message);
		if (rc != KILN_E_TIMEOUT) {
			aws->problem = *err;
			aws->ask_again_at = kiln_driver_now() + ASK_AGAIN_MS;
		}
		return rc;
	}
	aws->role = role;
	memcpy(aws->session, session, sizeof session);
	memcpy(aws->known_key, key, sizeof key);
	return KILN_OK;
}

/* The role is that of the credentials that are in use. */
static bool is_known(const struct kiln_aws *aws, struct kiln_error *err)
{
	const struct kiln_aws_credentials *credentials;
	return kiln_chain_credentials(aws->chain, kiln_wall_clock(), &credentials, err) ==
		   KILN_OK &&
	       strcmp(credentials->access_key_id, aws->known_key) == 0;
}

static enum kiln_code search(struct kiln_aws *aws, kiln_time_ms deadline, struct kiln_error *err)
{
	/* A refresh may take half of the time: there is something to go on with. */
	const bool known = is_known(aws, NULL);
	const kiln_time_ms now = kiln_driver_now();
	enum kiln_code rc =
	    kiln_aws_search(aws, known ? now + (deadline - now) / 2 : deadline, err);
	if (is_known(aws, NULL))
		return KILN_OK;
	if (rc != KILN_OK)
		return rc;
	if (kiln_driver_now() >= aws->ask_again_at)
		return learn_role(aws, deadline, err);
	*err = aws->problem;
	return err->code;
}

static enum kiln_code wait_for_others(struct kiln_aws *aws, kiln_time_ms deadline,
				      struct kiln_error *err)
{
	const struct timespec end = {.tv_sec = deadline / 1000,
				     .tv_nsec = deadline % 1000 * 1000000};
	if (pthread_cond_timedwait(&aws->changed, &aws->lock, &end) != ETIMEDOUT)
		return KILN_OK;
	return kiln_fail(err, KILN_E_TIMEOUT,
			 "the time is over while another thread looks for AWS credentials");
}

static enum kiln_code make_ready(struct kiln_aws *aws, kiln_time_ms deadline,
				 struct kiln_error *err)
{
	enum kiln_code rc = KILN_OK;
	while (rc == KILN_OK && aws->searching && !is_known(aws, NULL))
		rc = wait_for_others(aws, deadline, err);
	if (rc == KILN_OK && !aws->searching) {
		aws->searching = true;
		rc = search(aws, deadline, err);
		aws->searching = false;
		(void)pthread_cond_broadcast(&aws->changed);
	}
	return rc;
}

enum kiln_code kiln_aws_ready(struct kiln_aws *aws, kiln_time_ms deadline,
			      struct kiln_aws_role *role, struct kiln_error *err)
{
	(void)pthread_mutex_lock(&aws->lock);
	const enum kiln_code rc = make_ready(aws, deadline, err);
	*role = aws->role;
	(void)pthread_mutex_unlock(&aws->lock);
	return rc;
}

/* ---- for the others ------------------------------------------------------------------------ */

/* The payload's binding names a role, and a signature by another would look like an attack. So the
 * credentials are those of which STS has said whose they are. */
static enum kiln_code sign(struct kiln_aws *aws, const struct kiln_aws_role *as,
			   const uint8_t *payload, size_t len, struct kiln_aws_proof *out,
			   struct kiln_error *err)
{
	const struct kiln_aws_credentials *credentials;
	const int64_t now = kiln_wall_clock();
	const enum kiln_code rc = kiln_chain_credentials(aws->chain, now, &credentials, err);
	if (rc != KILN_OK)
		return rc;
	if (as != NULL && !kiln_aws_role_equal(&aws->role, as))
		return kiln_fail(err, KILN_E_CREDENTIALS,
				 "our own role has changed during the handshake");
	return kiln_aws_prove(credentials, kiln_chain_region(aws->chain), now, payload, len, out,
			      err);
}

enum kiln_code kiln_aws_sign(struct kiln_aws *aws, const struct kiln_aws_role *as,
			     const uint8_t *payload, size_t len, kiln_time_ms deadline,
			     struct kiln_aws_proof *out, struct kiln_error *err)
{
	enum kiln_code rc = KILN_OK;
	(void)pthread_mutex_lock(&aws->lock);
	if (!is_known(aws, NULL)) /* another thread has found others meanwhile */
		rc = make_ready(aws, deadline, err);
	if (rc == KILN_OK)
		rc = sign(aws, as, payload, len, out, err);
	(void)pthread_mutex_unlock(&aws->lock);
	return rc;
}

enum kiln_code kiln_aws_whoami(struct kiln_aws *aws, uint32_t timeout_ms,
			       struct kiln_aws_role *role, char session[KILN_AWS_SESSION_MAX + 1],
			       struct kiln_error *err)
{
	struct kiln_error own;
	struct kiln_aws_role found;
	err = err != NULL ? err : &own;
	aws = kiln_aws_get(aws, err);
	if (aws == NULL)
		return err->code;
	const kiln_time_ms deadline =
	    kiln_driver_now() + (timeout_ms != 0 ? timeout_ms : KILN_AWS_TIMEOUT_MS);
	const enum kiln_code rc = kiln_aws_ready(aws, deadline, &found, err);
	if (rc != KILN_OK)
		return rc;
	(void)pthread_mutex_lock(&aws->lock);
	if (role != NULL)
		*role = aws->role;
	if (session != NULL)
		memcpy(session, aws->session, sizeof aws->session);
	(void)pthread_mutex_unlock(&aws->lock);
	return rc;
}
