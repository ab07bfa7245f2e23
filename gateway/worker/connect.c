/* SPDX-License-Identifier: Apache-2.0
 * Opening the target: its addresses in turn, within one deadline; then the PROXY v2 header. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#include "worker/worker.h"

static void try_next(struct kiln_link *conn);

static int *target_fd(struct kiln_link *conn)
{
	return conn->worker->settings.role == KILN_SERVER ? &conn->plain_fd : &conn->tls_fd;
}

static struct kiln_op *target_op(struct kiln_link *conn)
{
	return conn->worker->settings.role == KILN_SERVER ? &conn->plain_out : &conn->tls_out;
}

static void give_up(struct kiln_link *conn, int failed)
{
	struct kiln_error err = {0};
	conn->worker->counters->target_failed++;
	(void)kiln_fail_errno(&err, KILN_E_TARGET, failed, "the target %.100s cannot be reached",
			      conn->worker->settings.target_name);
	err.alert = KILN_ALERT_INTERNAL_ERROR;
	kiln_link_fail(conn, &err);
}

/* This address is of no use: the next one, or the end. */
static void try_another(struct kiln_link *conn, int failed)
{
	if (++conn->target < conn->worker->targets.count)
		try_next(conn);
	else
		give_up(conn, failed);
}

static void after_connect(struct kiln_link *conn, int failed)
{
	if (failed == 0) {
		kiln_link_after_connect(conn);
		return;
	}
	kiln_io_forget(conn->worker->io, *target_fd(conn));
	(void)close(*target_fd(conn));
	*target_fd(conn) = -1;
	try_another(conn, failed);
}

static void on_plain_connected(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_link *conn = KILN_LINK_OF(op, plain_out);
	if (!kiln_link_absorb(conn, event))
		after_connect(conn, -event->result);
}

static void on_tls_connected(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_link *conn = KILN_LINK_OF(op, tls_out);
	if (!kiln_link_absorb(conn, event))
		after_connect(conn, -event->result);
}

static void try_next(struct kiln_link *conn)
{
	struct kiln_worker *worker = conn->worker;
	struct kiln_endpoint *address = conn->connecting;
	if (address == NULL)
		address = conn->connecting = malloc(sizeof *address);
	if (address == NULL) {
		give_up(conn, ENOMEM);
		return;
	}
	*address = worker->targets.at[conn->target];
	const int family = address->addr.ss_family;
	const int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		try_another(conn, errno); /* a machine without IPv6, say */
		return;
	}
	const int on = 1;
	if (family != AF_UNIX)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	*target_fd(conn) = fd;
	const bool server = worker->settings.role == KILN_SERVER;
	if (server)
		conn->plain_unix = family == AF_UNIX;
	else
		conn->tls_unix = family == AF_UNIX;
	struct kiln_op *op = target_op(conn);
	op->done = server ? on_plain_connected : on_tls_connected;
	kiln_io_connect(worker->io, op, fd, (const struct sockaddr *)&address->addr, address->len);
}

void kiln_link_connect(struct kiln_link *conn)
{
	struct kiln_worker *worker = conn->worker;
	conn->phase = KILN_PHASE_CONNECT;
	conn->target = 0;
	kiln_link_limit(conn, worker->settings.connect_timeout);
	try_next(conn);
}

static void on_header_sent(struct kiln_op *op, const struct kiln_event *event);

static void send_header(struct kiln_link *conn, uint16_t sent)
{
	conn->plain_out.done = on_header_sent;
	kiln_io_send(conn->worker->io, &conn->plain_out, conn->plain_fd, conn->proxy_header + sent,
		     (uint32_t)(conn->proxy_header_len - sent));
}

static void on_header_sent(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_link *conn = KILN_LINK_OF(op, plain_out);
	if (kiln_link_absorb(conn, event))
		return;
	if (event->result <= 0) {
		give_up(conn, -event->result);
		return;
	}
	/* len is what this send was for; the rest of the header follows it. */
	if ((uint32_t)event->result < op->len) {
		send_header(conn,
			    (uint16_t)(conn->proxy_header_len - op->len + (uint32_t)event->result));
		return;
	}
	free(conn->proxy_header);
	conn->proxy_header = NULL;
	kiln_link_relay(conn);
}

void kiln_link_after_connect(struct kiln_link *conn)
{
	free(conn->connecting);
	conn->connecting = NULL;
	if (conn->worker->settings.role == KILN_CLIENT && conn->worker->settings.roast) {
		kiln_link_roast(conn);
	} else if (conn->worker->settings.role == KILN_CLIENT) {
		kiln_link_handshake(conn);
	} else if (conn->proxy_header != NULL) {
		conn->phase = KILN_PHASE_PROXY_SEND;
		kiln_link_guard_plain(conn);
		send_header(conn, 0);
	} else {
		kiln_link_relay(conn);
	}
}
