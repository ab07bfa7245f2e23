/* SPDX-License-Identifier: Apache-2.0
 * The epoll engine, for where io_uring is refused (Docker's default seccomp profile, for one). It
 * plays the same operations over edge-triggered readiness: an armed operation is tried as long as
 * its descriptor is known to be ready, and waits for the next edge after EAGAIN. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <kiln/ktls.h>

#include "io/engine.h"

#define EVENTS_PER_WAIT 256

struct slot {
	struct kiln_op *in, *out; /* armed operations that wait for readiness */
	bool registered, readable, writable;
};

struct epoll {
	struct kiln_io io;
	int fd;
	struct slot *slots; /* by descriptor */
	size_t slot_count;
	struct kiln_op *ready, **ready_tail;
	struct kiln_op *starved; /* receives that wait for a buffer */
};

static struct epoll *self(struct kiln_io *io)
{
	return (struct epoll *)(void *)io;
}

static bool is_output(const struct kiln_op *op)
{
	return op->kind == KILN_OP_SEND || op->kind == KILN_OP_SEND_RECORD ||
	       op->kind == KILN_OP_CONNECT || op->kind == KILN_OP_WRITABLE;
}

static void make_ready(struct epoll *e, struct kiln_op *op)
{
	if (op == NULL || op->queued)
		return;
	op->queued = true;
	op->next = NULL;
	*e->ready_tail = op;
	e->ready_tail = &op->next;
}

static struct slot *slot_of(struct epoll *e, int fd)
{
	const size_t need = (size_t)fd + 1;
	if (need > e->slot_count) {
		const size_t count = need < 256 ? 256 : need * 2;
		struct slot *slots = realloc(e->slots, count * sizeof *slots);
		if (slots == NULL)
			return NULL;
		memset(slots + e->slot_count, 0, (count - e->slot_count) * sizeof *slots);
		e->slots = slots;
		e->slot_count = count;
	}
	return &e->slots[fd];
}

static int register_fd(struct epoll *e, struct slot *slot, const struct kiln_op *op)
{
	if (slot->registered)
		return 0;
	const int flags = fcntl(op->fd, F_GETFL);
	if (flags < 0 ||
	    ((flags & O_NONBLOCK) == 0 && fcntl(op->fd, F_SETFL, flags | O_NONBLOCK) != 0))
		return -errno;
	struct epoll_event event = {
	    .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
	    .data.fd = op->fd,
	};
	/* A fresh socket is tried first and waited for afterwards; a connect is in between. */
	slot->readable = slot->writable = true;
	if (epoll_ctl(e->fd, EPOLL_CTL_ADD, op->fd, &event) != 0)
		return -errno;
	slot->registered = true;
	return 0;
}

/* Connecting starts at once; its outcome is read when the socket becomes writable. */
static void start_connect(struct slot *slot, struct kiln_op *op)
{
	op->type = 0;
	if (connect(op->fd, op->data, op->len) == 0)
		return;
	op->type = 1; /* under way, or failed: SO_ERROR tells once it is writable */
	if (errno == EINPROGRESS)
		slot->writable = false;
	else
		op->engine.failed = errno;
}

static void epoll_arm(struct kiln_io *io, struct kiln_op *op)
{
	struct epoll *e = self(io);
	struct slot *slot = slot_of(e, op->fd);
	op->engine.failed = 0;
	const int failed = slot != NULL ? register_fd(e, slot, op) : -ENOMEM;
	if (failed != 0) {
		op->engine.failed = -failed;
		make_ready(e, op);
		return;
	}
	if (is_output(op))
		slot->out = op;
	else
		slot->in = op;
	if (op->kind == KILN_OP_CONNECT)
		start_connect(slot, op);
	if (is_output(op) ? slot->writable : slot->readable)
		make_ready(e, op);
}

/* Puts every receive that waits for a buffer up again. */
static void feed_starved(struct epoll *e)
{
	struct kiln_op *op = e->starved;
	e->starved = NULL;
	while (op != NULL) {
		struct kiln_op *next = op->next;
		op->queued = false;
		make_ready(e, op);
		op = next;
	}
}

