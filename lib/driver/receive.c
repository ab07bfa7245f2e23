/* SPDX-License-Identifier: Apache-2.0
 * Receiving: data to the caller, everything else to control.c. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "driver/driver.h"

static enum kiln_code again(struct kiln_error *err)
{
	return kiln_fail(err, KILN_E_AGAIN, "nothing to read now");
}

static enum kiln_code receive_failed(struct kiln_conn *conn, int sys_errno, struct kiln_error *err)
{
	struct kiln_error why = {0};
	const enum kiln_code rc = kiln_ktls_receive_verdict(&conn->session.rx, sys_errno, &why);
	return rc == KILN_OK ? KILN_OK : kiln_driver_break(conn, &why, err);
}

static enum kiln_code truncated(struct kiln_conn *conn, struct kiln_error *err)
{
	struct kiln_error why = {0};
	(void)kiln_fail(&why, KILN_E_TLS_TRUNCATED,
			"the connection ended without close_notify (RFC 8446 6.1)");
	return kiln_driver_break(conn, &why, err);
}

static enum kiln_code took_data(struct kiln_conn *conn, size_t len, struct kiln_error *err)
{
	struct kiln_error why = {0};
	const enum kiln_code rc = kiln_traffic_data(&conn->session.rx, len, &why);
	return rc == KILN_OK ? KILN_OK : kiln_driver_break(conn, &why, err);
}

/* ---- in the kernel -------------------------------------------------------------------------- */

static enum kiln_code take_kernel_control(struct kiln_conn *conn, struct kiln_error *err)
{
	uint8_t record[KILN_RECORD_PLAIN_MAX], type;
	ssize_t n;
	do
		n = kiln_ktls_receive(conn->sys, conn->fd, record, sizeof record, MSG_DONTWAIT,
				      &type);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return receive_failed(conn, errno, err);
	if (type == KILN_RECORD_DATA)
		return receive_failed(conn, EIO, err); /* then EIO meant something else */
	return kiln_driver_take_control(conn, type, record, (size_t)n, err);
}

/* A plain recv() for data, so that the caller's buffer never holds anything else; it stops with EIO
 * in front of any other record, which is then fetched with its type. */
static enum kiln_code read_kernel(struct kiln_conn *conn, uint8_t *data, size_t len, size_t *got,
				  struct kiln_error *err)
{
	const ssize_t n = conn->sys->recv(conn->fd, data, len, 0);
	if (n > 0) {
		*got = (size_t)n;
		return took_data(conn, (size_t)n, err);
	}
	if (n == 0)
		return truncated(conn, err);
	switch (errno) {
	case EINTR: return KILN_OK;
	case EAGAIN: return again(err);
	case EIO: return take_kernel_control(conn, err);
	default: return receive_failed(conn, errno, err);
	}
}

/* ---- in user space -------------------------------------------------------------------------- */

static size_t give_plain(struct kiln_user_records *user, uint8_t *data, size_t len)
{
	const size_t n = len < user->plain_len ? len : user->plain_len;
	memcpy(data, user->plain, n);
	user->plain += n;
	user->plain_len -= (uint32_t)n;
	return n;
}

/* Opens the record at the front, in place. */
static enum kiln_code open_record(struct kiln_conn *conn, size_t length, struct kiln_error *err)
{
	struct kiln_user_records *user = conn->user;
	struct kiln_error why = {0};
	uint8_t *record = user->in + user->start, type;
	uint8_t *plain = record + KILN_RECORD_HEADER;
	size_t n;
	user->start += (uint32_t)length;
	if (kiln_traffic_open(&conn->session.rx, record, length, plain, &n, &type, &why) != KILN_OK)
		return kiln_driver_break(conn, &why, err);
	if (type != KILN_RECORD_DATA)
		return kiln_driver_take_control(conn, type, plain, n, err);
	user->plain = plain;
	user->plain_len = (uint32_t)n;
	return took_data(conn, n, err);
}

