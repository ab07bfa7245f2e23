/* SPDX-License-Identifier: Apache-2.0
 * The relay: bytes from the TLS side to the plain side and back. One send is in flight per
 * direction (two would be reordered on a kTLS socket); receiving pauses while bytes wait. */
#include <errno.h>
#include <sys/socket.h>

#include "worker/relay.h"
#include "worker/worker.h"

/* So many received buffers may wait for the send in front of them before receiving pauses. */
#define WAITING_MAX 2u

static void on_plain_sent(struct kiln_op *op, const struct kiln_event *event);
static void on_tls_in(struct kiln_op *op, const struct kiln_event *event);

static bool in_relay(const struct kiln_link *conn)
{
	return conn->phase == KILN_PHASE_RELAY;
}

void kiln_relay_watch_send(struct kiln_link *conn, struct kiln_flow *flow)
{
	flow->moved_at = conn->worker->now;
	kiln_relay_watch(conn);
}

void kiln_relay_end_check(struct kiln_link *conn)
{
	if (in_relay(conn) && conn->up.told && conn->down.told)
		kiln_link_finish(conn);
}

/* When buffers are scarce, a direction holds the one that is being sent and asks for no other. */
static bool is_modest(const struct kiln_worker *worker, bool sending)
{
	return sending && kiln_pool_is_tight(&worker->pool);
}

/* Called when something was received: enough waits, until the sink has taken what is in front. */
static void pause_when_full(struct kiln_link *conn, struct kiln_flow *flow, struct kiln_op *op)
{
	if (flow->queued < WAITING_MAX)
		return;
	flow->slow = true;
	kiln_io_cancel(conn->worker->io, op);
}

/* ---- up: TLS to plain --------------------------------------------------------------------- */

static void arm_tls_in(struct kiln_link *conn)
{
	struct kiln_flow *up = &conn->up;
	if (conn->tls_in.armed || up->eof || up->end != KILN_FLOW_OPEN || up->head != NULL ||
	    up->told)
		return;
	if (is_modest(conn->worker, up->out != NULL))
		return;
	struct kiln_io *io = conn->worker->io;
	const bool bursts = kiln_worker_may_burst(conn->worker, up);
	conn->tls_in.done = on_tls_in;
	if (conn->rx.where == KILN_IN_KERNEL && bursts)
		kiln_io_recv_records(io, &conn->tls_in, conn->tls_fd);
	else if (conn->rx.where == KILN_IN_KERNEL)
		kiln_io_recv_records_once(io, &conn->tls_in, conn->tls_fd);
	else if (bursts)
		kiln_io_recv(io, &conn->tls_in, conn->tls_fd);
	else
		kiln_io_recv_once(io, &conn->tls_in, conn->tls_fd, KILN_BUFFER_PAYLOAD);
}

/* The next plain bytes, opened here unless the kernel did it. */
static struct kiln_buffer *next_up(struct kiln_link *conn)
{
	struct kiln_flow *up = &conn->up;
	if (up->head == NULL)
		return NULL;
	if (up->head->type == KILN_RECORD_DATA)
		return kiln_flow_pop(up);
	if (up->end == KILN_FLOW_OPEN)
		return kiln_link_open_records(conn);
	kiln_flow_drop(up, conn->worker->io); /* behind close_notify: not even looked at */
	return NULL;
}

/* The peer has all of the plain side's stream, its close_notify too. */
static bool said_goodbye(const struct kiln_link *conn)
{
	return conn->close_notify_sent && conn->down.told && !conn->down.discard;
}

/* A peer that only fails to answer our goodbye, as many do, is no failure; a reset is from one that
 * does not even read it. But it may have meant to say more, and a plain side that still reads must
 * not take this for the end. */
