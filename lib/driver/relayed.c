/* SPDX-License-Identifier: Apache-2.0
 * A connection that the gateway relays: plain bytes on a Unix socket, and beside it what a plain
 * stream cannot say. An end counts as one only when a close_notify came first on the other socket
 * (docs/handoff.md, "Ends"): a gateway that died, or a client that went away, sends none. */
#include <errno.h>

#include "driver/driver.h"

/* A gateway that closed without having read our alert leaves ECONNRESET, once, in front of its own.
 */
static ssize_t receive_alert(const struct kiln_conn *conn, uint8_t alert[2])
{
	bool reset = false;
	for (;;) {
		const ssize_t n = conn->sys->recv(conn->notice_fd, alert, 2, MSG_DONTWAIT);
		if (n >= 0 || (errno != EINTR && (errno != ECONNRESET || reset)))
			return n;
		reset |= errno == ECONNRESET;
	}
}

/* The stream is over, or broke: the alert that was sent before tells which. */
static enum kiln_code judge_end(struct kiln_conn *conn, struct kiln_error *err)
{
	struct kiln_error why = {0};
	uint8_t alert[2];
	const ssize_t n = receive_alert(conn, alert);
	if (n == (ssize_t)sizeof alert)
		return kiln_driver_take_control(conn, KILN_RECORD_ALERT, alert, sizeof alert, err);
	(void)kiln_fail(&why, KILN_E_TLS_TRUNCATED,
			"the connection ended without close_notify (RFC 8446 6.1), or the gateway "
			"that relayed it did");
	return kiln_driver_break(conn, &why, err);
}

enum kiln_code kiln_driver_read_relayed(struct kiln_conn *conn, uint8_t *data, size_t len,
					size_t *got, struct kiln_error *err)
{
	const ssize_t n = conn->sys->recv(conn->fd, data, len, 0);
	if (n > 0)
		*got = (size_t)n;
	else if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return kiln_fail(err, KILN_E_AGAIN, "nothing to read now");
	else if (n == 0 || errno != EINTR)
		return judge_end(conn, err);
	return KILN_OK;
}

/* Alerts only; the gateway sees to the rest. */
enum kiln_code kiln_driver_notify(struct kiln_conn *conn, uint8_t type, const uint8_t *data,
				  size_t len, struct kiln_error *err)
{
	ssize_t n;
	if (type != KILN_RECORD_ALERT)
		return KILN_OK;
	do
		n = conn->sys->send(conn->notice_fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len)
		return KILN_OK;
	return kiln_driver_send_failed(conn, n < 0 ? errno : EIO, err);
}
