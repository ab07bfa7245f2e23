/* SPDX-License-Identifier: Apache-2.0
 * Secrets at the key server: generate, import, retrieve, delete. docs/keys.md, "Operations". */
#include <string.h>

#include "base/bytes.h"
#include "keys/crypto.h"
#include "keys/server_inner.h"

/* ---- a fresh key_id ------------------------------------------------------------------------- */

static enum kiln_keys_error draw_id(struct turn *turn, uint8_t key_id[KILN_KEYS_KEY_ID_LEN])
{
	uint8_t random[32];
	if (!kiln_keys_random(turn->server->options.random, random, sizeof random) ||
	    !kiln_keys_make_id(turn->session->user_id, random, key_id))
		return KILN_KEYS_BUSY;
	return KILN_KEYS_SUCCESS;
}

static enum kiln_keys_error put(struct turn *turn, enum kiln_store_result *result)
{
	struct kiln_keys_server *server = turn->server;
	struct kiln_error err = {0};
	*result = server->options.store->key_create(server->options.store_ctx, &turn->key, &err);
	switch (*result) {
	case KILN_STORE_OK:
	case KILN_STORE_TAKEN: return KILN_KEYS_SUCCESS;
	case KILN_STORE_FULL: return KILN_KEYS_FULL;
	default: return kiln_keys_store_failed(server, &err);
	}
}

enum kiln_keys_error kiln_keys_store_new(struct turn *turn)
{
	struct session *s = turn->session;
	memcpy(turn->key.owner, s->user_id, sizeof turn->key.owner);
	turn->key.created_ms = turn->now.unix_ms;
	for (int i = 0; i < 4; i++) {
		enum kiln_store_result result;
		enum kiln_keys_error rc = draw_id(turn, turn->key.key_id);
		if (rc == KILN_KEYS_SUCCESS)
			rc = put(turn, &result);
		if (rc != KILN_KEYS_SUCCESS)
			return rc;
		if (result == KILN_STORE_TAKEN)
			continue;
		memcpy(s->key_id, turn->key.key_id, sizeof s->key_id);
		memcpy(turn->out.key_id, turn->key.key_id, sizeof turn->out.key_id);
		return KILN_KEYS_SUCCESS;
	}
	return KILN_KEYS_BUSY;
}

/* ---- secrets that the client seals: two rounds ---------------------------------------------- */

enum kiln_keys_error kiln_keys_do_offer(struct turn *turn, struct kiln_keys_user *user)
{
	struct session *s = turn->session;
	struct kiln_keys_server *server = turn->server;
	struct kiln_error err = {0};
	enum kiln_store_result result = KILN_STORE_TAKEN;
	for (int i = 0; i < 4 && result == KILN_STORE_TAKEN; i++) {
		const enum kiln_keys_error rc = draw_id(turn, s->key_id);
		if (rc != KILN_KEYS_SUCCESS)
			return rc;
		result =
		    server->options.store->key_id_free(server->options.store_ctx, s->key_id, &err);
	}
	if (result == KILN_STORE_FAILED)
		return kiln_keys_store_failed(server, &err);
	if (result != KILN_STORE_OK)
		return KILN_KEYS_BUSY;
	memcpy(turn->out.key_id, s->key_id, sizeof turn->out.key_id);
	memcpy(turn->out.wrapped, user->wrapped, sizeof turn->out.wrapped);
	turn->reply = KILN_KEYS_CONTINUE;
	return KILN_KEYS_SUCCESS;
}