static void epoll_cancel(struct kiln_io *io, struct kiln_op *op)
{
	struct epoll *e = self(io);
	feed_starved(e);   /* it may be among them */
	make_ready(e, op); /* answered at the next turn */
}

static void epoll_forget(struct kiln_io *io, int fd)
{
	struct epoll *e = self(io);
	if ((size_t)fd >= e->slot_count)
		return;
	if (e->slots[fd].registered)
		(void)epoll_ctl(e->fd, EPOLL_CTL_DEL, fd, NULL);
	memset(&e->slots[fd], 0, sizeof e->slots[fd]);
}

static void epoll_buffer_put(struct kiln_io *io, struct kiln_buffer *buffer)
{
	kiln_pool_put(io->pool, buffer);
	feed_starved(self(io));
}

/* ---- trying ------------------------------------------------------------------------------- */

static ssize_t attempt_receive(struct kiln_op *op, struct kiln_buffer *buffer)
{
	ssize_t n;
	if (op->kind == KILN_OP_RECV_RECORDS || op->kind == KILN_OP_RECV_RECORDS_ONCE)
		n = kiln_ktls_receive(NULL, op->fd, buffer->base, KILN_BUFFER_PAYLOAD, MSG_DONTWAIT,
				      &buffer->type);
	else
		n = recv(op->fd, buffer->base, op->len, MSG_DONTWAIT);
	if (n > 0)
		buffer->len = (uint32_t)n;
	return n >= 0 ? n : -errno;
}

static ssize_t attempt_output(struct kiln_op *op)
{
	ssize_t n;
	if (op->kind == KILN_OP_CONNECT) {
		int failed = op->engine.failed;
		socklen_t len = sizeof failed;
		if (failed == 0 && op->type == 1 &&
		    getsockopt(op->fd, SOL_SOCKET, SO_ERROR, &failed, &len) != 0)
			return -errno;
		return -failed;
	}
	struct pollfd room = {.fd = op->fd, .events = POLLOUT};
	if ((op->kind == KILN_OP_SEND_RECORD || op->kind == KILN_OP_WRITABLE) &&
	    poll(&room, 1, 0) == 0)
		return -EAGAIN; /* asking for it makes sure that the edge comes */
	if (op->kind == KILN_OP_WRITABLE)
		return 1;
	if (op->kind == KILN_OP_SEND_RECORD)
		n = kiln_ktls_send_record(NULL, op->fd, op->type, op->data, op->len);
	else
		n = send(op->fd, op->data, op->len, MSG_DONTWAIT | MSG_NOSIGNAL);
	return n >= 0 ? n : -errno;
}

