/* SPDX-License-Identifier: Apache-2.0
 * Having a peer's proof verified by STS. What costs nothing comes first: the proof's own form and
 * date, the replay cache, the source's limit, the signer's back-off, and only then a request. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "agent/parts.h"
#include "base/clock.h"

#define THROTTLE_FIRST_MS 500u
#define THROTTLE_MOST_MS  4000u /* well within a handshake's deadline */
#define SAY_AGAIN_MS      10000u
#define PATIENCE_MS       5000u /* in the queue, and for a second try */
#define RETRY_WITHIN_MS   2000u

struct kiln_agent_question {
	struct kiln_queue_item waiting; /* first: in the region's queue */
	struct kiln_agent *agent;
	struct kiln_agent_region *region;
	bool newcomer; /* nobody at its source was vouched for, when it came */
	uint8_t source[KILN_AGENT_SOURCE];
	struct kiln_http_request request;
	uint64_t serial, id, asked_ms;
	bool again; /* it has been asked twice */
	char key_id[129], signature[KILN_AWS_SIGNATURE_LEN];
};

static void start_next(struct kiln_agent *agent, struct kiln_agent_region *region);

/* ---- back-off ------------------------------------------------------------------------------ */

static struct kiln_agent_throttled *slot_of(struct kiln_agent *agent, const char *key_id)
{
	uint32_t hash = 2166136261u; /* FNV-1a: who collides on purpose only waits longer himself */
	for (const char *c = key_id; *c != '\0'; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	return &agent->throttled[hash % KILN_AGENT_THROTTLED];
}

/* Once for all answers to what was asked before the first of them. */
static void back_off(struct kiln_agent *agent, const char *key_id)
{
	struct kiln_agent_throttled *slot = slot_of(agent, key_id);
	const bool same = strcmp(slot->key_id, key_id) == 0;
	if (same && agent->now_ms < slot->until_ms)
		return;
	if (!same || slot->delay_ms == 0)
		slot->delay_ms = THROTTLE_FIRST_MS;
	else if (slot->delay_ms < THROTTLE_MOST_MS)
		slot->delay_ms *= 2;
	memcpy(slot->key_id, key_id, sizeof slot->key_id);
	slot->until_ms = agent->now_ms + slot->delay_ms;
}

static void go_on(struct kiln_agent *agent, const char *key_id)
{
	struct kiln_agent_throttled *slot = slot_of(agent, key_id);
	if (strcmp(slot->key_id, key_id) == 0)
		memset(slot, 0, sizeof *slot);
}

static bool is_throttled(struct kiln_agent *agent, const char *key_id)
{
	const struct kiln_agent_throttled *slot = slot_of(agent, key_id);
	return strcmp(slot->key_id, key_id) == 0 && agent->now_ms < slot->until_ms;
}

/* ---- the end of a question ------------------------------------------------------------------ */

static void log_failure(struct kiln_agent *agent, const struct kiln_error *err)
{
	struct kiln_log_line line;
	uint64_t suppressed;
	if (err->code != KILN_E_STS ||
	    !kiln_log_limit_pass(&agent->failures, agent->now_ms, SAY_AGAIN_MS, &suppressed))
		return;
	kiln_log_begin(&line, KILN_LOG_WARNING, "sts_failed");
	kiln_log_error(&line, err);
	kiln_log_u64(&line, "suppressed", suppressed);
	kiln_log_end(&line);
}

/* What was turned away may come again. */
static void turn_away(struct kiln_agent_question *q, const struct kiln_error *err)
{
	log_failure(q->agent, err);
	kiln_roast_replay_forget(q->agent->replay, q->signature);
	kiln_agent_refuse(q->agent, q->serial, q->id, err);
}

static void free_question(struct kiln_agent_question *q)
{
	struct kiln_agent *agent = q->agent;
	kiln_http_request_clear(&q->request);
	free(q);
	(void)kiln_heap_note(&agent->heap, --agent->questions);
}

static void judge(struct kiln_agent_question *q, const struct kiln_http_answer *http)
{
	struct kiln_sts_identity identity;
	struct kiln_agent_message answer;
	struct kiln_error err = {0};
	memset(&answer, 0, sizeof answer);
	answer.type = KILN_AGENT_VERIFIED;
	answer.id = q->id;
	enum kiln_code rc = kiln_sts_identity_read(http, &identity, &err);
	if (rc == KILN_OK)
		rc = kiln_aws_role_of_session(identity.arn, strlen(identity.arn), &answer.role,
					      answer.session, &err);
	if (rc == KILN_OK) {
		kiln_limits_vouch(&q->agent->limits, q->source, q->agent->now_ms);
		kiln_agent_say(q->agent, q->serial, &answer);
	} else {
		turn_away(q, &err);
	}
}

/* ---- asking --------------------------------------------------------------------------------- */

static void on_answer(void *arg, const struct kiln_http_answer *http);

static enum kiln_code ask(struct kiln_agent_question *q, struct kiln_error *err)
{
	const enum kiln_code rc =
	    kiln_exchanges_start(q->agent->http, &q->request, on_answer, q, err);
	if (rc == KILN_OK) {
		q->region->at_once++;
		q->region->newcomers += q->newcomer;
	}
	return rc;
}

/* A connection that broke, or a server that stumbled: once more, while there is time. */
static bool try_again(struct kiln_agent_question *q, const struct kiln_http_answer *http)
{
	struct kiln_error err = {0};
	if (q->again || (http->status != 0 && http->status < 500) ||
	    q->agent->now_ms - q->asked_ms > RETRY_WITHIN_MS)
		return false;
	q->again = true;
	return ask(q, &err) == KILN_OK;
}

static void on_answer(void *arg, const struct kiln_http_answer *http)
{
	struct kiln_agent_question *q = arg;
	struct kiln_agent *agent = q->agent;
	struct kiln_agent_region *region = q->region;
	q->agent->now_ms = kiln_agent_monotonic_ms(); /* it may have been a long wait */
	region->at_once--;
	region->newcomers -= q->newcomer;
	if (kiln_sts_throttled(http))
		back_off(q->agent, q->key_id);
	else if (http->status == 200)
		go_on(q->agent, q->key_id);
	if (!try_again(q, http)) {
		judge(q, http);
		free_question(q);
	}
	start_next(agent, region);
}

static bool has_place(const struct kiln_agent_region *region, unsigned most, bool newcomer)
{
	return region->at_once < most && (!newcomer || region->newcomers < most - most / 4);
}

/* NULL when there is no place, or nobody to take it. */
static struct kiln_agent_question *take_next(struct kiln_agent_region *region, unsigned most)
{
	if (!has_place(region, most, false))
		return NULL;
	return (struct kiln_agent_question *)kiln_queue_take(&region->queue,
							     has_place(region, most, true));
}

static void start_next(struct kiln_agent *agent, struct kiln_agent_region *region)
{
	struct kiln_agent_question *q;
	while ((q = take_next(region, agent->at_once)) != NULL) {
		struct kiln_error err = {0};
		if (q->agent->now_ms - q->asked_ms > PATIENCE_MS)
			(void)kiln_fail(&err, KILN_E_STS,
					"waited %u s for one of %u requests to the STS of %s",
					PATIENCE_MS / 1000, agent->at_once, region->name);
		else if (ask(q, &err) == KILN_OK)
			continue;
		turn_away(q, &err);
		free_question(q);
	}
}

static enum kiln_code ask_or_wait(struct kiln_agent_question *q, struct kiln_error *err)
{
	struct kiln_agent_region *region = q->region;
	q->asked_ms = q->agent->now_ms;
	if (has_place(region, q->agent->at_once, q->newcomer))
		return ask(q, err);
	struct kiln_agent_question *out = (struct kiln_agent_question *)kiln_queue_put(
	    &region->queue, &q->waiting, kiln_limits_source(q->source), !q->newcomer);
	if (out == NULL)
		return KILN_OK;
	(void)kiln_fail(err, KILN_E_LIMIT,
			"the most requests to the STS of %s are under way or waiting, and of its "
			"source no fewer than of others",
			region->name);
	if (out == q)
		return KILN_E_LIMIT;
	turn_away(out, err);
	free_question(out);
	*err = (struct kiln_error){0};
	return KILN_OK;
}

/* ---- the question --------------------------------------------------------------------------- */

/* There are more places than regions that kiln_aws_proof_check lets through. */
static struct kiln_agent_region *region_of(struct kiln_agent *agent, const char *name)
{
	for (unsigned i = 0; i < KILN_AGENT_REGIONS; i++) {
		struct kiln_agent_region *region = &agent->regions[i];
		if (region->name[0] == '\0') {
			(void)snprintf(region->name, sizeof region->name, "%s", name);
			kiln_queue_init(&region->queue, agent->limits.seed);
		}
		if (strcmp(region->name, name) == 0)
			return region;
	}
	return NULL;
}

/* What would cost a request. */
static enum kiln_code has_room(struct kiln_agent_question *q, const uint8_t *source,
			       struct kiln_error *err)
{
	if (is_throttled(q->agent, q->key_id))
		return kiln_fail(err, KILN_E_STS,
				 "STS throttles the account of %.40s; try again in a moment",
				 q->key_id);
	if (!kiln_limits_take(&q->agent->limits, source, q->agent->now_ms))
		return kiln_fail(err, KILN_E_LIMIT,
				 "too many hellos from this source (--roast-rate %u a second)",
				 q->agent->limits.per_second);
	return KILN_OK;
}

static enum kiln_code begin(struct kiln_agent_question *q, const struct kiln_agent_message *m,
			    struct kiln_error *err)
{
	struct kiln_agent *agent = q->agent;
	const int64_t now = kiln_wall_clock();
	enum kiln_code rc = kiln_aws_proof_check(&m->proof, now, err);
	if (rc != KILN_OK)
		return rc;
	q->region = region_of(agent, m->proof.region);
	if (q->region == NULL)
		return kiln_fail(err, KILN_E_LIMIT, "too many regions");
	kiln_aws_proof_key_id(&m->proof, q->key_id);
	memcpy(q->source, m->source, sizeof q->source);
	q->newcomer = !kiln_limits_knows(&agent->limits, q->source, agent->now_ms);
	memcpy(q->signature, kiln_aws_proof_signature(&m->proof), sizeof q->signature);
	/* Before the source's limit: a replay must not use up what is an honest peer's share. */
	rc = kiln_roast_replay_enter(agent->replay, q->signature, now, err);
	if (rc != KILN_OK)
		return rc;
	rc = has_room(q, m->source, err);
	if (rc == KILN_OK)
		rc = kiln_sts_identity_request(kiln_identity_endpoints(agent->identity), &m->proof,
					       &q->request, err);
	if (rc == KILN_OK)
		rc = ask_or_wait(q, err);
	if (rc != KILN_OK)
		kiln_roast_replay_forget(agent->replay, q->signature);
	return rc;
}

void kiln_agent_verify(struct kiln_agent *agent, uint64_t serial,
		       const struct kiln_agent_message *m)
{
	struct kiln_error err = {0};
	struct kiln_agent_question *q = calloc(1, sizeof *q);
	if (q == NULL) {
		(void)kiln_fail(&err, KILN_E_NO_MEMORY, "no memory to verify a hello");
		kiln_agent_refuse(agent, serial, m->id, &err);
		return;
	}
	q->agent = agent;
	agent->questions++;
	q->serial = serial;
	q->id = m->id;
	if (begin(q, m, &err) == KILN_OK)
		return; /* NOLINT(clang-analyzer-unix.Malloc): its exchange or its region has it */
	kiln_agent_refuse(agent, serial, m->id, &err);
	free_question(q);
}
