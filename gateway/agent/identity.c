/* SPDX-License-Identifier: Apache-2.0
 * The gateway's own identity; see identity.h. */
#include "agent/identity.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "aws/chain.h"
#include "base/clock.h"
#include "driver/file.h"
#include "driver/program.h"
#include "log/log.h"

extern char **environ;

#define ASK_AGAIN_MS  5000u  /* after STS could not say who we are */
#define SAY_AGAIN_MS  60000u /* the same failure in the log */
#define LOOK_AGAIN_MS 60000  /* the wall clock may jump: no wait is longer */
#define STEPS_A_TURN  64     /* questions that are answered at once */

struct kiln_identity {
	struct kiln_identity_options options;
	struct kiln_chain *chain;
	struct kiln_program command;
	bool exchange_under_way; /* of the chain */
	bool programs_forbidden, program_wanted;
	uint64_t now_ms;

	/* Who STS says we are, with the credentials of this key. */
	bool known, asking, settled;
	char asked_key[129], known_key[129];
	uint64_t ask_at_ms;
	struct kiln_sts_identity caller;
	struct kiln_aws_role role;
	char session[KILN_AWS_SESSION_MAX + 1];
	struct kiln_error problem;
	struct kiln_log_limit said;
};

struct kiln_identity *kiln_identity_new(const struct kiln_identity_options *options,
					struct kiln_error *err)
{
	struct kiln_identity *identity = calloc(1, sizeof *identity);
	uint64_t seed = 0;
	if (identity == NULL) {
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for the identity");
		return NULL;
	}
	identity->options = *options;
	identity->command.fd = -1;
	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed) {
		(void)kiln_fail(err, KILN_E_SYSTEM, "no random numbers");
		free(identity);
		return NULL;
	}
	const struct kiln_chain_options chain = {
	    .environ = (const char *const *)environ,
	    .region = options->region,
	    .development = options->development,
	    .seed = seed,
	};
	if (kiln_chain_new(&chain, &identity->chain, err) != KILN_OK) {
		free(identity);
		return NULL;
	}
	/* AGAIN: whoever hears it waits. */
	(void)kiln_fail(&identity->problem, KILN_E_AGAIN,
			"AWS credentials are still being looked for");
	return identity;
}

void kiln_identity_free(struct kiln_identity *identity)
{
	if (identity == NULL)
		return;
	kiln_program_clear(&identity->command);
	kiln_chain_free(identity->chain);
	free(identity);
}

/* ---- the chain's questions ----------------------------------------------------------------- */

static void answer_file(struct kiln_identity *identity, const struct kiln_chain_question *q)
{
	struct kiln_file file;
	const int failed = kiln_file_read_some(q->path, q->max, &file);
	const struct kiln_chain_answer answer = {
	    .error = failed, .data = file.data, .len = file.len};
	kiln_chain_answer(identity->chain, kiln_wall_clock(), &answer);
	kiln_file_clear(&file);
}

/* The question stays open when it may not be answered: the agent ends, and the next one may. */
static void start_command(struct kiln_identity *identity, const struct kiln_chain_question *q)
{
	if (identity->programs_forbidden) {
		identity->program_wanted = true;
		return;
	}
	const int failed = kiln_program_start(&identity->command, q->argv, q->max,
					      identity->now_ms + q->timeout_ms);
	if (failed == 0)
		return;
	const struct kiln_chain_answer answer = {.error = failed};
	kiln_chain_answer(identity->chain, kiln_wall_clock(), &answer);
}

static void watch_command(struct kiln_identity *identity)
{
	struct kiln_program *command = &identity->command;
	struct kiln_chain_answer answer = {0};
	if (!kiln_program_turn(command, identity->now_ms, &answer.exit_status))
		return;
	answer.data = command->data;
	answer.len = command->len < command->max ? command->len : command->max;
	kiln_chain_answer(identity->chain, kiln_wall_clock(), &answer);
	kiln_program_clear(command);
}

static void on_exchange(void *arg, const struct kiln_http_answer *http)
{
	struct kiln_identity *identity = arg;
	const struct kiln_chain_answer answer = {.http = http};
	identity->exchange_under_way = false;
	kiln_chain_answer(identity->chain, kiln_wall_clock(), &answer);
}

static void start_exchange(struct kiln_identity *identity, const struct kiln_chain_question *q)
{
	struct kiln_error err = {0};
	if (kiln_exchanges_start(identity->options.http, q->http, on_exchange, identity, &err) ==
	    KILN_OK) {
		identity->exchange_under_way = true;
		return;
	}
	struct kiln_http_answer http = {0};
	memcpy(http.problem, err.message, sizeof http.problem - 1);
	const struct kiln_chain_answer answer = {.http = &http};
	kiln_chain_answer(identity->chain, kiln_wall_clock(), &answer);
}

