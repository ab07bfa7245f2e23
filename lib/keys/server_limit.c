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

static void make_key(const struct session *s, enum kiln_keys_limit_kind kind,
		     struct bucket_key *key)
{
	key->len = 0;
	if (kind != KILN_KEYS_LIMIT_STRANGER) {
		kiln_keys_source_prefix(s->source, key->data);
		key->len = KILN_KEYS_SOURCE_LEN;
	}
	if (kind == KILN_KEYS_LIMIT_STRANGER || kind == KILN_KEYS_LIMIT_KNOWN) {
		memcpy(key->data + key->len, s->name, s->name_len);
		key->len += s->name_len;
	}
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
	if (server->options.store->limit_take(server->options.store_ctx, kind, key.data, key.len,
					      &server->options.limits[kind], turn->now.unix_ms,
					      &verdict, &err) != KILN_STORE_OK)
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
	if (server->options.store->limit_give(server->options.store_ctx, kind, key.data, key.len,
					      &server->options.limits[kind], turn->now.unix_ms,
					      &err) != KILN_STORE_OK)
		return kiln_keys_store_failed(server, &err);
	return KILN_KEYS_SUCCESS;
}

static struct kiln_keys_known known(const struct session *s)
{
	struct kiln_keys_known k = {.name = s->name, .name_len = s->name_len};
	kiln_keys_source_prefix(s->source, k.source);
	return k;
}

static enum kiln_keys_limit_kind account_kind(const struct session *s)
{
	return s->known_source ? KILN_KEYS_LIMIT_KNOWN : KILN_KEYS_LIMIT_STRANGER;
}

enum kiln_keys_error kiln_keys_limit_login(struct turn *turn)
{
	struct kiln_keys_server *server = turn->server;
	const struct kiln_keys_known k = known(turn->session);
	struct kiln_error err = {0};
	enum kiln_keys_error rc = take(turn, KILN_KEYS_LIMIT_SOURCE);
	if (rc != KILN_KEYS_SUCCESS)
		return rc;
	const enum kiln_store_result found =
	    server->options.store->known_get(server->options.store_ctx, &k, &err);
	if (found == KILN_STORE_FAILED)
		return kiln_keys_store_failed(server, &err);
	turn->session->known_source = found == KILN_STORE_OK;
	return take(turn, account_kind(turn->session));
}

enum kiln_keys_error kiln_keys_limit_registration(struct turn *turn)
{
	return take(turn, KILN_KEYS_LIMIT_REGISTER);
}

enum kiln_keys_error kiln_keys_limit_remember(struct turn *turn)
{
	struct kiln_keys_server *server = turn->server;
	const struct kiln_keys_known k = known(turn->session);
	struct kiln_error err = {0};
	if (server->options.store->known_put(server->options.store_ctx, &k, turn->now.unix_ms,
					     &err) != KILN_STORE_OK)
		return kiln_keys_store_failed(server, &err);
	return KILN_KEYS_SUCCESS;
}

enum kiln_keys_error kiln_keys_limit_forgive(struct turn *turn)
{
	enum kiln_keys_error rc = give(turn, KILN_KEYS_LIMIT_SOURCE);
	if (rc == KILN_KEYS_SUCCESS)
		rc = give(turn, account_kind(turn->session));
	if (rc == KILN_KEYS_SUCCESS)
		rc = kiln_keys_limit_remember(turn);
	return rc;
}
