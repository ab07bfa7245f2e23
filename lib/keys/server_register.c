/* SPDX-License-Identifier: Apache-2.0
 * Registrations at the key server, until the AKE: docs/keys.md, "Registration"; RFC 9807 5. */
#include <string.h>

#include "base/bytes.h"
#include "keys/crypto.h"
#include "keys/server_inner.h"

static enum kiln_keys_error check_token(struct turn *turn)
{
	struct session *s = turn->session;
	struct kiln_keys_server *server = turn->server;
	struct kiln_error err = {0};
	memcpy(s->token, turn->in.token.data, turn->in.token.count);
	s->token_len = (uint8_t)turn->in.token.count;
	switch (server->options.store->token_get(server->options.store_ctx, s->token, s->token_len,
						 turn->now.unix_ms, &err)) {
	case KILN_STORE_OK: return KILN_KEYS_SUCCESS;
	case KILN_STORE_ABSENT: return KILN_KEYS_TOKEN_REFUSED;
	default: return kiln_keys_store_failed(server, &err);
	}
}

static enum kiln_keys_error may_register(struct turn *turn)
{
	struct kiln_keys_user user;
	enum kiln_keys_error rc = kiln_keys_limit_registration(turn);
	if (rc != KILN_KEYS_SUCCESS)
		return rc;
	if (turn->server->options.registration == KILN_KEYS_REGISTRATION_CLOSED)
		return KILN_KEYS_REGISTRATION_REFUSED;
	if (turn->server->options.registration == KILN_KEYS_REGISTRATION_TOKEN)
		rc = check_token(turn);
	if (rc == KILN_KEYS_SUCCESS) {
		rc = kiln_keys_find_account(turn, &user);
		kiln_wipe(&user, sizeof user);
	}
	if (rc != KILN_KEYS_SUCCESS)
		return rc;
	return turn->session->known_user ? KILN_KEYS_NAME_TAKEN : KILN_KEYS_SUCCESS;
}

enum kiln_keys_error kiln_keys_register_start(struct turn *turn)
{
	struct session *s = turn->session;
	struct kiln_opaque_registration_request request;
	struct kiln_opaque_registration_response response;
	struct kiln_error err = {0};
	enum kiln_keys_error rc = kiln_keys_take_start(turn);
	if (rc == KILN_KEYS_SUCCESS)
		rc = may_register(turn);
	if (rc != KILN_KEYS_SUCCESS)
		return rc;
	memcpy(&request, turn->in.registration_request, sizeof request);
	const enum kiln_code code = kiln_opaque_create_registration_response(
	    &turn->server->opaque, (struct kiln_opaque_bytes){s->name, s->name_len}, &request,
	    &response, &err);
	if (code == KILN_E_OPAQUE_MESSAGE)
		return KILN_KEYS_MALFORMED;
	if (code != KILN_OK)
		return kiln_keys_store_failed(turn->server, &err);
	memcpy(turn->out.registration_response, &response, sizeof response);
	turn->reply = KILN_KEYS_REGISTER_RESPONSE;
	return KILN_KEYS_SUCCESS;
}

/* 32 random bytes that are no user's. */
static enum kiln_keys_error draw_user_id(struct turn *turn)
{
	struct session *s = turn->session;
	struct kiln_keys_server *server = turn->server;
	struct kiln_error err = {0};
	struct kiln_keys_user other;
	if (!kiln_keys_store_ready(server))
		return KILN_KEYS_STORE;
	for (int i = 0; i < 4; i++) {
		if (!kiln_keys_random(server->options.random, s->user_id, sizeof s->user_id))
			return KILN_KEYS_BUSY;
		const enum kiln_store_result found = server->options.store->user_by_id(
		    server->options.store_ctx, s->user_id, &other, &err);
		kiln_wipe(&other, sizeof other);
		if (found == KILN_STORE_ABSENT)
			return KILN_KEYS_SUCCESS;
		if (found == KILN_STORE_FAILED)
			return kiln_keys_store_failed(server, &err);
	}
	return KILN_KEYS_BUSY;
}

enum kiln_keys_error kiln_keys_register_upload(struct turn *turn)
{
	struct session *s = turn->session;
	struct kiln_opaque_registration_record record;
	struct kiln_error err = {0};
	memcpy(s->record, turn->in.record, sizeof s->record);
	memcpy(&record, turn->in.record, sizeof record);
	if (kiln_opaque_check_record(&record, &err) != KILN_OK)
		return KILN_KEYS_MALFORMED;
	enum kiln_keys_error rc = draw_user_id(turn);
	if (rc == KILN_KEYS_SUCCESS)
		rc = kiln_keys_answer_ke1(turn, &record);
	kiln_wipe(&record, sizeof record);
	return rc;
}
