/* SPDX-License-Identifier: Apache-2.0
 * A connection that was handed off to the key server; see keyd.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "base/bytes.h"
#include "keys/serve/keyd.h"

#define READ_MAX   65536u /* bytes of one connection in one turn */
#define READ_PIECE 16384u
/* Frames outside of any session: who sends more has not mistaken himself. */
#define REFUSED_MAX 16u

/* ---- queues --------------------------------------------------------------------------------- */

static void leave_queue(struct kiln_keyd_conn *conn)
{
	struct kiln_keyd_queue *queue = conn->queue;
	if (queue == NULL)
		return;
	*(conn->prev != NULL ? &conn->prev->next : &queue->first) = conn->next;
	*(conn->next != NULL ? &conn->next->prev : &queue->last) = conn->prev;
	conn->queue = NULL;
}

void kiln_keyd_wait_in(struct kiln_keyd_conn *conn, struct kiln_keyd_queue *queue)
{
	leave_queue(conn);
	conn->queue = queue;
	conn->deadline = conn->keyd->now.steady_ms + queue->wait_ms;
	conn->next = NULL;
	conn->prev = queue->last;
	*(queue->last != NULL ? &queue->last->next : &queue->first) = conn;
	queue->last = conn;
}

/* ---- ends ----------------------------------------------------------------------------------- */

static void leave_machine(struct kiln_keyd_conn *conn)
{
	if (conn->keys == NULL)
		return;
	kiln_keys_conn_gone(conn->keys, conn->keyd->now);
	conn->keys = NULL;
}

void kiln_keyd_end(struct kiln_keyd_conn *conn, const char *why, const struct kiln_error *err)
{
	struct kiln_keyd *keyd = conn->keyd;
	if (conn->ended)
		return;
	if (conn->close == NULL)
		conn->close = why;
	if (err != NULL && conn->err.code == KILN_OK)
		conn->err = *err;
	leave_machine(conn);
	leave_queue(conn);
	conn->ended = true;
	conn->next_ended = keyd->ended;
	keyd->ended = conn;
}

bool kiln_keyd_reap(struct kiln_keyd *keyd)
{
	const bool any = keyd->ended != NULL;
	/* What waits to be read is dropped with its connection. */
	for (struct kiln_keyd_conn **at = &keyd->more; *at != NULL;) {
		if ((*at)->ended)
			*at = (*at)->next_more;
		else
			at = &(*at)->next_more;
	}
	while (keyd->ended != NULL) {
		struct kiln_keyd_conn *conn = keyd->ended;
		keyd->ended = conn->next_ended;
		keyd->conn_count--;
		kiln_keyd_log_conn(conn);
		kiln_keyd_source_leave(keyd, conn->source);
		kiln_conn_close(conn->tls);
		free(conn);
	}
	if (any)
		kiln_keyd_listen_again(keyd);
	return any;
}

static void watch(struct kiln_keyd_conn *conn)
{
	/* Who does not read what it asked for is not heard until it does. */
	const bool deaf = conn->eof || (conn->keys != NULL && kiln_keys_conn_full(conn->keys));
	struct epoll_event event = {
	    .events = (deaf ? 0u : (uint32_t)EPOLLIN) | (conn->blocked ? (uint32_t)EPOLLOUT : 0u),
	    .data.ptr = conn,
	};
	if (conn->ended || event.events == conn->watched)
		return;
	if (epoll_ctl(conn->keyd->epoll, EPOLL_CTL_MOD, kiln_conn_fd(conn->tls), &event) == 0)
		conn->watched = event.events;
}

