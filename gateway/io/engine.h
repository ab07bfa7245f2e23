/* SPDX-License-Identifier: Apache-2.0
 * What an engine provides; for gateway/io only. */
#ifndef KILN_IO_ENGINE_H
#define KILN_IO_ENGINE_H

#include "io/io.h"

struct kiln_engine_ops {
	const char *name;
	void (*close)(struct kiln_io *io);
	void (*arm)(struct kiln_io *io, struct kiln_op *op); /* op is filled in */
	void (*cancel)(struct kiln_io *io, struct kiln_op *op);
	void (*forget)(struct kiln_io *io, int fd);
	void (*buffer_put)(struct kiln_io *io, struct kiln_buffer *buffer);
	enum kiln_code (*wait)(struct kiln_io *io, int timeout_ms, struct kiln_error *err);
	void (*dispatch)(struct kiln_io *io);
};

struct kiln_io {
	const struct kiln_engine_ops *engine;
	struct kiln_pool *pool;
};

struct kiln_io *kiln_uring_open(struct kiln_pool *pool, struct kiln_error *err) KILN_NODISCARD;
struct kiln_io *kiln_epoll_open(struct kiln_pool *pool, struct kiln_error *err) KILN_NODISCARD;

/* Zero bytes are the end of the stream, unless they are what a control record holds: nobody may
 * send such a record, and so it is worth an event. */
static inline bool kiln_io_brought_something(const struct kiln_op *op,
					     const struct kiln_buffer *buffer, int result)
{
	const uint8_t data = 23; /* RFC 8446 5.1: application_data */
	const bool records =
	    op->kind == KILN_OP_RECV_RECORDS || op->kind == KILN_OP_RECV_RECORDS_ONCE;
	return result > 0 || (result == 0 && records && buffer->type != 0 && buffer->type != data);
}

/* Delivers one event: the operation is disarmed first when it is the last, so that the callback
 * may arm it again. */
static inline void kiln_io_deliver(struct kiln_op *op, int result, struct kiln_buffer *buffer,
				   bool last)
{
	const struct kiln_event event = {.result = result, .buffer = buffer};
	if (last)
		op->armed = op->cancelling = false;
	op->done(op, &event);
}

#endif
