/* SPDX-License-Identifier: Apache-2.0
 * A connection of the key server: bytes to frames, frames to bytes. Nothing of a frame is kept
 * before its length is known to be good. */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "keys/server_inner.h"

struct kiln_keys_conn *kiln_keys_conn_new(struct kiln_keys_server *server, const uint8_t *source,
					  const uint8_t *exporter, void *user)
{
	struct kiln_keys_conn *conn = calloc(1, sizeof *conn);
	if (conn == NULL)
		return NULL;
	conn->server = server;
	conn->user = user;
	if (source != NULL)
		memcpy(conn->source, source, sizeof conn->source);
	conn->has_exporter = exporter != NULL;
	if (exporter != NULL)
		memcpy(conn->exporter, exporter, sizeof conn->exporter);
	server->count.connections++;
	return conn;
}

void *kiln_keys_conn_user(const struct kiln_keys_conn *conn)
{
	return conn->user;
}

static void drop_input(struct kiln_keys_conn *conn)
{
	if (conn->in != NULL)
		kiln_wipe(conn->in, conn->in_size);
	free(conn->in);
	conn->in = NULL;
	conn->in_len = conn->in_size = 0;
}

void kiln_keys_conn_note(struct kiln_keys_conn *conn)
{
	struct kiln_keys_server *server = conn->server;
	if (conn->news)
		return;
	conn->news = true;
	conn->next_news = NULL;
	*server->news_end = conn;
	server->news_end = &conn->next_news;
}

static void no_news(struct kiln_keys_conn *conn)
{
	struct kiln_keys_server *server = conn->server;
	struct kiln_keys_conn **at = &server->news;
	while (*at != NULL && *at != conn)
		at = &(*at)->next_news;
	if (*at == NULL)
		return;
	*at = conn->next_news;
	if (*at == NULL)
		server->news_end = at;
}

static void end(struct kiln_keys_conn *conn)
{
	conn->ending = true;
	drop_input(conn);
	kiln_keys_conn_note(conn);
}

void kiln_keys_conn_give_up(struct kiln_keys_conn *conn)
{
	const struct kiln_keys_event event = {.what = KILN_KEYS_EVENT_NO_MEMORY,
					      .source = conn->source};
	kiln_keys_tell(conn->server, &event);
	end(conn);
}

/* ---- in ------------------------------------------------------------------------------------- */

static void refuse_length(struct kiln_keys_conn *conn)
{
	static const uint8_t none[KILN_KEYS_SESSION_ID_LEN];
	const struct kiln_keys_event event = {.what = KILN_KEYS_EVENT_REFUSED,
					      .outcome = KILN_KEYS_MALFORMED,
					      .source = conn->source};
	kiln_keys_tell(conn->server, &event);
	kiln_keys_conn_put_error(conn, none, 0, KILN_KEYS_MALFORMED, 0);
	end(conn);
}

/* The length is here: room for just this frame. */
static bool begin_frame(struct kiln_keys_conn *conn)
{
	const size_t size = kiln_keys_frame_length(conn->first);
	if (size == 0) {
		refuse_length(conn);
		return false;
	}
	conn->in = malloc(size);
	if (conn->in == NULL) {
		kiln_keys_conn_give_up(conn);
		return false;
	}
	memcpy(conn->in, conn->first, sizeof conn->first);
	conn->in_size = size;
	return true;
}

static size_t collect(struct kiln_keys_conn *conn, const uint8_t *data, size_t len)
{
	uint8_t *to = conn->in != NULL ? conn->in : conn->first;
	const size_t want = (conn->in != NULL ? conn->in_size : sizeof conn->first) - conn->in_len;
	const size_t some = len < want ? len : want;
	memcpy(to + conn->in_len, data, some);
	conn->in_len += some;
	return some;
}

void kiln_keys_conn_feed(struct kiln_keys_conn *conn, const uint8_t *data, size_t len,
			 struct kiln_keys_now now)
{
	while (len > 0 && !conn->ending) {
		const size_t some = collect(conn, data, len);
		data += some;
		len -= some;
		if (conn->in == NULL && conn->in_len == sizeof conn->first && !begin_frame(conn))
			return;
		if (conn->in == NULL || conn->in_len < conn->in_size)
			continue;
		kiln_keys_take_frame(conn, conn->in, conn->in_size, now);
		drop_input(conn);
	}
}

/* ---- out ------------------------------------------------------------------------------------ */

