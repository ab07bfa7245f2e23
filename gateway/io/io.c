/* SPDX-License-Identifier: Apache-2.0
 * The engine-independent half of the event interface. */
#include "io/io.h"

#include <stdio.h>

#include "io/engine.h"

struct kiln_io *kiln_io_open(enum kiln_engine engine, struct kiln_pool *pool, char why[160],
			     struct kiln_error *err)
{
	why[0] = '\0';
	if (engine == KILN_ENGINE_EPOLL) {
		(void)snprintf(why, 160, "asked for with --engine epoll");
		return kiln_epoll_open(pool, err);
	}
	struct kiln_error uring = {0};
	struct kiln_io *io = kiln_uring_open(pool, &uring);
	if (io != NULL)
		return io;
	if (engine == KILN_ENGINE_IO_URING) {
		if (err != NULL)
			*err = uring;
		return NULL;
	}
	(void)snprintf(why, 160, "%.159s", uring.message);
	return kiln_epoll_open(pool, err);
}

void kiln_io_close(struct kiln_io *io)
{
	if (io != NULL)
		io->engine->close(io);
}

const char *kiln_io_name(const struct kiln_io *io)
{
	return io->engine->name;
}

static void arm(struct kiln_io *io, struct kiln_op *op, enum kiln_op_kind kind, int fd,
		const void *data, uint32_t len)
{
	op->kind = (uint8_t)kind;
	op->fd = fd;
	op->data = data;
	op->len = len;
	op->armed = true;
	op->cancelling = false;
	io->engine->arm(io, op);
}

void kiln_io_accept(struct kiln_io *io, struct kiln_op *op, int fd)
{
	arm(io, op, KILN_OP_ACCEPT, fd, NULL, 0);
}

void kiln_io_recv_once(struct kiln_io *io, struct kiln_op *op, int fd, uint32_t len)
{
	arm(io, op, KILN_OP_RECV_ONCE, fd, NULL,
	    len < KILN_BUFFER_PAYLOAD ? len : KILN_BUFFER_PAYLOAD);
}

void kiln_io_recv(struct kiln_io *io, struct kiln_op *op, int fd)
{
	arm(io, op, KILN_OP_RECV, fd, NULL, KILN_BUFFER_PAYLOAD);
}

void kiln_io_recv_records(struct kiln_io *io, struct kiln_op *op, int fd)
{
	arm(io, op, KILN_OP_RECV_RECORDS, fd, NULL, KILN_BUFFER_PAYLOAD);
}

void kiln_io_recv_records_once(struct kiln_io *io, struct kiln_op *op, int fd)
{
	arm(io, op, KILN_OP_RECV_RECORDS_ONCE, fd, NULL, KILN_BUFFER_PAYLOAD);
}

void kiln_io_send(struct kiln_io *io, struct kiln_op *op, int fd, const void *data, uint32_t len)
{
	arm(io, op, KILN_OP_SEND, fd, data, len);
}

void kiln_io_send_record(struct kiln_io *io, struct kiln_op *op, int fd, uint8_t type,
			 const void *data, uint32_t len)
{
	op->type = type;
	arm(io, op, KILN_OP_SEND_RECORD, fd, data, len);
}

void kiln_io_connect(struct kiln_io *io, struct kiln_op *op, int fd, const struct sockaddr *address,
		     socklen_t len)
{
	arm(io, op, KILN_OP_CONNECT, fd, address, len);
}

void kiln_io_poll(struct kiln_io *io, struct kiln_op *op, int fd)
{
	arm(io, op, KILN_OP_POLL, fd, NULL, 0);
}

void kiln_io_writable(struct kiln_io *io, struct kiln_op *op, int fd)
{
	arm(io, op, KILN_OP_WRITABLE, fd, NULL, 0);
}

void kiln_io_cancel(struct kiln_io *io, struct kiln_op *op)
{
	if (!op->armed || op->cancelling)
		return;
	op->cancelling = true;
	io->engine->cancel(io, op);
}

void kiln_io_forget(struct kiln_io *io, int fd)
{
	if (io->engine->forget != NULL)
		io->engine->forget(io, fd);
}

struct kiln_buffer *kiln_io_buffer_take(struct kiln_io *io)
{
	return kiln_pool_take(io->pool);
}

void kiln_io_buffer_put(struct kiln_io *io, struct kiln_buffer *buffer)
{
	io->engine->buffer_put(io, buffer);
}

enum kiln_code kiln_io_wait(struct kiln_io *io, int timeout_ms, struct kiln_error *err)
{
	return io->engine->wait(io, timeout_ms, err);
}

void kiln_io_dispatch(struct kiln_io *io)
{
	io->engine->dispatch(io);
}
