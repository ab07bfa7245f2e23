/* SPDX-License-Identifier: Apache-2.0
 * Handing one connection off: what the application learns about it, the descriptors that go with
 * that, and what becomes of it here. docs/handoff.md. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "base/sys.h"
#include "roast/roast.h"
#include "tls/suite.h"
#include "worker/handoff.h"
#include "worker/log_events.h"
#include "worker/path.h"
#include "worker/worker.h"

#define FATAL 2u /* an alert's level, RFC 8446 6 */

/* ---- the message --------------------------------------------------------------------------- */

static void fill_identity(const struct kiln_link *conn, const struct kiln_session *session,
			  struct kiln_handoff_message *m)
{
	const struct kiln_roast_peer *role =
	    conn->roast != NULL ? kiln_roast_peer(conn->roast) : NULL;
	m->peer = session->peer;
	m->info.proof = session->peer.present ? KILN_PROOF_PKI : KILN_PROOF_NONE;
	if (role == NULL)
		return;
	m->info.proof = KILN_PROOF_ROAST;
	m->role = *role;
}

static void fill_addresses(const struct kiln_link *conn, struct kiln_handoff_info *info)
{
	socklen_t len = sizeof info->local;
	memcpy(&info->peer, &conn->peer_address, sizeof conn->peer_address);
	if (getsockname(conn->tls_fd, (struct sockaddr *)&info->local, &len) != 0)
		info->local.ss_family = AF_UNSPEC;
	if (conn->proxied == NULL)
		return;
	info->client = conn->proxied[0];
	info->destination = conn->proxied[1];
}

bool kiln_link_prepare_handoff(struct kiln_link *conn, const struct kiln_session *session,
			       struct kiln_error *err)
{
	const char *label = conn->worker->settings.handoff_label;
	struct kiln_handing *h = calloc(1, sizeof *h);
	if (h == NULL) {
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for handing it off");
		return false;
	}
	conn->handing = h;
	h->link = conn;
	h->theirs[0] = h->theirs[1] = -1;
	struct kiln_handoff_message *m = &h->message;
	m->kind = KILN_HANDOFF_CONNECTION;
	m->info.id = conn->id;
	m->suite = session->suite;
	memcpy(m->server_name, session->server_name, sizeof m->server_name);
	memcpy(m->alpn, session->alpn, sizeof m->alpn);
	memcpy(m->group, session->group, sizeof m->group);
	fill_identity(conn, session, m);
	fill_addresses(conn, &m->info);
	(void)snprintf(m->info.exporter_label, sizeof m->info.exporter_label, "%s", label);
	return kiln_handshake_export(conn->handshake, label, NULL, 0, m->exporter,
				     sizeof m->exporter, err) == KILN_OK;
}

/* The secrets only where the kernel would take another key: whoever has the socket can read the
 * keys in it anyway, but not those that come after them. */
static void fill_direction(const struct kiln_traffic *from, bool rekey,
			   struct kiln_handoff_direction *to)
{
	to->secret_len = rekey ? from->suite->hash_len : 0;
	memcpy(to->secret, from->secret, to->secret_len);
	to->records = from->records;
	to->limit = from->limit;
	to->key_updates = from->key_updates;
	memcpy(to->message, from->message, sizeof to->message);
	to->message_have = from->message_have;
	to->message_left = from->message_left;
	to->useless = from->useless;
}

static void fill_path(const struct kiln_link *conn, struct kiln_handoff_message *m)
{
	m->in_kernel = conn->path == KILN_PATH_KTLS;
	if (!m->in_kernel) {
		(void)snprintf(m->path_reason, sizeof m->path_reason, "%s",
			       kiln_path_name((enum kiln_path_reason)conn->path));
		return;
	}
	const bool rekey = conn->worker->settings.kernel.rekey;
	fill_direction(&conn->rx, rekey, &m->rx);
	fill_direction(&conn->tx, rekey, &m->tx);
	m->rx_closed = conn->up.end == KILN_FLOW_ENDED;
	m->update_wanted = conn->key_update_wanted;
}

