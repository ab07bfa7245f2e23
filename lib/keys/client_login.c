/* SPDX-License-Identifier: Apache-2.0
 * Registration and login at the client: docs/keys.md, "A session"; RFC 9807 5 and 6. */
#include <string.h>

#include "base/bytes.h"
#include "keys/client_inner.h"
#include "keys/crypto.h"

struct kiln_opaque_parameters kiln_keys_client_parameters(const struct kiln_keys_client *c,
							  uint8_t context[KILN_KEYS_CONTEXT_MAX])
{
	return (struct kiln_opaque_parameters){
	    .context = {context, kiln_keys_context(c->id, c->bound ? c->exporter : NULL, context)},
	    .client_identity = {c->name, c->name_len},
	    .server_identity = {c->server_identity,
				c->server_identity != NULL ? strlen(c->server_identity) : 0},
	};
}

void kiln_keys_client_opaque_failed(struct kiln_keys_client *c, const struct kiln_error *why)
{
	if (why->code == KILN_E_OPAQUE_MESSAGE)
		kiln_keys_client_break(c, KILN_E_KEYS_PROTOCOL, why->message);
	else
		kiln_keys_client_break(c, why->code, why->message);
}

static bool make_ke1(struct kiln_keys_client *c, struct kiln_keys_message *m)
{
	struct kiln_opaque_ke1 ke1;
	struct kiln_error err = {0};
	if (kiln_opaque_generate_ke1(password_bytes(&c->password), c->random, &ke1, &c->login_state,
				     &err) != KILN_OK) {
		kiln_keys_client_opaque_failed(c, &err);
		return false;
	}
	memcpy(m->ke1, &ke1, sizeof ke1);
	return true;
}

static bool make_registration(struct kiln_keys_client *c, struct kiln_keys_message *m)
{
	struct kiln_opaque_registration_request request;
	struct kiln_error err = {0};
	if (kiln_opaque_create_registration_request(password_bytes(&c->password), c->random,
						    &request, &c->registration_state,
						    &err) != KILN_OK) {
		kiln_keys_client_opaque_failed(c, &err);
		return false;
	}
	memcpy(m->registration_request, &request, sizeof request);
	return true;
}

void kiln_keys_client_start(struct kiln_keys_client *c, struct kiln_opaque_bytes token)
{
	struct kiln_keys_message m = {
	    .flags = c->bound ? KILN_KEYS_FLAG_EXPORTER : 0,
	    .name = {c->name, c->name_len},
	    .device = {c->device, c->has_device ? 1 : 0},
	    .token = {token.data, token.length},
	};
	const bool ok = c->registration ? make_registration(c, &m) : make_ke1(c, &m);
	if (!ok || !kiln_keys_client_send(
		       c, c->registration ? KILN_KEYS_REGISTER_START : KILN_KEYS_LOGIN_START, &m))
		return;
	c->stage = c->registration ? STAGE_REGISTER : STAGE_LOGIN;
}

void kiln_keys_client_response(struct kiln_keys_client *c, struct kiln_keys_message *m)
{
	memcpy(&c->registration_response, m->registration_response,
	       sizeof c->registration_response);
	if (c->pinned && memcmp(c->registration_response.server_public_key, c->server_key,
				sizeof c->server_key) != 0) {
		kiln_keys_client_break(c, KILN_E_KEYS_SERVER,
				       "the server's key is not the one that was expected");
		return;
	}
	memcpy(c->server_key, c->registration_response.server_public_key, sizeof c->server_key);
	c->pinned = true; /* the login that follows must come to the same server */
	c->stage = STAGE_STRETCH_NEW;
}

