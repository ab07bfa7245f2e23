/* SPDX-License-Identifier: Apache-2.0
 * The io_uring engine: multishot accept and receive, one ring of provided buffers, everything
 * submitted in one call per turn of the loop. Needs Linux 6.0 (multishot recv and recvmsg). */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <linux/tls.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "io/engine.h"
#include "io/kernel_flags.h"
#include "sandbox/sandbox.h"

#define SQ_ENTRIES    1024u
#define CQ_ENTRIES    8192u
#define RING_BUFFERS  256u /* slots of the provided-buffer ring, a power of two */
#define PROVIDED_MAX  96u  /* how many buffers the kernel holds at most */
#define BUFFER_GROUP  0
#define RECORD_DATA   23 /* what a kTLS socket gives without a control message */
#define MESSAGE_SPACE (sizeof(struct io_uring_recvmsg_out) + CMSG_SPACE(1))

/* What a sendmsg or recvmsg with a record type points to while it is under way. */
struct control {
	struct control *next;
	struct msghdr msg;
	struct iovec iov;
	alignas(struct cmsghdr) uint8_t cmsg[CMSG_SPACE(1)];
};

struct uring {
	struct kiln_io io;
	struct io_uring ring;
	struct io_uring_buf_ring *provided_ring;
	size_t provided_ring_bytes;
	unsigned provided, provided_want, provided_low;
	struct msghdr recv_message; /* one template serves every multishot recvmsg */
	struct kiln_op *parked, **parked_tail;
	bool parked_urgent; /* one of them waits for no buffer */
	struct control *controls;
};

static struct uring *self(struct kiln_io *io)
{
	return (struct uring *)(void *)io;
}

/* ---- buffers ------------------------------------------------------------------------------ */

static void provide(struct uring *u, struct kiln_buffer *buffer)
{
	buffer->data = buffer->base;
	io_uring_buf_ring_add(u->provided_ring, buffer->base, KILN_BUFFER_PAYLOAD + MESSAGE_SPACE,
			      buffer->id, io_uring_buf_ring_mask(RING_BUFFERS), 0);
	io_uring_buf_ring_advance(u->provided_ring, 1);
	u->provided++;
}

static void replenish(struct uring *u)
{
	if (u->provided >= u->provided_low)
		return;
	while (u->provided < u->provided_want) {
		struct kiln_buffer *buffer = kiln_pool_take_to_receive(u->io.pool);
		if (buffer == NULL)
			return;
		provide(u, buffer);
	}
}

static void uring_buffer_put(struct kiln_io *io, struct kiln_buffer *buffer)
{
	kiln_pool_put(io->pool, buffer);
	replenish(self(io));
}

/* ---- arming ------------------------------------------------------------------------------- */

static bool is_receive(const struct kiln_op *op)
{
	return op->kind == KILN_OP_RECV || op->kind == KILN_OP_RECV_ONCE ||
	       op->kind == KILN_OP_RECV_RECORDS || op->kind == KILN_OP_RECV_RECORDS_ONCE;
}

/* An operation that cannot be submitted now (no buffer, no room) waits here for the next turn. */
static void park(struct uring *u, struct kiln_op *op)
{
	/* Only a receive has something to wait for; the others go on at the next turn. */
	if (!is_receive(op) || op->cancelling)
		u->parked_urgent = true;
	op->queued = true;
	op->next = NULL;
	*u->parked_tail = op;
	u->parked_tail = &op->next;
}

static void unpark(struct uring *u, struct kiln_op *op)
{
	struct kiln_op **link = &u->parked;
	while (*link != NULL && *link != op)
		link = &(*link)->next;
	if (*link == op)
		*link = op->next;
	if (*link == NULL)
		u->parked_tail = link;
	op->queued = false;
}

static struct io_uring_sqe *next_sqe(struct uring *u)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
	if (sqe != NULL)
		return sqe;
	(void)io_uring_submit(
	    &u->ring); /* full: push out what is there; a failure leaves it full */
	return io_uring_get_sqe(&u->ring);
}

/* A message with room for a record type. */
static struct control *take_control(struct uring *u, struct kiln_op *op)
{
	struct control *c = u->controls;
	if (c != NULL)
		u->controls = c->next;
	else
		c = malloc(
		    sizeof *c); /* kept and used again: as many as were ever under way at once */
	if (c == NULL)
		return NULL;
	memset(c, 0, sizeof *c);
	c->msg.msg_iov = &c->iov;
	c->msg.msg_iovlen = 1;
	c->msg.msg_control = c->cmsg;
	c->msg.msg_controllen = sizeof c->cmsg;
	op->engine.control = c;
	return c;
}

