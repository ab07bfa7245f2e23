/* SPDX-License-Identifier: Apache-2.0
 * One frame at the client: is it the server's, and what was waited for? docs/keys.md, "A session".
 */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "keys/client_inner.h"

static const struct {
	enum stage stage;
	uint8_t type;
	client_step *take;
} valid[] = {
    {STAGE_REGISTER, KILN_KEYS_REGISTER_RESPONSE, kiln_keys_client_response},
    {STAGE_LOGIN, KILN_KEYS_KE2, kiln_keys_client_ke2},
    {STAGE_OPENING, KILN_KEYS_OPEN, kiln_keys_client_opened},
    {STAGE_ASKED, KILN_KEYS_CONTINUE, kiln_keys_client_continue},
    {STAGE_ASKED, KILN_KEYS_RESPONSE, kiln_keys_client_finished},
};

static client_step *find_step(enum stage stage, uint8_t type)
{
	for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++)
		if (valid[i].stage == stage && valid[i].type == type)
			return valid[i].take;
	return NULL;
}

/* The server's error as one of ours. */
static const struct {
	uint16_t error;
	enum kiln_code code;
	const char *message;
} meanings[] = {
    {KILN_KEYS_LOGIN_FAILED, KILN_E_KEYS_PASSWORD,
     "the password is wrong, or there is no such account"},
    {KILN_KEYS_LIMITED, KILN_E_KEYS_LIMITED, "too many attempts"},
    {KILN_KEYS_REGISTRATION_REFUSED, KILN_E_KEYS_CLOSED, "registration is closed"},
    {KILN_KEYS_TOKEN_REFUSED, KILN_E_KEYS_CLOSED, "the registration token is not good"},
    {KILN_KEYS_NAME_TAKEN, KILN_E_KEYS_NAME, "the account name is taken"},
    {KILN_KEYS_BAD_NAME, KILN_E_KEYS_NAME, "the server does not take the account name"},
    {KILN_KEYS_NO_SUCH_KEY, KILN_E_KEYS_KEY, "there is no such key"},
    {KILN_KEYS_WRONG_KIND, KILN_E_KEYS_KEY, "the key is of another kind"},
    {KILN_KEYS_INVALID_KEY, KILN_E_KEYS_KEY, "the private key is not valid on secp256k1"},
    {KILN_KEYS_FULL, KILN_E_KEYS_REFUSED, "the account has as many keys as allowed"},
    {KILN_KEYS_PASSWORD_CHANGED, KILN_E_KEYS_REFUSED, "the password was changed meanwhile"},
    {KILN_KEYS_BUSY, KILN_E_KEYS_BUSY, "the server is busy"},
    {KILN_KEYS_STORE, KILN_E_KEYS_BUSY, "the server's store failed, and nothing was done"},
    {KILN_KEYS_OUTCOME_UNKNOWN, KILN_E_KEYS_OUTCOME,
     "the server's store was lost while it was done: whether it was done is not known, look "
     "before asking for it again"},
    {KILN_KEYS_EXPIRED, KILN_E_KEYS_BUSY, "it took too long"},
    {KILN_KEYS_UNKNOWN_SESSION, KILN_E_KEYS_BUSY, "the server does not know the session any more"},
};

static void take_error(struct kiln_keys_client *c, const struct kiln_keys_message *m)
{
	char text[128];
	c->retry_after_ms = m->retry_after_ms;
	for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++) {
		if (meanings[i].error != m->code)
			continue;
		if (m->retry_after_ms > 0)
			(void)snprintf(text, sizeof text, "%s; try again in %u s",
				       meanings[i].message,
				       m->retry_after_ms / 1000 + (m->retry_after_ms % 1000 != 0));
		else
			(void)snprintf(text, sizeof text, "%s", meanings[i].message);
		kiln_keys_client_break(c, meanings[i].code, text);
		return;
	}
	(void)snprintf(text, sizeof text, "the server refused: %s", kiln_keys_error_name(m->code));
	kiln_keys_client_break(c, KILN_E_KEYS_REFUSED, text);
}

