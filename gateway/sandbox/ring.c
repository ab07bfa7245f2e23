/* SPDX-License-Identifier: Apache-2.0
 * io_uring carries out what is in its ring without seccomp seeing it: openat, unlinkat and the like
 * would be one submission away. IORING_REGISTER_RESTRICTIONS is the ring's own allow-list. */
#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <liburing.h>

#include "sandbox/sandbox.h"

static const unsigned char operations[] = {
    IORING_OP_NOP,     IORING_OP_ACCEPT,         IORING_OP_CONNECT,      IORING_OP_RECV,
    IORING_OP_RECVMSG, IORING_OP_SEND,           IORING_OP_SENDMSG,      IORING_OP_POLL_ADD,
    IORING_OP_CLOSE,   IORING_OP_SHUTDOWN,       IORING_OP_ASYNC_CANCEL, IORING_OP_POLL_REMOVE,
    IORING_OP_TIMEOUT, IORING_OP_TIMEOUT_REMOVE,
};

static const unsigned char registrations[] = {
    IORING_REGISTER_PROBE,       IORING_REGISTER_ENABLE_RINGS, IORING_REGISTER_PBUF_RING,
    IORING_UNREGISTER_PBUF_RING, IORING_REGISTER_RING_FDS,     IORING_UNREGISTER_RING_FDS,
};

#define COUNT(a)     (sizeof(a) / sizeof(a)[0])
#define RESTRICTIONS (COUNT(operations) + COUNT(registrations) + 1)

/* By number: liburing 2.3 declares the two calls that wrap this, but does not export them. */
static int register_with(struct io_uring *ring, unsigned opcode, const void *rules, unsigned count)
{
	return syscall(SYS_io_uring_register, ring->ring_fd, opcode, rules, count) == 0 ? 0 : errno;
}

enum kiln_code kiln_sandbox_ring(struct io_uring *ring, struct kiln_error *err)
{
	struct io_uring_restriction rules[RESTRICTIONS];
	unsigned n = 0;

	memset(rules, 0, sizeof rules);
	for (size_t i = 0; i < COUNT(operations); i++, n++) {
		rules[n].opcode = IORING_RESTRICTION_SQE_OP;
		rules[n].sqe_op = operations[i];
	}
	for (size_t i = 0; i < COUNT(registrations); i++, n++) {
		rules[n].opcode = IORING_RESTRICTION_REGISTER_OP;
		rules[n].register_op = registrations[i];
	}
	rules[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	rules[n].sqe_flags = IOSQE_BUFFER_SELECT | IOSQE_ASYNC;
	n++;
	int rc = register_with(ring, IORING_REGISTER_RESTRICTIONS, rules, n);
	if (rc == 0)
		rc = register_with(ring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (rc != 0)
		return kiln_fail_errno(err, KILN_E_UNSUPPORTED, rc,
				       "the io_uring cannot be limited to the relay's operations");
	return KILN_OK;
}
