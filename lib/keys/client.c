/* SPDX-License-Identifier: Apache-2.0
 * A client's session: new and free, bytes to frames, frames to bytes; see client.h. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "keys/client_inner.h"
#include "keys/crypto.h"
#include "keys/name.h"

static enum kiln_code take_options(struct kiln_keys_client *c,
				   const struct kiln_keys_client_options *o, struct kiln_error *err)
{
	if (o->password.length == 0 || o->password.length > sizeof c->password.bytes)
		return kiln_fail(err, KILN_E_USAGE, "a password has 1 to %u bytes",
				 KILN_OPAQUE_PASSWORD_MAX);
	if (o->token.length > KILN_KEYS_TOKEN_MAX)
		return kiln_fail(err, KILN_E_USAGE, "a registration token has at most %d bytes",
				 KILN_KEYS_TOKEN_MAX);
	switch (
	    kiln_keys_name_normalise(o->account.data, o->account.length, c->name, &c->name_len)) {
	case KILN_KEYS_NAME_GOOD: break;
	case KILN_KEYS_NAME_BAD:
		return kiln_fail(err, KILN_E_KEYS_NAME,
				 "an account name has 1 to %d bytes of UTF-8, no control "
				 "characters, and no blanks at its ends",
				 KILN_KEYS_NAME_MAX);
	default: return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for an account name");
	}
	const char *server = o->device_server != NULL ? o->device_server : "";
	if (strlen(server) > KILN_KEYS_NAME_MAX)
		return kiln_fail(err, KILN_E_USAGE, "a server's name has at most %d bytes",
				 KILN_KEYS_NAME_MAX);
	c->registration = o->registration;
	c->random = o->random;
	c->bound = o->exporter != NULL;
	if (c->bound)
		memcpy(c->exporter, o->exporter, sizeof c->exporter);
	c->has_device = o->device != NULL;
	if (c->has_device)
		kiln_keys_device(o->device, server, c->name, c->name_len, c->device);
	c->pinned = o->server_key != NULL;
	if (c->pinned)
		memcpy(c->server_key, o->server_key, sizeof c->server_key);
	memcpy(c->password.bytes, o->password.data, o->password.length);
	c->password.len = o->password.length;
	c->password.ksf = o->ksf;
	return KILN_OK;
}

struct kiln_keys_client *kiln_keys_client_new(const struct kiln_keys_client_options *options,
					      struct kiln_error *err)
{
	struct kiln_keys_client *c = calloc(1, sizeof *c);
	if (c == NULL) {
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a session");
		return NULL;
	}
	enum kiln_code rc = take_options(c, options, err);
	if (rc == KILN_OK && options->server_identity != NULL) {
		c->server_identity = strdup(options->server_identity);
		if (c->server_identity == NULL)
			rc = kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a session");
	}
	if (rc == KILN_OK &&
	    (sodium_init() < 0 || !kiln_keys_random(c->random, c->id, sizeof c->id)))
		rc = kiln_fail(err, KILN_E_SYSTEM, "no random bytes for a session");
	if (rc == KILN_OK) {
		kiln_keys_client_start(c, options->token);
		if (c->stage == STAGE_BROKEN)
			rc = kiln_fail(err, c->error.code, "%s", c->error.message);
	}
	if (rc == KILN_OK)
		return c;
	kiln_keys_client_free(c);
	return NULL;
}

static void forget(uint8_t **bytes, size_t len)
{
	if (*bytes != NULL)
		kiln_wipe(*bytes, len);
	free(*bytes);
	*bytes = NULL;
}

void kiln_keys_client_free(struct kiln_keys_client *client)
{
	if (client == NULL)
		return;
	forget(&client->in, client->in_size);
	forget(&client->out, client->out_cap);
	forget(&client->last, client->last_len);
	free(client->answer.entries);
	free(client->server_identity);
	kiln_wipe(client, sizeof *client);
	free(client);
}

enum kiln_keys_step kiln_keys_client_step(const struct kiln_keys_client *client)
{
	if (client->resuming && client->stage != STAGE_BROKEN)
		return KILN_KEYS_WANT_INPUT;
	switch (client->stage) {
	case STAGE_STRETCH_NEW:
	case STAGE_STRETCH:
	case STAGE_STRETCH_NEXT: return KILN_KEYS_WANT_STRETCH;
	case STAGE_OPEN: return KILN_KEYS_WANT_REQUEST;
	case STAGE_DONE: return KILN_KEYS_DONE;
	case STAGE_BROKEN: return KILN_KEYS_BROKEN;
	default: return KILN_KEYS_WANT_INPUT;
	}
}

const struct kiln_keys_answer *kiln_keys_client_answer(const struct kiln_keys_client *client)
{
	return &client->answer;
}

const struct kiln_error *kiln_keys_client_error(const struct kiln_keys_client *client,
						uint32_t *retry_after_ms)
{
	if (retry_after_ms != NULL)
		*retry_after_ms = client->retry_after_ms;
	return &client->error;
}

void kiln_keys_client_break(struct kiln_keys_client *c, enum kiln_code code, const char *message)
{
	if (c->unsure)
		(void)kiln_fail(&c->error, KILN_E_KEYS_OUTCOME, KILN_KEYS_UNSURE, message);
	else
		(void)kiln_fail(&c->error, code, "%s", message);
	c->stage = STAGE_BROKEN;
	kiln_wipe(&c->password, sizeof c->password);
	kiln_wipe(&c->next_password, sizeof c->next_password);
	kiln_wipe(c->master_key, sizeof c->master_key);
	kiln_wipe(c->secret, sizeof c->secret);
}

/* ---- out ------------------------------------------------------------------------------------ */

