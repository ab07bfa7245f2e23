/* SPDX-License-Identifier: Apache-2.0
 * The key server's client over a connection: the calls of kiln/keys.h. One session for each. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "driver/driver.h"
#include "keys/client.h"
#include "keys/export.h"

#define RECONNECTS_MAX 3

struct kiln_keys {
	struct kiln_conn *conn;
	struct kiln_keys_options options;
	char *account, *server_identity;
	uint8_t pinned[32], device[KILN_KEYS_DEVICE_LEN];
	uint8_t password[KILN_OPAQUE_PASSWORD_MAX];
	size_t password_len;
	uint8_t user_id[KILN_KEYS_USER_ID_LEN], server_key[32];
	uint32_t retry_after_ms;
	uint8_t input[4096]; /* received and not used yet: input[start, end) */
	size_t start, end;
};

/* ---- opening and closing -------------------------------------------------------------------- */

static enum kiln_code fill(struct kiln_keys *keys, const char *account, const void *password,
			   size_t password_len, struct kiln_error *err)
{
	struct kiln_keys_options *o = &keys->options;
	keys->account = strdup(account);
	if (o->server_identity != NULL)
		keys->server_identity = strdup(o->server_identity);
	if (keys->account == NULL || (o->server_identity != NULL && keys->server_identity == NULL))
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
	memcpy(keys->password, password, password_len);
	keys->password_len = password_len;
	return KILN_OK;
}

/* NULL: the program did not ask for it. */
static const uint8_t *exporter_of(const struct kiln_conn *conn)
{
	size_t len;
	const uint8_t *exporter = kiln_conn_exporter(conn, &len);
	return len == KILN_KEYS_EXPORTER_LEN ? exporter : NULL;
}

static struct kiln_keys_client_options client_options(const struct kiln_keys *keys)
{
	return (struct kiln_keys_client_options){
	    .account = {keys->account, strlen(keys->account)},
	    .password = {keys->password, keys->password_len},
	    .exporter = exporter_of(keys->conn),
	    .server_identity = keys->server_identity,
	    .server_key = keys->options.server_key,
	    .ksf = keys->options.ksf,
	    .device = keys->options.device,
	};
}

