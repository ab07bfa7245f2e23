/* SPDX-License-Identifier: Apache-2.0
 * Driving the sans-I/O handshaker: one receive at a time, so that none is armed when the keys go
 * into the kernel, and the output in full before the next step. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "roast/roast.h"
#include "worker/worker.h"

/* More than any flight, and few enough bytes that what is left over fits one buffer opened. */
#define HANDSHAKE_READ 32768u

static void on_handshake_bytes(struct kiln_op *op, const struct kiln_event *event);
static void on_handshake_sent(struct kiln_op *op, const struct kiln_event *event);

static void receive(struct kiln_link *conn)
{
	conn->tls_in.done = on_handshake_bytes;
	kiln_io_recv_once(conn->worker->io, &conn->tls_in, conn->tls_fd, HANDSHAKE_READ);
}

/* The handshake is over and its output is out: keep the session, free everything else. */
static void finish(struct kiln_link *conn)
{
	const struct kiln_settings *settings = &conn->worker->settings;
	struct kiln_session session;
	struct kiln_error err = {0};
	if (kiln_handshake_finish(conn->handshake, &session, &err) != KILN_OK) {
		kiln_link_fail(conn, &err);
		return;
	}
	if (settings->handoff && !kiln_link_prepare_handoff(conn, &session, &err)) {
		kiln_session_clear(&session);
		kiln_link_fail(conn, &err);
		return;
	}
	kiln_handshake_free(conn->handshake);
	conn->handshake = NULL;
	kiln_roast_free(conn->roast);
	conn->roast = NULL;
	conn->handshake_us = kiln_worker_micros() - conn->started_us;
	conn->worker->counters->handshakes_ok++;
	conn->suite = session.suite;
	if (session.peer.present && conn->peer_role == NULL)
		conn->peer_name = strdup(session.peer.name);
	const bool announces =
	    settings->proxy_out != KILN_PROXY_SEND_OFF && settings->role == KILN_SERVER;
	if (announces)
		kiln_link_prepare_header(conn, &session);
	conn->rx = session.rx;
	conn->tx = session.tx;
	memset(&session.rx, 0, sizeof session.rx); /* moved: their ciphers live on in conn */
	memset(&session.tx, 0, sizeof session.tx);
	kiln_session_clear(&session);
	if (settings->rekey_records > 0)
		conn->tx.limit = settings->rekey_records;
	if (announces && conn->proxy_header_len == 0) {
		(void)kiln_fail(&err, KILN_E_NO_MEMORY, "no memory for the PROXY header");
		err.alert = KILN_ALERT_INTERNAL_ERROR;
		kiln_link_fail(conn, &err);
		return;
	}
	kiln_link_install(conn);
}

/* Sends what the handshaker has ready; true when there was something. */
static bool flush(struct kiln_link *conn)
{
	size_t len;
	const uint8_t *output = kiln_handshake_output(conn->handshake, &len);
	if (len == 0)
		return false;
	conn->tls_out.done = on_handshake_sent;
	kiln_io_send(conn->worker->io, &conn->tls_out, conn->tls_fd, output, (uint32_t)len);
	return true;
}

static void step(struct kiln_link *conn, struct kiln_buffer *buffer)
{
	struct kiln_error err = {0};
	size_t consumed;
	const enum kiln_step result =
	    kiln_handshake_step(conn->handshake, buffer != NULL ? buffer->data : NULL,
				buffer != NULL ? buffer->len : 0, &consumed, &err);
	if (result == KILN_STEP_DONE && buffer != NULL && consumed < buffer->len) {
		/* What came behind Finished is the connection's first data (or its first alert). */
		buffer->data += consumed;
		buffer->len -= (uint32_t)consumed;
		conn->early = buffer;
		buffer = NULL;
	}
	if (buffer != NULL)
		kiln_io_buffer_put(conn->worker->io, buffer);
	if (result == KILN_STEP_FAILED) {
		kiln_link_fail(conn, &err);
		return;
	}
	conn->handshake_done = result == KILN_STEP_DONE;
	if (flush(conn))
		return;
	if (conn->handshake_done)
		finish(conn);
	else
		receive(conn);
}

static void on_handshake_bytes(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_link *conn = KILN_LINK_OF(op, tls_in);
	struct kiln_error err = {0};
	if (kiln_link_absorb(conn, event))
		return;
	if (event->result > 0) {
		step(conn, event->buffer);
		return;
	}
	if (event->result == 0 && conn->roast != NULL)
		(void)kiln_roast_left(conn->roast, &err);
	else if (event->result == 0)
		(void)kiln_fail(&err, KILN_E_TLS_TRUNCATED,
				"the peer closed the connection during the handshake");
	else
		(void)kiln_fail_errno(&err, KILN_E_SYSTEM, -event->result,
				      "receiving failed during the handshake");
	kiln_link_fail(conn, &err);
}

static void on_handshake_sent(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_link *conn = KILN_LINK_OF(op, tls_out);
	struct kiln_error err = {0};
	if (kiln_link_absorb(conn, event))
		return;
	if (event->result <= 0) {
		(void)kiln_fail_errno(&err, KILN_E_SYSTEM, -event->result,
				      "sending failed during the handshake");
		kiln_link_fail(conn, &err);
		return;
	}
	kiln_handshake_sent(conn->handshake, (size_t)event->result);
	if (flush(conn))
		return;
	if (conn->handshake_done)
		finish(conn);
	else
		receive(conn);
}

void kiln_link_handshake(struct kiln_link *conn)
{
	struct kiln_worker *worker = conn->worker;
	struct kiln_error err = {0};
	conn->phase = KILN_PHASE_HANDSHAKE;
	conn->handshake_done = false;
	if (conn->roast != NULL) {
		conn->handshake =
		    kiln_roast_handshake(conn->roast, worker->config, worker->now, &err);
	} else {
		conn->started_us = kiln_worker_micros();
		conn->handshake = kiln_handshake_new(worker->config, kiln_wall_clock(), &err);
	}
	if (conn->handshake == NULL) {
		kiln_link_fail(conn, &err);
		return;
	}
	struct kiln_buffer *early = conn->early;
	conn->early = NULL;
	if (worker->settings.role == KILN_CLIENT) {
		/* Nobody speaks TLS to a client before it has begun. */
		if (early != NULL)
			kiln_io_buffer_put(worker->io, early);
		if (conn->roast == NULL)
			kiln_link_limit(conn, worker->settings.handshake_timeout);
		step(conn, NULL);
	} else if (early != NULL) {
		step(conn, early);
	} else {
		receive(conn);
	}
}
