/* SPDX-License-Identifier: Apache-2.0
 * io_uring, tried: setup flags, provided buffers, and the multishot calls of the relay. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <liburing.h>

#include "doctor/loopback.h"
#include "doctor/probe.h"
#include "doctor/uring_reason.h"

#define BUFFERS     4u
#define BUFFER_SIZE 256u
#define GROUP       1

struct rig {
	struct io_uring ring;
	struct io_uring_buf_ring *buffers; /* one page, the descriptors; bytes follow in it */
	size_t page;
};

static bool flags_work(unsigned flags)
{
	struct io_uring ring;

	if (io_uring_queue_init(4, &ring, flags) != 0)
		return false;
	io_uring_queue_exit(&ring);
	return true;
}

/* Gives the kernel a few buffers to choose from. */
static bool provide_buffers(struct rig *rig)
{
	rig->page = (size_t)sysconf(_SC_PAGESIZE);
	void *memory =
	    mmap(NULL, rig->page, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	rig->buffers = memory;
	struct io_uring_buf_reg registration = {
	    .ring_addr = (uint64_t)(uintptr_t)memory,
	    .ring_entries = BUFFERS,
	    .bgid = GROUP,
	};
	if (io_uring_register_buf_ring(&rig->ring, &registration, 0) != 0)
		return false;
	io_uring_buf_ring_init(rig->buffers);
	char *bytes = (char *)memory + 1024;
	for (unsigned short i = 0; i < BUFFERS; i++)
		io_uring_buf_ring_add(rig->buffers, bytes + (size_t)i * BUFFER_SIZE, BUFFER_SIZE, i,
				      (int)BUFFERS - 1, i);
	io_uring_buf_ring_advance(rig->buffers, (int)BUFFERS);
	return true;
}

static bool rig_open(struct rig *rig)
{
	*rig = (struct rig){0};
	return io_uring_queue_init(8, &rig->ring, 0) == 0;
}

static void rig_close(struct rig *rig)
{
	io_uring_queue_exit(&rig->ring);
	if (rig->buffers != NULL)
		(void)munmap(rig->buffers, rig->page);
}

/* A multishot request that answers with success and stays armed. */
static bool answers_and_stays(struct rig *rig)
{
	struct __kernel_timespec wait = {.tv_sec = KILN_LOOPBACK_WAIT_MS / 1000};
	struct io_uring_cqe *cqe;

	if (io_uring_wait_cqe_timeout(&rig->ring, &cqe, &wait) != 0)
		return false;
	bool good = cqe->res >= 0 && (cqe->flags & IORING_CQE_F_MORE) != 0;
	io_uring_cqe_seen(&rig->ring, cqe);
	return good;
}

static struct io_uring_sqe *receiving(struct rig *rig, int fd, struct msghdr *msg)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&rig->ring);

	if (msg != NULL)
		io_uring_prep_recvmsg_multishot(sqe, fd, msg, 0);
	else
		io_uring_prep_recv_multishot(sqe, fd, NULL, 0, 0);
	sqe->flags |= IOSQE_BUFFER_SELECT;
	sqe->buf_group = GROUP;
	return sqe;
}

/* msg NULL tries recv, otherwise recvmsg. */
static bool receive_works(struct msghdr *msg, bool *buffer_ring)
{
	struct rig rig;
	int fds[2];
	bool works = false;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
		return false;
	if (rig_open(&rig)) {
		*buffer_ring = provide_buffers(&rig);
		if (*buffer_ring && receiving(&rig, fds[0], msg) != NULL &&
		    io_uring_submit(&rig.ring) == 1 && send(fds[1], "kiln", 4, MSG_NOSIGNAL) == 4)
			works = answers_and_stays(&rig);
		rig_close(&rig);
	}
	(void)close(fds[0]);
	(void)close(fds[1]);
	return works;
}

/* The ring is gone before what it accepted is closed, so it cannot accept again. */
static bool accept_works(void)
{
	struct rig rig;
	struct io_uring_cqe *cqe;
	struct __kernel_timespec wait = {.tv_sec = KILN_LOOPBACK_WAIT_MS / 1000};
	bool works = false;
	int accepted = -1, client = -1, listener = kiln_loopback_listen();

	if (listener < 0)
		return false;
	if (rig_open(&rig)) {
		io_uring_prep_multishot_accept(io_uring_get_sqe(&rig.ring), listener, NULL, NULL,
					       SOCK_CLOEXEC);
		if (io_uring_submit(&rig.ring) == 1)
			client = kiln_loopback_connect(listener);
		if (client >= 0 && io_uring_wait_cqe_timeout(&rig.ring, &cqe, &wait) == 0) {
			accepted = cqe->res;
			works = accepted >= 0 && (cqe->flags & IORING_CQE_F_MORE) != 0;
		}
		rig_close(&rig);
	}
	if (accepted >= 0)
		(void)close(accepted);
	if (client >= 0)
		(void)close(client);
	(void)close(listener);
	return works;
}

enum kiln_code kiln_probe_uring(struct kiln_uring_caps *caps)
{
	struct io_uring ring;
	struct kiln_uring_walls walls;
	struct msghdr msg = {.msg_controllen = CMSG_SPACE(1)};
	bool buffer_ring;

	*caps = (struct kiln_uring_caps){0};
	int rc = io_uring_queue_init(4, &ring, 0);
	if (rc != 0) {
		kiln_uring_walls_look(&walls);
		kiln_uring_reason(-rc, &walls, caps->reason, caps->fix);
		return KILN_OK;
	}
	io_uring_queue_exit(&ring);
	caps->available = true;
	caps->coop_taskrun = flags_work(IORING_SETUP_COOP_TASKRUN);
	caps->single_issuer = flags_work(IORING_SETUP_SINGLE_ISSUER);
	caps->defer_taskrun = flags_work(IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN);
	caps->multishot_accept = accept_works();
	caps->multishot_recv = receive_works(NULL, &caps->buffer_ring);
	caps->multishot_recvmsg = receive_works(&msg, &buffer_ring);
	caps->usable = caps->buffer_ring && caps->multishot_accept && caps->multishot_recvmsg;
	return KILN_OK;
}
