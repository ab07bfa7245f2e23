/* SPDX-License-Identifier: Apache-2.0
 * Sessions of the key server: found by their ids, begun, ended, and what is written down about
 * them. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "keys/server_inner.h"

/* ---- where they are ------------------------------------------------------------------------- */

/* Clients choose the ids, not the buckets. */
static struct session **bucket_of(struct kiln_keys_server *server,
				  const uint8_t id[KILN_KEYS_SESSION_ID_LEN])
{
	uint8_t hash[crypto_shorthash_BYTES];
	uint32_t index;
	_Static_assert(sizeof server->hash_key == crypto_shorthash_KEYBYTES, "a key of its size");
	(void)crypto_shorthash(hash, id, KILN_KEYS_SESSION_ID_LEN, server->hash_key);
	memcpy(&index, hash, sizeof index);
	return &server->buckets[index & server->bucket_mask].first;
}

struct session *kiln_keys_session_find(struct kiln_keys_server *server,
				       const uint8_t id[KILN_KEYS_SESSION_ID_LEN])
{
	struct session *s = *bucket_of(server, id);
	while (s != NULL && memcmp(s->id, id, sizeof s->id) != 0)
		s = s->in_bucket;
	return s;
}

static void leave_bucket(struct session *session)
{
	struct session **at = bucket_of(session->server, session->id);
	while (*at != session)
		at = &(*at)->in_bucket;
	*at = session->in_bucket;
}

static void leave_queue(struct session *s)
{
	struct list *list = &s->server->queues[s->queue];
	s->server->count.starting -= s->queue == QUEUE_LOGIN;
	s->server->count.detached -= s->queue == QUEUE_DETACHED;
	*(s->previous != NULL ? &s->previous->next : &list->first) = s->next;
	*(s->next != NULL ? &s->next->previous : &list->last) = s->previous;
	s->next = s->previous = NULL;
}

static void enter_queue(struct session *s, enum session_queue queue, uint64_t steady_ms)
{
	const struct kiln_keys_server_options *o = &s->server->options;
	const uint32_t times[QUEUE_COUNT] = {o->login_ms, o->request_ms, o->closed_ms,
					     o->detached_ms};
	struct list *list = &s->server->queues[queue];
	s->server->count.starting += queue == QUEUE_LOGIN;
	s->server->count.detached += queue == QUEUE_DETACHED;
	s->queue = queue;
	s->deadline = steady_ms + times[queue];
	s->previous = list->last;
	*(list->last != NULL ? &list->last->next : &list->first) = s;
	list->last = s;
}

void kiln_keys_session_set(struct session *session, enum session_state state,
			   enum session_queue queue, uint64_t steady_ms)
{
	struct kiln_keys_server_count *count = &session->server->count;
	count->open -= session->state == SESSION_OPEN || session->state == SESSION_CONTINUING;
	count->open += state == SESSION_OPEN || state == SESSION_CONTINUING;
	session->state = state;
	leave_queue(session);
	enter_queue(session, queue, steady_ms);
}

void kiln_keys_session_attach(struct session *session, struct kiln_keys_conn *conn)
{
	if (session->conn != NULL)
		kiln_keys_session_detach(session);
	session->conn = conn;
	session->in_conn = conn->sessions;
	conn->sessions = session;
	conn->session_count++;
}

void kiln_keys_session_detach(struct session *session)
{
	struct session **at = &session->conn->sessions;
	while (*at != session)
		at = &(*at)->in_conn;
	*at = session->in_conn;
	session->conn->session_count--;
	session->conn = NULL;
}

void kiln_keys_session_touch(struct session *session)
{
	if (session->touched)
		return;
	session->touched = true;
	session->in_batch = session->server->batch;
	session->server->batch = session;
	session->keyed_at_batch = session->keyed && session->state >= SESSION_OPEN;
	session->sent_at_batch = session->sent;
}

/* ---- beginning ------------------------------------------------------------------------------ */

/* The oldest of the closed ones on this connection makes room. */
static void make_room(struct kiln_keys_conn *conn)
{
	struct session *oldest = NULL;
	for (struct session *s = conn->sessions; s != NULL; s = s->in_conn)
		if (s->state == SESSION_CLOSED)
			oldest = s;
	if (oldest != NULL) {
		kiln_keys_session_touch(oldest);
		kiln_keys_session_end(oldest);
	}
}