static enum kiln_code fill(struct kiln_conn *conn, struct kiln_error *err)
{
	struct kiln_user_records *user = conn->user;
	if (user->start > 0) {
		memmove(user->in, user->in + user->start, user->end - user->start);
		user->end -= user->start;
		user->start = 0;
	}
	const ssize_t n =
	    conn->sys->recv(conn->fd, user->in + user->end, sizeof user->in - user->end, 0);
	if (n > 0)
		user->end += (uint32_t)n;
	else if (n == 0)
		return truncated(conn, err);
	else if (errno == EAGAIN || errno == EWOULDBLOCK)
		return again(err);
	else if (errno != EINTR)
		return receive_failed(conn, errno, err);
	return KILN_OK;
}

static enum kiln_code read_user(struct kiln_conn *conn, uint8_t *data, size_t len, size_t *got,
				struct kiln_error *err)
{
	struct kiln_user_records *user = conn->user;
	struct kiln_error why = {0};
	size_t length;
	if (user->plain_len > 0) {
		*got = give_plain(user, data, len);
		return KILN_OK;
	}
	if (kiln_record_length(user->in + user->start, user->end - user->start, &length, &why) !=
	    KILN_OK)
		return kiln_driver_break(conn, &why, err);
	if (length == 0 || length > user->end - user->start)
		return fill(conn, err);
	return open_record(conn, length, err);
}

/* --------------------------------------------------------------------------------------------- */

/* What the gateway had read already. */
static size_t give_early(struct kiln_conn *conn, uint8_t *data, size_t len)
{
	const uint32_t left = conn->early_len - conn->early_at;
	const size_t n = len < left ? len : left;
	memcpy(data, conn->early + conn->early_at, n);
	conn->early_at += (uint32_t)n;
	if (conn->early_at == conn->early_len) {
		kiln_wipe(conn->early, conn->early_len);
		free(conn->early);
		conn->early = NULL;
	}
	return n;
}

static enum kiln_code read_socket(struct kiln_conn *conn, uint8_t *data, size_t len, size_t *got,
				  struct kiln_error *err)
{
	if (conn->relayed)
		return kiln_driver_read_relayed(conn, data, len, got, err);
	return kiln_driver_in_kernel(conn) ? read_kernel(conn, data, len, got, err)
					   : read_user(conn, data, len, got, err);
}

ssize_t kiln_conn_read(struct kiln_conn *conn, void *data, size_t len, struct kiln_error *err)
{
	struct kiln_error why = conn->broken;
	size_t got = 0;
	enum kiln_code rc = why.code;
	if (rc == KILN_OK && len == 0)
		rc = kiln_fail(&why, KILN_E_USAGE, "reading into no room");
	if (rc == KILN_OK && conn->early != NULL)
		return (ssize_t)give_early(conn, data, len);
	/* After close_notify everything is ignored (RFC 8446 6.1). */
	while (rc == KILN_OK && got == 0 && !conn->rx_closed)
		rc = read_socket(conn, data, len, &got, &why);
	conn->end_unread = false;
	if (rc == KILN_OK)
		return (ssize_t)got;
	if (err != NULL)
		*err = why;
	return -1;
}

size_t kiln_conn_pending(const struct kiln_conn *conn)
{
	const struct kiln_user_records *user = conn->user;
	size_t length = 0;
	if (conn->early != NULL)
		return conn->early_len - conn->early_at;
	if (conn->end_unread)
		return 1;
	if (user == NULL || conn->rx_closed || conn->broken.code != KILN_OK)
		return 0;
	if (user->plain_len > 0)
		return user->plain_len;
	const uint32_t have = user->end - user->start;
	const enum kiln_code rc = kiln_record_length(user->in + user->start, have, &length, NULL);
	return rc != KILN_OK || (length != 0 && length <= have);
}
