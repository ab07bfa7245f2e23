/* SPDX-License-Identifier: Apache-2.0
 * The one request of a session: docs/keys.md, "Operations". */
#include <string.h>

#include "base/bytes.h"
#include "keys/crypto.h"
#include "keys/server_inner.h"

static const struct {
	operation *request, *finish;
	uint8_t action;
	bool needs_user; /* its record or its wrapped key; otherwise it gets an empty one */
} operations[KILN_KEYS_OPERATION_END] = {
    [KILN_KEYS_COMPLETE] = {kiln_keys_do_complete, NULL, KILN_KEYS_DID_REGISTER, false},
    [KILN_KEYS_NOTHING] = {kiln_keys_do_nothing, NULL, KILN_KEYS_DID_REQUEST, false},
    [KILN_KEYS_GENERATE] = {kiln_keys_do_offer, kiln_keys_do_backup, KILN_KEYS_DID_GENERATE, true},
    [KILN_KEYS_GENERATE_SERVER] = {kiln_keys_do_generate_server, NULL,
				   KILN_KEYS_DID_GENERATE_SERVER, false},
    [KILN_KEYS_IMPORT] = {kiln_keys_do_offer, kiln_keys_do_backup, KILN_KEYS_DID_IMPORT, true},
    [KILN_KEYS_IMPORT_SERVER] = {kiln_keys_do_import_server, NULL, KILN_KEYS_DID_IMPORT_SERVER,
				 false},
    [KILN_KEYS_RETRIEVE] = {kiln_keys_do_retrieve, NULL, KILN_KEYS_DID_RETRIEVE, true},
    [KILN_KEYS_DELETE] = {kiln_keys_do_delete, NULL, KILN_KEYS_DID_DELETE, false},
    [KILN_KEYS_AUDIT] = {kiln_keys_do_audit, kiln_keys_do_audit_page, KILN_KEYS_DID_AUDIT, false},
    [KILN_KEYS_GENERATE_SIGNING] = {kiln_keys_do_generate_signing, NULL,
				    KILN_KEYS_DID_GENERATE_SIGNING, false},
    [KILN_KEYS_IMPORT_SIGNING] = {kiln_keys_do_import_signing, NULL, KILN_KEYS_DID_IMPORT_SIGNING,
				  false},
    [KILN_KEYS_SIGN] = {kiln_keys_do_sign, NULL, KILN_KEYS_DID_SIGN, false},
    [KILN_KEYS_PUBLIC_KEY] = {kiln_keys_do_public_key, NULL, KILN_KEYS_DID_PUBLIC_KEY, false},
    [KILN_KEYS_CHANGE_PASSWORD] = {kiln_keys_do_password, kiln_keys_do_password_change,
				   KILN_KEYS_DID_CHANGE_PASSWORD, true},
};

uint8_t kiln_keys_operation_action(uint8_t number, uint8_t intent)
{
	if (number == KILN_KEYS_RETRIEVE && intent == KILN_KEYS_FOR_LOCAL_USE)
		return KILN_KEYS_DID_RETRIEVE_LOCAL;
	if (number == KILN_KEYS_RETRIEVE && intent == KILN_KEYS_FOR_EXPORT)
		return KILN_KEYS_DID_EXPORT;
	if (number == 0 || number >= KILN_KEYS_OPERATION_END)
		return KILN_KEYS_DID_REQUEST;
	return operations[number].action;
}

static enum kiln_keys_error judge(struct turn *turn, enum kiln_store_result result,
				  uint64_t generation, const struct kiln_error *err)
{
	switch (result) {
	case KILN_STORE_OK: break;
	case KILN_STORE_ABSENT: return KILN_KEYS_REFUSED;
	default: return kiln_keys_store_failed(turn->server, err);
	}
	return generation == turn->session->generation ? KILN_KEYS_SUCCESS
						       : KILN_KEYS_PASSWORD_CHANGED;
}

/* The user as of now: another session may have changed the password since this one's login. Most
 * operations need no more of the user than that. */
static enum kiln_keys_error read_user(struct turn *turn, struct kiln_keys_user *user)
{
	const struct kiln_keys_server_options *o = &turn->server->options;
	const uint8_t *user_id = turn->session->user_id;
	struct kiln_error err = {0};
	enum kiln_store_result result;
	if (operations[turn->session->operation].needs_user)
		result = o->store->user_by_id(o->store_ctx, user_id, user, &err);
	else
		result = o->store->user_generation(o->store_ctx, user_id, &user->generation, &err);
	return judge(turn, result, user->generation, &err);
}

/* The line in the log of what was done. An audit writes its own, which it can then show; and
 * nothing is no request. */
