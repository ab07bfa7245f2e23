/* SPDX-License-Identifier: Apache-2.0
 * Driving the Roast machine in front of TLS: bytes from the socket, questions to the identity
 * agent. At any time one thing is waited for: bytes, room to send, or an answer. */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "roast/roast.h"
#include "worker/worker.h"

/* A hello's usual size and some more; the machine bounds the sum. */
#define HELLO_READ 16384u

static void on_hello_bytes(struct kiln_op *op, const struct kiln_event *event);
static void on_hello_sent(struct kiln_op *op, const struct kiln_event *event);
static void act(struct kiln_link *conn, enum kiln_roast_step step, const struct kiln_error *err);

static void feed(struct kiln_link *conn, struct kiln_buffer *buffer)
{
	struct kiln_error err = {0};
	size_t consumed;
	const enum kiln_roast_step step = kiln_roast_step(conn->roast, buffer->data, buffer->len,
							  &consumed, conn->worker->now, &err);
	/* Nothing is left of it: a buffer that waited along with a question to STS would be missing
	 * where bytes are relayed. */
	kiln_io_buffer_put(conn->worker->io, buffer);
	act(conn, step, &err);
}

static void receive(struct kiln_link *conn)
{
	struct kiln_buffer *early = conn->early;
	if (early != NULL) {
		conn->early = NULL;
		feed(conn, early);
		return;
	}
	conn->tls_in.done = on_hello_bytes;
	kiln_io_recv_once(conn->worker->io, &conn->tls_in, conn->tls_fd, HELLO_READ);
}

/* ---- questions ----------------------------------------------------------------------------- */

static void fill_source(const struct kiln_link *conn, uint8_t source[KILN_AGENT_SOURCE])
{
	struct sockaddr_storage address;
	memset(&address, 0, sizeof address);
	if (conn->proxied != NULL)
		address = conn->proxied[0];
	else
		memcpy(&address, &conn->peer_address, sizeof conn->peer_address);
	memset(source, 0, KILN_AGENT_SOURCE);
	if (conn->worker->settings.role == KILN_CLIENT)
		return; /* nobody makes us connect: the peer is whom we chose */
	if (address.ss_family == AF_INET6) {
		memcpy(source, &((struct sockaddr_in6 *)&address)->sin6_addr, 16);
	} else if (address.ss_family == AF_INET) {
		source[10] = source[11] = 0xff;
		memcpy(source + 12, &((struct sockaddr_in *)&address)->sin_addr, 4);
	}
}

static void ask(struct kiln_link *conn)
{
	const struct kiln_roast_question *question = kiln_roast_question(conn->roast);
	struct kiln_agent_message message;
	struct kiln_error err = {0};
	memset(&message, 0, sizeof message);
	if (question->ask == KILN_ROAST_PROVE) {
		union { /* sending takes no const, and does not write */
			const uint8_t *in;
			uint8_t *out;
		} payload = {.in = question->payload};
		message.type = KILN_AGENT_PROVE;
		if (question->as != NULL)
			message.role = *question->as;
		message.proof.body = payload.out;
		message.proof.body_len = question->payload_len;
	} else {
		message.type = KILN_AGENT_VERIFY;
		message.proof = *question->proof;
		fill_source(conn, message.source);
	}
	const enum kiln_code rc =
	    kiln_asker_ask(&conn->worker->asker, conn, &message, &conn->question, &err);
	conn->unasked = rc == KILN_E_AGAIN;
	if (rc == KILN_OK || rc == KILN_E_AGAIN)
		return;
	struct kiln_error why = {0};
	const enum kiln_roast_step step = kiln_roast_unanswered(conn->roast, &err, &why);
	act(conn, step, &why);
}

/* The target may rely on who the peer is: without room for that, the connection cannot go on. */
static bool remember_peer(struct kiln_link *conn, struct kiln_error *err)
{
	const struct kiln_roast_peer *peer = kiln_roast_peer(conn->roast);
	char arn[KILN_AWS_ROLE_ARN_MAX];
	if (peer == NULL || conn->peer_role != NULL)
		return true;
	kiln_aws_role_format(&peer->role, arn);
	free(conn->peer_name);
	conn->peer_name = strdup(arn);
	conn->peer_role = malloc(sizeof *conn->peer_role);
	if (conn->peer_name == NULL || conn->peer_role == NULL) {
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for the peer's role");
		return false;
	}
	*conn->peer_role = peer->role;
	return true;
}

void kiln_link_answered(struct kiln_link *conn, const struct kiln_agent_message *answer)
{
	const uint64_t now = conn->worker->now;
	struct kiln_error err = {0}, why = {.code = answer->code};
	enum kiln_roast_step step;
	conn->question = 0;
	if (conn->phase != KILN_PHASE_ROAST)
		return;
	if (answer->type == KILN_AGENT_PROVED) {
		step = kiln_roast_proved(conn->roast, &answer->proof, now, &err);
	} else if (answer->type == KILN_AGENT_VERIFIED) {
		step = kiln_roast_verified(conn->roast, &answer->role, answer->session, now, &err);
		if (!remember_peer(conn, &err))
			step = KILN_ROAST_FAILED;
	} else if (answer->code == KILN_E_AGAIN) {
		kiln_link_unasked(conn); /* until the agent says who we are now */
		return;
	} else {
		memcpy(why.message, answer->text, sizeof why.message);
		step = kiln_roast_unanswered(conn->roast, &why, &err);
	}
	act(conn, step, &err);
}

