/* SPDX-License-Identifier: Apache-2.0
 * Received TLS records in user space: cutting them out of the byte stream, opening them, acting on
 * those that are not data. Also used for what arrives around the hand-over to the kernel. */
#include <string.h>

#include "worker/worker.h"

static bool broke(struct kiln_link *conn, struct kiln_error *err)
{
	kiln_link_fail(conn, err);
	return false;
}

/* What came under the old key is as good as ever. */
static bool cannot_follow(struct kiln_link *conn, struct kiln_error *err)
{
	conn->worker->counters->key_update_impossible++;
	err->alert = KILN_ALERT_INTERNAL_ERROR;
	kiln_link_cut(conn, err);
	return false;
}

static bool follow_key_update(struct kiln_link *conn, const struct kiln_control *control,
			      struct kiln_error *err)
{
	struct kiln_worker *worker = conn->worker;
	if (conn->rx.where == KILN_IN_KERNEL && !worker->settings.kernel.rekey) {
		(void)kiln_fail(
		    err, KILN_E_TLS_KEY_UPDATE,
		    "the peer changed its keys, and this kernel cannot follow (Linux 6.14 can)");
		return cannot_follow(conn, err);
	}
	if (kiln_traffic_update(&conn->rx, err) != KILN_OK) {
		err->alert = KILN_ALERT_INTERNAL_ERROR;
		return broke(conn, err);
	}
	if (conn->rx.where == KILN_IN_KERNEL &&
	    kiln_ktls_rekey(worker->sys, conn->tls_fd, KILN_RX, &conn->rx, err) != KILN_OK)
		return cannot_follow(conn, err);
	worker->counters->key_updates++;
	conn->key_update_asked = false;
	if (control->update_requested)
		conn->key_update_wanted = true;
	return true;
}

bool kiln_link_take_control(struct kiln_link *conn, uint8_t type, const uint8_t *data, size_t len)
{
	struct kiln_control control;
	struct kiln_error err = {0};
	if (conn->up.end != KILN_FLOW_OPEN)
		return true; /* after close_notify everything is ignored (RFC 8446 6.1) */
	const enum kiln_code rc = kiln_traffic_control(&conn->rx, type, data, len, &control, &err);
	if (rc != KILN_OK)
		return broke(conn, &err);
	if (control.close_notify)
		conn->up.end = KILN_FLOW_ENDED;
	return control.key_update ? follow_key_update(conn, &control, &err) : true;
}

bool kiln_link_take_data(struct kiln_link *conn, size_t len)
{
	struct kiln_error err = {0};
	return kiln_traffic_data(&conn->rx, len, &err) == KILN_OK || broke(conn, &err);
}

/* Opens one whole record behind out's content. False when the connection failed over it. */
static bool open_one(struct kiln_link *conn, const uint8_t *record, size_t len,
		     struct kiln_buffer *out)
{
	struct kiln_error err = {0};
	size_t n;
	uint8_t type;
	uint8_t *at = out->data + out->len;
	if (kiln_traffic_open(&conn->rx, record, len, at, &n, &type, &err) != KILN_OK)
		return broke(conn, &err);
	if (type != KILN_RECORD_DATA)
		return kiln_link_take_control(conn, type, at, n);
	if (!kiln_link_take_data(conn, n))
		return false;
	out->len += (uint32_t)n;
	return true;
}

/* Moves bytes from the first waiting buffer behind the partial record, at most want of them. */
static void top_up(struct kiln_link *conn, size_t want)
{
	struct kiln_buffer *head = conn->up.head;
	const uint32_t n = head->len < want ? head->len : (uint32_t)want;
	memcpy(conn->partial + conn->partial_len, head->data, n);
	conn->partial_len += n;
	head->data += n;
	head->len -= n;
	if (head->len == 0)
		kiln_io_buffer_put(conn->worker->io, kiln_flow_pop(&conn->up));
}

/* Continues the record that came in part. False: failed, or more bytes are needed. */
static bool complete_partial(struct kiln_link *conn, struct kiln_buffer *out, bool *opened)
{
	struct kiln_error err = {0};
	size_t length = 0;
	*opened = false;
	while (conn->up.head != NULL) {
		if (kiln_record_length(conn->partial, conn->partial_len, &length, &err) != KILN_OK)
			return broke(conn, &err);
		if (length != 0 && conn->partial_len == length)
			break;
		top_up(conn, (length != 0 ? length : KILN_RECORD_HEADER) - conn->partial_len);
	}
	if (kiln_record_length(conn->partial, conn->partial_len, &length, &err) != KILN_OK)
		return broke(conn, &err);
	if (length == 0 || conn->partial_len < length)
		return true;
	*opened = true;
	if (!open_one(conn, conn->partial, length, out))
		return false;
	kiln_worker_put_partial(conn->worker, conn->partial);
	conn->partial = NULL;
	conn->partial_len = 0;
	return true;
}

static bool keep_partial(struct kiln_link *conn)
{
	struct kiln_error err = {0};
	conn->partial = kiln_worker_take_partial(conn->worker);
	if (conn->partial == NULL) {
		(void)kiln_fail(&err, KILN_E_NO_MEMORY, "no memory for a partial record");
		err.alert = KILN_ALERT_INTERNAL_ERROR;
		return broke(conn, &err);
	}
	conn->partial_len = 0;
	top_up(conn, KILN_RECORD_MAX);
	return true;
}

/* One step: opens the next record, or sets a partial one aside. *more: call again. */
static bool open_next(struct kiln_link *conn, struct kiln_buffer *out, bool *more)
{
	struct kiln_error err = {0};
	size_t length;
	*more = false;
	if (conn->partial != NULL)
		return complete_partial(conn, out, more);
	struct kiln_buffer *head = conn->up.head;
	if (head == NULL)
		return true;
	if (kiln_record_length(head->data, head->len, &length, &err) != KILN_OK)
		return broke(conn, &err);
	*more = true;
	if (length == 0 || length > head->len)
		return keep_partial(conn);
	if (!open_one(conn, head->data, length, out))
		return false;
	head->data += length;
	head->len -= (uint32_t)length;
	if (head->len == 0)
		kiln_io_buffer_put(conn->worker->io, kiln_flow_pop(&conn->up));
	return true;
}

struct kiln_buffer *kiln_link_open_records(struct kiln_link *conn)
{
	if (conn->up.head == NULL)
		return NULL;
	struct kiln_buffer *out = kiln_worker_take_buffer(conn);
	if (out == NULL)
		return NULL;
	out->type = KILN_RECORD_DATA;
	bool more = true;
	while (more && conn->up.end == KILN_FLOW_OPEN &&
	       out->len + KILN_RECORD_MAX <= KILN_BUFFER_SIZE)
		if (!open_next(conn, out, &more)) {
			kiln_io_buffer_put(conn->worker->io, out);
			return NULL;
		}
	if (out->len > 0)
		return out;
	kiln_io_buffer_put(conn->worker->io, out);
	return NULL;
}