static void note_break(struct kiln_link *conn)
{
	struct kiln_counters *counters = conn->worker->counters;
	const int failed = conn->receive_failed;
	if (conn->code == KILN_OK && said_goodbye(conn) && (failed == 0 || failed == ECONNRESET)) {
		conn->unanswered = true;
		counters->no_close_notify++;
		return;
	}
	const enum kiln_code code =
	    failed != 0 ? kiln_ktls_receive_verdict(&conn->rx, failed, NULL) : KILN_E_TLS_TRUNCATED;
	kiln_relay_note(conn, code, failed,
			code == KILN_E_SYSTEM
			    ? "receiving from the TLS peer failed"
			    : "the TLS peer went away without close_notify (truncation)");
	counters->truncated += conn->code == KILN_E_TLS_TRUNCATED;
}

static void tell_plain(struct kiln_link *conn)
{
	struct kiln_flow *up = &conn->up;
	if (up->end == KILN_FLOW_BROKEN) {
		note_break(conn);
		kiln_link_break(conn);
		return;
	}
	kiln_link_notify(conn, 1, KILN_ALERT_CLOSE_NOTIFY);
	(void)shutdown(conn->plain_fd, SHUT_WR); /* fails only when the target is gone already */
	up->told = true;
	kiln_io_cancel(conn->worker->io, &conn->tls_in);
	kiln_relay_half_closed(conn);
	kiln_relay_end_check(conn);
}

void kiln_link_pump_up(struct kiln_link *conn)
{
	struct kiln_flow *up = &conn->up;
	if (up->out == NULL && !up->told && in_relay(conn)) {
		struct kiln_buffer *buffer = next_up(conn);
		if (!in_relay(conn)) {
			if (buffer != NULL)
				kiln_io_buffer_put(conn->worker->io, buffer);
			return;
		}
		if (buffer != NULL) {
			up->out = buffer;
			conn->plain_out.done = on_plain_sent;
			kiln_relay_watch_send(conn, up);
			kiln_io_send(conn->worker->io, &conn->plain_out, conn->plain_fd,
				     buffer->data, buffer->len);
		} else if (up->end != KILN_FLOW_OPEN) {
			tell_plain(conn);
		} else if (up->eof && up->head == NULL) {
			up->end = KILN_FLOW_BROKEN;
			tell_plain(conn);
		}
	}
	if (in_relay(conn))
		arm_tls_in(conn);
	/* A KeyUpdate that is due goes out even when there is nothing else to send. */
	if (in_relay(conn) && (conn->key_update_wanted || kiln_traffic_exhausted(&conn->rx)))
		kiln_link_pump_down(conn);
}

/* The target takes nothing more. What it still has to say is delivered; then it ends. */
static void stop_up(struct kiln_link *conn, int failed)
{
	struct kiln_flow *up = &conn->up;
	struct kiln_worker *worker = conn->worker;
	kiln_io_buffer_put(worker->io, up->out);
	up->out = NULL;
	kiln_flow_drop(up, worker->io);
	up->told = up->discard = true;
	kiln_io_cancel(worker->io, &conn->tls_in);
	kiln_relay_note(conn, KILN_E_TARGET, failed, "the target took no more bytes");
	kiln_relay_half_closed(conn);
	kiln_relay_end_check(conn);
}

static void on_plain_sent(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_link *conn = KILN_LINK_OF(op, plain_out);
	struct kiln_flow *up = &conn->up;
	if (kiln_link_absorb(conn, event))
		return;
	if (event->result <= 0) {
		stop_up(conn, -event->result);
		return;
	}
	const uint32_t sent = (uint32_t)event->result;
	up->bytes += sent;
	up->moved_at = conn->worker->now;
	if (sent < up->out->len) {
		up->out->data += sent;
		up->out->len -= sent;
		kiln_io_send(conn->worker->io, op, conn->plain_fd, up->out->data, up->out->len);
		return;
	}
	kiln_io_buffer_put(conn->worker->io, up->out);
	up->out = NULL;
	kiln_link_pump_up(conn);
}

static void take_kernel_bytes(struct kiln_link *conn, struct kiln_buffer *buffer)
{
	if (buffer->type != KILN_RECORD_DATA) {
		(void)kiln_link_take_control(conn, buffer->type, buffer->data, buffer->len);
		kiln_io_buffer_put(conn->worker->io, buffer);
		return;
	}
	if (!kiln_link_take_data(conn, buffer->len)) {
		kiln_io_buffer_put(conn->worker->io, buffer);
		return;
	}
	kiln_traffic_count(&conn->rx, buffer->len); /* RFC 8446 5.5 */
	kiln_flow_push(&conn->up, buffer);
}

