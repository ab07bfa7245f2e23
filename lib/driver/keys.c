/* SPDX-License-Identifier: Apache-2.0
 * The key server's client over a connection: the calls of kiln/keys.h. One session for each. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "driver/keys.h"
#include "keys/export.h"

/* ---- opening and closing -------------------------------------------------------------------- */

static bool copy_text(const char *text, char **copy)
{
	*copy = text != NULL ? strdup(text) : NULL;
	return text == NULL || *copy != NULL;
}

static enum kiln_code fill(struct kiln_keys *keys, const char *account, const void *password,
			   size_t password_len, struct kiln_error *err)
{
	struct kiln_keys_options *o = &keys->options;
	keys->account = strdup(account);
	if (keys->account == NULL || !copy_text(o->server_identity, &keys->server_identity) ||
	    !copy_text(o->device_server, &keys->device_server))
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a key server's client");
	if (o->server_key != NULL) {
		memcpy(keys->pinned, o->server_key, sizeof keys->pinned);
		o->server_key = keys->pinned;
	}
	if (o->device != NULL) {
		memcpy(keys->device, o->device, sizeof keys->device);
		o->device = keys->device;
	}
	o->server_identity = keys->server_identity;
	o->device_server = keys->device_server;
	memcpy(keys->password, password, password_len);
	keys->password_len = password_len;
	return KILN_OK;
}

const uint8_t *kiln_driver_keys_exporter(const struct kiln_conn *conn)
{
	size_t len;
	const uint8_t *exporter = kiln_conn_exporter(conn, &len);
	return len == KILN_KEYS_EXPORTER_LEN ? exporter : NULL;
}

struct kiln_keys_client_options kiln_driver_keys_options(const struct kiln_keys *keys)
{
	return (struct kiln_keys_client_options){
	    .account = {keys->account, strlen(keys->account)},
	    .password = {keys->password, keys->password_len},
	    .exporter = kiln_driver_keys_exporter(keys->conn),
	    .server_identity = keys->server_identity,
	    .server_key = keys->options.server_key,
	    .ksf = keys->options.ksf,
	    .device = keys->options.device,
	    .device_server = keys->device_server,
	};
}

/* What a session would refuse is refused at once. */
static enum kiln_code try_options(const struct kiln_keys *keys, struct kiln_error *err)
{
	const struct kiln_keys_client_options options = kiln_driver_keys_options(keys);
	struct kiln_error own = {0};
	struct kiln_keys_client *client = kiln_keys_client_new(&options, &own);
	if (client == NULL)
		return kiln_fail(err, own.code, "%s", own.message);
	kiln_keys_client_free(client);
	return KILN_OK;
}

