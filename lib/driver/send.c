/* SPDX-License-Identifier: Apache-2.0
 * Sending: data, control records, the end. In the kernel bytes go straight into the socket; in user
 * space each record is sealed into `out` first, and `out` is empty whenever data is sealed. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>

#include "driver/driver.h"

/* Bytes per system call in the kernel: so many records that the count stays a good one. */
#define KERNEL_CHUNK ((size_t)64 * KILN_RECORD_PLAIN_MAX)

enum kiln_code kiln_driver_send_failed(struct kiln_conn *conn, int sys_errno,
				       struct kiln_error *err)
{
	const bool gone = sys_errno == EPIPE || sys_errno == ECONNRESET;
	(void)kiln_fail_errno(
	    &conn->tx_failed, gone ? KILN_E_TLS_TRUNCATED : KILN_E_SYSTEM, sys_errno,
	    gone ? "the peer went away while bytes for it were on the way" : "sending failed");
	if (err != NULL)
		*err = conn->tx_failed;
	return conn->tx_failed.code;
}

static enum kiln_code again(struct kiln_error *err)
{
	return kiln_fail(err, KILN_E_AGAIN, "the socket takes no more bytes now");
}

/* Sends once. KILN_OK with *sent > 0, KILN_E_AGAIN, or failed for good. */
static enum kiln_code send_some(struct kiln_conn *conn, const uint8_t *data, size_t len, int flags,
				size_t *sent, struct kiln_error *err)
{
	ssize_t n;
	do
		n = conn->sys->send(conn->fd, data, len, flags | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	*sent = n > 0 ? (size_t)n : 0;
	if (n > 0)
		return KILN_OK;
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return again(err);
	return kiln_driver_send_failed(conn, n < 0 ? errno : EIO, err);
}

enum kiln_code kiln_driver_flush(struct kiln_conn *conn, int flags, struct kiln_error *err)
{
	struct kiln_user_records *user = conn->user;
	size_t n;
	while (user != NULL && user->out_start < user->out_end) {
		const enum kiln_code rc =
		    send_some(conn, user->out + user->out_start, user->out_end - user->out_start,
			      flags, &n, err);
		if (rc != KILN_OK)
			return rc;
		user->out_start += (uint32_t)n;
	}
	if (user != NULL)
		user->out_start = user->out_end = 0;
	return KILN_OK;
}

static enum kiln_code seal(struct kiln_conn *conn, uint8_t type, const uint8_t *data, size_t len,
			   struct kiln_error *err)
{
	struct kiln_user_records *user = conn->user;
	size_t n;
	const enum kiln_code rc = kiln_traffic_seal(&conn->session.tx, type, data, len,
						    user->out + user->out_end, &n, err);
	if (rc == KILN_OK)
		user->out_end += (uint32_t)n;
	return rc;
}

/* How long a send may wait on this fd: as SO_SNDTIMEO says; not at all when it is O_NONBLOCK. */
static kiln_time_ms patience(int fd)
{
	struct timeval tv = {0};
	socklen_t len = sizeof tv;
	const int mode = fcntl(fd, F_GETFL);
	if (mode < 0 || (mode & O_NONBLOCK) != 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, &len) != 0 ||
	    (tv.tv_sec == 0 && tv.tv_usec == 0))
		return INT32_MAX;
	return (kiln_time_ms)tv.tv_sec * 1000 + tv.tv_usec / 1000 + 1;
}

static enum kiln_code wait_for_room(struct kiln_conn *conn, int flags, struct kiln_error *err)
{
	struct pollfd now = {.fd = conn->fd, .events = POLLOUT};
	const kiln_time_ms wait = (flags & MSG_DONTWAIT) != 0 ? 0 : patience(conn->fd);
	if (poll(&now, 1, 0) == 1)
		return KILN_OK;
	if (wait == 0)
		return again(err);
	const enum kiln_code rc =
	    kiln_driver_wait(conn->fd, POLLOUT, kiln_driver_now() + wait, err);
	return rc == KILN_E_TIMEOUT ? again(err) : rc;
}

enum kiln_code kiln_driver_send_control(struct kiln_conn *conn, uint8_t type, const uint8_t *data,
					size_t len, int flags, struct kiln_error *err)
{
	if (conn->relayed)
		return kiln_driver_notify(conn, type, data, len, err);
	if (!kiln_driver_in_kernel(conn))
		return seal(conn, type, data, len, err);
	/* The kernel may take a record while part of the one in front of it still waits for room in
	 * the TCP queue (net/tls/tls_main.c, partially_sent_record), and a FIN does not wait for
	 * that. With as much room as POLLOUT means, both go into the queue with this call. */
	for (;;) {
		const enum kiln_code rc = wait_for_room(conn, flags, err);
		if (rc != KILN_OK)
			return rc;
		const ssize_t n = kiln_ktls_send_record(conn->sys, conn->fd, type, data, len);
		if (n == (ssize_t)len)
			return KILN_OK;
		if (n >= 0 || (errno != EINTR && errno != EAGAIN && errno != EWOULDBLOCK))
			return kiln_driver_send_failed(conn, n < 0 ? errno : EIO, err);
		if (errno != EINTR && (flags & MSG_DONTWAIT) != 0)
			return again(err);
	}
}

