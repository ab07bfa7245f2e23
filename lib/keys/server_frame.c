/* SPDX-License-Identifier: Apache-2.0
 * One frame at the key server: is it authentic, in order, valid next? docs/keys.md, "A session". */
#include <string.h>

#include "base/bytes.h"
#include "keys/server_inner.h"

/* What is valid next; whatever is not here is refused. */
static const struct {
	enum session_state state;
	uint8_t type;
	step *take;
} valid[] = {
    {SESSION_REGISTERING, KILN_KEYS_REGISTER_UPLOAD, kiln_keys_register_upload},
    {SESSION_AUTHENTICATING, KILN_KEYS_KE3, kiln_keys_ke3},
    {SESSION_OPEN, KILN_KEYS_REQUEST, kiln_keys_request},
    {SESSION_CONTINUING, KILN_KEYS_FINISH, kiln_keys_finish},
};

static step *find_step(enum session_state state, uint8_t type)
{
	for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++)
		if (valid[i].state == state && valid[i].type == type)
			return valid[i].take;
	return NULL;
}

/* A frame that belongs to no session of this connection. */
static void refuse(struct turn *turn, enum kiln_keys_error code)
{
	const struct kiln_keys_event event = {.what = KILN_KEYS_EVENT_REFUSED,
					      .outcome = (uint16_t)code,
					      .source = turn->conn->source};
	kiln_keys_tell(turn->server, &event);
	kiln_keys_conn_put_error(turn->conn, turn->frame->session, 0, code, turn->retry_after_ms);
}

static void run(struct turn *turn, step *take)
{
	turn->session->received++;
	const enum kiln_keys_error rc = take(turn);
	if (rc != KILN_KEYS_SUCCESS)
		kiln_keys_session_fail(turn, rc);
	else if (kiln_keys_session_send(turn) && turn->reply == KILN_KEYS_RESPONSE)
		kiln_keys_session_close(turn);
}

static void start(struct turn *turn)
{
	const bool registration = turn->frame->type == KILN_KEYS_REGISTER_START;
	enum kiln_keys_error rc = KILN_KEYS_SUCCESS;
	if (kiln_keys_session_find(turn->server, turn->frame->session) != NULL)
		rc = KILN_KEYS_SESSION_EXISTS;
	else if (turn->frame->sequence != 0)
		rc = KILN_KEYS_UNEXPECTED;
	else if (!kiln_keys_message_read(turn->frame->type, turn->frame->body,
					 turn->frame->body_len, &turn->in))
		rc = KILN_KEYS_MALFORMED;
	else
		rc = kiln_keys_session_begin(turn, registration);
	if (rc != KILN_KEYS_SUCCESS) {
		refuse(turn, rc);
		return;
	}
	kiln_keys_session_touch(turn->session);
	run(turn, registration ? kiln_keys_register_start : kiln_keys_login_start);
}

/* The client's password was wrong, or it gave up. It expects no answer. */
static void abort_login(struct turn *turn)
{
	const enum kiln_keys_error code =
	    turn->session->registration ? KILN_KEYS_ABANDONED : KILN_KEYS_LOGIN_FAILED;
	kiln_keys_session_abandon(turn->session, turn->now, code);
}

/* Authentic, and the next one? */
static enum kiln_keys_error check(const struct turn *turn)
{
	const struct session *s = turn->session;
	const struct kiln_keys_frame *frame = turn->frame;
	if (kiln_keys_has_mac(frame->type)) {
		if (!s->keyed)
			return KILN_KEYS_UNEXPECTED;
		if (!kiln_keys_frame_authentic(frame, &s->channel))
			return KILN_KEYS_BAD_MAC;
	}
	if (frame->sequence != s->received)
		return KILN_KEYS_UNEXPECTED;
	if (s->state == SESSION_CLOSED &&
	    (frame->type == KILN_KEYS_REQUEST || frame->type == KILN_KEYS_FINISH))
		return KILN_KEYS_SESSION_CLOSED;
	return KILN_KEYS_SUCCESS;
}

static void go_on(struct turn *turn)
{
	struct session *s = kiln_keys_session_find(turn->server, turn->frame->session);
	if (s == NULL || s->conn != turn->conn) {
		refuse(turn, KILN_KEYS_UNKNOWN_SESSION);
		return;
	}
	turn->session = s;
	kiln_keys_session_touch(s);
	enum kiln_keys_error rc = check(turn);
	const bool aborts =
	    turn->frame->type == KILN_KEYS_ABORT && s->state == SESSION_AUTHENTICATING;
	step *take = find_step(s->state, turn->frame->type);
	if (rc == KILN_KEYS_SUCCESS && take == NULL && !aborts)
		rc = KILN_KEYS_UNEXPECTED;
	if (rc == KILN_KEYS_SUCCESS && !kiln_keys_message_read(turn->frame->type, turn->frame->body,
							       turn->frame->body_len, &turn->in))
		rc = KILN_KEYS_MALFORMED;
	if (rc != KILN_KEYS_SUCCESS)
		kiln_keys_session_fail(turn, rc);
	else if (aborts)
		abort_login(turn);
	else
		run(turn, take);
}

void kiln_keys_take_frame(struct kiln_keys_conn *conn, const uint8_t *whole, size_t len,
			  struct kiln_keys_now now)
{
	struct kiln_keys_frame frame;
	struct turn turn;
	memset(&turn, 0, offsetof(struct turn, entries));
	turn.server = conn->server;
	turn.conn = conn;
	turn.now = now;
	turn.frame = &frame;
	if (!kiln_keys_frame_read(whole, len, &frame))
		frame.mac = NULL; /* without one no session takes it */
	switch (frame.type) {
	case KILN_KEYS_REGISTER_START:
	case KILN_KEYS_LOGIN_START: start(&turn); break;
	case KILN_KEYS_RESUME: kiln_keys_resume(&turn); break;
	default: go_on(&turn); break;
	}
	/* A secret that was retrieved lies where entries begin. */
	kiln_wipe(&turn, offsetof(struct turn, entries) + KILN_KEYS_SEALED_MAX);
}
