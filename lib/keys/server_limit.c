/* SPDX-License-Identifier: Apache-2.0
 * Who may try: docs/keys.md, "Limits". */
#include <string.h>

#include "base/bytes.h"
#include "keys/server_inner.h"

#define SECOND 1000u
#define MINUTE (60 * SECOND)

const struct kiln_keys_limit kiln_keys_default_limits[5] = {
    [KILN_KEYS_LIMIT_SOURCE] = {20, SECOND, MINUTE, 30 * SECOND},
    [KILN_KEYS_LIMIT_STRANGER] = {10, 2 * SECOND, 5 * MINUTE, 5 * MINUTE},
    [KILN_KEYS_LIMIT_KNOWN] = {5, SECOND, MINUTE, MINUTE},
    [KILN_KEYS_LIMIT_REGISTER] = {10, 2 * SECOND, 5 * MINUTE, MINUTE},
};

struct bucket_key {
	uint8_t data[KILN_KEYS_LIMIT_KEY_MAX];
	size_t len;
};

static void append(struct bucket_key *key, const uint8_t *data, size_t len)
{
	memcpy(key->data + key->len, data, len);
	key->len += len;
}

static void make_key(const struct session *s, enum kiln_keys_limit_kind kind,
		     struct bucket_key *key)
{
	uint8_t place[KILN_KEYS_SOURCE_LEN];
	const bool by_device = kind == KILN_KEYS_LIMIT_KNOWN && s->known_device;
	key->len = 0;
	kiln_keys_source_prefix(s->source, place);
	if (by_device)
		memset(place, 0xff, sizeof place); /* nobody's address */
	if (kind != KILN_KEYS_LIMIT_STRANGER)
		append(key, place, sizeof place);
	if (by_device)
		append(key, s->device, sizeof s->device);
	if (kind == KILN_KEYS_LIMIT_STRANGER || kind == KILN_KEYS_LIMIT_KNOWN)
		append(key, s->name, s->name_len);
}

static enum kiln_keys_error take(struct turn *turn, enum kiln_keys_limit_kind kind)
{
	struct kiln_keys_server *server = turn->server;
	struct kiln_keys_verdict verdict = {0};
	struct kiln_error err = {0};
	struct bucket_key key;
	make_key(turn->session, kind, &key);
	if (!kiln_keys_store_ready(server))
		return KILN_KEYS_STORE;
	const enum kiln_store_result result = server->options.store->limit_take(
	    server->options.store_ctx, kind, key.data, key.len, &server->options.limits[kind],
	    turn->now.unix_ms, &verdict, &err);
	kiln_wipe(&key, sizeof key); /* with the device */
	if (result != KILN_STORE_OK)
		return kiln_keys_store_failed(server, &err);
	if (verdict.allowed)
		return KILN_KEYS_SUCCESS;
	turn->retry_after_ms = verdict.retry_after_ms;
	turn->quiet = !verdict.first; /* one line for each series: nobody fills the log */
	return KILN_KEYS_LIMITED;
}

static enum kiln_keys_error give(struct turn *turn, enum kiln_keys_limit_kind kind)
{
	struct kiln_keys_server *server = turn->server;
	struct kiln_error err = {0};
	struct bucket_key key;
	make_key(turn->session, kind, &key);
	const enum kiln_store_result result = server->options.store->limit_give(
	    server->options.store_ctx, kind, key.data, key.len, &server->options.limits[kind],
	    turn->now.unix_ms, &err);
	kiln_wipe(&key, sizeof key);
	if (result != KILN_STORE_OK)
		return kiln_keys_store_failed(server, &err);
	return KILN_KEYS_SUCCESS;
}

static struct kiln_keys_known known(const struct session *s, bool device)
{
	struct kiln_keys_known k = {
	    .name = s->name, .name_len = s->name_len, .device = device ? s->device : NULL};
	if (!device)
		kiln_keys_source_prefix(s->source, k.source);
	return k;
}

static enum kiln_keys_limit_kind account_kind(const struct session *s)
{
	return s->known_source || s->known_device ? KILN_KEYS_LIMIT_KNOWN
						  : KILN_KEYS_LIMIT_STRANGER;
}

static enum kiln_keys_error look(struct turn *turn, bool device, bool *is_known)
{
	struct kiln_keys_server *server = turn->server;
	const struct kiln_keys_known k = known(turn->session, device);
	struct kiln_error err = {0};
	if (!kiln_keys_store_ready(server))
		return KILN_KEYS_STORE;
	const enum kiln_store_result found =
	    server->options.store->known_get(server->options.store_ctx, &k, &err);
	if (found == KILN_STORE_FAILED)
		return kiln_keys_store_failed(server, &err);
	*is_known = found == KILN_STORE_OK;
	return KILN_KEYS_SUCCESS;
}

/* A device that the owner used is counted by itself, whoever else is at its address. What is asked
 * of the store depends on what the client sent, and not on whether there is such an account. */
enum kiln_keys_error kiln_keys_limit_login(struct turn *turn)
{
	struct session *s = turn->session;
	enum kiln_keys_error rc = KILN_KEYS_SUCCESS;
	if (s->has_device)
		rc = look(turn, true, &s->known_device);
	if (rc == KILN_KEYS_SUCCESS && !s->known_device)
		rc = take(turn, KILN_KEYS_LIMIT_SOURCE);
	if (rc == KILN_KEYS_SUCCESS && !s->known_device)
		rc = look(turn, false, &s->known_source);
	return rc == KILN_KEYS_SUCCESS ? take(turn, account_kind(s)) : rc;
}

enum kiln_keys_error kiln_keys_limit_registration(struct turn *turn)
{
	return take(turn, KILN_KEYS_LIMIT_REGISTER);
}

static enum kiln_keys_error remember(struct turn *turn, bool device)
{
	struct kiln_keys_server *server = turn->server;
	const struct kiln_keys_known k = known(turn->session, device);
	struct kiln_error err = {0};
	if (server->options.store->known_put(server->options.store_ctx, &k, turn->now.unix_ms,
					     &err) != KILN_STORE_OK)
		return kiln_keys_store_failed(server, &err);
	return KILN_KEYS_SUCCESS;
}

enum kiln_keys_error kiln_keys_limit_remember(struct turn *turn)
{
	const enum kiln_keys_error rc = remember(turn, false);
	return rc == KILN_KEYS_SUCCESS && turn->session->has_device ? remember(turn, true) : rc;
}

enum kiln_keys_error kiln_keys_limit_forgive(struct turn *turn)
{
	const struct session *s = turn->session;
	enum kiln_keys_error rc = KILN_KEYS_SUCCESS;
	if (!s->known_device)
		rc = give(turn, KILN_KEYS_LIMIT_SOURCE);
	if (rc == KILN_KEYS_SUCCESS)
		rc = give(turn, account_kind(s));
	return rc == KILN_KEYS_SUCCESS ? kiln_keys_limit_remember(turn) : rc;
}