static bool fill_record(struct uring *u, struct io_uring_sqe *sqe, struct kiln_op *op)
{
	struct control *c = take_control(u, op);
	if (c == NULL)
		return false;
	union {
		const void *in;
		void *out;
	} bytes = {.in = op->data}; /* sendmsg takes no const, and does not write */
	c->iov = (struct iovec){.iov_base = bytes.out, .iov_len = op->len};
	struct cmsghdr *head = CMSG_FIRSTHDR(&c->msg);
	head->cmsg_level = SOL_TLS;
	head->cmsg_type = TLS_SET_RECORD_TYPE;
	head->cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(head) = op->type;
	io_uring_prep_sendmsg(sqe, op->fd, &c->msg, MSG_NOSIGNAL);
	sqe->ioprio |= IORING_RECVSEND_POLL_FIRST; /* see KILN_OP_SEND_RECORD */
	return true;
}

static void fill_receive_records(struct uring *u, struct io_uring_sqe *sqe, struct kiln_op *op)
{
	struct control *c = op->kind == KILN_OP_RECV_RECORDS_ONCE ? take_control(u, op) : NULL;
	if (c != NULL) {
		c->iov.iov_len = op->len; /* the address is the chosen buffer's */
		io_uring_prep_recvmsg(sqe, op->fd, &c->msg, 0);
	} else {
		op->kind = KILN_OP_RECV_RECORDS; /* also when there is no memory: it needs none */
		io_uring_prep_recvmsg_multishot(sqe, op->fd, &u->recv_message, 0);
	}
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = BUFFER_GROUP;
}

static void fill(struct uring *u, struct io_uring_sqe *sqe, struct kiln_op *op)
{
	switch ((enum kiln_op_kind)op->kind) {
	case KILN_OP_ACCEPT:
		io_uring_prep_multishot_accept(sqe, op->fd, NULL, NULL, SOCK_CLOEXEC);
		break;
	case KILN_OP_RECV_ONCE:
		io_uring_prep_recv(sqe, op->fd, NULL, op->len, 0);
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = BUFFER_GROUP;
		break;
	case KILN_OP_RECV:
		io_uring_prep_recv_multishot(sqe, op->fd, NULL, 0, 0);
		sqe->flags |= IOSQE_BUFFER_SELECT;
		sqe->buf_group = BUFFER_GROUP;
		break;
	case KILN_OP_RECV_RECORDS:
	case KILN_OP_RECV_RECORDS_ONCE: fill_receive_records(u, sqe, op); break;
	case KILN_OP_SEND: io_uring_prep_send(sqe, op->fd, op->data, op->len, MSG_NOSIGNAL); break;
	case KILN_OP_CONNECT: io_uring_prep_connect(sqe, op->fd, op->data, op->len); break;
	case KILN_OP_POLL: io_uring_prep_poll_multishot(sqe, op->fd, KILN_POLLIN); break;
	case KILN_OP_WRITABLE: io_uring_prep_poll_add(sqe, op->fd, KILN_POLLOUT); break;
	case KILN_OP_SEND_RECORD:
		if (fill_record(u, sqe, op))
			break;
		io_uring_prep_nop(sqe); /* completes with 0 bytes: the caller sees a failed send */
		break;
	case KILN_OP_NONE: io_uring_prep_nop(sqe); break;
	}
	io_uring_sqe_set_data(sqe, op);
}

static void uring_arm(struct kiln_io *io, struct kiln_op *op)
{
	struct uring *u = self(io);
	struct io_uring_sqe *sqe = next_sqe(u);
	op->submitted = sqe != NULL;
	if (sqe == NULL)
		park(u, op);
	else
		fill(u, sqe, op);
}

static void uring_cancel(struct kiln_io *io, struct kiln_op *op)
{
	struct uring *u = self(io);
	if (op->queued) {
		u->parked_urgent = true;
		return;
	}
	struct io_uring_sqe *sqe = next_sqe(u);
	if (sqe == NULL) {
		park(u, op);
		return;
	}
	io_uring_prep_cancel64(sqe, (uint64_t)(uintptr_t)op, 0);
	io_uring_sqe_set_data(sqe, NULL);
}

static void retry_parked(struct uring *u)
{
	struct kiln_op *op = u->parked;
	u->parked = NULL;
	u->parked_tail = &u->parked;
	u->parked_urgent = false;
	while (op != NULL) {
		struct kiln_op *next = op->next;
		op->queued = false;
		if (op->cancelling && op->submitted)
			uring_cancel(&u->io, op);
		else if (op->cancelling)
			kiln_io_deliver(op, -ECANCELED, NULL, true);
		else if (is_receive(op) && u->provided == 0)
			park(u, op);
		else
			uring_arm(&u->io, op);
		op = next;
	}
}

