/* SPDX-License-Identifier: Apache-2.0
 * The relay's way down: plain bytes to the TLS side, sealed here unless the kernel does it, and the
 * control records that go between them: KeyUpdate and close_notify. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "worker/relay.h"
#include "worker/worker.h"

static void on_tls_sent(struct kiln_op *op, const struct kiln_event *event);

static void fail_internal(struct kiln_link *conn, struct kiln_error *err)
{
	err->alert = KILN_ALERT_INTERNAL_ERROR;
	kiln_link_fail(conn, err);
}

static void send_out(struct kiln_link *conn)
{
	const struct kiln_buffer *out = conn->down.out;
	conn->tls_out.done = on_tls_sent;
	kiln_relay_watch_send(conn, &conn->down);
	kiln_io_send(conn->worker->io, &conn->tls_out, conn->tls_fd, out->data, out->len);
}

/* Seals len bytes as records of the type behind out's content. */
static bool seal(struct kiln_link *conn, uint8_t type, const uint8_t *data, uint32_t len,
		 struct kiln_buffer *out)
{
	struct kiln_error err = {0};
	while (len > 0) {
		const uint32_t n = len < KILN_RECORD_PLAIN_MAX ? len : KILN_RECORD_PLAIN_MAX;
		size_t record_len;
		if (kiln_traffic_seal(&conn->tx, type, data, n, out->data + out->len, &record_len,
				      &err) != KILN_OK) {
			fail_internal(conn, &err);
			return false;
		}
		out->len += (uint32_t)record_len;
		data += n;
		len -= n;
	}
	return true;
}

/* Sends the content sealed into room, which is taken over. */
static void send_sealed(struct kiln_link *conn, uint8_t type, const uint8_t *data, uint32_t len,
			struct kiln_buffer *room)
{
	if (!seal(conn, type, data, len, room)) {
		kiln_io_buffer_put(conn->worker->io, room);
		return;
	}
	conn->down.out = room;
	send_out(conn);
}

static void send_data(struct kiln_link *conn, struct kiln_buffer *plain, struct kiln_buffer *room)
{
	conn->sending = KILN_SENDING_DATA;
	conn->down.bytes += plain->len;
	if (conn->tx.where == KILN_IN_KERNEL) {
		kiln_traffic_count(&conn->tx, plain->len);
		conn->down.out = plain;
		send_out(conn);
		return;
	}
	send_sealed(conn, KILN_RECORD_DATA, plain->data, plain->len, room);
	kiln_io_buffer_put(conn->worker->io, plain);
}

static void send_control(struct kiln_link *conn, enum kiln_sending what, uint8_t type, uint32_t len,
			 struct kiln_buffer *room)
{
	conn->sending = (uint8_t)what;
	if (conn->tx.where == KILN_IN_KERNEL) {
		conn->tls_out.done = on_tls_sent;
		kiln_relay_watch_send(conn, &conn->down);
		kiln_io_send_record(conn->worker->io, &conn->tls_out, conn->tls_fd, type,
				    conn->control, len);
		return;
	}
	send_sealed(conn, type, conn->control, len, room);
}

static void send_close_notify(struct kiln_link *conn, struct kiln_buffer *room)
{
	conn->control[0] = 1; /* warning; the level means nothing in TLS 1.3 (RFC 8446 6) */
	conn->control[1] = KILN_ALERT_CLOSE_NOTIFY;
	conn->close_notify_sent = true;
	send_control(conn, KILN_SENDING_CLOSE_NOTIFY, KILN_RECORD_ALERT, 2, room);
}

/* RFC 8446 5.5: our key, or the peer's, has done enough. True when the connection goes on. */
static bool check_limits(struct kiln_link *conn)
{
	const bool ours = kiln_traffic_exhausted(&conn->tx);
	const bool theirs = kiln_traffic_exhausted(&conn->rx) && !conn->key_update_asked;
	if (!ours && !theirs)
		return true;
	if (conn->tx.where == KILN_IN_KERNEL && !conn->worker->settings.kernel.rekey) {
		struct kiln_error err = {0};
		conn->worker->counters->record_limit++;
		(void)kiln_fail(
		    &err, KILN_E_TLS_RECORD_LIMIT,
		    "a key has protected as many records as RFC 8446 5.5 allows, and this "
		    "kernel cannot change it (Linux 6.14 can)");
		err.alert = KILN_ALERT_INTERNAL_ERROR;
		kiln_link_cut(conn, &err);
		return false;
	}
	conn->key_update_wanted = true;
	conn->key_update_request = theirs;
	return true;
}

static void send_key_update(struct kiln_link *conn, struct kiln_buffer *room)
{
	kiln_key_update_message(conn->control, conn->key_update_request);
	conn->key_update_asked |= conn->key_update_request;
	conn->key_update_wanted = conn->key_update_request = false;
	send_control(conn, KILN_SENDING_KEY_UPDATE, KILN_RECORD_HANDSHAKE, KILN_KEY_UPDATE_LEN,
		     room);
}