/* ---- sending ------------------------------------------------------------------------------- */

/* What was decrypted before the keys went into the kernel, in one piece. */
static bool gather_early(const struct kiln_link *conn, struct kiln_handoff_message *m,
			 uint8_t room[KILN_HANDOFF_EARLY_MAX])
{
	m->early = room;
	m->early_len = 0;
	for (const struct kiln_buffer *b = m->in_kernel ? conn->up.head : NULL; b != NULL;
	     b = b->next) {
		if (b->len > KILN_HANDOFF_EARLY_MAX - m->early_len)
			return false;
		memcpy(room + m->early_len, b->data, b->len);
		m->early_len += b->len;
	}
	return true;
}

static int send_with(const struct kiln_sys *sys, int channel, const uint8_t *bytes, size_t len,
		     const int *fds, size_t count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(2 * sizeof(int))];
	} control = {0};
	union {
		const void *in;
		void *out;
	} data = {.in = bytes}; /* sendmsg takes no const, and does not write */
	struct iovec part = {.iov_base = data.out, .iov_len = len};
	const struct msghdr message = {
	    .msg_iov = &part,
	    .msg_iovlen = 1,
	    .msg_control = control.bytes,
	    .msg_controllen = CMSG_SPACE(count * sizeof(int)),
	};
	control.align.cmsg_level = SOL_SOCKET;
	control.align.cmsg_type = SCM_RIGHTS;
	control.align.cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(&control.align), fds, count * sizeof(int));
	ssize_t n;
	do
		n = sys->sendmsg(channel, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len)
		return 1;
	if (n >= 0) { /* a packet goes whole, or this is none of our sockets */
		errno = EPROTO;
		return -1;
	}
	switch (errno) {
	case EAGAIN:
	case ENOBUFS:
	case ENOMEM:
	case ETOOMANYREFS: return 0;
	case EPIPE:
	case ECONNRESET:
	case ECONNREFUSED:
	case ENOTCONN: return -1;
	default: return -2;
	}
}

int kiln_handing_send(struct kiln_handing *h, int channel)
{
	/* One thread, and too large for a stack. */
	static uint8_t early[KILN_HANDOFF_EARLY_MAX], bytes[KILN_HANDOFF_MESSAGE_MAX];
	struct kiln_link *conn = h->link;
	struct kiln_handoff_message *m = &h->message;
	const struct kiln_sys *sys =
	    conn->worker->sys != NULL ? conn->worker->sys : &kiln_sys_linux;
	int sent = -2;
	errno = EMSGSIZE;
	if (gather_early(conn, m, early)) {
		const size_t len = kiln_handoff_encode(m, bytes, sizeof bytes);
		if (len > 0)
			sent = m->in_kernel ? send_with(sys, channel, bytes, len, &conn->tls_fd, 1)
					    : send_with(sys, channel, bytes, len, h->theirs, 2);
		const int why = errno;
		kiln_wipe(bytes, len);
		kiln_wipe(early, m->early_len);
		errno = why;
	}
	m->early = NULL;
	m->early_len = 0;
	conn->lent |= sent == 1;
	return sent;
}

/* ---- what becomes of it -------------------------------------------------------------------- */

static void release(struct kiln_handing *h)
{
	struct kiln_link *conn = h->link;
	if (conn->phase == KILN_PHASE_HANDOFF)
		kiln_handoff_remove(&conn->worker->handoff, h);
	for (int i = 0; i < 2; i++)
		if (h->theirs[i] >= 0)
			(void)close(h->theirs[i]);
	kiln_wipe(h, sizeof *h);
	free(h);
	conn->handing = NULL;
}