/* ---- completions -------------------------------------------------------------------------- */

/* Takes the record type and the payload out of a multishot recvmsg's buffer. */
static int unpack_message(struct uring *u, struct kiln_buffer *buffer, int result)
{
	struct io_uring_recvmsg_out *out =
	    io_uring_recvmsg_validate(buffer->base, result, &u->recv_message);
	if (out == NULL)
		return -EBADMSG;
	buffer->type = RECORD_DATA;
	struct cmsghdr *c = io_uring_recvmsg_cmsg_firsthdr(out, &u->recv_message);
	if (c != NULL && c->cmsg_level == SOL_TLS && c->cmsg_type == TLS_GET_RECORD_TYPE)
		buffer->type = *CMSG_DATA(c);
	buffer->data = io_uring_recvmsg_payload(out, &u->recv_message);
	buffer->len = io_uring_recvmsg_payload_length(out, result, &u->recv_message);
	return (int)buffer->len;
}

static void take_record_type(struct kiln_buffer *buffer, const struct kiln_op *op)
{
	struct control *message = op->engine.control;
	struct cmsghdr *c = CMSG_FIRSTHDR(&message->msg);
	buffer->type = RECORD_DATA;
	if (c != NULL && c->cmsg_level == SOL_TLS && c->cmsg_type == TLS_GET_RECORD_TYPE)
		buffer->type = *CMSG_DATA(c);
}

static void release_control(struct uring *u, struct kiln_op *op)
{
	struct control *c = op->engine.control;
	if (c == NULL)
		return;
	op->engine.control = NULL;
	c->next = u->controls;
	u->controls = c;
}

static void complete(struct uring *u, struct kiln_op *op, int result, unsigned flags)
{
	const bool last = (flags & IORING_CQE_F_MORE) == 0;
	struct kiln_buffer *buffer = NULL;
	if (last && op->queued)
		unpark(u, op);
	if (last)
		op->submitted = false;
	if (flags & IORING_CQE_F_BUFFER) {
		buffer = &u->io.pool->buffers[flags >> IORING_CQE_BUFFER_SHIFT];
		u->provided--;
		buffer->data = buffer->base;
		buffer->len = result > 0 ? (uint32_t)result : 0;
		buffer->type = 0;
		replenish(u);
		if (result > 0 && op->kind == KILN_OP_RECV_RECORDS)
			result = unpack_message(u, buffer, result);
		else if (result >= 0 && op->kind == KILN_OP_RECV_RECORDS_ONCE)
			take_record_type(buffer, op);
		if (!kiln_io_brought_something(op, buffer, result)) {
			uring_buffer_put(&u->io, buffer);
			buffer = NULL;
		}
	}
	if (op->kind == KILN_OP_SEND_RECORD || op->kind == KILN_OP_RECV_RECORDS_ONCE)
		release_control(u, op);
	if (result == -ENOBUFS && is_receive(op) && last) {
		/* Not the caller's concern: it goes on as soon as there is a buffer. */
		replenish(u);
		park(u, op);
		return;
	}
	kiln_io_deliver(op, result, buffer, last);
}

static enum kiln_code uring_wait(struct kiln_io *io, int timeout_ms, struct kiln_error *err)
{
	struct uring *u = self(io);
	struct io_uring_cqe *cqe = NULL;
	int rc;
	replenish(u);
	if (u->parked != NULL && (u->provided > 0 || u->parked_urgent))
		timeout_ms = 0; /* they are armed in the dispatch that follows */
	if (timeout_ms < 0) {
		rc = io_uring_submit_and_wait(&u->ring, 1);
	} else {
		struct __kernel_timespec ts = {
		    .tv_sec = timeout_ms / 1000,
		    .tv_nsec = (long long)(timeout_ms % 1000) * 1000000,
		};
		rc = io_uring_submit_and_wait_timeout(&u->ring, &cqe, 1, &ts, NULL);
	}
	if (rc < 0 && rc != -ETIME && rc != -EINTR && rc != -EAGAIN && rc != -EBUSY)
		return kiln_fail_errno(err, KILN_E_SYSTEM, -rc, "io_uring_enter failed");
	return KILN_OK;
}

static void uring_dispatch(struct kiln_io *io)
{
	struct uring *u = self(io);
	struct io_uring_cqe *cqe;
	unsigned head, seen = 0;
	io_uring_for_each_cqe(&u->ring, head, cqe)
	{
		struct kiln_op *op = io_uring_cqe_get_data(cqe);
		const int result = cqe->res;
		const unsigned flags = cqe->flags;
		seen++;
		if (op != NULL)
			complete(u, op, result, flags);
	}
	io_uring_cq_advance(&u->ring, seen);
	if (u->parked != NULL)
		retry_parked(u);
}

