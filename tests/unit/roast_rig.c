/* SPDX-License-Identifier: Apache-2.0
 * People, an STS and the ends of a connection; see roast_rig.h. */
#include "roast_rig.h"

#include <stdio.h>

#include "aws/role.h"
#include "roast/hello.h"

const struct person client_person = {
    .key_id = "ASIAEXAMPLECLIENT001",
    .secret = "example/client/secret/key/0000000000000001",
    .token = "client+session/token==",
    .arn = "arn:aws:sts::123456789012:assumed-role/ClientRole/client-session",
    .role = "arn:aws:iam::123456789012:role/ClientRole",
};
const struct person server_person = {
    .key_id = "ASIAEXAMPLESERVER001",
    .secret = "example/server/secret/key/0000000000000002",
    .token = "server+session/token==",
    .arn = "arn:aws:sts::123456789012:assumed-role/ServerRole/server-session",
    .role = "arn:aws:iam::123456789012:role/ServerRole",
};
const struct person mallory = {
    .key_id = "ASIAEXAMPLEOTHER0001",
    .secret = "example/other/secret/key/00000000000000003",
    .token = "other+session/token==",
    .arn = "arn:aws:sts::123456789012:assumed-role/OtherRole/other-session",
    .role = "arn:aws:iam::123456789012:role/OtherRole",
};
const struct person iam_user = {
    .key_id = "ASIAEXAMPLEUSER00001",
    .secret = "example/user/secret/key/000000000000000004",
    .token = "user+session/token==",
    .arn = "arn:aws:iam::123456789012:user/alice",
};

static const struct person *const people[] = {&client_person, &server_person, &mallory, &iam_user};

void person_prove(const struct person *person, const char *region, int64_t now, const void *payload,
		  size_t len, struct kiln_aws_proof *out)
{
	struct kiln_aws_credentials credentials;
	struct kiln_error err = {0};
	if (kiln_aws_credentials_set(&credentials, person->key_id, person->secret, person->token, 0,
				     &err) != KILN_OK ||
	    kiln_aws_prove(&credentials, region, now, payload, len, out, &err) != KILN_OK)
		fail_msg("%s", err.message);
	kiln_aws_credentials_clear(&credentials);
}

/* As STS: sign again with the key that the id names, and compare. */
const struct person *sts_ask(const struct kiln_aws_proof *proof, int64_t now)
{
	const struct person *found = NULL;
	char key_id[129];
	kiln_aws_proof_key_id(proof, key_id);
	for (size_t i = 0; i < sizeof people / sizeof people[0]; i++)
		if (strcmp(people[i]->key_id, key_id) == 0)
			found = people[i];
	if (found == NULL || strcmp(found->token, proof->token) != 0)
		return NULL;
	for (int64_t at = now - KILN_AWS_PROOF_WINDOW; at <= now + KILN_AWS_PROOF_WINDOW; at++) {
		struct kiln_aws_proof again;
		person_prove(found, proof->region, at, proof->body, proof->body_len, &again);
		const bool same_time = strcmp(again.date, proof->date) == 0;
		const bool same = strcmp(again.authorization, proof->authorization) == 0;
		kiln_aws_proof_clear(&again);
		if (same_time)
			return same ? found : NULL;
	}
	return NULL;
}

struct kiln_aws_role rig_role(const char *arn)
{
	struct kiln_aws_role role;
	struct kiln_error err = {0};
	if (kiln_aws_role_parse(arn, &role, &err) != KILN_OK)
		fail_msg("%s", err.message);
	return role;
}

void side_open(struct side *side, const struct side_options *o)
{
	const struct person *other = o->role == KILN_CLIENT ? &server_person : &client_person;
	memset(side, 0, sizeof *side);
	side->who = o->who;
	side->allowed = rig_role(o->allowed != NULL ? o->allowed : other->role);
	if (o->who->role != NULL)
		side->own = rig_role(o->who->role);
	side->replays = o->replays;
	side->ms = RIG_MS;
	const struct kiln_roast_options options = {
	    .role = o->role,
	    .allowed = &side->allowed,
	    .allowed_count = 1,
	    .require_binding = o->require_binding,
	    .own_role = o->no_binding || o->who->role == NULL ? NULL : &side->own,
	    .server_name = o->server_name != NULL ? o->server_name : "192.0.2.1",
	    .peer = o->role == KILN_CLIENT ? "192.0.2.1:4433" : "192.0.2.9:50000",
	};
	side->roast = kiln_roast_new(&options, RIG_NOW, RIG_MS, &side->err);
	if (side->roast == NULL)
		fail_msg("%s", side->err.message);
	size_t consumed;
	side->step = kiln_roast_step(side->roast, NULL, 0, &consumed, side->ms, &side->err);
	assert_int_equal(consumed, 0);
}

void side_close(struct side *side)
{
	kiln_roast_free(side->roast);
	wire_free(&side->in);
	memset(side, 0, sizeof *side);
}