static void tls_receive_failed(struct kiln_link *conn, int failed)
{
	struct kiln_error err = {0};
	if (failed == ECANCELED)
		return; /* paused */
	switch (kiln_ktls_receive_verdict(&conn->rx, failed, &err)) {
	case KILN_OK: return; /* the pump arms it again */
	case KILN_E_TLS_TRUNCATED:
	case KILN_E_SYSTEM:
		/* What came before may hold a close_notify: judged when that is through. */
		conn->up.eof = true;
		conn->receive_failed = failed;
		return;
	default: kiln_link_fail(conn, &err);
	}
}

static void on_tls_in(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_link *conn = KILN_LINK_OF(op, tls_in);
	struct kiln_flow *up = &conn->up;
	if (kiln_link_absorb(conn, event))
		return;
	if (up->told || up->end != KILN_FLOW_OPEN) { /* behind the end nothing counts */
		if (event->buffer != NULL)
			kiln_io_buffer_put(conn->worker->io, event->buffer);
	} else if (event->buffer != NULL && conn->rx.where == KILN_IN_KERNEL)
		take_kernel_bytes(conn, event->buffer);
	else if (event->buffer != NULL)
		kiln_flow_push(up, event->buffer);
	else if (event->result == 0)
		up->eof = true;
	else
		tls_receive_failed(conn, -event->result);
	if (!in_relay(conn))
		return;
	pause_when_full(conn, up, &conn->tls_in);
	kiln_link_pump_up(conn);
}

/* ---- down: what the plain side sends ------------------------------------------------------ */

static void on_plain_in(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_link *conn = KILN_LINK_OF(op, plain_in);
	struct kiln_flow *down = &conn->down;
	if (kiln_link_absorb(conn, event))
		return;
	if (down->told) { /* the peer left, or was sent away: nobody waits for it */
		if (event->buffer != NULL)
			kiln_io_buffer_put(conn->worker->io, event->buffer);
		return;
	}
	if (event->buffer != NULL) {
		kiln_flow_push(down, event->buffer);
	} else if (event->result != -ECANCELED && kiln_link_plain_ended(conn, event->result)) {
		down->eof = true;
		down->end = KILN_FLOW_ENDED;
	} else if (event->result != -ECANCELED) {
		down->eof = true;
		down->end = KILN_FLOW_BROKEN;
		kiln_relay_note(conn, KILN_E_TARGET, -event->result, "the plain side broke off");
	}
	pause_when_full(conn, down, &conn->plain_in);
	kiln_link_pump_down(conn);
}

void kiln_relay_arm_plain_in(struct kiln_link *conn)
{
	struct kiln_flow *down = &conn->down;
	struct kiln_io *io = conn->worker->io;
	if (conn->plain_in.armed || down->eof || down->head != NULL || down->told ||
	    is_modest(conn->worker, conn->sending != KILN_SENDING_NOTHING))
		return;
	conn->plain_in.done = on_plain_in;
	if (kiln_worker_may_burst(conn->worker, down))
		kiln_io_recv(io, &conn->plain_in, conn->plain_fd);
	else
		kiln_io_recv_once(io, &conn->plain_in, conn->plain_fd, KILN_BUFFER_PAYLOAD);
}

void kiln_link_relay(struct kiln_link *conn)
{
	struct kiln_worker *worker = conn->worker;
	conn->phase = KILN_PHASE_RELAY;
	kiln_link_guard_plain(conn);
	if (worker->settings.role == KILN_CLIENT &&
	    worker->settings.proxy_out != KILN_PROXY_SEND_OFF && !kiln_link_announce(conn))
		return;
	kiln_deadline_clear(&worker->wheel, &conn->deadline);
	conn->up.moved_at = conn->down.moved_at = worker->now;
	kiln_relay_watch(conn);
	kiln_link_pump_down(conn);
	if (in_relay(conn))
		kiln_link_pump_up(conn);
}
