/* SPDX-License-Identifier: Apache-2.0
 * Opening a connection: socket, handshake, keys into the kernel where it takes them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "driver/driver.h"
#include "tls/config.h"

static const struct kiln_conn_options defaults;

static enum kiln_code check(const struct kiln_tls_config *config, enum kiln_role role,
			    const struct kiln_conn_options *o, struct kiln_error *err)
{
	if (config->role != role)
		return kiln_fail(err, KILN_E_USAGE, "the configuration is for a %s",
				 role == KILN_SERVER ? "client" : "server");
	if (o->exporter_label != NULL &&
	    (o->exporter_len == 0 || o->exporter_len > KILN_EXPORTER_MAX))
		return kiln_fail(err, KILN_E_USAGE, "an exporter value has 1 to %u bytes",
				 KILN_EXPORTER_MAX);
	return KILN_OK;
}

static kiln_time_ms deadline_of(const struct kiln_conn_options *o)
{
	return kiln_driver_now() + (o->timeout_ms != 0 ? o->timeout_ms : KILN_CONN_TIMEOUT_MS);
}

static enum kiln_code export_value(struct kiln_conn *conn, struct kiln_handshake *handshake,
				   const struct kiln_conn_options *o, struct kiln_error *err)
{
	if (o->exporter_label == NULL)
		return KILN_OK;
	conn->exporter_len = (uint8_t)o->exporter_len;
	return kiln_handshake_export(handshake, o->exporter_label, o->exporter_context,
				     o->exporter_context_len, conn->exporter, o->exporter_len, err);
}

static enum kiln_code shake_hands(struct kiln_conn *conn, struct kiln_tls_config *config,
				  const struct kiln_conn_options *o, kiln_time_ms deadline,
				  struct kiln_error *err)
{
	struct kiln_handshake *handshake =
	    kiln_handshake_new(config, kiln_driver_wall_clock(), err);
	if (handshake == NULL)
		return err->code;
	enum kiln_code rc = kiln_driver_handshake(handshake, conn->sys, conn->fd, deadline, err);
	if (rc == KILN_OK)
		rc = kiln_handshake_finish(handshake, &conn->session, err);
	if (rc == KILN_OK)
		rc = export_value(conn, handshake, o, err);
	if (rc == KILN_OK && o->rekey_records != 0)
		conn->session.tx.limit = o->rekey_records;
	kiln_handshake_free(handshake);
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

static enum kiln_code open_conn(struct kiln_tls_config *config, int fd,
				const struct kiln_conn_options *o, kiln_time_ms deadline,
				struct kiln_conn **out, struct kiln_error *err)
{
	struct kiln_conn *conn = calloc(1, sizeof *conn);
	if (conn == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a connection");
	conn->fd = fd;
	conn->sys = o->sys != NULL ? o->sys : &kiln_sys_linux;
	enum kiln_code rc = shake_hands(conn, config, o, deadline, err);
	if (rc == KILN_OK)
		rc = choose_path(conn, o, err);
	if (rc != KILN_OK)
		kiln_driver_forget(conn);
	else
		*out = conn;
	return rc;
}

static int open_on(struct kiln_tls_config *config, enum kiln_role role, int fd,
		   const struct kiln_conn_options *o, struct kiln_conn **conn,
		   struct kiln_error *err)
{
	struct kiln_error own;
	err = err != NULL ? err : &own;
	o = o != NULL ? o : &defaults;
	*conn = NULL;
	if (check(config, role, o, err) != KILN_OK ||
	    open_conn(config, fd, o, deadline_of(o), conn, err) != KILN_OK)
		return -1;
	return fd;
}

int kiln_tls_connect_fd(struct kiln_tls_config *config, int fd,
			const struct kiln_conn_options *options, struct kiln_conn **conn,
			struct kiln_error *err)
{
	return open_on(config, KILN_CLIENT, fd, options, conn, err);
}

int kiln_tls_accept(struct kiln_tls_config *config, int fd, const struct kiln_conn_options *options,
		    struct kiln_conn **conn, struct kiln_error *err)
{
	return open_on(config, KILN_SERVER, fd, options, conn, err);
}

int kiln_tls_connect(struct kiln_tls_config *config, const char *host, const char *port,
		     const struct kiln_conn_options *options, struct kiln_conn **conn,
		     struct kiln_error *err)
{
	struct kiln_error own;
	const struct kiln_conn_options *o = options != NULL ? options : &defaults;
	int fd;
	err = err != NULL ? err : &own;
	*conn = NULL;
	if (check(config, KILN_CLIENT, o, err) != KILN_OK)
		return -1;
	const kiln_time_ms deadline = deadline_of(o);
	if (kiln_driver_dial(host, port, deadline, &fd, err) != KILN_OK)
		return -1;
	/* It was made non-blocking only for connect(): blocking is what a new socket is. */
	if (open_conn(config, fd, o, deadline, conn, err) == KILN_OK && fcntl(fd, F_SETFL, 0) == 0)
		return fd;
	if (*conn != NULL) {
		(void)kiln_fail_errno(err, KILN_E_SYSTEM, errno, "the socket stays non-blocking");
		kiln_driver_forget(*conn);
		*conn = NULL;
	}
	(void)close(fd);
	return -1;
}
