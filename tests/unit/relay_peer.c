/* SPDX-License-Identifier: Apache-2.0
 * The two ends of the rig: what they say, and what they take. */
#include <sys/socket.h>

#include "relay_rig.h"

/* ---- the TLS peer speaks ------------------------------------------------------------------ */

void rig_peer_seals(struct rig *rig, uint8_t type, const void *data, size_t len)
{
	uint8_t record[KILN_RECORD_MAX];
	size_t record_len;
	assert_int_equal(
	    kiln_traffic_seal(&rig->peer_tx, type, data, len, record, &record_len, NULL), KILN_OK);
	wire_add(&rig->from_peer, record, record_len);
}

void rig_peer_gives(struct rig *rig, size_t n)
{
	if (n > rig->from_peer.len)
		n = rig->from_peer.len;
	script_give(&rig->io, &rig->conn->tls_in, rig->from_peer.data, n, 0);
	wire_drop(&rig->from_peer, n);
}

void rig_peer_says(struct rig *rig, uint8_t type, const void *data, size_t len)
{
	if (rig->kernel) {
		script_give(&rig->io, &rig->conn->tls_in, data, len, type);
		return;
	}
	rig_peer_seals(rig, type, data, len);
	rig_peer_gives(rig, SIZE_MAX);
}

void rig_peer_close_notify(struct rig *rig)
{
	rig_peer_says(rig, KILN_RECORD_ALERT, (const uint8_t[]){1, 0}, 2);
}

void rig_peer_ends(struct rig *rig, int result)
{
	script_result(&rig->io, &rig->conn->tls_in, result);
}

/* ---- the TLS peer listens ----------------------------------------------------------------- */

static void peer_hears(struct rig *rig, uint8_t type, const uint8_t *data, size_t len)
{
	assert_false(rig->peer_close_notify); /* nothing may follow it */
	if (type == KILN_RECORD_DATA) {
		assert_int_equal(kiln_traffic_data(&rig->peer_rx, len, NULL), KILN_OK);
		wire_add(&rig->peer_got, data, len);
		return;
	}
	struct kiln_control control;
	struct kiln_error err = {0};
	const enum kiln_code rc =
	    kiln_traffic_control(&rig->peer_rx, type, data, len, &control, &err);
	if (rc == KILN_E_TLS_ALERT) {
		rig->peer_alert = err.alert;
		return;
	}
	assert_int_equal(rc, KILN_OK);
	rig->peer_close_notify |= control.close_notify;
	if (!control.key_update)
		return;
	rig->peer_key_updates++;
	rig->peer_asked_update |= control.update_requested;
	assert_int_equal(kiln_traffic_update(&rig->peer_rx, NULL), KILN_OK);
}

static void peer_opens(struct rig *rig)
{
	static uint8_t plain[KILN_RECORD_MAX];
	size_t length, n;
	uint8_t type;
	for (;;) {
		struct wire *wire = &rig->to_peer;
		assert_int_equal(kiln_record_length(wire->data, wire->len, &length, NULL), KILN_OK);
		if (length == 0 || length > wire->len)
			return;
		assert_int_equal(
		    kiln_traffic_open(&rig->peer_rx, wire->data, length, plain, &n, &type, NULL),
		    KILN_OK);
		wire_drop(wire, length);
		peer_hears(rig, type, plain, n);
	}
}

void rig_peer_takes(struct rig *rig, size_t n)
{
	struct kiln_op *op = &rig->conn->tls_out;
	assert_true(op->armed);
	if (n > op->len)
		n = op->len;
	if (!rig->kernel) {
		assert_int_equal(op->kind, KILN_OP_SEND);
		wire_add(&rig->to_peer, op->data, n);
		peer_opens(rig);
	} else if (op->kind == KILN_OP_SEND_RECORD) {
		assert_int_equal(n, op->len);
		peer_hears(rig, op->type, op->data, op->len);
	} else {
		peer_hears(rig, KILN_RECORD_DATA, op->data, n);
	}
	script_result(&rig->io, op, (int)n);
}

uint8_t rig_direct_alert(struct rig *rig)
{
	if (rig->kernel) {
		if (rig_sys.sends == 0)
			return 0;
		assert_int_equal(rig_sys.sent_type, KILN_RECORD_ALERT);
		assert_int_equal(rig_sys.sent_len, 2);
		return rig_sys.sent[1];
	}
	uint8_t record[256];
	const ssize_t n = recv(rig->tls_far, record, sizeof record, MSG_DONTWAIT);
	if (n <= 0)
		return 0;
	wire_add(&rig->to_peer, record, (size_t)n);
	peer_opens(rig);
	return rig->peer_alert;
}

/* ---- the target --------------------------------------------------------------------------- */

void rig_plain_takes(struct rig *rig, size_t n)
{
	struct kiln_op *op = &rig->conn->plain_out;
	assert_true(op->armed);
	assert_int_equal(op->kind, KILN_OP_SEND);
	if (n > op->len)
		n = op->len;
	wire_add(&rig->plain_got, op->data, n);
	script_result(&rig->io, op, (int)n);
}

void rig_plain_says(struct rig *rig, const void *data, size_t len)
{
	script_give(&rig->io, &rig->conn->plain_in, data, len, 0);
}

void rig_plain_ends(struct rig *rig, int result)
{
	script_result(&rig->io, &rig->conn->plain_in, result);
}

void rig_flush(struct rig *rig)
{
	rig_turn(rig);
	while (rig->conn != NULL) {
		bool moved = false;
		if (rig->conn->tls_out.armed) {
			rig_peer_takes(rig, SIZE_MAX);
			moved = true;
		}
		if (rig->conn->plain_out.armed) {
			rig_plain_takes(rig, SIZE_MAX);
			moved = true;
		}
		if (!moved && rig->io.event_count == 0)
			return;
		rig_turn(rig);
	}
}
