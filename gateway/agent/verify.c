/* SPDX-License-Identifier: Apache-2.0
 * Having a peer's proof verified by STS. What costs nothing comes first: the proof's own form and
 * date, the replay cache, the source's limit, the signer's back-off, and only then a request. */
#include <stdlib.h>
#include <string.h>

#include "agent/parts.h"

#define THROTTLE_FIRST_MS 500u
#define THROTTLE_MOST_MS  16000u
#define SAY_AGAIN_MS      10000u

struct question {
	struct kiln_agent *agent;
	uint64_t serial, id;
	char key_id[129], signature[KILN_AWS_SIGNATURE_LEN];
};

/* ---- back-off ------------------------------------------------------------------------------ */

static struct kiln_agent_throttled *slot_of(struct kiln_agent *agent, const char *key_id)
{
	uint32_t hash = 2166136261u; /* FNV-1a: who collides on purpose only waits longer himself */
	for (const char *c = key_id; *c != '\0'; c++)
		hash = (hash ^ (uint8_t)*c) * 16777619u;
	return &agent->throttled[hash % KILN_AGENT_THROTTLED];
}

static void back_off(struct kiln_agent *agent, const char *key_id)
{
	struct kiln_agent_throttled *slot = slot_of(agent, key_id);
	if (strcmp(slot->key_id, key_id) != 0 || slot->delay_ms == 0)
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

/* ---- the answer ---------------------------------------------------------------------------- */

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

static void on_answer(void *arg, const struct kiln_http_answer *http)
{
	struct question *q = arg;
	struct kiln_agent *agent = q->agent;
	struct kiln_sts_identity identity;
	struct kiln_agent_message answer;
	struct kiln_error err = {0};
	agent->under_way--;
	if (kiln_sts_throttled(http))
		back_off(agent, q->key_id);
	else
		go_on(agent, q->key_id);
	memset(&answer, 0, sizeof answer);
	answer.type = KILN_AGENT_VERIFIED;
	answer.id = q->id;
	enum kiln_code rc = kiln_sts_identity_read(http, &identity, &err);
	if (rc != KILN_OK)
		kiln_roast_replay_forget(agent->replay, q->signature);
	if (rc == KILN_OK)
		rc = kiln_aws_role_of_session(identity.arn, strlen(identity.arn), &answer.role,
					      answer.session, &err);
	if (rc == KILN_OK) {
		kiln_agent_say(agent, q->serial, &answer);
	} else {
		log_failure(agent, &err);
		kiln_agent_refuse(agent, q->serial, q->id, &err);
	}
	free(q);
}

/* ---- the question -------------------------------------------------------------------------- */

static enum kiln_code may_ask(struct kiln_agent *agent, const struct kiln_agent_message *m,
			      char key_id[129], struct kiln_error *err)
{
	const int64_t now = kiln_agent_wall_clock();
	const enum kiln_code rc = kiln_aws_proof_check(&m->proof, now, err);
	if (rc != KILN_OK)
		return rc;
	kiln_aws_proof_key_id(&m->proof, key_id);
	if (!kiln_limits_take(&agent->limits, m->source, agent->now_ms))
		return kiln_fail(err, KILN_E_LIMIT,
				 "too many hellos from this source (--roast-rate %u a second)",
				 agent->limits.per_second);
	if (agent->under_way >= KILN_AGENT_UNDER_WAY_MAX)
		return kiln_fail(err, KILN_E_LIMIT, "%u verifications are under way already",
				 KILN_AGENT_UNDER_WAY_MAX);
	if (is_throttled(agent, key_id))
		return kiln_fail(err, KILN_E_STS,
				 "STS throttles the account of %.40s; try again in a moment",
				 key_id);
	/* Last, so that an honest peer may come again with the hello that was turned away above. */
	return kiln_roast_replay_enter(agent->replay, kiln_aws_proof_signature(&m->proof), now,
				       err);
}

static enum kiln_code ask(struct kiln_agent *agent, struct question *q,
			  const struct kiln_aws_proof *proof, struct kiln_error *err)
{
	struct kiln_http_request request;
	enum kiln_code rc = kiln_sts_identity_request(kiln_identity_endpoints(agent->identity),
						      proof, &request, err);
	if (rc != KILN_OK)
		return rc;
	rc = kiln_exchanges_start(agent->http, &request, on_answer, q, err);
	kiln_http_request_clear(&request);
	return rc;
}

static enum kiln_code begin(struct kiln_agent *agent, struct question *q,
			    const struct kiln_agent_message *m, struct kiln_error *err)
{
	enum kiln_code rc = may_ask(agent, m, q->key_id, err);
	if (rc != KILN_OK)
		return rc;
	memcpy(q->signature, kiln_aws_proof_signature(&m->proof), sizeof q->signature);
	rc = ask(agent, q, &m->proof, err);
	if (rc != KILN_OK)
		kiln_roast_replay_forget(agent->replay, q->signature);
	return rc;
}

void kiln_agent_verify(struct kiln_agent *agent, uint64_t serial,
		       const struct kiln_agent_message *m)
{
	struct kiln_error err = {0};
	struct question *q = calloc(1, sizeof *q);
	if (q == NULL) {
		(void)kiln_fail(&err, KILN_E_NO_MEMORY, "no memory to verify a hello");
		kiln_agent_refuse(agent, serial, m->id, &err);
		return;
	}
	q->agent = agent;
	q->serial = serial;
	q->id = m->id;
	if (begin(agent, q, m, &err) == KILN_OK) {
		agent->under_way++;
		return;
	}
	kiln_agent_refuse(agent, serial, m->id, &err);
	free(q);
}
