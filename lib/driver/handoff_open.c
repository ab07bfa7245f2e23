/* SPDX-License-Identifier: Apache-2.0
 * A connection out of a hand-off message and its descriptors. */
#include "driver/handoff.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/bytes.h"
#include "tls/suite.h"

static void take_direction(const struct kiln_handoff_direction *from, uint16_t suite,
			   struct kiln_traffic *to)
{
	to->suite = kiln_suite_find(suite);
	to->where = KILN_IN_KERNEL;
	memcpy(to->secret, from->secret, from->secret_len);
	to->records = from->records;
	to->limit = from->limit;
	to->key_updates = from->key_updates;
	memcpy(to->message, from->message, sizeof to->message);
	to->message_have = from->message_have;
	to->message_left = from->message_left;
	to->useless = from->useless;
}

static enum kiln_code take_early(const struct kiln_handoff_message *m, struct kiln_conn *conn,
				 struct kiln_error *err)
{
	if (m->early_len == 0)
		return KILN_OK;
	conn->early = malloc(m->early_len);
	if (conn->early == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a connection's first bytes");
	memcpy(conn->early, m->early, m->early_len);
	conn->early_len = m->early_len;
	return KILN_OK;
}

static enum kiln_code take_message(const struct kiln_handoff_message *m, struct kiln_conn *conn,
				   struct kiln_error *err)
{
	struct kiln_session *session = &conn->session;
	session->suite = m->suite;
	session->peer = m->peer;
	memcpy(session->server_name, m->server_name, sizeof session->server_name);
	memcpy(session->alpn, m->alpn, sizeof session->alpn);
	memcpy(session->group, m->group, sizeof session->group);
	(void)snprintf(conn->path_reason, sizeof conn->path_reason, "%s", m->path_reason);
	memcpy(conn->exporter, m->exporter, sizeof m->exporter);
	conn->exporter_len = sizeof m->exporter;
	conn->has_role = m->info.proof == KILN_PROOF_ROAST;
	conn->role = m->role;
	conn->relayed = !m->in_kernel;
	conn->rx_closed = conn->end_unread = m->rx_closed;
	conn->update_wanted = m->update_wanted;
	conn->no_secrets = m->rx.secret_len == 0 || m->tx.secret_len == 0;
	if (m->in_kernel) {
		take_direction(&m->rx, m->suite, &session->rx);
		take_direction(&m->tx, m->suite, &session->tx);
	}
	conn->handoff = malloc(sizeof *conn->handoff);
	if (conn->handoff == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a connection");
	*conn->handoff = m->info;
	return take_early(m, conn, err);
}

static enum kiln_code check_descriptors(const struct kiln_handoff_message *m, const int *fds,
					size_t count, bool nonblocking, struct kiln_error *err)
{
	if (count != (m->in_kernel ? 1 : 2))
		return kiln_fail(err, KILN_E_HANDOFF,
				 "a hand-off message came with %zu descriptors; is the limit of "
				 "open files reached?",
				 count);
	for (size_t i = 0; i < count; i++) {
		const int flags = nonblocking || i > 0 ? O_NONBLOCK : 0;
		int type = 0;
		socklen_t len = sizeof type;
		if (getsockopt(fds[i], SOL_SOCKET, SO_TYPE, &type, &len) != 0 ||
		    type != (i == 0 ? SOCK_STREAM : SOCK_SEQPACKET))
			return kiln_fail(err, KILN_E_HANDOFF,
					 "a hand-off message came with another descriptor");
		if (fcntl(fds[i], F_SETFL, flags) != 0)
			return kiln_fail_errno(err, KILN_E_SYSTEM, errno,
					       "the mode of a descriptor cannot be set");
	}
	return KILN_OK;
}

enum kiln_code kiln_driver_handoff_open(const struct kiln_handoff_message *m, const int *fds,
					size_t fd_count, bool nonblocking, struct kiln_conn **out,
					struct kiln_error *err)
{
	enum kiln_code rc = check_descriptors(m, fds, fd_count, nonblocking, err);
	if (rc != KILN_OK)
		return rc;
	struct kiln_conn *conn = calloc(1, sizeof *conn);
	if (conn == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a connection");
	conn->sys = &kiln_sys_linux;
	conn->fd = fds[0];
	conn->notice_fd = -1;
	rc = take_message(m, conn, err);
	if (rc != KILN_OK) {
		kiln_driver_forget(conn);
		return rc;
	}
	if (conn->relayed)
		conn->notice_fd = fds[1];
	*out = conn;
	return KILN_OK;
}

const struct kiln_handoff_info *kiln_conn_handoff(const struct kiln_conn *conn)
{
	return conn->handoff;
}