/* What a session would refuse is refused at once. */
static enum kiln_code try_options(const struct kiln_keys *keys, struct kiln_error *err)
{
	const struct kiln_keys_client_options options = client_options(keys);
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

/* ---- a session ------------------------------------------------------------------------------ */

static enum kiln_code flush(struct kiln_keys *keys, struct kiln_keys_client *client,
			    struct kiln_error *err)
{
	size_t len;
	const uint8_t *out;
	while ((out = kiln_keys_client_output(client, &len)) != NULL) {
		const ssize_t n = kiln_conn_write(keys->conn, out, len, err);
		if (n < 0)
			return err->code;
		kiln_keys_client_sent(client, (size_t)n);
	}
	return KILN_OK;
}

static enum kiln_code receive(struct kiln_keys *keys, struct kiln_keys_client *client,
			      struct kiln_error *err)
{
	size_t consumed;
	if (keys->start == keys->end) {
		const ssize_t n = kiln_conn_read(keys->conn, keys->input, sizeof keys->input, err);
		if (n < 0)
			return err->code;
		if (n == 0)
			return kiln_fail(err, KILN_E_TLS_TRUNCATED,
					 "the key server ended the connection");
		keys->start = 0;
		keys->end = (size_t)n;
	}
	(void)kiln_keys_client_feed(client, keys->input + keys->start, keys->end - keys->start,
				    &consumed);
	kiln_wipe(keys->input + keys->start, consumed);
	keys->start += consumed;
	return KILN_OK;
}

static void stretch(struct kiln_keys *keys, struct kiln_keys_client *client)
{
	const struct kiln_keys_options *o = &keys->options;
	if (o->progress != NULL)
		o->progress(o->arg, KILN_KEYS_STRETCHING);
	(void)kiln_keys_client_stretch(client);
	if (o->progress != NULL)
		o->progress(o->arg, KILN_KEYS_STRETCHED);
}

/* The connection is gone: on another one, if the program has one and the session is open. */
static enum kiln_code reconnect(struct kiln_keys *keys, struct kiln_keys_client *client,
				unsigned *times, struct kiln_error *err)
{
	const enum kiln_code why = err->code;
	if (keys->options.reconnect == NULL || why == KILN_E_AGAIN || ++*times > RECONNECTS_MAX ||
	    !kiln_keys_client_resumable(client))
		return why;
	struct kiln_conn *conn = keys->options.reconnect(keys->options.arg, err);
	if (conn == NULL)
		return err->code;
	keys->conn = conn;
	keys->start = keys->end = 0;
	return kiln_keys_client_resume(client, exporter_of(conn), err);
}

/* One step; KILN_OK: go on, see kiln_keys_client_step. */
static enum kiln_code step(struct kiln_keys *keys, struct kiln_keys_client *client,
			   struct kiln_error *err)
{
	const enum kiln_code rc = flush(keys, client, err);
	if (rc != KILN_OK)
		return rc;
	switch (kiln_keys_client_step(client)) {
	case KILN_KEYS_WANT_INPUT: return receive(keys, client, err);
	case KILN_KEYS_WANT_STRETCH: stretch(keys, client); return KILN_OK;
	default: return KILN_OK;
	}
}

static enum kiln_code run(struct kiln_keys *keys, struct kiln_keys_client *client,
			  const struct kiln_keys_ask *ask, struct kiln_error *err)
{
	unsigned reconnects = 0;
	for (;;) {
		const enum kiln_keys_step now = kiln_keys_client_step(client);
		enum kiln_code rc = KILN_OK;
		if (now == KILN_KEYS_DONE)
			return KILN_OK;
		if (now == KILN_KEYS_BROKEN) {
			(void)flush(keys, client, err); /* that it gives up, for the server */
			*err = *kiln_keys_client_error(client, &keys->retry_after_ms);
			return err->code;
		}
		if (now == KILN_KEYS_WANT_REQUEST)
			rc = kiln_keys_client_request(client, ask, err);
		if (rc == KILN_OK)
			rc = step(keys, client, err);
		if (rc != KILN_OK && rc != KILN_E_USAGE)
			rc = reconnect(keys, client, &reconnects, err);
		if (rc != KILN_OK)
			return rc;
	}
}

/* A whole session. On success *out is the client, with the answer, for the caller to free. */
static enum kiln_code session(struct kiln_keys *keys, const struct kiln_keys_ask *ask,
			      const char *token, struct kiln_keys_client **out,
			      struct kiln_error *err)
{
	struct kiln_error own = {0};
	struct kiln_keys_client_options options = client_options(keys);
	options.registration = ask == NULL;
	options.token = (struct kiln_opaque_bytes){token, token != NULL ? strlen(token) : 0};
	keys->retry_after_ms = 0;
	*out = NULL;
	struct kiln_keys_client *client = kiln_keys_client_new(&options, &own);
	if (client != NULL && run(keys, client, ask, &own) == KILN_OK) {
		memcpy(keys->user_id, kiln_keys_client_answer(client)->user_id,
		       sizeof keys->user_id);
		memcpy(keys->server_key, kiln_keys_client_answer(client)->server_key,
		       sizeof keys->server_key);
		*out = client;
		return KILN_OK;
	}
	kiln_keys_client_free(client);
	if (err != NULL)
		*err = own;
	return own.code;
}

/* The same, when the answer is needed for a moment only. */
static enum kiln_code ask_for(struct kiln_keys *keys, const struct kiln_keys_ask *ask,
			      struct kiln_keys_answer *answer, struct kiln_error *err)
{
	struct kiln_keys_client *client;
	const enum kiln_code rc = session(keys, ask, NULL, &client, err);
	memset(answer, 0, sizeof *answer);
	if (client == NULL)
		return rc;
	*answer = *kiln_keys_client_answer(client);
	answer->entries = NULL;
	kiln_keys_client_free(client);
	return KILN_OK;
}

/* ---- the calls ------------------------------------------------------------------------------ */

enum kiln_code kiln_keys_register(struct kiln_keys *keys, const char *token, struct kiln_error *err)
{
	struct kiln_keys_client *client;
	const enum kiln_code rc = session(keys, NULL, token, &client, err);
	kiln_keys_client_free(client);
	return rc;
}

enum kiln_code kiln_keys_login_test(struct kiln_keys *keys, struct kiln_error *err)
{
	const struct kiln_keys_ask ask = {.operation = KILN_KEYS_NOTHING};
	struct kiln_keys_answer answer;
	return ask_for(keys, &ask, &answer, err);
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
	const enum kiln_code rc = ask_for(keys, &ask, &answer, err);
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
	const enum kiln_code rc = ask_for(keys, &ask, &answer, err);
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
	const enum kiln_code rc = ask_for(keys, &ask, &answer, err);
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
				  enum kiln_keys_intent intent, struct kiln_keys_secret *secret,
				  struct kiln_error *err)
{
	struct kiln_keys_ask ask = about(KILN_KEYS_RETRIEVE, key_id);
	struct kiln_keys_answer answer;
	ask.intent = intent;
	const enum kiln_code rc = ask_for(keys, &ask, &answer, err);
	take_secret(&answer, secret);
	return rc;
}

enum kiln_code kiln_keys_export(struct kiln_keys *keys, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
				uint8_t out[KILN_KEYS_EXPORT_MAX], size_t *len,
				struct kiln_error *err)
{
	struct kiln_keys_secret secret;
	const enum kiln_code rc =
	    kiln_keys_retrieve(keys, key_id, KILN_KEYS_FOR_EXPORT, &secret, err);
	*len = rc == KILN_OK ? kiln_keys_export_write(&secret, keys->user_id, out) : 0;
	kiln_wipe(&secret, sizeof secret);
	return rc;
}

enum kiln_code kiln_keys_delete(struct kiln_keys *keys, const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
				struct kiln_error *err)
{
	const struct kiln_keys_ask ask = about(KILN_KEYS_DELETE, key_id);
	struct kiln_keys_answer answer;
	return ask_for(keys, &ask, &answer, err);
}

static enum kiln_code signing(struct kiln_keys *keys, const struct kiln_keys_ask *ask,
			      uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
			      uint8_t public_key[KILN_KEYS_PUBLIC_LEN], struct kiln_error *err)
{
	struct kiln_keys_answer answer;
	const enum kiln_code rc = ask_for(keys, ask, &answer, err);
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
	const enum kiln_code rc = ask_for(keys, &ask, &answer, err);
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
	const enum kiln_code rc = ask_for(keys, &ask, &answer, err);
	memcpy(public_key, answer.public_key, KILN_KEYS_PUBLIC_LEN);
	return rc;
}

enum kiln_code kiln_keys_audit(struct kiln_keys *keys, const struct kiln_keys_query *query,
			       struct kiln_keys_audit **entries, size_t *count,
			       struct kiln_error *err)
{
	static const struct kiln_keys_query everything;
	const struct kiln_keys_query *q = query != NULL ? query : &everything;
	struct kiln_keys_client *client;
	const struct kiln_keys_ask ask = {
	    .operation = KILN_KEYS_AUDIT,
	    .which = q->which != 0 ? q->which : KILN_KEYS_AUDIT_ALL,
	    .after_ms = q->after_ms,
	    .before_ms = q->before_ms,
	    .key_ids = q->key_ids,
	    .key_id_count = q->key_id_count,
	};
	const enum kiln_code rc = session(keys, &ask, NULL, &client, err);
	*entries = NULL;
	*count = 0;
	if (client == NULL)
		return rc;
	*entries = kiln_keys_client_take_entries(client, count);
	kiln_keys_client_free(client);
	return KILN_OK;
}
