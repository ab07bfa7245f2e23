/* SPDX-License-Identifier: Apache-2.0
 * What a connection tells about itself. */
#include "driver/driver.h"

int kiln_conn_fd(const struct kiln_conn *conn)
{
	return conn->fd;
}

bool kiln_conn_in_kernel(const struct kiln_conn *conn)
{
	return kiln_driver_in_kernel(conn);
}

const char *kiln_conn_path(const struct kiln_conn *conn)
{
	return kiln_driver_in_kernel(conn) ? "ktls" : "userspace";
}

const char *kiln_conn_path_reason(const struct kiln_conn *conn)
{
	return conn->path_reason;
}

const struct kiln_peer *kiln_conn_peer(const struct kiln_conn *conn)
{
	return &conn->session.peer;
}

const char *kiln_conn_alpn(const struct kiln_conn *conn)
{
	return conn->session.alpn;
}

const char *kiln_conn_server_name(const struct kiln_conn *conn)
{
	return conn->session.server_name;
}

const char *kiln_conn_cipher(const struct kiln_conn *conn)
{
	return kiln_suite_name(conn->session.suite);
}

const char *kiln_conn_group(const struct kiln_conn *conn)
{
	return conn->session.group;
}

const struct kiln_roast_peer *kiln_conn_role(const struct kiln_conn *conn)
{
	return conn->has_role ? &conn->role : NULL;
}

const uint8_t *kiln_conn_exporter(const struct kiln_conn *conn, size_t *len)
{
	*len = conn->exporter_len;
	return conn->exporter_len > 0 ? conn->exporter : NULL;
}