bool kiln_keys_client_put(struct kiln_keys_client *c, const uint8_t *data, size_t len)
{
	const size_t used = c->out_end - c->out_start;
	uint8_t *out = malloc(used + len);
	if (len == 0 || out == NULL) {
		free(out);
		kiln_keys_client_break(c, KILN_E_NO_MEMORY, "no memory for a frame");
		return false;
	}
	if (used > 0)
		memcpy(out, c->out + c->out_start, used);
	memcpy(out + used, data, len);
	forget(&c->out, c->out_cap);
	c->out = out;
	c->out_start = 0;
	c->out_end = c->out_cap = used + len;
	return true;
}

bool kiln_keys_client_send(struct kiln_keys_client *c, uint8_t type,
			   const struct kiln_keys_message *message)
{
	uint8_t frame[KILN_KEYS_LENGTH_LEN + KILN_KEYS_FRAME_MAX];
	const size_t len =
	    kiln_keys_frame_write(type, c->id, c->sent, message,
				  kiln_keys_channel_key(&c->channel, type), frame, sizeof frame);
	forget(&c->last, c->last_len);
	c->last = len > 0 ? malloc(len) : NULL;
	c->last_len = len;
	bool ok = c->last != NULL;
	if (ok) {
		memcpy(c->last, frame, len);
		ok = kiln_keys_client_put(c, frame, len);
	} else {
		kiln_keys_client_break(c, KILN_E_NO_MEMORY, "no memory for a frame");
	}
	kiln_wipe(frame, len);
	c->sent++;
	return ok;
}

const uint8_t *kiln_keys_client_output(const struct kiln_keys_client *client, size_t *len)
{
	*len = client->out_end - client->out_start;
	return *len > 0 ? client->out + client->out_start : NULL;
}

void kiln_keys_client_sent(struct kiln_keys_client *client, size_t len)
{
	client->out_start += len;
	if (client->out_start < client->out_end)
		return;
	forget(&client->out, client->out_cap);
	client->out_start = client->out_end = client->out_cap = 0;
}

/* ---- in ------------------------------------------------------------------------------------- */

static bool begin_frame(struct kiln_keys_client *c)
{
	const size_t size = kiln_keys_frame_length(c->first);
	if (size == 0) {
		kiln_keys_client_break(c, KILN_E_KEYS_PROTOCOL,
				       "the server sent a frame of a length out of bounds");
		return false;
	}
	c->in = malloc(size);
	if (c->in == NULL) {
		kiln_keys_client_break(c, KILN_E_NO_MEMORY, "no memory for a frame");
		return false;
	}
	memcpy(c->in, c->first, sizeof c->first);
	c->in_size = size;
	return true;
}

static void drop_input(struct kiln_keys_client *c)
{
	forget(&c->in, c->in_size);
	c->in_len = c->in_size = 0;
}

enum kiln_keys_step kiln_keys_client_feed(struct kiln_keys_client *client, const uint8_t *data,
					  size_t len, size_t *consumed)
{
	*consumed = 0;
	while (*consumed < len && kiln_keys_client_step(client) == KILN_KEYS_WANT_INPUT) {
		uint8_t *to = client->in != NULL ? client->in : client->first;
		const size_t want =
		    (client->in != NULL ? client->in_size : sizeof client->first) - client->in_len;
		const size_t some = len - *consumed < want ? len - *consumed : want;
		memcpy(to + client->in_len, data + *consumed, some);
		client->in_len += some;
		*consumed += some;
		if (client->in == NULL && client->in_len == sizeof client->first &&
		    !begin_frame(client))
			break;
		if (client->in == NULL || client->in_len < client->in_size)
			continue;
		kiln_keys_client_take(client, client->in, client->in_size);
		drop_input(client);
		break;
	}
	return kiln_keys_client_step(client);
}

enum kiln_keys_step kiln_keys_client_stretch(struct kiln_keys_client *client)
{
	if (kiln_keys_client_step(client) != KILN_KEYS_WANT_STRETCH)
		return kiln_keys_client_step(client);
	if (client->stage == STAGE_STRETCH_NEW)
		kiln_keys_client_stretch_new(client);
	else if (client->stage == STAGE_STRETCH)
		kiln_keys_client_stretch_login(client);
	else
		kiln_keys_client_stretch_next(client);
	return kiln_keys_client_step(client);
}

bool kiln_keys_client_unsure(const struct kiln_keys_client *client)
{
	return client->unsure;
}

bool kiln_keys_client_resumable(const struct kiln_keys_client *client)
{
	return client->keyed && client->stage != STAGE_DONE && client->stage != STAGE_BROKEN;
}

enum kiln_code kiln_keys_client_resume(struct kiln_keys_client *client, const uint8_t *exporter,
				       struct kiln_error *err)
{
	struct kiln_keys_channel here;
	struct kiln_keys_message m = {.next = client->received};
	uint8_t frame[128];
	if (!kiln_keys_client_resumable(client))
		return kiln_fail(err, KILN_E_USAGE, "no session is open that could be resumed");
	if (client->bound && exporter == NULL)
		return kiln_fail(err, KILN_E_USAGE,
				 "the session is bound to the TLS exporter, and the connection on "
				 "which it would go on has none");
	if (client->bound)
		memcpy(client->exporter, exporter, sizeof client->exporter);
	drop_input(client);
	forget(&client->out, client->out_cap);
	client->out_start = client->out_end = client->out_cap = 0;
	kiln_keys_channel_on(&client->channel, client->bound ? client->exporter : NULL, &here);
	const size_t len = kiln_keys_frame_write(KILN_KEYS_RESUME, client->id, client->resumes++,
						 &m, here.resume_client, frame, sizeof frame);
	kiln_wipe(&here, sizeof here);
	if (!kiln_keys_client_put(client, frame, len))
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a frame");
	client->resuming = true;
	return KILN_OK;
}