/* One record (user space) or one system call (kernel) of data. */
static enum kiln_code write_some(struct kiln_conn *conn, const uint8_t *data, size_t len, size_t *n,
				 struct kiln_error *err)
{
	*n = 0;
	if (conn->relayed)
		return send_some(conn, data, len, 0, n, err);
	enum kiln_code rc = kiln_driver_flush(conn, 0, err);
	if (rc == KILN_OK)
		rc = kiln_driver_update_key(conn, 0, err);
	if (rc != KILN_OK)
		return rc;
	if (kiln_driver_in_kernel(conn)) {
		rc = send_some(conn, data, len < KERNEL_CHUNK ? len : KERNEL_CHUNK, 0, n, err);
		kiln_traffic_count(&conn->session.tx, *n);
		return rc;
	}
	*n = len < KILN_RECORD_PLAIN_MAX ? len : KILN_RECORD_PLAIN_MAX;
	rc = seal(conn, KILN_RECORD_DATA, data, *n, err);
	if (rc != KILN_OK)
		*n = 0;
	return rc;
}

static enum kiln_code writable(const struct kiln_conn *conn, struct kiln_error *err)
{
	const struct kiln_error *why =
	    conn->broken.code != KILN_OK ? &conn->broken : &conn->tx_failed;
	if (why->code != KILN_OK && err != NULL)
		*err = *why;
	return why->code;
}

ssize_t kiln_conn_write(struct kiln_conn *conn, const void *data, size_t len,
			struct kiln_error *err)
{
	struct kiln_error why = {0};
	size_t done = 0, n;
	enum kiln_code rc = writable(conn, &why);
	if (rc == KILN_OK && conn->tx_closing)
		rc = kiln_fail(&why, KILN_E_USAGE, "writing after kiln_conn_shutdown_write");
	while (rc == KILN_OK && done < len) {
		rc = write_some(conn, (const uint8_t *)data + done, len - done, &n, &why);
		done += n;
	}
	/* Taken is taken: what a full socket leaves over goes with the next call. */
	if (rc == KILN_OK)
		(void)!kiln_driver_flush(conn, 0, NULL);
	if (rc == KILN_OK || done > 0)
		return (ssize_t)done;
	if (err != NULL)
		*err = why;
	return -1;
}

bool kiln_conn_unsent(const struct kiln_conn *conn)
{
	return conn->update_wanted ||
	       (conn->user != NULL && conn->user->out_start < conn->user->out_end);
}

enum kiln_code kiln_conn_flush(struct kiln_conn *conn, struct kiln_error *err)
{
	enum kiln_code rc = writable(conn, err);
	if (rc == KILN_OK)
		rc = kiln_driver_flush(conn, 0, err);
	if (rc == KILN_OK && !conn->tx_closing)
		rc = kiln_driver_update_key(conn, 0, err);
	return rc;
}

enum kiln_code kiln_driver_close_write(struct kiln_conn *conn, int flags, struct kiln_error *err)
{
	/* The level means nothing in TLS 1.3 (RFC 8446 6). */
	static const uint8_t notify[2] = {1, KILN_ALERT_CLOSE_NOTIFY};
	enum kiln_code rc = kiln_driver_flush(conn, flags, err);
	if (rc == KILN_OK && !conn->tx_closing) {
		rc = kiln_driver_send_control(conn, KILN_RECORD_ALERT, notify, sizeof notify, flags,
					      err);
		conn->tx_closing = rc == KILN_OK;
		conn->update_wanted = false;
	}
	if (rc == KILN_OK)
		rc = kiln_driver_flush(conn, flags, err);
	if (rc != KILN_OK)
		return rc;
	if (shutdown(conn->fd, SHUT_WR) != 0)
		return kiln_driver_send_failed(conn, errno, err);
	conn->tx_closed = true;
	return KILN_OK;
}

enum kiln_code kiln_conn_shutdown_write(struct kiln_conn *conn, struct kiln_error *err)
{
	const enum kiln_code rc = writable(conn, err);
	return rc != KILN_OK || conn->tx_closed ? rc : kiln_driver_close_write(conn, 0, err);
}
