/* SPDX-License-Identifier: Apache-2.0
 * A stream that broke: the TLS peer went away without close_notify, or can be followed no further.
 * The plain side is told by a reset, and a reset overtakes whatever that side has not taken yet. So
 * what came before the break, which is good data, is waited for; the socket is looked at now and
 * then, because no event tells when the last byte was acknowledged. */
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include "worker/relay.h"
#include "worker/worker.h"

/* Bytes acknowledged in all; *rest is false once nothing is on the way. */
static uint64_t acknowledged(int fd, bool *rest)
{
	struct tcp_info info = {0};
	socklen_t len = sizeof info;
	*rest = false; /* a Unix socket's bytes are with the peer already */
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &len) != 0)
		return 0;
	*rest = info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0;
	return info.tcpi_bytes_acked;
}

void kiln_link_broken_check(struct kiln_link *conn)
{
	struct kiln_worker *worker = conn->worker;
	const uint32_t patience = worker->settings.send_timeout;
	bool rest;
	const uint64_t acked = acknowledged(conn->plain_fd, &rest);
	if (acked != conn->acknowledged) {
		conn->acknowledged = acked;
		conn->up.moved_at = worker->now;
	}
	if (!rest || (patience > 0 && worker->now - conn->up.moved_at >= patience))
		kiln_link_reset(conn);
	else
		kiln_link_limit(conn, KILN_WHEEL_TICK);
}

void kiln_link_break(struct kiln_link *conn)
{
	conn->phase = KILN_PHASE_BROKEN;
	conn->up.moved_at = conn->worker->now;
	kiln_io_cancel(conn->worker->io, &conn->tls_in);
	kiln_io_cancel(conn->worker->io, &conn->plain_in);
	kiln_link_broken_check(conn);
}

void kiln_link_cut(struct kiln_link *conn, const struct kiln_error *err)
{
	struct kiln_io *io = conn->worker->io;
	struct kiln_flow *down = &conn->down;
	kiln_link_remember(conn, err);
	conn->alert_due = err->alert;
	kiln_link_say_due(conn);
	down->told = true; /* nothing goes behind an alert */
	kiln_flow_drop(down, io);
	kiln_io_cancel(io, &conn->plain_in);
	kiln_io_cancel(io, &conn->tls_in);
	conn->up.end = KILN_FLOW_BROKEN;
	kiln_link_pump_up(conn);
}