/* Answers what can be answered at once. */
static void follow_chain(struct kiln_identity *identity)
{
	const struct kiln_chain_question *q;
	for (int i = 0; i < STEPS_A_TURN; i++) {
		if (identity->command.pid != 0)
			watch_command(identity);
		if (identity->command.pid != 0 || identity->exchange_under_way ||
		    identity->program_wanted)
			return;
		q = kiln_chain_step(identity->chain, kiln_wall_clock());
		if (q == NULL)
			return;
		switch (q->ask) {
		case KILN_CHAIN_FILE: answer_file(identity, q); break;
		case KILN_CHAIN_COMMAND: start_command(identity, q); break;
		case KILN_CHAIN_HTTP: start_exchange(identity, q); break;
		}
	}
}

bool kiln_identity_look(struct kiln_identity *identity)
{
	const struct kiln_chain_question *q;
	for (int i = 0; i < STEPS_A_TURN; i++) {
		q = kiln_chain_step(identity->chain, kiln_wall_clock());
		if (q == NULL || q->ask != KILN_CHAIN_FILE)
			break;
		answer_file(identity, q);
	}
	return kiln_chain_has_command(identity->chain);
}

void kiln_identity_forbid_programs(struct kiln_identity *identity)
{
	identity->programs_forbidden = true;
}

bool kiln_identity_wants_program(const struct kiln_identity *identity)
{
	return identity->program_wanted;
}

/* ---- who we are ---------------------------------------------------------------------------- */

static void tell(struct kiln_identity *identity)
{
	identity->settled = true;
	if (identity->options.changed != NULL)
		identity->options.changed(identity->options.arg);
}

static void say_problem(struct kiln_identity *identity)
{
	struct kiln_log_line line;
	uint64_t suppressed;
	if (identity->options.silent ||
	    !kiln_log_limit_pass(&identity->said, identity->now_ms, SAY_AGAIN_MS, &suppressed))
		return;
	kiln_log_begin(&line, KILN_LOG_ERROR, "identity_failed");
	kiln_log_error(&line, &identity->problem);
	kiln_log_bool(&line, "old_one_in_use", identity->known);
	kiln_log_end(&line);
}

static void fail(struct kiln_identity *identity, const struct kiln_error *err)
{
	const bool news =
	    !identity->settled || strcmp(identity->problem.message, err->message) != 0;
	identity->problem = *err;
	identity->ask_at_ms = identity->now_ms + ASK_AGAIN_MS;
	say_problem(identity);
	if (news && !identity->known)
		tell(identity);
}

static void say_identity(const struct kiln_identity *identity)
{
	const struct kiln_aws_credentials *credentials;
	struct kiln_log_line line;
	char arn[KILN_AWS_ROLE_ARN_MAX];
	if (identity->options.silent || kiln_chain_credentials(identity->chain, kiln_wall_clock(),
							       &credentials, NULL) != KILN_OK)
		return;
	kiln_aws_role_format(&identity->role, arn);
	kiln_log_begin(&line, KILN_LOG_INFO, "identity");
	kiln_log_str(&line, "role", arn);
	kiln_log_str(&line, "session", identity->session);
	kiln_log_str(&line, "region", kiln_chain_region(identity->chain));
	kiln_log_str(&line, "source", credentials->source);
	if (credentials->expires_at != 0)
		kiln_log_i64(&line, "expires_in_s", credentials->expires_at - kiln_wall_clock());
	kiln_log_end(&line);
}

static void on_caller(void *arg, const struct kiln_http_answer *http)
{
	struct kiln_identity *identity = arg;
	struct kiln_sts_identity caller;
	struct kiln_error err = {0};
	struct kiln_aws_role role;
	char session[KILN_AWS_SESSION_MAX + 1];
	identity->asking = false;
	enum kiln_code rc = kiln_sts_identity_read(http, &caller, &err);
	if (rc == KILN_OK) {
		identity->caller = caller;
		rc = kiln_aws_role_of_session(caller.arn, strlen(caller.arn), &role, session, &err);
	}
	if (rc != KILN_OK) {
		fail(identity, &err);
		return;
	}
	identity->role = role;
	memcpy(identity->session, session, sizeof session);
	memcpy(identity->known_key, identity->asked_key, sizeof identity->known_key);
	identity->known = true;
	tell(identity); /* first: who reads the line may count on the workers knowing it */
	say_identity(identity);
}

static void ask_caller(struct kiln_identity *identity,
		       const struct kiln_aws_credentials *credentials)
{
	static const char nothing[] = "{}";
	struct kiln_aws_proof proof;
	struct kiln_http_request request;
	struct kiln_error err = {0};
	const char *region = kiln_chain_region(identity->chain);
	if (region == NULL) {
		(void)kiln_fail(&err, KILN_E_CONFIG,
				"no AWS region is known; set --region or AWS_REGION");
		fail(identity, &err);
		return;
	}
	memcpy(identity->asked_key, credentials->access_key_id, sizeof identity->asked_key);
	enum kiln_code rc = kiln_aws_prove(credentials, region, kiln_wall_clock(), nothing,
					   sizeof nothing - 1, &proof, &err);
	if (rc == KILN_OK) {
		rc = kiln_sts_identity_request(kiln_chain_endpoints(identity->chain), &proof,
					       &request, &err);
		kiln_aws_proof_clear(&proof);
	}
	if (rc == KILN_OK) {
		rc = kiln_exchanges_start(identity->options.http, &request, on_caller, identity,
					  &err);
		kiln_http_request_clear(&request);
	}
	identity->asking = rc == KILN_OK;
	if (rc != KILN_OK)
		fail(identity, &err);
}

