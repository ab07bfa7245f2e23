/* SPDX-License-Identifier: Apache-2.0
 * Roast: the calls of kiln/roast.h. Who we are, the hellos, TLS, and all of it in time. */
#include "roast/roast.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "driver/identity.h"

static const struct kiln_roast_conn_options defaults;

struct call {
	const struct kiln_roast_conn_options *options;
	const struct kiln_aws_role *allowed;
	size_t allowed_count;
	enum kiln_role role;
	kiln_time_ms deadline;
	struct kiln_aws *aws;
	struct kiln_aws_role own_role;
	char host[64], peer[KILN_ROAST_PEER_MAX];
};

/* Before the peer's time begins to run: options, credentials, our own role. */
static enum kiln_code prepare(struct call *c, struct kiln_error *err)
{
	const uint32_t timeout_ms = c->options->timeout_ms;
	if (timeout_ms > KILN_ROAST_TIMEOUT_MS)
		return kiln_fail(err, KILN_E_USAGE, "a Roast handshake has at most %u ms",
				 KILN_ROAST_TIMEOUT_MS);
	if (c->options->exporter_label != NULL &&
	    (c->options->exporter_len == 0 || c->options->exporter_len > KILN_EXPORTER_MAX))
		return kiln_fail(err, KILN_E_USAGE, "an exporter value has 1 to %u bytes",
				 KILN_EXPORTER_MAX);
	if (c->allowed == NULL || c->allowed_count == 0)
		return kiln_fail(err, KILN_E_CONFIG,
				 "Roast needs at least one role that the peer may have");
	c->deadline = kiln_driver_now() + (timeout_ms != 0 ? timeout_ms : KILN_ROAST_TIMEOUT_MS);
	c->aws = kiln_aws_get(c->options->aws, err);
	if (c->aws == NULL)
		return err->code;
	return kiln_aws_ready(c->aws, c->deadline, &c->own_role, err);
}

/* The address alone, which a client's hello names, and with its port for messages. */
static enum kiln_code name_peer(struct call *c, int fd, struct kiln_error *err)
{
	struct sockaddr_storage address = {0};
	socklen_t len = sizeof address;
	char port[8];
	if (getpeername(fd, (struct sockaddr *)&address, &len) != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "the socket has no peer");
	if (getnameinfo((struct sockaddr *)&address, len, c->host, sizeof c->host, port,
			sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0 ||
	    (address.ss_family != AF_INET && address.ss_family != AF_INET6))
		return kiln_fail(err, KILN_E_USAGE, "Roast is spoken over TCP");
	(void)snprintf(c->peer, sizeof c->peer,
		       address.ss_family == AF_INET6 ? "[%.54s]:%s" : "%.54s:%s", c->host, port);
	return KILN_OK;
}

static struct kiln_roast *new_machine(const struct call *c, struct kiln_error *err)
{
	const struct kiln_roast_options options = {
	    .role = c->role,
	    .allowed = c->allowed,
	    .allowed_count = c->allowed_count,
	    .require_binding = c->options->require_binding,
	    .own_role = &c->own_role,
	    .server_name = c->host,
	    .peer = c->peer,
	    .time_ms = kiln_driver_left(c->deadline),
	};
	return kiln_roast_new(&options, kiln_wall_clock(), (uint64_t)kiln_driver_now(), err);
}

/* The handshaker knows no addresses, and nothing of Roast. */
static enum kiln_code with_peer(const struct call *c, const struct kiln_roast *roast,
				struct kiln_error *err)
{
	char text[KILN_ERROR_MAX];
	if (err->code == KILN_E_TLS_TRUNCATED && err->sys_errno == 0)
		return kiln_roast_left(roast, err);
	if (strstr(err->message, c->peer) != NULL)
		return err->code;
	(void)snprintf(text, sizeof text, "%s %s in TLS: %.160s",
		       c->role == KILN_CLIENT ? "server" : "client", c->peer, err->message);
	memcpy(err->message, text, sizeof err->message);
	return err->code;
}

static enum kiln_code start_tls(const struct call *c, struct kiln_roast *roast, int fd,
				struct kiln_conn **conn, struct kiln_error *err)
{
	const struct kiln_conn_options options = {
	    .ktls = c->options->ktls,
	    .exporter_label = c->options->exporter_label,
	    .exporter_len = c->options->exporter_len,
	};
	struct kiln_handshake *handshake =
	    kiln_roast_handshake(roast, c->aws->configs[c->role], (uint64_t)kiln_driver_now(), err);
	if (handshake == NULL)
		return err->code;
	if (kiln_driver_open(handshake, fd, &options, c->deadline, conn, err) != KILN_OK)
		return with_peer(c, roast, err);
	(*conn)->has_role = true;
	(*conn)->role = *kiln_roast_peer(roast);
	return KILN_OK;
}

static enum kiln_code run(struct call *c, int fd, struct kiln_conn **conn, struct kiln_error *err)
{
	enum kiln_code rc = name_peer(c, fd, err);
	if (rc != KILN_OK)
		return rc;
	struct kiln_roast *roast = new_machine(c, err);
	if (roast == NULL)
		return err->code;
	rc = kiln_driver_hello(roast, c->aws, fd, c->deadline, err);
	if (rc == KILN_OK)
		rc = start_tls(c, roast, fd, conn, err);
	kiln_roast_free(roast);
	return rc;
}

int kiln_roast_connect(const char *host, const char *port, const struct kiln_aws_role *allowed,
		       size_t allowed_count, const struct kiln_roast_conn_options *options,
		       struct kiln_conn **conn, struct kiln_error *err)
{
	struct kiln_error own;
	struct call c = {
	    .options = options != NULL ? options : &defaults,
	    .allowed = allowed,
	    .allowed_count = allowed_count,
	    .role = KILN_CLIENT,
	};
	int fd;
	err = err != NULL ? err : &own;
	*conn = NULL;
	if (prepare(&c, err) != KILN_OK ||
	    kiln_driver_dial(host, port, c.deadline, &fd, err) != KILN_OK)
		return -1;
	return kiln_driver_connected(run(&c, fd, conn, err), fd, conn, err);
}

int kiln_roast_accept(int fd, const struct kiln_aws_role *allowed, size_t allowed_count,
		      const struct kiln_roast_conn_options *options, struct kiln_conn **conn,
		      struct kiln_error *err)
{
	struct kiln_error own;
	struct call c = {
	    .options = options != NULL ? options : &defaults,
	    .allowed = allowed,
	    .allowed_count = allowed_count,
	    .role = KILN_SERVER,
	};
	err = err != NULL ? err : &own;
	*conn = NULL;
	if (prepare(&c, err) != KILN_OK || run(&c, fd, conn, err) != KILN_OK)
		return -1;
	return fd;
}
