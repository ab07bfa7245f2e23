/* SPDX-License-Identifier: Apache-2.0
 * Logins at the key server: LOGIN_START, KE2, KE3, OPEN. docs/keys.md, "A session"; RFC 9807 6. */
#include <string.h>

#include "base/bytes.h"
#include "keys/name.h"
#include "keys/server_inner.h"

static enum kiln_keys_error check_name(const struct kiln_keys_list *name)
{
	switch (kiln_keys_name_check(name->data, name->count)) {
	case KILN_KEYS_NAME_GOOD: return KILN_KEYS_SUCCESS;
	case KILN_KEYS_NAME_NO_MEMORY: return KILN_KEYS_BUSY;
	default: return KILN_KEYS_BAD_NAME;
	}
}

enum kiln_keys_error kiln_keys_take_start(struct turn *turn)
{
	struct session *s = turn->session;
	const bool bound = turn->in.flags == KILN_KEYS_FLAG_EXPORTER;
	turn->quiet = true; /* so far this is no attempt on anything */
	if ((turn->in.flags & ~KILN_KEYS_FLAG_EXPORTER) != 0)
		return KILN_KEYS_MALFORMED;
	if (bound ? !turn->conn->has_exporter : turn->server->options.require_binding)
		return KILN_KEYS_BINDING;
	const enum kiln_keys_error rc = check_name(&turn->in.name);
	if (rc != KILN_KEYS_SUCCESS)
		return rc;
	s->exporter_bound = bound;
	memcpy(s->exporter, turn->conn->exporter, sizeof s->exporter);
	memcpy(s->name, turn->in.name.data, turn->in.name.count);
	s->name_len = (uint8_t)turn->in.name.count;
	s->has_device = turn->in.device.count == 1;
	if (s->has_device)
		memcpy(s->device, turn->in.device.data, sizeof s->device);
	turn->quiet = false;
	return KILN_KEYS_SUCCESS;
}

enum kiln_keys_error kiln_keys_find_account(struct turn *turn, struct kiln_keys_user *user)
{
	struct session *s = turn->session;
	struct kiln_keys_server *server = turn->server;
	struct kiln_error err = {0};
	if (!kiln_keys_store_ready(server))
		return KILN_KEYS_STORE;
	switch (server->options.store->user_by_name(server->options.store_ctx, s->name, s->name_len,
						    user, &err)) {
	case KILN_STORE_OK: s->known_user = true; break;
	case KILN_STORE_ABSENT: s->known_user = false; break;
	default: return kiln_keys_store_failed(server, &err);
	}
	if (s->known_user) {
		memcpy(s->user_id, user->user_id, sizeof s->user_id);
		s->generation = user->generation;
	}
	return KILN_KEYS_SUCCESS;
}

enum kiln_keys_error kiln_keys_answer_ke1(struct turn *turn,
					  const struct kiln_opaque_registration_record *record)
{
	struct session *s = turn->session;
	struct kiln_keys_server *server = turn->server;
	struct kiln_opaque_ke1 ke1;
	struct kiln_opaque_ke2 ke2;
	struct kiln_error err = {0};
	uint8_t context[KILN_KEYS_CONTEXT_MAX];
	const struct kiln_opaque_bytes name = {s->name, s->name_len};
	const struct kiln_opaque_parameters parameters = {
	    .context = {context,
			kiln_keys_context(s->id, s->exporter_bound ? s->exporter : NULL, context)},
	    .client_identity = name,
	    .server_identity = {server->identity,
				server->identity != NULL ? strlen(server->identity) : 0},
	};
	memcpy(&ke1, turn->in.ke1, sizeof ke1);
	const enum kiln_code rc =
	    kiln_opaque_generate_ke2(&server->opaque, &parameters, record, name, &ke1,
				     server->options.random, &ke2, &s->opaque, &err);
	if (rc == KILN_E_OPAQUE_MESSAGE)
		return KILN_KEYS_MALFORMED;
	if (rc != KILN_OK)
		return kiln_keys_store_failed(server, &err);
	memcpy(turn->out.ke2, &ke2, sizeof ke2);
	turn->reply = KILN_KEYS_KE2;
	s->state = SESSION_AUTHENTICATING;
	return KILN_KEYS_SUCCESS;
}

enum kiln_keys_error kiln_keys_login_start(struct turn *turn)
{
	struct kiln_keys_user user;
	struct kiln_opaque_registration_record record;
	memset(&user, 0, sizeof user);
	enum kiln_keys_error rc = kiln_keys_take_start(turn);
	if (rc != KILN_KEYS_SUCCESS)
		return rc;
	rc = kiln_keys_limit_login(turn);
	if (rc == KILN_KEYS_LIMITED && !turn->quiet) {
		rc = kiln_keys_find_account(turn, &user); /* whose log it is written to */
		rc = rc != KILN_KEYS_SUCCESS ? rc : KILN_KEYS_LIMITED;
	} else if (rc == KILN_KEYS_SUCCESS) {
		rc = kiln_keys_find_account(turn, &user);
		memcpy(&record, user.record, sizeof record);
		if (rc == KILN_KEYS_SUCCESS)
			rc = kiln_keys_answer_ke1(turn, turn->session->known_user ? &record : NULL);
		kiln_wipe(&record, sizeof record);
	}
	kiln_wipe(&user, sizeof user);
	return rc;
}

/* What a good login changes in the store. A registration is no login. */
static enum kiln_keys_error write_login(struct turn *turn)
{
	const enum kiln_keys_error rc = kiln_keys_limit_forgive(turn);
	if (rc != KILN_KEYS_SUCCESS)
		return rc;
	return kiln_keys_audit_line(turn->session, turn->now, KILN_KEYS_DID_LOGIN,
				    KILN_KEYS_SUCCESS, NULL);
}

static enum kiln_keys_error finish_ake(struct turn *turn)
{
	struct session *s = turn->session;
	struct kiln_opaque_ke3 ke3;
	uint8_t session_key[KILN_OPAQUE_SESSION_KEY_SIZE];
	struct kiln_error err = {0};
	memcpy(&ke3, turn->in.ke3, sizeof ke3);
	const enum kiln_code rc = kiln_opaque_server_finish(&s->opaque, &ke3, session_key, &err);
	if (rc != KILN_OK)
		return KILN_KEYS_LOGIN_FAILED;
	kiln_keys_channel_init(&s->channel, session_key, s->id);
	kiln_wipe(session_key, sizeof session_key);
	s->keyed = true;
	return KILN_KEYS_SUCCESS;
}

enum kiln_keys_error kiln_keys_ke3(struct turn *turn)
{
	struct session *s = turn->session;
	enum kiln_keys_error rc = finish_ake(turn);
	if (rc == KILN_KEYS_SUCCESS && !s->registration)
		rc = kiln_keys_all_or_nothing(turn, write_login);
	if (rc != KILN_KEYS_SUCCESS)
		return rc;
	s->logged_in = !s->registration;
	memcpy(turn->out.user_id, s->user_id, sizeof turn->out.user_id);
	turn->out.request_ms = turn->server->options.request_ms;
	turn->reply = KILN_KEYS_OPEN;
	kiln_keys_session_set(s, SESSION_OPEN, QUEUE_REQUEST, turn->now.steady_ms);
	return KILN_KEYS_SUCCESS;
}