static ssize_t attempt_accept(const struct kiln_op *op)
{
	const int fd = accept4(op->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	return fd >= 0 ? fd : -errno;
}

static bool repeats(const struct kiln_op *op)
{
	return op->kind == KILN_OP_ACCEPT || op->kind == KILN_OP_RECV ||
	       op->kind == KILN_OP_RECV_RECORDS || op->kind == KILN_OP_POLL;
}

/* Ends a turn of an operation: delivers, and keeps a repeating one going after a success. */
static void deliver(struct epoll *e, struct kiln_op *op, ssize_t result, struct kiln_buffer *buffer)
{
	const int fd = op->fd;
	const bool goes_on =
	    repeats(op) &&
	    (op->kind == KILN_OP_RECV || op->kind == KILN_OP_RECV_RECORDS ? result > 0
									  : result >= 0);
	if (!goes_on && (size_t)fd < e->slot_count) { /* else there was no memory for a slot */
		struct slot *slot = &e->slots[fd];
		if (slot->in == op)
			slot->in = NULL;
		if (slot->out == op)
			slot->out = NULL;
	} else if (goes_on) {
		make_ready(e, op); /* more may be there; EAGAIN will tell */
	}
	kiln_io_deliver(op, (int)result, buffer, !goes_on);
}

static void try_input(struct epoll *e, struct kiln_op *op)
{
	struct slot *slot = &e->slots[op->fd];
	struct kiln_buffer *buffer = NULL;
	ssize_t n;
	if (op->kind == KILN_OP_POLL) {
		slot->readable = false;
		kiln_io_deliver(op, 1, NULL, false);
		return;
	}
	if (op->kind == KILN_OP_ACCEPT) {
		n = attempt_accept(op);
	} else {
		buffer = kiln_pool_take_to_receive(e->io.pool);
		if (buffer == NULL) {
			op->queued = true;
			op->next = e->starved;
			e->starved = op;
			return;
		}
		n = attempt_receive(op, buffer);
		if (!kiln_io_brought_something(op, buffer, (int)n)) {
			kiln_pool_put(e->io.pool, buffer);
			buffer = NULL;
		}
	}
	if (n == -EAGAIN)
		slot->readable = false;
	else if (n == -EINTR || n == -ECONNABORTED)
		make_ready(e, op);
	else
		deliver(e, op, n, buffer);
}

static void run(struct epoll *e, struct kiln_op *op)
{
	if (op->cancelling) {
		deliver(e, op, -ECANCELED, NULL);
		return;
	}
	if (op->engine.failed != 0 && op->kind != KILN_OP_CONNECT) { /* registration failed */
		deliver(e, op, -op->engine.failed, NULL);
		return;
	}
	if (!is_output(op)) {
		try_input(e, op);
		return;
	}
	struct slot *slot = &e->slots[op->fd];
	const ssize_t n = attempt_output(op);
	/* A Unix socket whose backlog is full says EAGAIN to a connect, and no edge follows. */
	if (n == -EAGAIN && op->kind != KILN_OP_CONNECT)
		slot->writable = false;
	else if (n == -EINTR)
		make_ready(e, op);
	else
		deliver(e, op, n, NULL);
}

static void note_readiness(struct epoll *e, const struct epoll_event *event)
{
	struct slot *slot = &e->slots[event->data.fd];
	if (event->events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) {
		slot->readable = true;
		make_ready(e, slot->in);
	}
	if (event->events & (EPOLLOUT | EPOLLHUP | EPOLLERR)) {
		slot->writable = true;
		make_ready(e, slot->out);
	}
}

static enum kiln_code epoll_engine_wait(struct kiln_io *io, int timeout_ms, struct kiln_error *err)
{
	struct epoll *e = self(io);
	struct epoll_event events[EVENTS_PER_WAIT];
	const int n = epoll_wait(e->fd, events, EVENTS_PER_WAIT, e->ready != NULL ? 0 : timeout_ms);
	if (n < 0 && errno != EINTR)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "epoll_wait failed");
	for (int i = 0; i < n; i++)
		note_readiness(e, &events[i]);
	return KILN_OK;
}

static void epoll_engine_dispatch(struct kiln_io *io)
{
	struct epoll *e = self(io);
	/* One pass over what is ready now; what becomes ready meanwhile has its turn next time. */
	struct kiln_op *op = e->ready;
	e->ready = NULL;
	e->ready_tail = &e->ready;
	while (op != NULL) {
		struct kiln_op *next = op->next;
		op->queued = false;
		if (op->armed)
			run(e, op);
		op = next;
	}
}

static void epoll_engine_close(struct kiln_io *io)
{
	struct epoll *e = self(io);
	(void)close(e->fd);
	free(e->slots);
	free(e);
}

static const struct kiln_engine_ops epoll_ops = {
    .name = "epoll",
    .close = epoll_engine_close,
    .arm = epoll_arm,
    .cancel = epoll_cancel,
    .forget = epoll_forget,
    .buffer_put = epoll_buffer_put,
    .wait = epoll_engine_wait,
    .dispatch = epoll_engine_dispatch,
};

struct kiln_io *kiln_epoll_open(struct kiln_pool *pool, struct kiln_error *err)
{
	struct epoll *e = calloc(1, sizeof *e);
	const int fd = e != NULL ? epoll_create1(EPOLL_CLOEXEC) : -1;
	if (fd < 0) {
		(void)kiln_fail_errno(err, KILN_E_SYSTEM, errno, "epoll cannot be opened");
		free(e);
		return NULL;
	}
	e->fd = fd;
	e->io.engine = &epoll_ops;
	e->io.pool = pool;
	e->ready_tail = &e->ready;
	return &e->io;
}