/* ---- bytes --------------------------------------------------------------------------------- */

/* Sends what the machine has ready; true when there was something. */
static bool flush(struct kiln_link *conn)
{
	size_t len;
	const uint8_t *output = kiln_roast_output(conn->roast, &len);
	if (len == 0)
		return false;
	conn->tls_out.done = on_hello_sent;
	kiln_io_send(conn->worker->io, &conn->tls_out, conn->tls_fd, output, (uint32_t)len);
	return true;
}

static void go_on(struct kiln_link *conn)
{
	if (conn->handshake_done)
		kiln_link_handshake(conn);
	else
		receive(conn);
}

static void act(struct kiln_link *conn, enum kiln_roast_step step, const struct kiln_error *err)
{
	switch (step) {
	case KILN_ROAST_FAILED: kiln_link_fail(conn, err); return;
	case KILN_ROAST_ASK: ask(conn); return;
	case KILN_ROAST_DONE: conn->handshake_done = true; break;
	case KILN_ROAST_NEED_INPUT: break;
	}
	if (!flush(conn))
		go_on(conn);
}

static void on_hello_bytes(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_link *conn = KILN_LINK_OF(op, tls_in);
	struct kiln_error err = {0};
	if (kiln_link_absorb(conn, event))
		return;
	if (event->result > 0) {
		feed(conn, event->buffer);
		return;
	}
	if (event->result == 0)
		(void)kiln_roast_ended(conn->roast, &err);
	else
		(void)kiln_fail_errno(&err, KILN_E_SYSTEM, -event->result,
				      "receiving failed while waiting for the peer's hello");
	kiln_link_fail(conn, &err);
}

static void on_hello_sent(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_link *conn = KILN_LINK_OF(op, tls_out);
	struct kiln_error err = {0};
	if (kiln_link_absorb(conn, event))
		return;
	if (event->result <= 0) {
		(void)kiln_fail_errno(&err, KILN_E_SYSTEM, -event->result,
				      "sending our hello failed");
		kiln_link_fail(conn, &err);
		return;
	}
	kiln_roast_sent(conn->roast, (size_t)event->result);
	if (!flush(conn))
		go_on(conn);
}

/* ---- start --------------------------------------------------------------------------------- */

/* The address alone, as Go's peers put it into their hello. */
static void format_host(const struct sockaddr_storage *address, char text[INET6_ADDRSTRLEN])
{
	const void *from = address->ss_family == AF_INET6
			       ? (const void *)&((const struct sockaddr_in6 *)address)->sin6_addr
			       : (const void *)&((const struct sockaddr_in *)address)->sin_addr;
	if (inet_ntop(address->ss_family, from, text, INET6_ADDRSTRLEN) == NULL)
		text[0] = '\0';
}

static void begin(struct kiln_link *conn)
{
	struct kiln_worker *worker = conn->worker;
	const struct kiln_settings *settings = &worker->settings;
	struct sockaddr_storage address;
	socklen_t len = sizeof address;
	char host[INET6_ADDRSTRLEN] = "", peer[KILN_ADDRESS_TEXT] = "";
	struct kiln_error err = {0};
	size_t consumed;
	memset(&address, 0, sizeof address);
	if (getpeername(conn->tls_fd, (struct sockaddr *)&address, &len) == 0) {
		format_host(&address, host);
		(void)kiln_address_format(&address, len, peer);
	}
	const struct kiln_roast_options options = {
	    .role = settings->role,
	    .allowed = settings->roles,
	    .allowed_count = settings->role_count,
	    .require_binding = settings->require_binding,
	    .own_role = &worker->asker.role,
	    .server_name = host,
	    .peer = peer,
	};
	conn->roast = kiln_roast_new(&options, kiln_wall_clock(), worker->now, &err);
	if (conn->roast == NULL) {
		kiln_link_fail(conn, &err);
		return;
	}
	const enum kiln_roast_step step =
	    kiln_roast_step(conn->roast, NULL, 0, &consumed, worker->now, &err);
	act(conn, step, &err);
}

void kiln_link_unasked(struct kiln_link *conn)
{
	conn->question = 0;
	conn->unasked = true;
}

void kiln_link_identity(struct kiln_link *conn)
{
	const struct kiln_asker *asker = &conn->worker->asker;
	struct kiln_error err;
	if (conn->phase != KILN_PHASE_ROAST || (conn->roast != NULL && !conn->unasked))
		return;
	if (!asker->known) {
		err = asker->unknown;
		kiln_link_fail(conn, &err);
	} else if (conn->roast == NULL) {
		begin(conn);
	} else {
		ask(conn);
	}
}

void kiln_link_roast(struct kiln_link *conn)
{
	struct kiln_worker *worker = conn->worker;
	conn->phase = KILN_PHASE_ROAST;
	conn->started_us = kiln_worker_micros();
	if (worker->settings.role == KILN_CLIENT)
		kiln_link_limit(conn, worker->settings.handshake_timeout);
	if (!worker->asker.pending)
		kiln_link_identity(conn);
}
