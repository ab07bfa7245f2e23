/* SPDX-License-Identifier: Apache-2.0
 * TLS with configured certificates: the calls of kiln/conn.h that open a connection. */
#include "driver/driver.h"

#include "base/clock.h"
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

static enum kiln_code open_conn(struct kiln_tls_config *config, int fd,
				const struct kiln_conn_options *o, kiln_time_ms deadline,
				struct kiln_conn **conn, struct kiln_error *err)
{
	struct kiln_handshake *handshake = kiln_handshake_new(config, kiln_wall_clock(), err);
	if (handshake == NULL)
		return err->code;
	return kiln_driver_open(handshake, fd, o, deadline, conn, err);
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
	return kiln_driver_connected(open_conn(config, fd, o, deadline, conn, err), fd, conn, err);
}
