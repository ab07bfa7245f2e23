/* SPDX-License-Identifier: Apache-2.0
 * The end of a connection: alerts, resets, deadlines, letting go. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "worker/relay.h"
#include "worker/worker.h"

/* How long a peer has to read our alert before the socket goes. */
#define LINGER_MS    2000u
#define LINGER_READS 16u

static void cancel_all(struct kiln_link *conn)
{
	struct kiln_io *io = conn->worker->io;
	kiln_io_cancel(io, &conn->tls_in);
	kiln_io_cancel(io, &conn->tls_out);
	kiln_io_cancel(io, &conn->plain_in);
	kiln_io_cancel(io, &conn->plain_out);
}

static void let_go(struct kiln_link *conn)
{
	/* What was sent and not taken may still be taken: not as anything that lives. */
	if (conn->lent)
		(void)shutdown(conn->tls_fd, SHUT_RDWR);
	conn->phase = KILN_PHASE_CLOSING;
	kiln_deadline_clear(&conn->worker->wheel, &conn->deadline);
	cancel_all(conn);
	if (!kiln_link_busy(conn))
		kiln_worker_bury(conn);
}

bool kiln_link_absorb(struct kiln_link *conn, const struct kiln_event *event)
{
	if (conn->phase != KILN_PHASE_CLOSING && conn->phase != KILN_PHASE_LINGER &&
	    conn->phase != KILN_PHASE_BROKEN)
		return false;
	if (event->buffer != NULL)
		kiln_io_buffer_put(conn->worker->io, event->buffer);
	if (conn->phase == KILN_PHASE_CLOSING && !kiln_link_busy(conn))
		kiln_worker_bury(conn);
	return true;
}

/* ---- last words --------------------------------------------------------------------------- */