static int64_t wall(const struct side *side)
{
	return RIG_NOW + (int64_t)((side->ms - RIG_MS) / 1000);
}

/* What the identity agent does with the question. */
static enum kiln_roast_step answer_verify(struct side *side, const struct kiln_aws_proof *proof)
{
	struct kiln_error why = {0};
	struct kiln_aws_role role;
	char session[KILN_AWS_SESSION_MAX + 1];
	const char *signature = kiln_aws_proof_signature(proof);
	if (side->replays != NULL &&
	    kiln_roast_replay_enter(side->replays, signature, wall(side), &why) != KILN_OK)
		return kiln_roast_unanswered(side->roast, &why, &side->err);
	side->questions++;
	const struct person *signer = sts_ask(proof, wall(side));
	if (signer == NULL)
		(void)kiln_fail(&why, KILN_E_ROAST_PROOF, "STS refuses the signature");
	else if (kiln_aws_role_of_session(signer->arn, strlen(signer->arn), &role, session, &why) ==
		 KILN_OK)
		return kiln_roast_verified(side->roast, &role, session, side->ms, &side->err);
	if (side->replays != NULL)
		kiln_roast_replay_forget(side->replays, signature);
	return kiln_roast_unanswered(side->roast, &why, &side->err);
}

static enum kiln_roast_step answer(struct side *side)
{
	const struct kiln_roast_question *question = kiln_roast_question(side->roast);
	assert_non_null(question);
	if (question->ask == KILN_ROAST_VERIFY)
		return answer_verify(side, question->proof);
	struct kiln_aws_proof proof;
	person_prove(side->who, "eu-central-1", wall(side), question->payload,
		     question->payload_len, &proof);
	const enum kiln_roast_step step =
	    kiln_roast_proved(side->roast, &proof, side->ms, &side->err);
	kiln_aws_proof_clear(&proof);
	return step;
}

static void feed(struct side *side, size_t chunk)
{
	const size_t len = side->in.len < chunk ? side->in.len : chunk;
	size_t consumed;
	/* In memory of just that size, so that a read beyond it shows. */
	uint8_t *copy = malloc(len);
	assert_non_null(copy);
	memcpy(copy, side->in.data, len);
	side->step = kiln_roast_step(side->roast, copy, len, &consumed, side->ms, &side->err);
	free(copy);
	assert_true(consumed <= len);
	if (side->step == KILN_ROAST_NEED_INPUT)
		assert_int_equal(consumed, len);
	wire_drop(&side->in, consumed);
}

void side_run(struct side *side, size_t chunk)
{
	for (;;) {
		if (side->step == KILN_ROAST_ASK)
			side->step = answer(side);
		else if (side->step == KILN_ROAST_NEED_INPUT && side->in.len > 0)
			feed(side, chunk);
		else
			return;
	}
}

void side_take(struct side *from, struct wire *to)
{
	size_t len;
	const uint8_t *out;
	while ((out = kiln_roast_output(from->roast, &len)) != NULL) {
		const size_t some = len > 1 ? len / 2 : len;
		wire_add(to, out, some);
		kiln_roast_sent(from->roast, some);
	}
}

void sides_run(struct side *client, struct side *server, size_t chunk)
{
	side_run(client, chunk);
	side_take(client, &server->in);
	side_run(server, chunk);
	side_take(server, &client->in);
	side_run(client, chunk);
}

void assert_refused(const struct side *side, enum kiln_code code, const char *words)
{
	assert_int_equal(side->step, KILN_ROAST_FAILED);
	if (side->err.code != code || strstr(side->err.message, words) == NULL)
		fail_msg("%s: %s", kiln_code_name(side->err.code), side->err.message);
}

char *hello_payload(const struct wire *hello)
{
	struct kiln_aws_proof proof;
	struct kiln_error err = {0};
	if (kiln_roast_hello_read(hello->data, hello->len, &proof, &err) != KILN_OK)
		fail_msg("%s", err.message);
	char *text = strndup((const char *)proof.body, proof.body_len);
	kiln_aws_proof_clear(&proof);
	assert_non_null(text);
	return text;
}

void hello_make(struct wire *hello, const struct person *person, const char *payload)
{
	struct kiln_aws_proof proof;
	struct kiln_roast_mask mask;
	struct kiln_error err = {0};
	char *text;
	size_t len;
	person_prove(person, "eu-central-1", RIG_NOW, payload, strlen(payload), &proof);
	if (kiln_roast_mask_random(&mask, &err) != KILN_OK ||
	    kiln_roast_hello_write(&proof, &mask, &text, &len, &err) != KILN_OK)
		fail_msg("%s", err.message);
	kiln_aws_proof_clear(&proof);
	wire_drop(hello, hello->len);
	wire_add(hello, text, len);
	free(text);
}

char *replaced(const char *text, const char *from, const char *to)
{
	const char *at = strstr(text, from);
	char *out = NULL;
	assert_non_null(at);
	assert_true(asprintf(&out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
	return out;
}
