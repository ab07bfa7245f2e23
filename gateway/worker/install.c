/* SPDX-License-Identifier: Apache-2.0
 * From the handshake to the record path: the kernel's where it can be had, ours where not, and the
 * reason in either case. What came with the last flight is opened here first, so that the kernel
 * starts at a record boundary with the right number. */
#include <errno.h>

#include "tls/suite.h"
#include "worker/worker.h"

static enum kiln_path_reason choose_path(const struct kiln_link *conn)
{
	const struct kiln_settings *settings = &conn->worker->settings;
	size_t count;
	if (settings->ktls == KILN_KTLS_OFF)
		return KILN_PATH_OFF;
	if (settings->kernel.reason[0] != '\0')
		return KILN_PATH_NO_KERNEL;
	if (conn->tls_unix)
		return KILN_PATH_UNIX;
	if (!settings->kernel.suite[kiln_suite_find(conn->suite) - kiln_suites(&count)])
		return KILN_PATH_NO_CIPHER;
	return KILN_PATH_KTLS;
}

static void go_on(struct kiln_link *conn)
{
	conn->worker->counters->path[conn->path]++;
	if (conn->worker->settings.handoff)
		kiln_link_hand_off(conn);
	else if (conn->worker->settings.role == KILN_SERVER)
		kiln_link_connect(conn);
	else
		kiln_link_relay(conn);
}

static void stay_in_user_space(struct kiln_link *conn, enum kiln_path_reason reason)
{
	conn->path = (uint8_t)reason;
	if (conn->worker->settings.ktls == KILN_KTLS_REQUIRE) {
		struct kiln_error err = {0};
		(void)kiln_fail(&err, KILN_E_UNSUPPORTED,
				"--ktls require, and the kernel cannot take this connection");
		err.alert = KILN_ALERT_INTERNAL_ERROR;
		kiln_link_fail(conn, &err);
		return;
	}
	go_on(conn);
}

/* Records opened before the installation become the first data of the flow. */
static void keep_opened(struct kiln_link *conn)
{
	while (conn->phase == KILN_PHASE_INSTALL && conn->up.head != NULL) {
		if (conn->up.end != KILN_FLOW_OPEN) { /* behind close_notify: not even looked at */
			kiln_io_buffer_put(conn->worker->io, kiln_flow_pop(&conn->up));
			continue;
		}
		struct kiln_buffer *opened = kiln_link_open_records(conn);
		if (opened == NULL && conn->hungry)
			return;
		if (opened == NULL)
			continue;
		struct kiln_buffer **link = &conn->early;
		while (*link != NULL)
			link = &(*link)->next;
		*link = opened;
	}
}

static void install(struct kiln_link *conn)
{
	struct kiln_error err = {0};
	bool spoiled;
	const enum kiln_code rc = kiln_ktls_install(conn->worker->sys, conn->tls_fd, &conn->rx,
						    &conn->tx, &spoiled, &err);
	if (rc != KILN_OK && spoiled) {
		kiln_link_fail(conn, &err);
		return;
	}
	/* Both paths find the opened records at the head of the queue, still marked as data. */
	while (conn->early != NULL) {
		struct kiln_buffer *next = conn->early->next;
		kiln_flow_push(&conn->up, conn->early);
		conn->early = next;
	}
	if (rc != KILN_OK) {
		/* Linux attaches TLS to ESTABLISHED sockets only: a short request whose FIN came
		 * along is past that. */
		stay_in_user_space(conn, err.sys_errno == ENOTCONN ? KILN_PATH_HALF_CLOSED
								   : KILN_PATH_REFUSED);
		return;
	}
	conn->path = KILN_PATH_KTLS;
	go_on(conn);
}

static void on_rest_of_record(struct kiln_op *op, const struct kiln_event *event);

/* The rest of a record whose beginning is here already: exactly that many bytes, no more. */
static void receive_rest(struct kiln_link *conn)
{
	size_t length = 0;
	/* Judged when its bytes were taken: it cannot fail now. */
	(void)!kiln_record_length(conn->partial, conn->partial_len, &length, NULL);
	conn->tls_in.done = on_rest_of_record;
	kiln_io_recv_once(conn->worker->io, &conn->tls_in, conn->tls_fd,
			  (uint32_t)(length != 0 ? length : KILN_RECORD_HEADER) -
			      conn->partial_len);
}

static void continue_install(struct kiln_link *conn)
{
	keep_opened(conn);
	if (conn->phase != KILN_PHASE_INSTALL || conn->hungry)
		return;
	if (conn->partial != NULL && conn->up.end == KILN_FLOW_OPEN)
		receive_rest(conn);
	else
		install(conn);
}

static void on_rest_of_record(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_link *conn = KILN_LINK_OF(op, tls_in);
	if (kiln_link_absorb(conn, event))
		return;
	if (event->result <= 0) {
		struct kiln_error err = {0};
		(void)kiln_fail_errno(&err, KILN_E_TLS_TRUNCATED, -event->result,
				      "the connection ended inside a record");
		kiln_link_fail(conn, &err);
		return;
	}
	kiln_flow_push(&conn->up, event->buffer);
	continue_install(conn);
}

void kiln_link_install_on(struct kiln_link *conn)
{
	if (conn->phase == KILN_PHASE_INSTALL)
		continue_install(conn);
}

void kiln_link_install(struct kiln_link *conn)
{
	conn->phase = KILN_PHASE_INSTALL;
	if (conn->early != NULL)
		kiln_flow_push(&conn->up, conn->early);
	conn->early = NULL;
	const enum kiln_path_reason path = choose_path(conn);
	if (path == KILN_PATH_KTLS)
		continue_install(conn);
	else
		stay_in_user_space(conn, path);
}