static void broken(struct kiln_keys_client *c, const char *message)
{
	kiln_keys_client_break(c, KILN_E_KEYS_PROTOCOL, message);
}

/* Errors without a MAC are believed while nothing better can be had. */
static bool believes_plain_error(const struct kiln_keys_client *c)
{
	return c->resuming || c->stage <= STAGE_OPENING;
}

static void take_resumed(struct kiln_keys_client *c, const struct kiln_keys_frame *frame,
			 const struct kiln_keys_message *m)
{
	if (!c->resuming || frame->sequence != c->resumes - 1) {
		broken(c, "the server resumed a session that was not to be");
		return;
	}
	c->resuming = false;
	if (m->next + 1 == c->sent)
		(void)kiln_keys_client_put(c, c->last, c->last_len);
	else if (m->next != c->sent)
		broken(c, "the server resumed another state of the session");
}

/* The server ends the connection before it knows of our session: it is busy, say. */
static bool about_connection(const struct kiln_keys_client *c, const struct kiln_keys_frame *frame)
{
	static const uint8_t none[KILN_KEYS_SESSION_ID_LEN];
	return frame->type == KILN_KEYS_ERROR && believes_plain_error(c) &&
	       memcmp(frame->session, none, sizeof none) == 0;
}

static bool authentic(const struct kiln_keys_client *c, const struct kiln_keys_frame *frame)
{
	struct kiln_keys_channel here;
	if (!c->keyed)
		return false;
	kiln_keys_channel_on(&c->channel, c->bound ? c->exporter : NULL, &here);
	const bool ok = kiln_keys_frame_authentic(frame, &here);
	kiln_wipe(&here, sizeof here);
	return ok;
}

static const char *check(const struct kiln_keys_client *c, const struct kiln_keys_frame *frame)
{
	if (about_connection(c, frame))
		return NULL;
	if (memcmp(frame->session, c->id, sizeof c->id) != 0)
		return "the server sent a frame of another session";
	if (kiln_keys_has_mac(frame->type) && !authentic(c, frame))
		return "a frame is not the server's: its MAC does not hold";
	if (c->resuming && frame->type != KILN_KEYS_RESUMED && frame->type != KILN_KEYS_ERROR)
		return "the server did not resume the session first";
	if (frame->type != KILN_KEYS_RESUMED && !(frame->type == KILN_KEYS_ERROR && c->resuming) &&
	    frame->sequence != c->received)
		return "the server sent a frame out of order";
	return NULL;
}

void kiln_keys_client_take(struct kiln_keys_client *c, const uint8_t *whole, size_t len)
{
	struct kiln_keys_frame frame;
	struct kiln_keys_message m;
	if (!kiln_keys_frame_read(whole, len, &frame)) {
		broken(c, "the server sent a frame that is too short");
		return;
	}
	const char *fault = check(c, &frame);
	client_step *take = find_step(c->stage, frame.type);
	const bool known = take != NULL || frame.type == KILN_KEYS_RESUMED ||
			   (frame.type == KILN_KEYS_FAILURE && c->keyed) ||
			   (frame.type == KILN_KEYS_ERROR && believes_plain_error(c));
	if (fault == NULL && !known)
		fault = "the server sent a frame that is not valid now";
	if (fault == NULL && !kiln_keys_message_read(frame.type, frame.body, frame.body_len, &m))
		fault = "the server sent a frame that breaks its form";
	if (fault != NULL) {
		broken(c, fault);
		return;
	}
	if (frame.type == KILN_KEYS_RESUMED) {
		take_resumed(c, &frame, &m);
	} else {
		c->received++;
		c->unsure = c->unsure && frame.type != KILN_KEYS_FAILURE;
		if (take != NULL)
			take(c, &m);
		else
			take_error(c, &m);
	}
	kiln_wipe(&m, sizeof m);
}
