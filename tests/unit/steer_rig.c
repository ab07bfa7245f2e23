/* SPDX-License-Identifier: Apache-2.0
 * Loopback listeners with SO_REUSEPORT, and CPU affinity. */
#include "steer_rig.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define DEADLINE_MS 30000

static cpu_set_t allowed; /* before the first pin */
static bool allowed_known;

static struct sockaddr_in loopback(uint16_t port)
{
	return (struct sockaddr_in){
	    .sin_family = AF_INET,
	    .sin_port = htons(port),
	    .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
}

int rig_listen(uint16_t port)
{
	struct sockaddr_in addr = loopback(port);
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_return_code(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one), 0);
	assert_return_code(bind(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	assert_return_code(listen(fd, 512), 0);
	return fd;
}

bool rig_may_steer(void)
{
	struct kiln_board board;
	struct kiln_steer *steer = NULL;
	struct kiln_error err = {0};
	enum kiln_code code = kiln_board_open(&board, 1, &err);

	if (code == KILN_OK)
		code = kiln_steer_open(&steer, &board, NULL, &err);
	kiln_steer_close(steer);
	kiln_board_close(&board);
	if (code != KILN_E_PERMISSION && code != KILN_E_UNSUPPORTED)
		return true;
	printf("skipped: %s\n", err.message);
	return false;
}

void rig_open(struct rig *rig, unsigned workers, const unsigned *cpu_of_worker)
{
	struct kiln_error err = {0};
	struct sockaddr_in addr = {0};
	socklen_t len = sizeof addr;

	*rig = (struct rig){.workers = workers};
	if (kiln_board_open(&rig->board, workers, &err) != KILN_OK ||
	    kiln_steer_open(&rig->steer, &rig->board, cpu_of_worker, &err) != KILN_OK)
		fail_msg("%s", err.message);
	for (unsigned w = 0; w < workers; w++) {
		rig->listeners[w] = rig_listen(rig->port);
		assert_return_code(getsockname(rig->listeners[w], (struct sockaddr *)&addr, &len),
				   0);
		rig->port = ntohs(addr.sin_port);
	}
	if (kiln_steer_attach(rig->steer, rig->listeners, &err) != KILN_OK)
		fail_msg("%s", err.message);
	for (unsigned w = 0; w < workers; w++)
		assert_int_equal(kiln_board_set_ready(&rig->board, w, true, &err), KILN_OK);
}

void rig_close(struct rig *rig)
{
	for (unsigned w = 0; w < rig->workers; w++)
		if (rig->listeners[w] >= 0)
			close(rig->listeners[w]);
	kiln_steer_close(rig->steer);
	kiln_board_close(&rig->board);
}

int rig_connect(const struct rig *rig)
{
	struct sockaddr_in addr = loopback(rig->port);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_return_code(connect(fd, (struct sockaddr *)&addr, sizeof addr), 0);
	return fd;
}

int rig_take(const struct rig *rig, unsigned *worker)
{
	struct pollfd fds[RIG_WORKERS_MAX];

	for (unsigned w = 0; w < rig->workers; w++)
		fds[w] = (struct pollfd){.fd = rig->listeners[w], .events = POLLIN};
	if (poll(fds, rig->workers, DEADLINE_MS) <= 0)
		fail_msg("no connection arrived within %d ms", DEADLINE_MS);
	for (unsigned w = 0; w < rig->workers; w++) {
		if (fds[w].revents == 0)
			continue;
		*worker = w;
		int fd = accept4(fds[w].fd, NULL, NULL, SOCK_CLOEXEC);
		assert_true(fd >= 0);
		return fd;
	}
	fail();
	return -1;
}

int rig_accept(const struct rig *rig, unsigned *worker)
{
	struct kiln_board board = rig->board;
	int fd = rig_take(rig, worker);

	kiln_board_accepted(&board, *worker, 1, UINT32_MAX);
	kiln_board_ended(&board, *worker, 0, UINT32_MAX);
	return fd;
}

bool rig_queue_is_empty(const struct rig *rig, unsigned worker)
{
	struct pollfd fd = {.fd = rig->listeners[worker], .events = POLLIN};

	return poll(&fd, 1, 0) == 0;
}

unsigned rig_cpus(unsigned *cpus, unsigned max)
{
	unsigned count = 0;

	if (!allowed_known)
		assert_return_code(sched_getaffinity(0, sizeof allowed, &allowed), 0);
	allowed_known = true;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && count < max; cpu++)
		if (CPU_ISSET(cpu, &allowed))
			cpus[count++] = cpu;
	return count;
}

void rig_pin(unsigned cpu)
{
	cpu_set_t one;

	CPU_ZERO(&one);
	CPU_SET(cpu, &one);
	assert_return_code(sched_setaffinity(0, sizeof one, &one), 0);
	assert_int_equal(sched_getcpu(), cpu);
}

void rig_unpin(void)
{
	assert_return_code(sched_setaffinity(0, sizeof allowed, &allowed), 0);
}