/* ---- set-up ------------------------------------------------------------------------------- */

static void uring_close(struct kiln_io *io)
{
	struct uring *u = self(io);
	io_uring_queue_exit(&u->ring);
	if (u->provided_ring != NULL)
		(void)munmap(u->provided_ring, u->provided_ring_bytes);
	while (u->controls != NULL) {
		struct control *c = u->controls;
		u->controls = c->next;
		free(c);
	}
	free(u);
}

/* The ring starts disabled, so that it can be limited to what the relay does (sandbox.h). */
static enum kiln_code open_ring(struct uring *u, struct kiln_error *err)
{
	/* Best first: completions run when this task waits, and nowhere else. */
	static const unsigned tries[] = {
	    IORING_SETUP_SINGLE_ISSUER | KILN_SETUP_DEFER_TASKRUN | IORING_SETUP_SUBMIT_ALL,
	    IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
	    0,
	};
	int rc = -EINVAL;
	for (size_t i = 0; i < sizeof tries / sizeof tries[0] && rc == -EINVAL; i++) {
		struct io_uring_params params = {
		    .flags = tries[i] | IORING_SETUP_CQSIZE | IORING_SETUP_R_DISABLED,
		    .cq_entries = CQ_ENTRIES,
		};
		rc = io_uring_queue_init_params(SQ_ENTRIES, &u->ring, &params);
	}
	if (rc != 0)
		return kiln_fail_errno(err, KILN_E_UNSUPPORTED, -rc, "io_uring is refused here");
	enum kiln_code code = kiln_sandbox_ring(&u->ring, err);
	if (code != KILN_OK)
		io_uring_queue_exit(&u->ring);
	return code;
}

static bool has_multishot_receive(struct uring *u)
{
	struct io_uring_probe *probe = io_uring_get_probe_ring(&u->ring);
	/* Multishot recv and recvmsg came with 6.0 and have no opcode of their own; SEND_ZC has. */
	const bool has = probe != NULL && io_uring_opcode_supported(probe, IORING_OP_SEND_ZC);
	io_uring_free_probe(probe);
	return has;
}

static int open_buffers(struct uring *u)
{
	u->provided_ring_bytes = RING_BUFFERS * sizeof(struct io_uring_buf);
	void *memory = mmap(NULL, u->provided_ring_bytes, PROT_READ | PROT_WRITE,
			    MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (memory == MAP_FAILED)
		return -errno;
	u->provided_ring = memory;
	struct io_uring_buf_reg reg = {
	    .ring_addr = (uint64_t)(uintptr_t)memory,
	    .ring_entries = RING_BUFFERS,
	    .bgid = BUFFER_GROUP,
	};
	const int rc = io_uring_register_buf_ring(&u->ring, &reg, 0);
	if (rc == 0)
		io_uring_buf_ring_init(u->provided_ring);
	return rc;
}

static const struct kiln_engine_ops uring_ops = {
    .name = "io_uring",
    .close = uring_close,
    .arm = uring_arm,
    .cancel = uring_cancel,
    .buffer_put = uring_buffer_put,
    .wait = uring_wait,
    .dispatch = uring_dispatch,
};

struct kiln_io *kiln_uring_open(struct kiln_pool *pool, struct kiln_error *err)
{
	struct uring *u = calloc(1, sizeof *u);
	if (u == NULL) {
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for the io_uring engine");
		return NULL;
	}
	u->io.engine = &uring_ops;
	u->io.pool = pool;
	u->parked_tail = &u->parked;
	/* Of a small pool only a share: one peer's burst may fill all that the kernel holds. */
	u->provided_want = pool->limit / 4 < PROVIDED_MAX ? pool->limit / 4 : PROVIDED_MAX;
	u->provided_low = u->provided_want / 3;
	u->recv_message.msg_controllen = CMSG_SPACE(1);
	if (open_ring(u, err) != KILN_OK) {
		free(u);
		return NULL;
	}
	if (!has_multishot_receive(u)) {
		(void)kiln_fail(err, KILN_E_UNSUPPORTED,
				"this kernel's io_uring has no multishot receive (Linux 6.0 has)");
		uring_close(&u->io);
		return NULL;
	}
	const int rc = open_buffers(u);
	if (rc != 0) {
		(void)kiln_fail_errno(err, KILN_E_UNSUPPORTED, -rc,
				      "io_uring buffer rings are refused");
		uring_close(&u->io);
		return NULL;
	}
	(void)io_uring_register_ring_fd(&u->ring); /* saves a look-up per call; fine without */
	replenish(u);
	return &u->io;
}