static enum kiln_keys_error write_success(struct turn *turn)
{
	static const uint8_t none[KILN_KEYS_KEY_ID_LEN];
	struct session *s = turn->session;
	if (s->operation == KILN_KEYS_AUDIT || s->operation == KILN_KEYS_NOTHING)
		return KILN_KEYS_SUCCESS;
	const bool has_key = memcmp(s->key_id, none, sizeof none) != 0;
	return kiln_keys_audit_line(s, turn->now,
				    kiln_keys_operation_action(s->operation, s->intent),
				    KILN_KEYS_SUCCESS, has_key ? s->key_id : NULL);
}

static enum kiln_keys_error run(struct turn *turn, operation *work)
{
	struct session *s = turn->session;
	struct kiln_keys_user user;
	enum kiln_keys_error rc = KILN_KEYS_SUCCESS;
	memset(&user, 0, sizeof user);
	turn->out.operation = s->operation;
	turn->reply = KILN_KEYS_RESPONSE;
	if (!s->registration)
		rc = read_user(turn, &user);
	if (rc == KILN_KEYS_SUCCESS)
		rc = work(turn, &user);
	if (rc == KILN_KEYS_SUCCESS && turn->reply == KILN_KEYS_RESPONSE)
		rc = write_success(turn);
	if (rc == KILN_KEYS_SUCCESS && turn->reply == KILN_KEYS_CONTINUE)
		s->state = SESSION_CONTINUING;
	kiln_wipe(&user, sizeof user);
	kiln_wipe(&turn->key, sizeof turn->key);
	return rc;
}

static enum kiln_keys_error run_request(struct turn *turn)
{
	return run(turn, operations[turn->session->operation].request);
}

static enum kiln_keys_error run_finish(struct turn *turn)
{
	return run(turn, operations[turn->session->operation].finish);
}

enum kiln_keys_error kiln_keys_request(struct turn *turn)
{
	struct session *s = turn->session;
	const bool completes = turn->in.operation == KILN_KEYS_COMPLETE;
	s->operation = turn->in.operation;
	s->intent = turn->in.intent;
	memcpy(s->key_id, turn->in.key_id, sizeof s->key_id);
	if (!kiln_keys_equal(turn->in.user_id, s->user_id, sizeof s->user_id))
		return KILN_KEYS_REFUSED;
	if (completes != s->registration)
		return KILN_KEYS_UNEXPECTED;
	const enum kiln_keys_error rc = kiln_keys_all_or_nothing(turn, run_request);
	s->answered = rc == KILN_KEYS_SUCCESS && turn->reply == KILN_KEYS_RESPONSE;
	if (completes && rc != KILN_KEYS_SUCCESS)
		s->known_user = false; /* nor is there a log of his */
	return rc;
}

enum kiln_keys_error kiln_keys_finish(struct turn *turn)
{
	if (turn->in.operation != turn->session->operation)
		return KILN_KEYS_UNEXPECTED;
	const enum kiln_keys_error rc = kiln_keys_all_or_nothing(turn, run_finish);
	turn->session->answered = rc == KILN_KEYS_SUCCESS && turn->reply == KILN_KEYS_RESPONSE;
	return rc;
}

/* ---- the two that are about no key ---------------------------------------------------------- */

enum kiln_keys_error kiln_keys_do_nothing(struct turn *turn, struct kiln_keys_user *user)
{
	(void)turn;
	(void)user;
	return KILN_KEYS_SUCCESS;
}

static enum kiln_keys_error spend_token(struct turn *turn)
{
	struct kiln_keys_server *server = turn->server;
	struct kiln_error err = {0};
	if (server->options.registration != KILN_KEYS_REGISTRATION_TOKEN)
		return KILN_KEYS_SUCCESS;
	switch (server->options.store->token_spend(server->options.store_ctx, turn->session->token,
						   turn->session->token_len, turn->now.unix_ms,
						   &err)) {
	case KILN_STORE_OK: return KILN_KEYS_SUCCESS;
	case KILN_STORE_ABSENT: return KILN_KEYS_TOKEN_REFUSED;
	default: return kiln_keys_store_failed(server, &err);
	}
}

enum kiln_keys_error kiln_keys_do_complete(struct turn *turn, struct kiln_keys_user *user)
{
	struct session *s = turn->session;
	struct kiln_keys_server *server = turn->server;
	struct kiln_error err = {0};
	enum kiln_keys_error rc = spend_token(turn);
	if (rc != KILN_KEYS_SUCCESS)
		return rc;
	memcpy(user->user_id, s->user_id, sizeof user->user_id);
	memcpy(user->name, s->name, s->name_len);
	user->name_len = s->name_len;
	memcpy(user->record, s->record, sizeof user->record);
	memcpy(user->wrapped, turn->in.wrapped, sizeof user->wrapped);
	user->generation = 1;
	user->created_ms = turn->now.unix_ms;
	switch (server->options.store->user_create(server->options.store_ctx, user, &err)) {
	case KILN_STORE_OK: break;
	case KILN_STORE_TAKEN: return KILN_KEYS_NAME_TAKEN;
	default: return kiln_keys_store_failed(server, &err);
	}
	s->known_user = true; /* the line that follows is the first of its log */
	return kiln_keys_limit_remember(turn);
}