void kiln_keyd_begin_close(struct kiln_keyd_conn *conn, const char *why)
{
	struct kiln_error err = {0};
	leave_machine(conn);
	conn->closing = true;
	if (conn->close == NULL)
		conn->close = why;
	kiln_keyd_wait_in(conn, &conn->keyd->closing);
	const enum kiln_code rc = kiln_conn_shutdown_write(conn->tls, &err);
	if (rc != KILN_OK && rc != KILN_E_AGAIN) {
		kiln_keyd_end(conn, why, NULL);
		return;
	}
	conn->blocked = rc == KILN_E_AGAIN;
	if (conn->eof && !conn->blocked)
		kiln_keyd_end(conn, why, NULL);
	else
		watch(conn);
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static void note_more(struct kiln_keyd_conn *conn)
{
	if (conn->more)
		return;
	conn->more = true;
	conn->next_more = conn->keyd->more;
	conn->keyd->more = conn;
}

static void feed(struct kiln_keyd_conn *conn, const uint8_t *data, size_t len)
{
	struct kiln_keyd *keyd = conn->keyd;
	conn->bytes_in += len;
	if (conn->keys == NULL)
		return; /* closing: too late */
	const unsigned refused = conn->refused, limited = conn->limited;
	keyd->feeding = conn;
	kiln_keys_conn_feed(conn->keys, data, len, keyd->now);
	keyd->feeding = NULL;
	conn->unwanted = conn->refused != refused || conn->limited != limited;
	if (conn->refused > REFUSED_MAX)
		kiln_keyd_begin_close(conn, "refused_frames");
}

/* The peer has ended. It gets what it asked for before: that is looked at when the turn's batch is
 * kept. */
static void on_end(struct kiln_keyd_conn *conn)
{
	struct kiln_keyd *keyd = conn->keyd;
	conn->eof = true;
	if (conn->closing && !conn->blocked) {
		kiln_keyd_end(conn, NULL, NULL);
		return;
	}
	conn->next_eof = keyd->eofs;
	keyd->eofs = conn;
}

static bool wants_more(const struct kiln_keyd_conn *conn)
{
	return !conn->ended && !conn->eof &&
	       (conn->keys == NULL || !kiln_keys_conn_full(conn->keys));
}

void kiln_keyd_readable(struct kiln_keyd_conn *conn)
{
	uint8_t piece[READ_PIECE];
	struct kiln_error err = {0};
	ssize_t n = 1;
	for (size_t total = 0; n > 0 && total < READ_MAX && wants_more(conn); total += (size_t)n) {
		n = kiln_conn_read(conn->tls, piece, sizeof piece, &err);
		if (n > 0)
			feed(conn, piece, (size_t)n);
		else if (n == 0)
			on_end(conn);
		else if (err.code == KILN_E_AGAIN)
			break;
		else
			kiln_keyd_end(conn, kiln_code_name(err.code), &err);
		if (n < 0)
			break;
	}
	kiln_wipe(piece, sizeof piece);
	if (conn->ended)
		return;
	if (wants_more(conn) && kiln_conn_pending(conn->tls) > 0)
		note_more(conn);
	watch(conn);
}

/* False: not all could be sent. */
static bool send_output(struct kiln_keyd_conn *conn)
{
	struct kiln_error err = {0};
	const uint8_t *data;
	size_t len;
	while ((data = kiln_keys_conn_output(conn->keys, &len)) != NULL && len > 0) {
		const ssize_t n = kiln_conn_write(conn->tls, data, len, &err);
		if (n < 0 && err.code != KILN_E_AGAIN)
			kiln_keyd_end(conn, kiln_code_name(err.code), &err);
		if (n < 0)
			return false;
		conn->bytes_out += (size_t)n;
		kiln_keys_conn_sent(conn->keys, (size_t)n);
		/* Bytes alone give it no time, and refusals do not: a session must go on. */
		if (!conn->unwanted)
			kiln_keyd_wait_in(conn, &conn->keyd->idle);
	}
	if (!kiln_conn_unsent(conn->tls))
		return true;
	const enum kiln_code rc = kiln_conn_flush(conn->tls, &err);
	if (rc != KILN_OK && rc != KILN_E_AGAIN)
		kiln_keyd_end(conn, kiln_code_name(rc), &err);
	return rc == KILN_OK;
}

void kiln_keyd_push(struct kiln_keyd_conn *conn)
{
	if (conn->ended)
		return;
	if (conn->keys == NULL) { /* its close_notify waited for room */
		kiln_keyd_begin_close(conn, NULL);
		return;
	}
	conn->blocked = !send_output(conn);
	if (conn->ended)
		return;
	if (!conn->blocked && (conn->eof || kiln_keys_conn_ending(conn->keys))) {
		kiln_keyd_begin_close(conn, conn->eof ? NULL : "protocol_error");
		return;
	}
	if (wants_more(conn) && kiln_conn_pending(conn->tls) > 0)
		note_more(conn);
	watch(conn);
}