enum kiln_code kiln_keys_open(struct kiln_conn *conn, const char *account, const void *password,
			      size_t password_len, const struct kiln_keys_options *options,
			      struct kiln_keys **keys, struct kiln_error *err)
{
	*keys = NULL;
	if (password_len == 0 || password_len > KILN_OPAQUE_PASSWORD_MAX)
		return kiln_fail(err, KILN_E_USAGE, "a password has 1 to %u bytes",
				 KILN_OPAQUE_PASSWORD_MAX);
	struct kiln_keys *new = calloc(1, sizeof *new);
	if (new == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a key server's client");
	new->conn = conn;
	if (options != NULL)
		new->options = *options;
	enum kiln_code rc = fill(new, account, password, password_len, err);
	if (rc == KILN_OK)
		rc = try_options(new, err);
	if (rc == KILN_OK)
		*keys = new;
	else
		kiln_keys_close(new);
	return rc;
}

void kiln_keys_close(struct kiln_keys *keys)
{
	if (keys == NULL)
		return;
	free(keys->account);
	free(keys->server_identity);
	free(keys->device_server);
	kiln_wipe(keys, sizeof *keys);
	free(keys);
}

uint32_t kiln_keys_retry_after_ms(const struct kiln_keys *keys)
{
	return keys->retry_after_ms;
}

const uint8_t *kiln_keys_user_id(const struct kiln_keys *keys)
{
	return keys->user_id;
}

const uint8_t *kiln_keys_server_key(const struct kiln_keys *keys)
{
	return keys->server_key;
}

/* ---- the calls ------------------------------------------------------------------------------ */

enum kiln_code kiln_keys_register(struct kiln_keys *keys, const char *token, struct kiln_error *err)
{
	struct kiln_keys_client *client;
	const enum kiln_code rc = kiln_driver_keys_session(keys, NULL, token, &client, err);
	kiln_keys_client_free(client);
	return rc;
}

enum kiln_code kiln_keys_login_test(struct kiln_keys *keys, struct kiln_error *err)
{
	const struct kiln_keys_ask ask = {.operation = KILN_KEYS_NOTHING};
	struct kiln_keys_answer answer;
	return kiln_driver_keys_ask(keys, &ask, &answer, err);
}

enum kiln_code kiln_keys_change_password(struct kiln_keys *keys, const void *password,
					 size_t password_len, const struct kiln_opaque_ksf *ksf,
					 struct kiln_error *err)
{
	static const struct kiln_opaque_ksf standard;
	struct kiln_keys_answer answer;
	const struct kiln_keys_ask ask = {
	    .operation = KILN_KEYS_CHANGE_PASSWORD,
	    .new_password = {password, password_len},
	    .new_ksf = ksf != NULL ? *ksf : standard,
	};
	const enum kiln_code rc = kiln_driver_keys_ask(keys, &ask, &answer, err);
	if (rc != KILN_OK)
		return rc;
	kiln_wipe(keys->password, sizeof keys->password);
	memcpy(keys->password, password, password_len);
	keys->password_len = password_len;
	keys->options.ksf = ask.new_ksf;
	return KILN_OK;
}

/* Takes the secret out of the answer, which is wiped. */
static void take_secret(struct kiln_keys_answer *answer, struct kiln_keys_secret *secret)
{
	memset(secret, 0, sizeof *secret);
	memcpy(secret->key_id, answer->key_id, sizeof secret->key_id);
	memcpy(secret->data, answer->secret, answer->secret_len);
	secret->len = answer->secret_len;
	secret->kind = answer->kind;
	secret->context = answer->context;
	kiln_wipe(answer, sizeof *answer);
}

enum kiln_code kiln_keys_generate(struct kiln_keys *keys, enum kiln_keys_place place,
				  struct kiln_keys_secret *secret, struct kiln_error *err)
{
	const bool here = place == KILN_KEYS_BACKED_UP;
	const struct kiln_keys_ask ask = {.operation = here ? KILN_KEYS_GENERATE
							    : KILN_KEYS_GENERATE_SERVER};
	struct kiln_keys_answer answer;
	const enum kiln_code rc = kiln_driver_keys_ask(keys, &ask, &answer, err);
	take_secret(&answer, secret);
	secret->kind = here ? KILN_KEYS_BACKUP : KILN_KEYS_HELD;
	secret->context = here ? KILN_KEYS_CLIENT_GENERATED : KILN_KEYS_SERVER_GENERATED;
	return rc;
}

enum kiln_code kiln_keys_import(struct kiln_keys *keys, enum kiln_keys_place place,
				const void *secret, size_t len,
				uint8_t key_id[KILN_KEYS_KEY_ID_LEN], struct kiln_error *err)
{
	struct kiln_keys_answer answer;
	const struct kiln_keys_ask ask = {
	    .operation = place == KILN_KEYS_BACKED_UP ? KILN_KEYS_IMPORT : KILN_KEYS_IMPORT_SERVER,
	    .secret = secret,
	    .secret_len = len,
	};
	const enum kiln_code rc = kiln_driver_keys_ask(keys, &ask, &answer, err);
	memcpy(key_id, answer.key_id, KILN_KEYS_KEY_ID_LEN);
	return rc;
}

enum kiln_code kiln_keys_store(struct kiln_keys *keys, const void *secret, size_t len,
			       uint8_t key_id[KILN_KEYS_KEY_ID_LEN], struct kiln_error *err)
{
	return kiln_keys_import(keys, KILN_KEYS_BACKED_UP, secret, len, key_id, err);
}

static struct kiln_keys_ask about(enum kiln_keys_operation operation,
				  const uint8_t key_id[KILN_KEYS_KEY_ID_LEN])
{
	struct kiln_keys_ask ask = {.operation = operation};
	memcpy(ask.key_id, key_id, sizeof ask.key_id);
	return ask;
}

enum kiln_code kiln_keys_retrieve(struct kiln_keys *keys,
				  const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
				  enum kiln_keys_kind kind, enum kiln_keys_intent intent,
				  struct kiln_keys_secret *secret, struct kiln_error *err)
{
	struct kiln_keys_ask ask = about(KILN_KEYS_RETRIEVE, key_id);
	struct kiln_keys_answer answer;
	ask.intent = intent;
	ask.kind = (uint8_t)kind;
	const enum kiln_code rc = kiln_driver_keys_ask(keys, &ask, &answer, err);
	take_secret(&answer, secret);
	return rc;
}

enum kiln_code kiln_keys_export(struct kiln_keys *keys, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
				enum kiln_keys_kind kind, uint8_t out[KILN_KEYS_EXPORT_MAX],
				size_t *len, struct kiln_error *err)
{
	struct kiln_keys_secret secret;
	const enum kiln_code rc =
	    kiln_keys_retrieve(keys, key_id, kind, KILN_KEYS_FOR_EXPORT, &secret, err);
	*len = rc == KILN_OK ? kiln_keys_export_write(&secret, keys->user_id, out) : 0;
	kiln_wipe(&secret, sizeof secret);
	return rc;
}

enum kiln_code kiln_keys_delete(struct kiln_keys *keys, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
				struct kiln_error *err)
{
	const struct kiln_keys_ask ask = about(KILN_KEYS_DELETE, key_id);
	struct kiln_keys_answer answer;
	return kiln_driver_keys_ask(keys, &ask, &answer, err);
}

static enum kiln_code signing(struct kiln_keys *keys, const struct kiln_keys_ask *ask,
			      uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
			      uint8_t public_key[KILN_KEYS_PUBLIC_LEN], struct kiln_error *err)
{
	struct kiln_keys_answer answer;
	const enum kiln_code rc = kiln_driver_keys_ask(keys, ask, &answer, err);
	memcpy(key_id, answer.key_id, KILN_KEYS_KEY_ID_LEN);
	memcpy(public_key, answer.public_key, KILN_KEYS_PUBLIC_LEN);
	return rc;
}

enum kiln_code kiln_keys_generate_signing(struct kiln_keys *keys,
					  uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					  uint8_t public_key[KILN_KEYS_PUBLIC_LEN],
					  struct kiln_error *err)
{
	const struct kiln_keys_ask ask = {.operation = KILN_KEYS_GENERATE_SIGNING};
	return signing(keys, &ask, key_id, public_key, err);
}

enum kiln_code kiln_keys_import_signing(struct kiln_keys *keys,
					const uint8_t private_key[KILN_KEYS_SCALAR_LEN],
					uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					uint8_t public_key[KILN_KEYS_PUBLIC_LEN],
					struct kiln_error *err)
{
	const struct kiln_keys_ask ask = {.operation = KILN_KEYS_IMPORT_SIGNING,
					  .private_key = private_key};
	return signing(keys, &ask, key_id, public_key, err);
}

enum kiln_code kiln_keys_sign(struct kiln_keys *keys, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
			      const void *message, size_t len, bool is_digest,
			      uint8_t signature[KILN_KEYS_SIGNATURE_LEN], struct kiln_error *err)
{
	struct kiln_keys_ask ask = about(KILN_KEYS_SIGN, key_id);
	struct kiln_keys_answer answer;
	ask.text = message;
	ask.text_len = len;
	ask.is_digest = is_digest;
	const enum kiln_code rc = kiln_driver_keys_ask(keys, &ask, &answer, err);
	memcpy(signature, answer.signature, KILN_KEYS_SIGNATURE_LEN);
	return rc;
}

enum kiln_code kiln_keys_public_key(struct kiln_keys *keys,
				    const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
				    uint8_t public_key[KILN_KEYS_PUBLIC_LEN],
				    struct kiln_error *err)
{
	const struct kiln_keys_ask ask = about(KILN_KEYS_PUBLIC_KEY, key_id);
	struct kiln_keys_answer answer;
	const enum kiln_code rc = kiln_driver_keys_ask(keys, &ask, &answer, err);
	memcpy(public_key, answer.public_key, KILN_KEYS_PUBLIC_LEN);
	return rc;
}