static void send_next(struct kiln_link *conn)
{
	struct kiln_flow *down = &conn->down;
	if (!conn->key_update_wanted && down->head == NULL) {
		if (down->end == KILN_FLOW_OPEN)
			return;
		if (down->end == KILN_FLOW_BROKEN) {
			struct kiln_error err = {0};
			(void)kiln_fail(&err, KILN_E_TARGET, "the plain side broke off");
			err.alert =
			    conn->alert_plain != 0 ? conn->alert_plain : KILN_ALERT_INTERNAL_ERROR;
			kiln_link_fail(conn, &err);
			return;
		}
	}
	/* Room to seal into; the kernel needs none. Without it, this is done again later. */
	struct kiln_buffer *room = NULL;
	if (conn->tx.where == KILN_IN_USER) {
		room = kiln_worker_take_buffer(conn);
		if (room == NULL)
			return;
	}
	if (conn->key_update_wanted)
		send_key_update(conn, room);
	else if (down->head != NULL)
		send_data(conn, kiln_flow_pop(down), room);
	else
		send_close_notify(conn, room);
}

void kiln_link_pump_down(struct kiln_link *conn)
{
	const struct kiln_flow *down = &conn->down;
	if (conn->phase != KILN_PHASE_RELAY || down->told)
		return;
	if (conn->sending == KILN_SENDING_NOTHING && !conn->close_notify_sent && check_limits(conn))
		send_next(conn);
	if (conn->phase == KILN_PHASE_RELAY)
		kiln_relay_arm_plain_in(conn);
}

/* The key update is out: everything from here on is under the next key (RFC 8446 4.6.3). */
static bool switch_key(struct kiln_link *conn)
{
	struct kiln_error err = {0};
	enum kiln_code rc = kiln_traffic_update(&conn->tx, &err);
	if (rc == KILN_OK && conn->tx.where == KILN_IN_KERNEL)
		rc = kiln_ktls_rekey(conn->worker->sys, conn->tls_fd, KILN_TX, &conn->tx, &err);
	if (rc == KILN_OK) {
		conn->worker->counters->key_updates++;
		return true;
	}
	conn->worker->counters->key_update_impossible++;
	kiln_link_fail(conn, &err); /* no alert: the peer already expects the other key */
	return false;
}

static void sent_completely(struct kiln_link *conn)
{
	const enum kiln_sending what = (enum kiln_sending)conn->sending;
	conn->sending = KILN_SENDING_NOTHING;
	if (conn->down.out != NULL)
		kiln_io_buffer_put(conn->worker->io, conn->down.out);
	conn->down.out = NULL;
	if (conn->down.told) {                       /* the connection was cut meanwhile */
		if (what != KILN_SENDING_KEY_UPDATE) /* else the peer expects another key */
			kiln_link_say_due(conn);
		return;
	}
	if (what == KILN_SENDING_KEY_UPDATE && !switch_key(conn))
		return;
	if (what == KILN_SENDING_CLOSE_NOTIFY) {
		(void)shutdown(conn->tls_fd,
			       SHUT_WR); /* fails only when the peer is gone already */
		conn->down.told = true;
		kiln_relay_half_closed(conn);
		kiln_relay_end_check(conn);
		return;
	}
	kiln_link_pump_down(conn);
}

/* The peer takes nothing more. What it still has to say, and what it said already, is delivered. */
static void stop_down(struct kiln_link *conn, int failed)
{
	struct kiln_flow *down = &conn->down;
	struct kiln_io *io = conn->worker->io;
	conn->sending = KILN_SENDING_NOTHING;
	if (down->out != NULL)
		kiln_io_buffer_put(io, down->out);
	down->out = NULL;
	kiln_flow_drop(down, io);
	down->told = down->discard = true;
	kiln_io_cancel(io, &conn->plain_in);
	kiln_relay_note(conn, KILN_E_TLS_TRUNCATED, failed,
			"the TLS peer went away while bytes for it were on the way");
	kiln_relay_half_closed(conn);
	kiln_relay_end_check(conn);
}

static void on_tls_sent(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_link *conn = KILN_LINK_OF(op, tls_out);
	struct kiln_buffer *out = conn->down.out;
	if (kiln_link_absorb(conn, event))
		return;
	if (event->result <= 0) {
		stop_down(conn, -event->result);
		return;
	}
	conn->down.moved_at = conn->worker->now;
	if (out != NULL && (uint32_t)event->result < out->len) {
		out->data += event->result;
		out->len -= (uint32_t)event->result;
		kiln_io_send(conn->worker->io, op, conn->tls_fd, out->data, out->len);
		return;
	}
	sent_completely(conn);
}
