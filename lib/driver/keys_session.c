/* SPDX-License-Identifier: Apache-2.0
 * One session with the key server, from its first frame to its answer; on another connection when
 * the first breaks off. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "driver/keys.h"

#define RECONNECTS_MAX 3

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
	return kiln_keys_client_resume(client, kiln_driver_keys_exporter(conn), err);
}

/* There is no more of this session. A change that was asked for may have been made. */
static enum kiln_code give_up(const struct kiln_keys_client *client, enum kiln_code why,
			      struct kiln_error *err)
{
	char message[KILN_ERROR_MAX];
	if (!kiln_keys_client_unsure(client))
		return why;
	(void)snprintf(message, sizeof message, "%s",
		       why == KILN_E_AGAIN ? "the server did not answer in time" : err->message);
	return kiln_fail(err, KILN_E_KEYS_OUTCOME, KILN_KEYS_UNSURE, message);
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
			return give_up(client, rc, err);
	}
}

enum kiln_code kiln_driver_keys_session(struct kiln_keys *keys, const struct kiln_keys_ask *ask,
					const char *token, struct kiln_keys_client **out,
					struct kiln_error *err)
{
	struct kiln_error own = {0};
	struct kiln_keys_client_options options = kiln_driver_keys_options(keys);
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

enum kiln_code kiln_driver_keys_ask(struct kiln_keys *keys, const struct kiln_keys_ask *ask,
				    struct kiln_keys_answer *answer, struct kiln_error *err)
{
	struct kiln_keys_client *client;
	const enum kiln_code rc = kiln_driver_keys_session(keys, ask, NULL, &client, err);
	memset(answer, 0, sizeof *answer);
	if (client == NULL)
		return rc;
	*answer = *kiln_keys_client_answer(client);
	answer->entries = NULL;
	kiln_keys_client_free(client);
	return KILN_OK;
}
