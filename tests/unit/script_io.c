/* SPDX-License-Identifier: Apache-2.0
 * The scripted engine; see script_io.h. */
#include "script_io.h"

#include <errno.h>

static struct script_io *self(struct kiln_io *io)
{
	return (struct script_io *)(void *)io;
}

static unsigned find(const struct script_io *script, const struct kiln_op *op)
{
	for (unsigned i = 0; i < SCRIPT_OPS; i++)
		if (script->armed[i] == op)
			return i;
	return SCRIPT_OPS;
}

static void script_arm(struct kiln_io *io, struct kiln_op *op)
{
	struct script_io *script = self(io);
	assert_int_equal(find(script, op), SCRIPT_OPS); /* armed twice */
	assert_non_null(op->done);
	assert_true(op->fd >= 0);
	if (op->kind == KILN_OP_SEND || op->kind == KILN_OP_SEND_RECORD ||
	    op->kind == KILN_OP_CONNECT) {
		assert_non_null(op->data);
		assert_true(op->len > 0);
	}
	for (unsigned i = 0; i < SCRIPT_OPS; i++) {
		if (script->armed[i] != NULL)
			continue;
		script->armed[i] = op;
		script->arming[i] = ++script->armings;
		return;
	}
	fail_msg("too many operations");
}

static void queue(struct script_io *script, struct kiln_op *op, int result,
		  struct kiln_buffer *buffer, bool last, bool is_cancel)
{
	const unsigned i = find(script, op);
	assert_true(i < SCRIPT_OPS);
	assert_true(script->event_count < SCRIPT_EVENTS);
	script->events[script->event_count++] = (struct script_event){
	    .op = op,
	    .arming = script->arming[i],
	    .result = result,
	    .buffer = buffer,
	    .last = last,
	    .is_cancel = is_cancel,
	};
}

void script_cancelled(struct script_io *script, struct kiln_op *op)
{
	assert_true(op->cancelling);
	queue(script, op, -ECANCELED, NULL, true, true);
}

static void script_cancel(struct kiln_io *io, struct kiln_op *op)
{
	struct script_io *script = self(io);
	assert_true(find(script, op) < SCRIPT_OPS);
	if (!script->late_cancel)
		script_cancelled(script, op);
}

void script_give(struct script_io *script, struct kiln_op *op, const void *data, size_t len,
		 uint8_t type)
{
	struct kiln_buffer *buffer = kiln_pool_take(script->io.pool);
	assert_non_null(buffer);
	assert_in_range(len, 1, op->len);
	memcpy(buffer->base, data, len);
	buffer->len = (uint32_t)len;
	buffer->type = type;
	const bool once = op->kind == KILN_OP_RECV_ONCE || op->kind == KILN_OP_RECV_RECORDS_ONCE;
	queue(script, op, (int)len, buffer, once, false);
}

void script_result(struct script_io *script, struct kiln_op *op, int result)
{
	queue(script, op, result, NULL, true, false);
}

void script_more(struct script_io *script, struct kiln_op *op, int result)
{
	queue(script, op, result, NULL, false, false);
}

unsigned script_armed(const struct script_io *script)
{
	unsigned count = 0;
	for (unsigned i = 0; i < SCRIPT_OPS; i++)
		count += script->armed[i] != NULL;
	return count;
}

static void script_dispatch(struct kiln_io *io)
{
	struct script_io *script = self(io);
	struct script_event events[SCRIPT_EVENTS];
	const unsigned count = script->event_count;
	memcpy(events, script->events, count * sizeof events[0]);
	script->event_count = 0;
	for (unsigned n = 0; n < count; n++) {
		const struct script_event *event = &events[n];
		const unsigned i = find(script, event->op);
		if (i == SCRIPT_OPS || script->arming[i] != event->arming) {
			assert_true(event->is_cancel); /* it had ended by itself: as in a kernel */
			continue;
		}
		if (event->last)
			script->armed[i] = NULL;
		kiln_io_deliver(event->op, event->result, event->buffer, event->last);
	}
}

static void script_forget(struct kiln_io *io, int fd)
{
	struct script_io *script = self(io);
	struct linger linger = {0};
	socklen_t len = sizeof linger;
	for (unsigned i = 0; i < SCRIPT_OPS; i++)
		assert_true(script->armed[i] == NULL || script->armed[i]->fd != fd);
	assert_int_equal(getsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, &len), 0);
	script->reset[script->forgotten++ % 8] = linger.l_onoff != 0 && linger.l_linger == 0;
}

static void script_buffer_put(struct kiln_io *io, struct kiln_buffer *buffer)
{
	memset(buffer->base, 0xdb, 64); /* whoever still reads it shows */
	kiln_pool_put(io->pool, buffer);
}

static enum kiln_code script_wait(struct kiln_io *io, int timeout_ms, struct kiln_error *err)
{
	(void)io, (void)timeout_ms, (void)err;
	return KILN_OK;
}

static void script_close(struct kiln_io *io)
{
	self(io)->closed = true;
}

static const struct kiln_engine_ops script_ops = {
    .name = "script",
    .close = script_close,
    .arm = script_arm,
    .cancel = script_cancel,
    .forget = script_forget,
    .buffer_put = script_buffer_put,
    .wait = script_wait,
    .dispatch = script_dispatch,
};

void script_open(struct script_io *script, struct kiln_pool *pool)
{
	memset(script, 0, sizeof *script);
	script->io.engine = &script_ops;
	script->io.pool = pool;
}