/* New credentials may be another role's. */
static void follow_credentials(struct kiln_identity *identity)
{
	const struct kiln_aws_credentials *credentials;
	struct kiln_error err = {0};
	if (identity->asking || identity->now_ms < identity->ask_at_ms)
		return;
	if (kiln_chain_credentials(identity->chain, kiln_wall_clock(), &credentials, &err) !=
	    KILN_OK) {
		const bool searching = identity->exchange_under_way || identity->command.pid != 0;
		if (!searching)
			fail(identity, &err);
	} else if (!identity->known ||
		   strcmp(identity->known_key, credentials->access_key_id) != 0) {
		ask_caller(identity, credentials);
	}
}

static int until(const struct kiln_identity *identity)
{
	const int64_t now = kiln_wall_clock(), wake_at = kiln_chain_wake_at(identity->chain);
	const int64_t seconds = wake_at > now ? wake_at - now : 0; /* it may be INT64_MIN */
	uint64_t ms = LOOK_AGAIN_MS;
	if (seconds < LOOK_AGAIN_MS / 1000)
		ms = seconds > 0 ? (uint64_t)seconds * 1000 : 50;
	if (identity->ask_at_ms > identity->now_ms && identity->ask_at_ms - identity->now_ms < ms)
		ms = identity->ask_at_ms - identity->now_ms;
	if (identity->command.pid != 0)
		ms = 50; /* its output wakes nobody, and it is rare */
	return (int)ms;
}

int kiln_identity_turn(struct kiln_identity *identity, uint64_t now_ms)
{
	identity->now_ms = now_ms;
	follow_chain(identity);
	follow_credentials(identity);
	if (identity->exchange_under_way || identity->asking)
		return -1;
	return until(identity);
}

void kiln_identity_refresh(struct kiln_identity *identity)
{
	kiln_chain_refresh(identity->chain);
	identity->ask_at_ms = 0;
}

/* ---- for the others ------------------------------------------------------------------------ */

bool kiln_identity_settled(const struct kiln_identity *identity)
{
	return identity->settled;
}

const struct kiln_aws_credentials *kiln_identity_credentials(const struct kiln_identity *identity,
							     const char **region,
							     struct kiln_error *err)
{
	const struct kiln_aws_credentials *credentials;
	*region = kiln_chain_region(identity->chain);
	if (kiln_chain_credentials(identity->chain, kiln_wall_clock(), &credentials, err) !=
	    KILN_OK)
		return NULL;
	/* What is signed names the role: of new credentials it is not known yet. */
	if (!identity->known || strcmp(identity->known_key, credentials->access_key_id) != 0) {
		(void)kiln_fail(err, KILN_E_AGAIN, "STS has not named our new credentials' role");
		return NULL;
	}
	if (*region != NULL)
		return credentials;
	(void)kiln_fail(err, KILN_E_CONFIG, "no AWS region is known; set --region or AWS_REGION");
	return NULL;
}

const struct kiln_aws_role *kiln_identity_role(const struct kiln_identity *identity)
{
	return identity->known ? &identity->role : NULL;
}

const struct kiln_sts_endpoints *kiln_identity_endpoints(const struct kiln_identity *identity)
{
	return kiln_chain_endpoints(identity->chain);
}

const struct kiln_sts_identity *kiln_identity_caller(const struct kiln_identity *identity)
{
	return identity->caller.arn[0] != '\0' ? &identity->caller : NULL;
}

const struct kiln_chain *kiln_identity_chain(const struct kiln_identity *identity)
{
	return identity->chain;
}

void kiln_identity_doing(const struct kiln_identity *identity, char text[KILN_IDENTITY_DOING_MAX])
{
	const size_t room = KILN_IDENTITY_DOING_MAX;
	text[0] = '\0';
	if (identity->asking) {
		(void)snprintf(text, room, "asking STS whose credentials these are");
		return;
	}
	if (!identity->exchange_under_way && identity->command.pid == 0)
		return;
	const struct kiln_chain_question *q = kiln_chain_step(identity->chain, kiln_wall_clock());
	if (q != NULL && q->ask == KILN_CHAIN_HTTP) /* a query may hold a token */
		(void)snprintf(text, room, "asking %.*s", (int)strcspn(q->http->url, "?"),
			       q->http->url);
	else if (q != NULL && q->ask == KILN_CHAIN_COMMAND)
		(void)snprintf(text, room, "running credential_process %s", q->argv[0]);
}

void kiln_identity_describe(const struct kiln_identity *identity,
			    struct kiln_agent_message *message)
{
	memset(message, 0, sizeof *message);
	message->type = KILN_AGENT_IDENTITY;
	if (identity->known) {
		message->role = identity->role;
		memcpy(message->session, identity->session, sizeof message->session);
		return;
	}
	message->code = identity->problem.code;
	memcpy(message->text, identity->problem.message, sizeof message->text);
}