static bool has_room(struct kiln_keys_conn *conn)
{
	struct kiln_keys_server *server = conn->server;
	struct session *closed = server->queues[QUEUE_CLOSED].first;
	if (conn->session_count >= server->options.sessions_per_conn_max)
		make_room(conn);
	if (server->count.sessions >= server->options.sessions_max && closed != NULL &&
	    closed->state == SESSION_CLOSED) {
		kiln_keys_session_touch(closed);
		kiln_keys_session_end(closed);
	}
	return conn->session_count < server->options.sessions_per_conn_max &&
	       server->count.sessions < server->options.sessions_max;
}

enum kiln_keys_error kiln_keys_session_begin(struct turn *turn, bool registration)
{
	struct kiln_keys_conn *conn = turn->conn;
	struct kiln_keys_server *server = turn->server;
	struct session *s = !server->winding_down && has_room(conn) ? calloc(1, sizeof *s) : NULL;
	turn->retry_after_ms = 1000;
	if (s == NULL)
		return KILN_KEYS_BUSY;
	turn->retry_after_ms = 0;
	s->server = server;
	s->registration = registration;
	s->state = registration ? SESSION_REGISTERING : SESSION_AUTHENTICATING;
	memcpy(s->id, turn->frame->session, sizeof s->id);
	memcpy(s->source, conn->source, sizeof s->source);
	struct session **bucket = bucket_of(server, s->id);
	s->in_bucket = *bucket;
	*bucket = s;
	server->count.sessions++;
	kiln_keys_session_attach(s, conn);
	enter_queue(s, QUEUE_LOGIN, turn->now.steady_ms);
	turn->session = s;
	return KILN_KEYS_SUCCESS;
}

/* ---- sending -------------------------------------------------------------------------------- */

static void keep_last(struct session *s, const uint8_t *frame, size_t len)
{
	if (s->last != NULL)
		kiln_wipe(s->last, s->last_len);
	free(s->last);
	s->last = malloc(len);
	s->last_len = s->last != NULL ? len : 0;
	if (s->last != NULL)
		memcpy(s->last, frame, len);
}

bool kiln_keys_session_send(struct turn *turn)
{
	struct session *s = turn->session;
	uint8_t frame[KILN_KEYS_LENGTH_LEN + KILN_KEYS_FRAME_MAX];
	const size_t len = kiln_keys_frame_write(turn->reply, s->id, s->sent, &turn->out,
						 kiln_keys_channel_key(&s->channel, turn->reply),
						 frame, sizeof frame);
	bool ok = true;
	if (kiln_keys_has_mac(turn->reply)) {
		keep_last(s, frame, len);
		ok = s->last != NULL;
	}
	if (ok)
		ok = kiln_keys_conn_put(turn->conn, frame, len) != NULL;
	else
		kiln_keys_conn_give_up(turn->conn);
	kiln_wipe(frame, len);
	s->sent++;
	if (!ok)
		kiln_keys_session_end(s);
	return ok;
}

/* ---- ending --------------------------------------------------------------------------------- */

void kiln_keys_session_free(struct session *session)
{
	if (session->last != NULL)
		kiln_wipe(session->last, session->last_len);
	free(session->last);
	kiln_wipe(session, sizeof *session);
	free(session);
}

void kiln_keys_session_end(struct session *session)
{
	struct kiln_keys_server *server = session->server;
	struct kiln_keys_conn *conn = session->conn;
	server->count.open -=
	    session->state == SESSION_OPEN || session->state == SESSION_CONTINUING;
	if (conn != NULL)
		kiln_keys_session_detach(session);
	server->count.sessions--;
	leave_bucket(session);
	leave_queue(session);
	session->state = SESSION_GONE;
	session->conn = conn; /* for an error, should the batch fail */
	if (!session->touched)
		kiln_keys_session_free(session);
}

void kiln_keys_session_close(struct turn *turn)
{
	struct session *s = turn->session;
	kiln_wipe(s->record, sizeof s->record);
	kiln_wipe(&s->opaque, sizeof s->opaque);
	kiln_wipe(s->token, sizeof s->token);
	kiln_keys_session_set(s, SESSION_CLOSED, QUEUE_CLOSED, turn->now.steady_ms);
}

/* ---- what is written down ------------------------------------------------------------------- */

