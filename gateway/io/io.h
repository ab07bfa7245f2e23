/* SPDX-License-Identifier: Apache-2.0
 *
 * The event interface under the worker: operations are armed, completions call back. Two engines
 * implement it: io_uring, and epoll where io_uring is refused. The code above cannot tell.
 *
 * An operation's memory belongs to the caller and must live until its last event, which comes for
 * every armed operation, also for one that was cancelled. Callbacks run from kiln_io_dispatch only.
 */
#ifndef KILN_IO_IO_H
#define KILN_IO_IO_H

#include <sys/socket.h>

#include "io/buffer.h"

struct kiln_io;
struct kiln_op;

struct kiln_event {
	int result; /* bytes, a new fd, readiness; or a negative errno */
	struct kiln_buffer
	    *buffer; /* received bytes, now the callback's; NULL when there are none */
};

typedef void kiln_op_fn(struct kiln_op *op, const struct kiln_event *event);

enum kiln_op_kind {
	KILN_OP_NONE,
	KILN_OP_ACCEPT,       /* repeats; result is a connected, non-blocking, close-on-exec fd */
	KILN_OP_RECV_ONCE,    /* one receive of at most len bytes */
	KILN_OP_RECV,         /* repeats */
	KILN_OP_RECV_RECORDS, /* repeats; from a kTLS socket, buffer->type tells the record type */
	KILN_OP_RECV_RECORDS_ONCE,
	KILN_OP_SEND,
	/* One control record on a kTLS socket; waits for the socket to be writable even where it
	 * would be taken at once. A full socket lets kernel TLS keep the end of a record back,
	 * report it as sent, and lose it to the shutdown that follows a close_notify; what poll
	 * calls writable has room for all of that. */
	KILN_OP_SEND_RECORD,
	KILN_OP_CONNECT,
	KILN_OP_POLL,     /* repeats; readable */
	KILN_OP_WRITABLE, /* once; or the other end is gone */
};

struct kiln_op {
	kiln_op_fn *done; /* set once by the owner */
	const void
	    *data; /* what is sent, or the address to connect to; stable until the last event */
	uint32_t len;
	int fd;
	uint8_t kind; /* while armed */
	uint8_t type; /* of a control record */
	bool armed;   /* an event is still to come */
	bool cancelling;
	bool queued;    /* engine: in a list of its own */
	bool submitted; /* engine: the kernel knows of it */
	struct kiln_op *next;
	union {
		void *control; /* io_uring: the message that a sendmsg or recvmsg points to */
		int failed;    /* epoll: errno of a registration or a connect that failed at once */
	} engine;
};

enum kiln_engine {
	KILN_ENGINE_AUTO,
	KILN_ENGINE_IO_URING,
	KILN_ENGINE_EPOLL,
};

/* Opens an engine over the pool, which must outlive it. AUTO takes io_uring and falls back to
 * epoll; *why then tells the reason ("" when there was none). */
struct kiln_io *kiln_io_open(enum kiln_engine engine, struct kiln_pool *pool, char why[160],
			     struct kiln_error *err) KILN_NODISCARD;
void kiln_io_close(struct kiln_io *io);
const char *kiln_io_name(const struct kiln_io *io); /* "io_uring" or "epoll" */

/* A receive that repeats may bring that many buffers before its first event can pause it: io_uring
 * goes on in the kernel for as long as the socket has bytes. */
#define KILN_IO_BURST 32u

/* Arms an operation; failures come as events. */
void kiln_io_accept(struct kiln_io *io, struct kiln_op *op, int fd);
void kiln_io_recv_once(struct kiln_io *io, struct kiln_op *op, int fd, uint32_t len);
void kiln_io_recv(struct kiln_io *io, struct kiln_op *op, int fd);
void kiln_io_recv_records(struct kiln_io *io, struct kiln_op *op, int fd);
void kiln_io_recv_records_once(struct kiln_io *io, struct kiln_op *op, int fd);
void kiln_io_send(struct kiln_io *io, struct kiln_op *op, int fd, const void *data, uint32_t len);
void kiln_io_send_record(struct kiln_io *io, struct kiln_op *op, int fd, uint8_t type,
			 const void *data, uint32_t len);
void kiln_io_connect(struct kiln_io *io, struct kiln_op *op, int fd, const struct sockaddr *address,
		     socklen_t len);
void kiln_io_poll(struct kiln_io *io, struct kiln_op *op, int fd);
void kiln_io_writable(struct kiln_io *io, struct kiln_op *op, int fd);

/* Asks for the last event of an armed operation; harmless when it is not armed. */
void kiln_io_cancel(struct kiln_io *io, struct kiln_op *op);

/* Gives up a descriptor whose operations have all ended; then it is the caller's to close. */
void kiln_io_forget(struct kiln_io *io, int fd);

/* Buffers for the caller's own use, and the way back for those that events brought. */
struct kiln_buffer *kiln_io_buffer_take(struct kiln_io *io);
void kiln_io_buffer_put(struct kiln_io *io, struct kiln_buffer *buffer);

/* Submits what was armed and waits at most timeout_ms (-1: for ever) for events. Their callbacks
 * run in kiln_io_dispatch, so that the caller can read its clock in between. */
enum kiln_code kiln_io_wait(struct kiln_io *io, int timeout_ms,
			    struct kiln_error *err) KILN_NODISCARD;
void kiln_io_dispatch(struct kiln_io *io);

#endif