enum kiln_keys_error kiln_keys_do_backup(struct turn *turn, struct kiln_keys_user *user)
{
	struct session *s = turn->session;
	struct kiln_keys_key *key = &turn->key;
	enum kiln_store_result result;
	(void)user;
	memcpy(key->key_id, s->key_id, sizeof key->key_id);
	memcpy(key->owner, s->user_id, sizeof key->owner);
	key->kind = KILN_KEYS_BACKUP;
	key->context =
	    s->operation == KILN_KEYS_GENERATE ? KILN_KEYS_CLIENT_GENERATED : KILN_KEYS_IMPORTED;
	key->data_len = (uint16_t)turn->in.backup.count;
	memcpy(key->data, turn->in.backup.data, turn->in.backup.count);
	key->created_ms = turn->now.unix_ms;
	const enum kiln_keys_error rc = put(turn, &result);
	if (rc != KILN_KEYS_SUCCESS)
		return rc;
	memcpy(turn->out.key_id, s->key_id, sizeof turn->out.key_id);
	return result == KILN_STORE_OK ? KILN_KEYS_SUCCESS : KILN_KEYS_BUSY;
}

/* ---- secrets in the server's hands ---------------------------------------------------------- */

enum kiln_keys_error kiln_keys_do_generate_server(struct turn *turn, struct kiln_keys_user *user)
{
	(void)user;
	turn->key.kind = KILN_KEYS_HELD;
	turn->key.context = KILN_KEYS_SERVER_GENERATED;
	turn->key.data_len = 32;
	if (!kiln_keys_random(turn->server->options.random, turn->key.data, 32))
		return KILN_KEYS_BUSY;
	return kiln_keys_store_new(turn);
}

enum kiln_keys_error kiln_keys_do_import_server(struct turn *turn, struct kiln_keys_user *user)
{
	(void)user;
	turn->key.kind = KILN_KEYS_HELD;
	turn->key.context = KILN_KEYS_IMPORTED;
	turn->key.data_len = (uint16_t)turn->in.secret.count;
	memcpy(turn->key.data, turn->in.secret.data, turn->in.secret.count);
	return kiln_keys_store_new(turn);
}

/* ---- back out ------------------------------------------------------------------------------- */

static enum kiln_keys_error judge(struct turn *turn, enum kiln_store_result result,
				  const struct kiln_error *err)
{
	switch (result) {
	case KILN_STORE_OK: return KILN_KEYS_SUCCESS;
	case KILN_STORE_ABSENT: return KILN_KEYS_NO_SUCH_KEY;
	default: return kiln_keys_store_failed(turn->server, err);
	}
}

enum kiln_keys_error kiln_keys_get_key(struct turn *turn)
{
	const struct kiln_keys_server_options *o = &turn->server->options;
	struct kiln_error err = {0};
	return judge(turn,
		     o->store->key_get(o->store_ctx, turn->in.key_id, turn->session->user_id,
				       &turn->key, &err),
		     &err);
}

enum kiln_keys_error kiln_keys_do_retrieve(struct turn *turn, struct kiln_keys_user *user)
{
	const struct kiln_keys_server_options *o = &turn->server->options;
	struct kiln_error err = {0};
	if (turn->in.intent > KILN_KEYS_FOR_EXPORT)
		return KILN_KEYS_MALFORMED;
	const enum kiln_keys_error rc = kiln_keys_get_key(turn);
	if (rc != KILN_KEYS_SUCCESS)
		return rc;
	memcpy(turn->out.key_id, turn->key.key_id, sizeof turn->out.key_id);
	memcpy(turn->out.wrapped, user->wrapped, sizeof turn->out.wrapped);
	turn->out.kind = turn->key.kind;
	turn->out.context = turn->key.context;
	/* The answer is written after turn->key is wiped: its bytes live in the turn's own. */
	memcpy(turn->entries, turn->key.data, turn->key.data_len);
	turn->out.data = (struct kiln_keys_list){turn->entries, turn->key.data_len};
	return judge(turn,
		     o->store->key_retrieved(o->store_ctx, turn->in.key_id, turn->session->user_id,
					     turn->now.unix_ms, &err),
		     &err);
}

enum kiln_keys_error kiln_keys_do_delete(struct turn *turn, struct kiln_keys_user *user)
{
	const struct kiln_keys_server_options *o = &turn->server->options;
	struct kiln_error err = {0};
	(void)user;
	return judge(turn,
		     o->store->key_delete(o->store_ctx, turn->in.key_id, turn->session->user_id,
					  turn->now.unix_ms, &err),
		     &err);
}
