/* SPDX-License-Identifier: Apache-2.0
 * A new connection: accept, limits, socket options, an expected PROXY v2 header. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/proxy_v2.h"
#include "worker/worker.h"
#include "worker/log_events.h"

#define ACCEPT_RETRY_MS 100u

static void set_options(int fd)
{
	/* Each may fail on a Unix socket, and none of them decides whether the relay works. */
	const int on = 1;
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	(void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
}

static void begin(struct kiln_link *conn)
{
	if (conn->worker->settings.role == KILN_CLIENT)
		kiln_link_connect(conn);
	else if (conn->worker->settings.roast)
		kiln_link_roast(conn);
	else
		kiln_link_handshake(conn);
}

static void take_proxy_header(struct kiln_link *conn, const struct kiln_proxy_info *info)
{
	const sa_family_t family = info->source.ss_family;
	if (info->command == KILN_PROXY_LOCAL || (family != AF_INET && family != AF_INET6))
		return;
	conn->proxied = calloc(2, sizeof *conn->proxied);
	if (conn->proxied == NULL)
		return;
	conn->proxied[0] = info->source;
	conn->proxied[1] = info->destination;
}

static void on_proxy_tls(struct kiln_op *op, const struct kiln_event *event);
static void on_proxy_plain(struct kiln_op *op, const struct kiln_event *event);

static void read_proxy_header(struct kiln_link *conn, size_t count)
{
	const bool server = conn->worker->settings.role == KILN_SERVER;
	struct kiln_op *op = server ? &conn->tls_in : &conn->plain_in;
	op->done = server ? on_proxy_tls : on_proxy_plain;
	kiln_io_recv_once(conn->worker->io, op, server ? conn->tls_fd : conn->plain_fd,
			  (uint32_t)count);
}

static void take_proxy_bytes(struct kiln_link *conn, const struct kiln_event *event)
{
	struct kiln_error err = {0};
	if (kiln_link_absorb(conn, event))
		return;
	if (event->result <= 0) {
		(void)kiln_fail_errno(&err, KILN_E_PROXY_HEADER, -event->result,
				      "the connection ended inside its PROXY v2 header");
		kiln_link_fail(conn, &err);
		return;
	}
	/* The decoder asked for no more than the longest header, which the block has room for. */
	memcpy(conn->partial + conn->partial_len, event->buffer->data, event->buffer->len);
	conn->partial_len += event->buffer->len;
	kiln_io_buffer_put(conn->worker->io, event->buffer);
	struct kiln_proxy_info info;
	size_t count = 0;
	switch (kiln_proxy_v2_decode(conn->partial, conn->partial_len, &count, &info, &err)) {
	case KILN_PROXY_NEED: read_proxy_header(conn, count); return;
	case KILN_PROXY_REFUSED: kiln_link_fail(conn, &err); return;
	case KILN_PROXY_DONE: break;
	}
	take_proxy_header(conn, &info);
	kiln_worker_put_partial(conn->worker, conn->partial);
	conn->partial = NULL;
	conn->partial_len = 0;
	begin(conn);
}

static void on_proxy_tls(struct kiln_op *op, const struct kiln_event *event)
{
	take_proxy_bytes(KILN_LINK_OF(op, tls_in), event);
}

static void on_proxy_plain(struct kiln_op *op, const struct kiln_event *event)
{
	take_proxy_bytes(KILN_LINK_OF(op, plain_in), event);
}

static void expect_proxy_header(struct kiln_link *conn)
{
	struct kiln_error err = {0};
	conn->phase = KILN_PHASE_PROXY_HEADER;
	conn->partial = kiln_worker_take_partial(conn->worker);
	if (conn->partial == NULL) {
		(void)kiln_fail(&err, KILN_E_NO_MEMORY, "no memory for a PROXY header");
		kiln_link_fail(conn, &err);
		return;
	}
	read_proxy_header(conn, KILN_PROXY_V2_FIXED);
}

void kiln_link_start(struct kiln_worker *worker, int fd)
{
	struct kiln_link *conn = calloc(1, sizeof *conn);
	if (conn == NULL) {
		(void)close(fd);
		worker->counters->accept_errors++;
		return;
	}
	const bool server = worker->settings.role == KILN_SERVER;
	conn->worker = worker;
	conn->tls_fd = server ? fd : -1;
	conn->plain_fd = server ? -1 : fd;
	conn->deadline.expired = kiln_link_expired;
	conn->id = ++worker->next_id;
	conn->started_at = worker->now;
	conn->next = worker->conns;
	if (worker->conns != NULL)
		worker->conns->prev = conn;
	worker->conns = conn;
	worker->conn_count++;
	worker->counters->accepted++;
	worker->counters->active = worker->conn_count;
	kiln_board_accepted(worker->board, worker->index, worker->conn_count,
			    worker->settings.max_connections);

	socklen_t len = sizeof conn->peer_address;
	if (getpeername(fd, (struct sockaddr *)&conn->peer_address, &len) != 0)
		conn->peer_address.sin6_family = AF_UNSPEC;
	const bool is_unix = conn->peer_address.sin6_family == AF_UNIX;
	conn->tls_unix = server && is_unix;
	conn->plain_unix = !server && is_unix;
	set_options(fd);
	kiln_link_limit(conn, worker->settings.handshake_timeout);
	if (worker->settings.proxy_in)
		expect_proxy_header(conn);
	else
		begin(conn);
}

/* Who is in the queue was told by the kernel that the connection stands. The shortest timeout makes
 * accept return when there is nobody; O_NONBLOCK would do so for other workers' rings too, because
 * it belongs to what all processes share of a descriptor. */
void kiln_listener_take_rest(struct kiln_listener *listener)
{
	const struct timeval soon = {.tv_usec = 1};
	if (setsockopt(listener->fd, SOL_SOCKET, SO_RCVTIMEO, &soon, sizeof soon) != 0)
		return;
	for (int fd; (fd = accept4(listener->fd, NULL, NULL, SOCK_CLOEXEC)) >= 0;)
		kiln_link_start(listener->worker, fd);
}

static void on_accept(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_listener *listener =
	    (struct kiln_listener *)(void *)((char *)op - offsetof(struct kiln_listener, op));
	struct kiln_worker *worker = listener->worker;
	if (event->result >= 0) {
		kiln_link_start(worker, event->result);
		if (worker->conn_count >= worker->settings.max_connections &&
		    !worker->accept_paused) {
			worker->counters->refused_limit++;
			kiln_log_connection_limit(worker);
			kiln_worker_pause_accept(worker, 0);
		}
		goto rearm; /* a connection may come with the last event as well */
	}
	if (event->result == -ECANCELED || event->result == -EAGAIN ||
	    event->result == -ECONNABORTED)
		goto rearm;
	/* EMFILE, ENFILE, ENOBUFS, ENOMEM: wait until a connection ends, or a moment. */
	worker->counters->accept_errors++;
	kiln_log_accept_error(worker, -event->result);
	kiln_worker_pause_accept(worker, ACCEPT_RETRY_MS);
	return;
rearm:
	if (!op->armed && worker->accepting && !worker->accept_paused)
		kiln_io_accept(worker->io, op, listener->fd);
}

void kiln_worker_listen(struct kiln_worker *worker, int fd)
{
	if (worker->listener_count == KILN_LISTEN_MAX)
		return;
	struct kiln_listener *listener = &worker->listeners[worker->listener_count++];
	listener->worker = worker;
	listener->fd = fd;
	listener->op.done = on_accept;
}