void kiln_link_unhand(struct kiln_link *conn, const struct kiln_error *err)
{
	if (!conn->worker->settings.handoff || conn->handing == NULL)
		return;
	if (conn->phase == KILN_PHASE_HANDOFF) {
		conn->worker->counters->handoff_failed++;
		kiln_link_log_handoff(conn, err);
	}
	release(conn->handing);
}

void kiln_handing_failed(struct kiln_handing *h, const struct kiln_error *err)
{
	struct kiln_error why = *err;
	why.alert = KILN_ALERT_INTERNAL_ERROR;
	kiln_link_fail(h->link, &why);
}

void kiln_handing_taken(struct kiln_handing *h)
{
	struct kiln_link *conn = h->link;
	struct kiln_worker *worker = conn->worker;
	worker->counters->handed_off++;
	worker->handoff.failures = 0;
	kiln_link_log_handoff(conn, NULL);
	release(h);
	conn->lent = false;
	if (conn->path != KILN_PATH_KTLS) {
		kiln_link_relay(conn);
		return;
	}
	conn->handed_off = true;
	kiln_link_drop(conn); /* closes no connection: the application's descriptor holds it */
}

/* Both streams, and the socket that tells of their ends: in a Unix socket's end there is no
 * difference between a FIN and a process that died. */
static bool make_pairs(struct kiln_link *conn)
{
	const int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
	int stream[2], notice[2];
	if (socketpair(AF_UNIX, SOCK_STREAM | flags, 0, stream) != 0)
		return false;
	conn->plain_fd = stream[0];
	conn->handing->theirs[0] = stream[1];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | flags, 0, notice) != 0)
		return false;
	conn->notice_fd = notice[0];
	conn->has_notice = true;
	conn->handing->theirs[1] = notice[1];
	return true;
}

void kiln_link_hand_off(struct kiln_link *conn)
{
	struct kiln_worker *worker = conn->worker;
	struct kiln_error err = {0};
	fill_path(conn, &conn->handing->message);
	conn->plain_unix = true;
	if (conn->path != KILN_PATH_KTLS && !make_pairs(conn)) {
		(void)kiln_fail_errno(&err, KILN_E_SYSTEM, errno, "no sockets for handing it off");
		err.alert = KILN_ALERT_INTERNAL_ERROR;
		kiln_link_fail(conn, &err);
		return;
	}
	/* Nothing is armed on the socket, and nothing here watches it: what it receives from now on
	 * is the application's. */
	kiln_io_forget(worker->io, conn->tls_fd);
	conn->phase = KILN_PHASE_HANDOFF;
	kiln_handoff_add(&worker->handoff, conn->handing);
	kiln_link_limit(conn, worker->settings.connect_timeout);
	kiln_handoff_flush(&worker->handoff);
}

/* ---- ends of a relayed one ----------------------------------------------------------------- */

void kiln_link_notify(const struct kiln_link *conn, uint8_t level, uint8_t alert)
{
	const uint8_t notice[2] = {level, alert};
	if (conn->has_notice)
		(void)send(conn->notice_fd, notice, sizeof notice, MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* An application that closed without having read our alert (as when it answers and leaves) leaves
 * ECONNRESET, once, in front of its own. */
static ssize_t receive_notice(const struct kiln_link *conn, uint8_t notice[2])
{
	bool reset = false;
	for (;;) {
		const ssize_t n = recv(conn->notice_fd, notice, 2, MSG_DONTWAIT);
		if (n >= 0 || (errno != EINTR && (errno != ECONNRESET || reset)))
			return n;
		reset |= errno == ECONNRESET;
	}
}

bool kiln_link_plain_ended(struct kiln_link *conn, int result)
{
	uint8_t notice[2];
	if (!conn->has_notice)
		return result == 0;
	if (receive_notice(conn, notice) != (ssize_t)sizeof notice)
		return false;
	if (notice[1] == KILN_ALERT_CLOSE_NOTIFY)
		return true;
	if (notice[0] == FATAL)
		conn->alert_plain = notice[1];
	return false;
}