enum kiln_keys_error kiln_keys_audit_line(struct session *session, struct kiln_keys_now now,
					  uint8_t action, enum kiln_keys_error outcome,
					  const uint8_t *key_id)
{
	static const uint8_t nobody[KILN_KEYS_USER_ID_LEN];
	struct kiln_keys_server *server = session->server;
	struct kiln_error err = {0};
	struct kiln_keys_audit entry = {
	    .time_ms = now.unix_ms,
	    .action = action,
	    .actor = session->keyed ? KILN_KEYS_BY_USER : KILN_KEYS_BY_STRANGER,
	    .outcome = (uint16_t)outcome,
	    .has_key = key_id != NULL,
	};
	if (key_id != NULL)
		memcpy(entry.key_id, key_id, sizeof entry.key_id);
	memcpy(entry.source, session->source, sizeof entry.source);
	if (!kiln_keys_store_ready(server))
		return KILN_KEYS_STORE;
	const uint8_t *whose = session->known_user ? session->user_id : nobody;
	const enum kiln_store_result result =
	    server->options.store->audit_append(server->options.store_ctx, whose, &entry, &err);
	if (result == KILN_STORE_OK)
		return KILN_KEYS_SUCCESS;
	if (result == KILN_STORE_ABSENT)
		(void)kiln_fail(&err, KILN_E_STORE, "there is no log for a user who is there");
	return kiln_keys_store_failed(server, &err);
}

/* The line and the event of a session that ends with an error. */
static void write_down(struct session *s, struct kiln_keys_now now, enum kiln_keys_error code,
		       bool quiet)
{
	struct kiln_keys_event event = {.what = KILN_KEYS_EVENT_REQUEST,
					.outcome = (uint16_t)code,
					.operation = s->operation,
					.user_id = s->known_user ? s->user_id : NULL,
					.account = s->name,
					.account_len = s->name_len,
					.source = s->source};
	uint8_t action = kiln_keys_operation_action(s->operation, s->intent);
	if (s->registration) {
		action = KILN_KEYS_DID_REGISTER;
		event.what = KILN_KEYS_EVENT_REGISTER;
	} else if (s->state == SESSION_AUTHENTICATING) {
		action = KILN_KEYS_DID_LOGIN;
		event.what = KILN_KEYS_EVENT_LOGIN;
	}
	if (s->state == SESSION_CLOSED) {
		action = KILN_KEYS_DID_REQUEST;
		event.what = KILN_KEYS_EVENT_REQUEST;
	}
	kiln_keys_tell(s->server, &event);
	if (quiet)
		return;
	static const uint8_t none[KILN_KEYS_KEY_ID_LEN];
	const bool has_key = memcmp(s->key_id, none, sizeof none) != 0;
	(void)kiln_keys_audit_line(s, now, action, code, has_key ? s->key_id : NULL);
}

/* A request that could not be done ends its session as one that could: with an answer that can be
 * asked for again. What breaks the protocol ends it at once. */
static bool breaks_protocol(enum kiln_keys_error code)
{
	switch (code) {
	case KILN_KEYS_MALFORMED:
	case KILN_KEYS_UNEXPECTED:
	case KILN_KEYS_BAD_MAC:
	case KILN_KEYS_REFUSED:
	case KILN_KEYS_SESSION_CLOSED:
	case KILN_KEYS_EXPIRED: return true;
	default: return false;
	}
}

void kiln_keys_session_fail(struct turn *turn, enum kiln_keys_error code)
{
	struct session *s = turn->session;
	const bool open = s->state >= SESSION_OPEN;
	write_down(s, turn->now, code, turn->quiet);
	kiln_wipe(&turn->out, sizeof turn->out);
	turn->out.code = (uint16_t)code;
	turn->out.retry_after_ms = code == KILN_KEYS_STORE ? 1000 : turn->retry_after_ms;
	turn->reply = open ? KILN_KEYS_FAILURE : KILN_KEYS_ERROR;
	if (!kiln_keys_session_send(turn))
		return;
	if (open && !breaks_protocol(code))
		kiln_keys_session_close(turn);
	else
		kiln_keys_session_end(s);
}

void kiln_keys_session_abandon(struct session *session, struct kiln_keys_now now,
			       enum kiln_keys_error code)
{
	if (session->state != SESSION_CLOSED)
		write_down(session, now, code, false);
	kiln_keys_session_end(session);
}