void kiln_keys_client_stretch_new(struct kiln_keys_client *c)
{
	struct kiln_keys_message m = {0};
	struct kiln_opaque_registration_record record;
	uint8_t export_key[KILN_OPAQUE_EXPORT_KEY_SIZE], context[KILN_KEYS_CONTEXT_MAX];
	const struct kiln_opaque_parameters parameters = kiln_keys_client_parameters(c, context);
	struct kiln_error err = {0};
	if (kiln_opaque_finalize_registration_request(
		&c->registration_state, password_bytes(&c->password), &c->password.ksf, &parameters,
		&c->registration_response, c->random, &record, export_key, &err) != KILN_OK) {
		kiln_keys_client_opaque_failed(c, &err);
		return;
	}
	/* The login that follows gives the same export key. */
	kiln_wipe(export_key, sizeof export_key);
	memcpy(m.record, &record, sizeof m.record);
	if (make_ke1(c, &m) && kiln_keys_client_send(c, KILN_KEYS_REGISTER_UPLOAD, &m))
		c->stage = STAGE_LOGIN;
	kiln_wipe(&record, sizeof record);
	kiln_wipe(&m, sizeof m);
}

void kiln_keys_client_ke2(struct kiln_keys_client *c, struct kiln_keys_message *m)
{
	memcpy(&c->ke2, m->ke2, sizeof c->ke2);
	c->stage = STAGE_STRETCH;
}

/* The server learns that this came to nothing, and not why. */
static void give_up(struct kiln_keys_client *c, enum kiln_code code, const char *message)
{
	const struct kiln_keys_message nothing = {0};
	if (kiln_keys_client_send(c, KILN_KEYS_ABORT, &nothing))
		kiln_keys_client_break(c, code, message);
}

static bool is_expected_server(const struct kiln_keys_client *c,
			       const struct kiln_opaque_login *login)
{
	return !c->pinned ||
	       memcmp(c->server_key, login->server_public_key, sizeof c->server_key) == 0;
}

static void finish_login(struct kiln_keys_client *c, const struct kiln_opaque_ke3 *ke3,
			 const struct kiln_opaque_login *login)
{
	struct kiln_keys_message m = {0};
	if (!is_expected_server(c, login)) {
		give_up(c, KILN_E_KEYS_SERVER, "the server is not the one that was expected");
		return;
	}
	if (!kiln_keys_master_key(login->export_key, c->master_key)) {
		kiln_keys_client_break(c, KILN_E_NO_MEMORY, "no memory for the master key");
		return;
	}
	memcpy(c->answer.server_key, login->server_public_key, sizeof c->answer.server_key);
	kiln_keys_channel_init(&c->channel, login->session_key, c->id);
	c->keyed = true;
	memcpy(m.ke3, ke3, sizeof m.ke3);
	if (kiln_keys_client_send(c, KILN_KEYS_KE3, &m))
		c->stage = STAGE_OPENING;
}

void kiln_keys_client_stretch_login(struct kiln_keys_client *c)
{
	struct kiln_opaque_ke3 ke3;
	struct kiln_opaque_login login;
	struct kiln_error err = {0};
	uint8_t context[KILN_KEYS_CONTEXT_MAX];
	const struct kiln_opaque_parameters parameters = kiln_keys_client_parameters(c, context);
	const enum kiln_code rc =
	    kiln_opaque_generate_ke3(&c->login_state, password_bytes(&c->password),
				     &c->password.ksf, &parameters, &c->ke2, &ke3, &login, &err);
	if (rc == KILN_OK)
		finish_login(c, &ke3, &login);
	else if (rc == KILN_E_OPAQUE_AUTH || rc == KILN_E_OPAQUE_MESSAGE)
		give_up(c, KILN_E_KEYS_PASSWORD,
			"the password is wrong, or there is no such account, or the server is not "
			"the one of the registration");
	else
		kiln_keys_client_opaque_failed(c, &err);
	kiln_wipe(&login, sizeof login);
	kiln_wipe(&c->password, sizeof c->password);
}

void kiln_keys_client_opened(struct kiln_keys_client *c, struct kiln_keys_message *m)
{
	memcpy(c->answer.user_id, m->user_id, sizeof c->answer.user_id);
	c->stage = STAGE_OPEN;
	if (c->registration)
		kiln_keys_client_complete(c);
}
