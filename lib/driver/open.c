/* SPDX-License-Identifier: Apache-2.0
 * Opening a connection on a socket: handshake, keys into the kernel where it takes them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "driver/driver.h"

static enum kiln_code export_value(struct kiln_conn *conn, struct kiln_handshake *handshake,
				   const struct kiln_conn_options *o, struct kiln_error *err)
{
	if (o->exporter_label == NULL)
		return KILN_OK;
	conn->exporter_len = (uint8_t)o->exporter_len;
	return kiln_handshake_export(handshake, o->exporter_label, o->exporter_context,
				     o->exporter_context_len, conn->exporter, o->exporter_len, err);
}

static enum kiln_code shake_hands(struct kiln_conn *conn, struct kiln_handshake *handshake,
				  const struct kiln_conn_options *o, kiln_time_ms deadline,
				  struct kiln_error *err)
{
	enum kiln_code rc = kiln_driver_handshake(handshake, conn->sys, conn->fd, deadline, err);
	if (rc == KILN_OK)
		rc = kiln_handshake_finish(handshake, &conn->session, err);
	if (rc == KILN_OK)
		rc = export_value(conn, handshake, o, err);
	if (rc == KILN_OK && o->rekey_records != 0)
		conn->session.tx.limit = o->rekey_records;
	return rc;
}

static enum kiln_code stay_in_user_space(struct kiln_conn *conn, const char *reason,
					 struct kiln_error *err)
{
	(void)snprintf(conn->path_reason, sizeof conn->path_reason, "%s", reason);
	conn->user = calloc(1, sizeof *conn->user);
	if (conn->user == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for TLS records");
	return KILN_OK;
}

static enum kiln_code choose_path(struct kiln_conn *conn, const struct kiln_conn_options *o,
				  struct kiln_error *err)
{
	struct kiln_error why = {0};
	bool spoiled = false;
	if (o->ktls == KILN_KTLS_OFF)
		return stay_in_user_space(conn, "kernel TLS was not wanted", err);
	if (kiln_ktls_install(conn->sys, conn->fd, &conn->session.rx, &conn->session.tx, &spoiled,
			      &why) == KILN_OK)
		return KILN_OK;
	if (spoiled) {
		*err = why;
		return why.code;
	}
	const enum kiln_code rc = stay_in_user_space(conn, why.message, err);
	if (rc != KILN_OK || o->ktls != KILN_KTLS_REQUIRE)
		return rc;
	why.alert = KILN_ALERT_INTERNAL_ERROR;
	return kiln_driver_break(conn, &why, err);
}

enum kiln_code kiln_driver_open(struct kiln_handshake *handshake, int fd,
				const struct kiln_conn_options *o, kiln_time_ms deadline,
				struct kiln_conn **out, struct kiln_error *err)
{
	struct kiln_conn *conn = calloc(1, sizeof *conn);
	if (conn == NULL) {
		kiln_handshake_free(handshake);
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a connection");
	}
	conn->fd = fd;
	conn->sys = o->sys != NULL ? o->sys : &kiln_sys_linux;
	enum kiln_code rc = shake_hands(conn, handshake, o, deadline, err);
	/* Its secrets are not needed any more, on either path. */
	kiln_handshake_free(handshake);
	if (rc == KILN_OK)
		rc = choose_path(conn, o, err);
	if (rc != KILN_OK)
		kiln_driver_forget(conn);
	else
		*out = conn;
	return rc;
}

int kiln_driver_connected(enum kiln_code rc, int fd, struct kiln_conn **conn,
			  struct kiln_error *err)
{
	/* It was made non-blocking only for connect(). */
	if (rc == KILN_OK && fcntl(fd, F_SETFL, 0) == 0)
		return fd;
	if (rc == KILN_OK) {
		(void)kiln_fail_errno(err, KILN_E_SYSTEM, errno, "the socket stays non-blocking");
		kiln_driver_forget(*conn);
		*conn = NULL;
	}
	(void)close(fd);
	return -1;
}