/* Sends what the handshaker left (its alert); true when something went out. */
static bool send_handshake_alert(struct kiln_link *conn)
{
	size_t len;
	const uint8_t *output = kiln_handshake_output(conn->handshake, &len);
	return len > 0 &&
	       send(conn->tls_fd, output, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

/* A kernel that fails to decrypt leaves the error on the socket, and whatever is asked of it next
 * fails with it, were it in the other direction. Asking for the error takes it away. */
static void clear_socket_error(int fd)
{
	int failed;
	socklen_t len = sizeof failed;
	(void)getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len);
}

/* Best effort and never in the middle of another record: who does not read gets no alert. */
static bool send_alert(struct kiln_link *conn, uint8_t alert)
{
	const uint8_t fatal[2] = {2, alert};
	if (alert == 0 || conn->alert_sent != 0 || conn->tls_out.armed || conn->close_notify_sent ||
	    conn->down.discard || conn->tx.suite == NULL)
		return false;
	if (conn->tx.where == KILN_IN_KERNEL) {
		clear_socket_error(conn->tls_fd);
		return kiln_ktls_send_record(conn->worker->sys, conn->tls_fd, KILN_RECORD_ALERT,
					     fatal, 2) == 2;
	}
	uint8_t record[2 + KILN_RECORD_OVERHEAD];
	size_t len;
	return kiln_traffic_seal(&conn->tx, KILN_RECORD_ALERT, fatal, 2, record, &len, NULL) ==
		   KILN_OK &&
	       send(conn->tls_fd, record, len, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

static void set_reset_on_close(const struct kiln_link *conn, bool on)
{
	const struct linger how = {.l_onoff = on, .l_linger = 0};
	if (conn->plain_fd >= 0 && !conn->plain_unix)
		(void)setsockopt(conn->plain_fd, SOL_SOCKET, SO_LINGER, &how, sizeof how);
}

void kiln_link_guard_plain(const struct kiln_link *conn)
{
	set_reset_on_close(conn, true);
}

void kiln_link_abort_plain(const struct kiln_link *conn)
{
	const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	set_reset_on_close(conn, true); /* should the next line not do it */
	/* Disconnecting a TCP socket sends the reset now; the close may be a linger away. */
	if (conn->has_notice) /* without a word on the other socket: not an end */
		(void)shutdown(conn->plain_fd, SHUT_RDWR);
	else if (conn->plain_fd >= 0 && !conn->plain_unix)
		(void)connect(conn->plain_fd, &nowhere, sizeof nowhere);
}

static void on_lingering(struct kiln_op *op, const struct kiln_event *event);

/* From a kTLS socket as records: a plain receive stops at the first that is not data. */
static void read_and_drop(struct kiln_link *conn)
{
	conn->tls_in.done = on_lingering;
	if (conn->tls_in.armed)
		return;
	if (conn->rx.where == KILN_IN_KERNEL)
		kiln_io_recv_records(conn->worker->io, &conn->tls_in, conn->tls_fd);
	else
		kiln_io_recv_once(conn->worker->io, &conn->tls_in, conn->tls_fd,
				  KILN_BUFFER_PAYLOAD);
}

/* Not when the peer has closed, or goes on for too long. */
static bool may_linger_on(struct kiln_link *conn, const struct kiln_event *event)
{
	if (event->buffer != NULL)
		return conn->dropped++ != LINGER_READS;
	return event->result > 0 || event->result == -ECANCELED;
}

static void on_lingering(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_link *conn = KILN_LINK_OF(op, tls_in);
	if (event->buffer != NULL)
		kiln_io_buffer_put(conn->worker->io, event->buffer);
	if (conn->phase == KILN_PHASE_CLOSING) {
		if (!kiln_link_busy(conn))
			kiln_worker_bury(conn);
		return;
	}
	if (may_linger_on(conn, event))
		read_and_drop(conn);
	else if (event->result >= 0 || conn->rx.where != KILN_IN_KERNEL)
		let_go(conn);
	/* A kernel that cannot decrypt any more cannot drop either: the deadline lets go. */
}

/* Closing a socket that holds unread bytes resets it, and the reset would overtake our alert: so
 * the peer's bytes are read and dropped for a moment, bounded in time and number. */
static void linger(struct kiln_link *conn)
{
	struct kiln_worker *worker = conn->worker;
	(void)shutdown(conn->tls_fd, SHUT_WR);
	conn->phase = KILN_PHASE_LINGER;
	conn->dropped = 0;
	kiln_io_cancel(worker->io, &conn->plain_in);
	kiln_io_cancel(worker->io, &conn->plain_out);
	kiln_deadline_set(&worker->wheel, &conn->deadline, worker->now, LINGER_MS);
	read_and_drop(conn);
}

void kiln_link_remember(struct kiln_link *conn, const struct kiln_error *err)
{
	if (conn->code != KILN_OK)
		return;
	conn->code = err->code;
	conn->why = strdup(err->message); /* NULL is fine: the code still tells */
}

void kiln_relay_note(struct kiln_link *conn, enum kiln_code code, int sys_errno, const char *what)
{
	struct kiln_error err = {0};
	if (conn->code != KILN_OK)
		return;
	(void)kiln_fail_errno(&err, code, sys_errno, "%s", what);
	kiln_link_remember(conn, &err);
}

void kiln_link_say_due(struct kiln_link *conn)
{
	if (!send_alert(conn, conn->alert_due))
		return;
	conn->alert_sent = conn->alert_due;
	(void)shutdown(conn->tls_fd, SHUT_WR);
}

void kiln_link_fail(struct kiln_link *conn, const struct kiln_error *err)
{
	if (conn->phase == KILN_PHASE_CLOSING || conn->phase == KILN_PHASE_LINGER)
		return;
	kiln_link_remember(conn, err);
	kiln_link_unhand(conn, err);
	if (conn->phase == KILN_PHASE_HANDSHAKE || conn->phase == KILN_PHASE_ROAST) {
		conn->worker->counters->handshakes_failed++;
		if (err->code == KILN_E_ACCESS_DENIED)
			conn->worker->counters->access_denied++;
	}

	bool spoke = false;
	if (err->alert_received)
		kiln_link_notify(conn, 2, conn->alert_received = err->alert);
	if (conn->handshake != NULL && !conn->tls_out.armed && conn->tls_fd >= 0)
		spoke = send_handshake_alert(conn);
	else if (conn->handshake == NULL && conn->tls_fd >= 0 && !err->alert_received)
		spoke = send_alert(conn, err->alert);
	if (spoke && !err->alert_received)
		conn->alert_sent = err->alert;
	kiln_link_abort_plain(conn);
	if (spoke || conn->alert_sent != 0)
		linger(conn);
	else
		let_go(conn);
}

void kiln_link_reset(struct kiln_link *conn)
{
	kiln_link_abort_plain(conn);
	if (conn->alert_sent != 0)
		linger(conn);
	else
		let_go(conn);
}

void kiln_link_drop(struct kiln_link *conn)
{
	if (conn->phase != KILN_PHASE_CLOSING)
		let_go(conn);
}

void kiln_link_finish(struct kiln_link *conn)
{
	if (conn->up.end == KILN_FLOW_ENDED && !conn->up.discard)
		set_reset_on_close(conn, false);
	/* A peer that we stopped listening to may still be sending: its unread bytes would turn the
	 * close into a reset, and that would overtake what we just sent. */
	if (conn->up.discard && !conn->down.discard)
		linger(conn);
	else
		let_go(conn);
}

/* ---- deadlines ---------------------------------------------------------------------------- */

void kiln_link_limit(struct kiln_link *conn, uint32_t ms)
{
	struct kiln_worker *worker = conn->worker;
	if (ms > 0)
		kiln_deadline_set(&worker->wheel, &conn->deadline, worker->now, ms);
	else
		kiln_deadline_clear(&worker->wheel, &conn->deadline);
}

#define NEVER UINT64_MAX

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static uint64_t sooner(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* When a relaying connection has to end if nothing more happens, and what to say then. */
static uint64_t relay_due(const struct kiln_link *conn, const char **what)
{
	const struct kiln_settings *settings = &conn->worker->settings;
	const uint64_t up = conn->up.out != NULL ? conn->up.moved_at : NEVER;
	const uint64_t down = conn->sending != KILN_SENDING_NOTHING ? conn->down.moved_at : NEVER;
	if (settings->send_timeout > 0 && sooner(up, down) != NEVER) {
		*what = up <= down ? "the plain side did not read for the send timeout"
				   : "the TLS peer did not read for the send timeout";
		return sooner(up, down) + settings->send_timeout;
	}
	const uint64_t quiet_since = later(conn->up.moved_at, conn->down.moved_at);
	if ((conn->up.told || conn->down.told) && settings->close_timeout > 0) {
		*what = "half closed, and the other side was silent for the close timeout";
		return quiet_since + settings->close_timeout;
	}
	*what = "idle for the idle timeout";
	return settings->idle_timeout > 0 ? quiet_since + settings->idle_timeout : NEVER;
}

/* Looks again when the connection is due. Idleness may begin any time without a word to the wheel,
 * so no look is further away than the idle timeout. */
static void look_again(struct kiln_link *conn, uint64_t due)
{
	struct kiln_worker *worker = conn->worker;
	if (worker->settings.idle_timeout > 0)
		due = sooner(due, worker->now + worker->settings.idle_timeout);
	if (due == NEVER || (kiln_deadline_is_set(&conn->deadline) && conn->deadline.at <= due))
		return;
	kiln_deadline_set(&worker->wheel, &conn->deadline, worker->now,
			  (uint32_t)(due > worker->now ? due - worker->now : 0));
}

void kiln_relay_watch(struct kiln_link *conn)
{
	const char *what;
	look_again(conn, relay_due(conn, &what));
}

void kiln_relay_half_closed(struct kiln_link *conn)
{
	conn->up.moved_at = conn->down.moved_at = conn->worker->now;
	kiln_relay_watch(conn);
}

static void relay_expired(struct kiln_link *conn)
{
	struct kiln_worker *worker = conn->worker;
	const char *what;
	const uint64_t due = relay_due(conn, &what);
	if (due > worker->now) {
		look_again(conn, due);
		return;
	}
	struct kiln_error err = {0};
	worker->counters->timeouts++;
	(void)kiln_fail(&err, KILN_E_TIMEOUT, "%s", what);
	err.alert = KILN_ALERT_INTERNAL_ERROR;
	kiln_link_fail(conn, &err);
}

static const char *step_name(const struct kiln_link *conn)
{
	switch ((enum kiln_phase)conn->phase) {
	case KILN_PHASE_PROXY_HEADER: return "waiting for the PROXY v2 header";
	case KILN_PHASE_CONNECT: return "connecting to the target";
	case KILN_PHASE_HANDOFF: return "handing it to the application";
	case KILN_PHASE_PROXY_SEND: return "sending the PROXY v2 header";
	case KILN_PHASE_ROAST:
		return conn->question != 0 || conn->unasked || conn->roast == NULL
			   ? "waiting for the identity agent and STS"
			   : "waiting for the peer's hello";
	case KILN_PHASE_HANDSHAKE:
	case KILN_PHASE_INSTALL:
	case KILN_PHASE_RELAY:
	case KILN_PHASE_BROKEN:
	case KILN_PHASE_LINGER:
	case KILN_PHASE_CLOSING: break;
	}
	return "the TLS handshake";
}

void kiln_link_expired(struct kiln_deadline *deadline)
{
	struct kiln_link *conn =
	    (struct kiln_link *)(void *)((char *)deadline - offsetof(struct kiln_link, deadline));
	if (conn->phase == KILN_PHASE_LINGER) {
		let_go(conn);
		return;
	}
	if (conn->phase == KILN_PHASE_RELAY) {
		relay_expired(conn);
		return;
	}
	if (conn->phase == KILN_PHASE_BROKEN) {
		kiln_link_broken_check(conn);
		return;
	}
	struct kiln_error err = {0};
	conn->worker->counters->timeouts++;
	(void)kiln_fail(&err, KILN_E_TIMEOUT, "timed out in %s", step_name(conn));
	err.alert = KILN_ALERT_INTERNAL_ERROR;
	kiln_link_fail(conn, &err);
}
