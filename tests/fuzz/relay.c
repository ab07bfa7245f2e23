/* SPDX-License-Identifier: Apache-2.0
 * A worker's connection between a hostile peer, a hostile target and an engine that answers in any
 * order. Run: fuzz_relay tests/fuzz/corpus/relay
 *
 * The first byte chooses user space or a played kernel; every further byte is a move. Beyond memory
 * errors it looks for what the rig asserts: operations armed twice, bytes behind a close_notify, a
 * buffer, a deadline or a connection that stays. */
#include "fuzz.h"

#include <errno.h>

#include "relay_rig.h"

static struct rig rig;
static struct kiln_buffer *hoard;

static bool listens(const struct kiln_op *op)
{
	return op->armed && !op->cancelling;
}

static const int errors[] = {0,       -ECONNRESET,  -EPIPE, -EBADMSG, -EINVAL, -EMSGSIZE,
			     -EPROTO, -EKEYEXPIRED, -EIO,   -ENOMEM,  -EAGAIN, -ETIMEDOUT};

static int any_error(struct fuzz_input *in)
{
	return errors[fuzz_byte(in) % (sizeof errors / sizeof errors[0])];
}

static void peer_record(struct fuzz_input *in)
{
	uint8_t content[KILN_RECORD_PLAIN_MAX];
	const uint8_t type = (uint8_t)(20 + fuzz_byte(in) % 5);
	size_t len = fuzz_short(in) % (KILN_RECORD_PLAIN_MAX + 1);
	memset(content, fuzz_byte(in), len);
	if (type == KILN_RECORD_ALERT || type == KILN_RECORD_HANDSHAKE) {
		len %= 16;
		for (size_t i = 0; i < len; i++)
			content[i] = fuzz_byte(in);
	}
	if (!rig.kernel)
		rig_peer_seals(&rig, type, content, len);
	else if (len > 0 && listens(&rig.conn->tls_in))
		rig_peer_says(&rig, type, content, len);
}

static void peer_update(uint8_t request)
{
	const uint8_t message[] = {24, 0, 0, 1, request};
	if (rig_sys.sets + 4 > RIG_CALLS)
		memset(&rig_sys, 0, sizeof rig_sys);
	if (!rig.kernel)
		rig_peer_seals(&rig, KILN_RECORD_HANDSHAKE, message, sizeof message);
	else if (listens(&rig.conn->tls_in))
		rig_peer_says(&rig, KILN_RECORD_HANDSHAKE, message, sizeof message);
	require(kiln_traffic_update(&rig.peer_tx, NULL) == KILN_OK);
}

static void wire_moves(struct fuzz_input *in)
{
	const size_t n = fuzz_short(in) + 1u;
	if (rig.from_peer.len == 0 || !listens(&rig.conn->tls_in))
		return;
	const uint8_t flip = fuzz_byte(in);
	if (flip >= 250) /* now and then a byte is wrong */
		rig.from_peer.data[n % rig.from_peer.len] ^= flip;
	rig_peer_gives(&rig, n < rig.conn->tls_in.len ? n : rig.conn->tls_in.len);
}

static void takes(struct fuzz_input *in, struct kiln_op *op)
{
	const uint8_t how = fuzz_byte(in);
	const size_t n = fuzz_short(in) + 1u;
	if (!op->armed || op->cancelling)
		return;
	if (how >= 250)
		script_result(&rig.io, op, any_error(in));
	else if (op == &rig.conn->plain_out)
		rig_plain_takes(&rig, n);
	else
		rig_peer_takes(&rig, op->kind == KILN_OP_SEND_RECORD ? op->len : n);
}

static void answer_cancel(struct kiln_op *op)
{
	if (op->armed && op->cancelling)
		script_cancelled(&rig.io, op);
}

static void answer_cancels(void)
{
	answer_cancel(&rig.conn->tls_in);
	answer_cancel(&rig.conn->tls_out);
	answer_cancel(&rig.conn->plain_in);
	answer_cancel(&rig.conn->plain_out);
}

static void hoard_buffers(unsigned leave)
{
	struct kiln_buffer *buffer;
	while (hoard != NULL) {
		buffer = hoard->next;
		kiln_io_buffer_put(rig.worker.io, hoard);
		hoard = buffer;
	}
	if (leave >= 60)
		return;
	while (rig.worker.pool.in_use + leave < rig.worker.pool.limit &&
	       (buffer = kiln_pool_take(&rig.worker.pool)) != NULL) {
		buffer->next = hoard;
		hoard = buffer;
	}
}

/* A receive needs a buffer of its own, which an engine would wait for. */
static bool can_receive(void)
{
	return kiln_pool_has(&rig.worker.pool);
}

static void one_move(struct fuzz_input *in)
{
	struct kiln_link *conn = rig.conn;
	static const uint8_t text[65536] = {1, 2, 3};
	const uint8_t move = fuzz_byte(in) % 12;
	switch (move) {
	case 0:
		if (can_receive())
			peer_record(in);
		break;
	case 1:
		if (can_receive())
			peer_update(fuzz_byte(in) & 1);
		break;
	case 2:
	case 3:
		if (can_receive())
			wire_moves(in);
		break;
	case 4:
		if (listens(&conn->plain_in) && can_receive())
			rig_plain_says(&rig, text, fuzz_short(in) + 1u);
		break;
	case 5: takes(in, &conn->plain_out); break;
	case 6: takes(in, &conn->tls_out); break;
	case 7: answer_cancels(); break;
	case 8: rig_ms += fuzz_byte(in) * 8u; break;
	case 9:
		if (listens(&conn->tls_in))
			rig_peer_ends(&rig, any_error(in));
		break;
	case 10:
		if (listens(&conn->plain_in))
			rig_plain_ends(&rig, any_error(in));
		break;
	default: hoard_buffers(fuzz_byte(in)); break;
	}
	rig_turn(&rig);
}

static void end(void)
{
	hoard_buffers(255);
	rig_turn(&rig);
	if (rig.conn != NULL) {
		kiln_link_fail(rig.conn, &(struct kiln_error){.code = KILN_E_SYSTEM});
		kiln_link_drop(rig.conn);
	}
	while (rig.conn != NULL) {
		answer_cancels();
		rig_turn(&rig);
	}
	rig_close(&rig);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	const uint8_t options = fuzz_byte(&in);
	rig_open(&rig, KILN_SERVER);
	rig.worker.settings.kernel.rekey = (options & 2) == 0;
	rig.worker.settings.idle_timeout = options & 4 ? 500 : 0;
	rig.worker.settings.send_timeout = options & 8 ? 0 : 1000;
	rig_relay(&rig, options & 1, NULL);
	rig.io.late_cancel = true;
	if (options & 16)
		rig.conn->tx.limit = 2;
	while (in.left > 0 && rig.conn != NULL)
		one_move(&in);
	end();
	return 0;
}
