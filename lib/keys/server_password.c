/* SPDX-License-Identifier: Apache-2.0
 * A new password: a new record and the storage key wrapped anew, both or neither. docs/keys.md,
 * "Operations". */
#include <string.h>

#include "base/bytes.h"
#include "keys/server_inner.h"

enum kiln_keys_error kiln_keys_do_password(struct turn *turn, struct kiln_keys_user *user)
{
	struct session *s = turn->session;
	struct kiln_opaque_registration_request request;
	struct kiln_opaque_registration_response response;
	struct kiln_error err = {0};
	memcpy(&request, turn->in.registration_request, sizeof request);
	const enum kiln_code rc = kiln_opaque_create_registration_response(
	    &turn->server->opaque, (struct kiln_opaque_bytes){s->name, s->name_len}, &request,
	    &response, &err);
	if (rc == KILN_E_OPAQUE_MESSAGE)
		return KILN_KEYS_MALFORMED;
	if (rc != KILN_OK)
		return kiln_keys_store_failed(turn->server, &err);
	memcpy(turn->out.registration_response, &response, sizeof response);
	memcpy(turn->out.wrapped, user->wrapped, sizeof turn->out.wrapped);
	turn->reply = KILN_KEYS_CONTINUE;
	return KILN_KEYS_SUCCESS;
}

enum kiln_keys_error kiln_keys_do_password_change(struct turn *turn, struct kiln_keys_user *user)
{
	const struct kiln_keys_server_options *o = &turn->server->options;
	struct kiln_opaque_registration_record record;
	struct kiln_error err = {0};
	memcpy(&record, turn->in.record, sizeof record);
	const enum kiln_code good = kiln_opaque_check_record(&record, &err);
	kiln_wipe(&record, sizeof record);
	if (good != KILN_OK)
		return KILN_KEYS_MALFORMED;
	memcpy(user->record, turn->in.record, sizeof user->record);
	memcpy(user->wrapped, turn->in.wrapped, sizeof user->wrapped);
	switch (o->store->user_change(o->store_ctx, user, &err)) {
	case KILN_STORE_OK: return KILN_KEYS_SUCCESS;
	case KILN_STORE_STALE: return KILN_KEYS_PASSWORD_CHANGED;
	case KILN_STORE_ABSENT: return KILN_KEYS_REFUSED;
	default: return kiln_keys_store_failed(turn->server, &err);
	}
}