static bool make_room(struct kiln_keys_conn *conn, size_t len)
{
	if (conn->out_start == conn->out_end)
		conn->out_start = conn->out_shown = conn->out_end = 0;
	if (conn->out_cap - conn->out_end >= len)
		return true;
	/* A copy, not realloc: answers may hold secrets, and nothing of them is left behind. */
	const size_t used = conn->out_end - conn->out_start, cap = 2 * (used + len);
	uint8_t *out = malloc(cap);
	if (out == NULL)
		return false;
	if (used > 0)
		memcpy(out, conn->out + conn->out_start, used);
	if (conn->out != NULL)
		kiln_wipe(conn->out, conn->out_cap);
	free(conn->out);
	conn->out = out;
	conn->out_cap = cap;
	conn->out_shown -= conn->out_start;
	conn->out_end = used;
	conn->out_start = 0;
	return true;
}

static const uint8_t *append(struct kiln_keys_conn *conn, const uint8_t *frame, size_t len)
{
	if (len == 0 || !make_room(conn, len)) {
		kiln_keys_conn_give_up(conn);
		return NULL;
	}
	uint8_t *at = conn->out + conn->out_end;
	memcpy(at, frame, len);
	conn->out_end += len;
	kiln_keys_conn_note(conn);
	return at;
}

const uint8_t *kiln_keys_conn_put(struct kiln_keys_conn *conn, const uint8_t *frame, size_t len)
{
	conn->answered = true;
	return append(conn, frame, len);
}

void kiln_keys_conn_put_error(struct kiln_keys_conn *conn, const uint8_t *session, uint64_t number,
			      enum kiln_keys_error code, uint32_t retry_after_ms)
{
	const struct kiln_keys_message m = {.code = (uint16_t)code,
					    .retry_after_ms = retry_after_ms};
	uint8_t frame[KILN_KEYS_HEADER_LEN + 8];
	const size_t len =
	    kiln_keys_frame_write(KILN_KEYS_ERROR, session, number, &m, NULL, frame, sizeof frame);
	(void)append(conn, frame, len);
}

void kiln_keys_conn_show(struct kiln_keys_conn *conn)
{
	conn->out_shown = conn->out_end;
	conn->answered = false;
}

void kiln_keys_conn_drop(struct kiln_keys_conn *conn)
{
	if (!conn->answered || conn->out == NULL)
		return;
	kiln_wipe(conn->out + conn->out_shown, conn->out_end - conn->out_shown);
	conn->out_end = conn->out_shown;
	conn->answered = false;
}

const uint8_t *kiln_keys_conn_output(const struct kiln_keys_conn *conn, size_t *len)
{
	*len = conn->out_shown - conn->out_start;
	return *len > 0 ? conn->out + conn->out_start : NULL;
}

void kiln_keys_conn_sent(struct kiln_keys_conn *conn, size_t len)
{
	kiln_wipe(conn->out + conn->out_start, len);
	conn->out_start += len;
	if (conn->out_start < conn->out_end)
		return;
	free(conn->out);
	conn->out = NULL;
	conn->out_start = conn->out_shown = conn->out_end = conn->out_cap = 0;
}

bool kiln_keys_conn_ending(const struct kiln_keys_conn *conn)
{
	return conn->ending;
}

bool kiln_keys_conn_full(const struct kiln_keys_conn *conn)
{
	return conn->out_end - conn->out_start > conn->server->options.output_max;
}

/* ---- the end -------------------------------------------------------------------------------- */

/* Open sessions wait for another connection; closed ones are remembered as long as they would be
 * anyway; what was not open yet ends. */
static void leave(struct session *session, struct kiln_keys_now now)
{
	struct kiln_keys_server *server = session->server;
	kiln_keys_session_touch(session);
	if (session->state < SESSION_OPEN ||
	    (session->state != SESSION_CLOSED &&
	     server->count.detached >= server->options.detached_max)) {
		kiln_keys_session_abandon(session, now, KILN_KEYS_ABANDONED);
		return;
	}
	kiln_keys_session_detach(session);
	if (session->state != SESSION_CLOSED)
		kiln_keys_session_set(session, session->state, QUEUE_DETACHED, now.steady_ms);
}

void kiln_keys_conn_gone(struct kiln_keys_conn *conn, struct kiln_keys_now now)
{
	struct kiln_keys_server *server = conn->server;
	while (conn->sessions != NULL)
		leave(conn->sessions, now);
	for (struct session *s = server->batch; s != NULL; s = s->in_batch)
		if (s->conn == conn)
			s->conn = NULL;
	no_news(conn);
	drop_input(conn);
	if (conn->out != NULL)
		kiln_wipe(conn->out, conn->out_cap);
	free(conn->out);
	server->count.connections--;
	kiln_wipe(conn, sizeof *conn);
	free(conn);
}
