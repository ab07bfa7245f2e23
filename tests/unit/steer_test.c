/* SPDX-License-Identifier: Apache-2.0
 * Steering on the running kernel: connections land on the worker of the CPU that took them, and
 * none is lost while a worker drains or goes away. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "steer_rig.h"

#define SKIPPED 77
#define NOBODY  65534

static void lands_on_the_worker_of_its_cpu(void **state)
{
	unsigned cpus[4], count = rig_cpus(cpus, 4);
	unsigned steered_to[4] = {0};
	uint64_t steered[4], skipped[4];
	struct rig rig;

	(void)state;
	/* Worker i belongs to the i-th CPU from the end, so that "modulo" cannot pass by luck. */
	unsigned cpu_of_worker[4];
	for (unsigned i = 0; i < count; i++)
		cpu_of_worker[i] = cpus[count - 1 - i];
	rig_open(&rig, count, cpu_of_worker);
	for (unsigned i = 0; i < count; i++) {
		rig_pin(cpu_of_worker[i]);
		for (unsigned n = 0; n < 50; n++) {
			unsigned worker;
			int client = rig_connect(&rig);
			int conn = rig_accept(&rig, &worker);
			assert_int_equal(worker, i);
			steered_to[worker]++;
			close(client);
			close(conn);
		}
	}
	rig_unpin();
	kiln_steer_counts(rig.steer, steered, skipped);
	for (unsigned i = 0; i < count; i++) {
		assert_int_equal(steered[i], steered_to[i]);
		assert_int_equal(skipped[i], 0);
	}
	rig_close(&rig);
}

static void more_workers_than_cpus_share_them(void **state)
{
	unsigned cpus[2], count = rig_cpus(cpus, 2);
	unsigned workers = 2 * count;
	unsigned cpu_of_worker[4], hits[4] = {0};
	struct rig rig;

	(void)state;
	for (unsigned w = 0; w < workers; w++)
		cpu_of_worker[w] = cpus[w % count];
	rig_open(&rig, workers, cpu_of_worker);
	for (unsigned i = 0; i < count; i++) {
		rig_pin(cpus[i]);
		for (unsigned n = 0; n < 200; n++) {
			unsigned worker;
			int client = rig_connect(&rig);
			int conn = rig_accept(&rig, &worker);
			assert_int_equal(cpu_of_worker[worker], cpus[i]);
			hits[worker]++;
			close(client);
			close(conn);
		}
	}
	rig_unpin();
	/* By hash: one of two workers missing all of 200 has a chance of 2^-200. */
	for (unsigned w = 0; w < workers; w++)
		assert_true(hits[w] > 0);
	rig_close(&rig);
}

/* ------------------------------------------------------------------ draining */

#define CLIENTS 6
#define AFTER   400 /* connections that must be served after the switch */

struct crowd {
	const struct rig *rig;
	atomic_bool switched; /* set when the worker is no longer ready */
	atomic_bool stop;
	atomic_uint served;
	atomic_uint lost;
};

/* Connects over and over; sends whether the switch was done before the connect; waits for the
 * answer. Assertions belong to the main thread, so failures are counted. */
static void *keep_connecting(void *arg)
{
	struct crowd *crowd = arg;

	while (!atomic_load(&crowd->stop)) {
		char byte = atomic_load(&crowd->switched) ? 'A' : 'B';
		int fd = rig_connect(crowd->rig);
		if (send(fd, &byte, 1, MSG_NOSIGNAL) == 1 && recv(fd, &byte, 1, 0) == 1 &&
		    byte == 'k')
			atomic_fetch_add(&crowd->served, 1);
		else
			atomic_fetch_add(&crowd->lost, 1);
		close(fd);
	}
	return NULL;
}

static char serve_one(const struct rig *rig, unsigned *worker)
{
	char byte = 0;
	int conn = rig_accept(rig, worker);

	assert_int_equal(recv(conn, &byte, 1, 0), 1);
	assert_int_equal(send(conn, "k", 1, MSG_NOSIGNAL), 1);
	close(conn);
	return byte;
}

/* Serves everybody else until one waits in this worker's queue, which is left there. */
static void let_one_wait(struct rig *rig, unsigned worker)
{
	struct rig others = *rig;

	others.listeners[worker] = -1;
	while (rig_queue_is_empty(rig, worker)) {
		unsigned by;
		bool any = false;
		for (unsigned w = 0; w < others.workers; w++)
			any = any || (w != worker && !rig_queue_is_empty(&others, w));
		if (any)
			(void)serve_one(&others, &by);
	}
}

static void draining_loses_nothing(void **state)
{
	struct rig rig;
	struct crowd crowd = {.rig = &rig};
	pthread_t threads[CLIENTS];
	unsigned after = 0, waited = 0, worker;

	(void)state;
	rig_open(&rig, 2, NULL);
	for (unsigned i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, keep_connecting, &crowd), 0);
	for (unsigned n = 0; n < 200; n++)
		(void)serve_one(&rig, &worker);

	let_one_wait(&rig, 0);
	assert_int_equal(kiln_board_set_ready(&rig.board, 0, false, NULL), KILN_OK);
	atomic_store(&crowd.switched, true);
	while (after < AFTER) {
		char when = serve_one(&rig, &worker);
		if (worker == 0) {
			assert_int_equal(when, 'B'); /* queued before the switch, served after */
			waited++;
		}
		after += when == 'A';
	}
	assert_true(waited >= 1);

	/* Back again: it takes new ones. */
	assert_int_equal(kiln_board_set_ready(&rig.board, 0, true, NULL), KILN_OK);
	do
		(void)serve_one(&rig, &worker);
	while (worker != 0);

	atomic_store(&crowd.stop, true);
	for (unsigned i = 0; i < CLIENTS; i++) {
		/* A client may wait for its answer: serve until it is gone. */
		while (pthread_tryjoin_np(threads[i], NULL) == EBUSY)
			for (unsigned w = 0; w < 2; w++)
				if (!rig_queue_is_empty(&rig, w))
					(void)serve_one(&rig, &worker);
	}
	assert_int_equal(atomic_load(&crowd.lost), 0);
	assert_true(atomic_load(&crowd.served) >= 200 + AFTER);
	rig_close(&rig);
}

static void nobody_ready_falls_back_to_the_kernel(void **state)
{
	unsigned hits[2] = {0};
	uint64_t before[2], steered[2], skipped[2];
	struct rig rig;

	(void)state;
	rig_open(&rig, 2, NULL);
	for (unsigned w = 0; w < 2; w++)
		assert_int_equal(kiln_board_set_ready(&rig.board, w, false, NULL), KILN_OK);
	kiln_steer_counts(rig.steer, before, NULL);
	for (unsigned n = 0; n < 200; n++) {
		unsigned worker;
		int client = rig_connect(&rig);
		int conn = rig_accept(&rig, &worker);
		hits[worker]++;
		close(client);
		close(conn);
	}
	kiln_steer_counts(rig.steer, steered, skipped);
	for (unsigned w = 0; w < 2; w++) {
		assert_true(hits[w] > 0);
		assert_int_equal(steered[w], before[w]);
	}
	assert_int_equal(skipped[0] + skipped[1], 200);
	rig_close(&rig);
}

/* ------------------------------------------------------------------ listeners that come and go */

static void a_closed_listener_hands_its_queue_on(void **state)
{
	unsigned cpus[1], worker;
	int clients[8];
	struct rig rig;

	(void)state;
	assert_int_equal(rig_cpus(cpus, 1), 1);
	rig_open(&rig, 2, (const unsigned[]){cpus[0], cpus[0]});
	assert_int_equal(kiln_board_set_ready(&rig.board, 1, false, NULL), KILN_OK);
	for (unsigned i = 0; i < 8; i++) {
		clients[i] = rig_connect(&rig);
		assert_int_equal(send(clients[i], "B", 1, MSG_NOSIGNAL), 1);
	}
	assert_false(rig_queue_is_empty(&rig, 0));
	assert_true(rig_queue_is_empty(&rig, 1));

	assert_int_equal(kiln_board_set_ready(&rig.board, 1, true, NULL), KILN_OK);
	close(rig.listeners[0]);
	rig.listeners[0] = -1;
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(serve_one(&rig, &worker), 'B');
		assert_int_equal(worker, 1);
	}
	for (unsigned i = 0; i < 8; i++) {
		char byte;
		assert_int_equal(recv(clients[i], &byte, 1, 0), 1);
		close(clients[i]);
	}
	rig_close(&rig);
}

static void a_new_listener_takes_an_empty_slot(void **state)
{
	unsigned cpus[1], worker;
	uint64_t steered[2], skipped[2];
	struct kiln_error err;
	struct rig rig;

	(void)state;
	assert_int_equal(rig_cpus(cpus, 1), 1);
	rig_open(&rig, 2, (const unsigned[]){cpus[0], 1024});
	rig_pin(cpus[0]);
	close(rig.listeners[0]);
	rig.listeners[0] = -1;
	int client = rig_connect(&rig);
	close(rig_accept(&rig, &worker));
	close(client);
	assert_int_equal(worker, 1); /* ready, but there is no listener in its slot */
	kiln_steer_counts(rig.steer, steered, skipped);
	assert_int_equal(skipped[0], 1);

	rig.listeners[0] = rig_listen(rig.port);
	/* Worker 1's listener is given again as it is, which is fine. */
	if (kiln_steer_attach(rig.steer, rig.listeners, &err) != KILN_OK)
		fail_msg("%s", err.message);
	client = rig_connect(&rig);
	close(rig_accept(&rig, &worker));
	close(client);
	assert_int_equal(worker, 0);
	rig_unpin();
	rig_close(&rig);
}

static void a_socket_without_reuseport_is_refused(void **state)
{
	struct kiln_board board;
	struct kiln_steer *steer;
	struct kiln_error err = {0};

	(void)state;
	assert_int_equal(kiln_board_open(&board, 1, &err), KILN_OK);
	assert_int_equal(kiln_steer_open(&steer, &board, NULL, &err), KILN_OK);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(kiln_steer_attach(steer, &fd, &err), KILN_E_SYSTEM);
	assert_non_null(strstr(err.message, "SO_REUSEPORT"));
	assert_int_equal(kiln_steer_attach(steer, (const int[]){-1}, &err), KILN_E_USAGE);
	assert_int_equal(kiln_board_set_ready(&board, 1, true, &err), KILN_E_USAGE);
	close(fd);
	kiln_steer_close(steer);
	kiln_board_close(&board);
}

static void the_largest_program_loads(void **state)
{
	struct kiln_board board;
	struct kiln_steer *steer;
	struct kiln_error err = {0};

	(void)state;
	if (kiln_board_open(&board, 256, &err) != KILN_OK ||
	    kiln_steer_open(&steer, &board, NULL, &err) != KILN_OK)
		fail_msg("%s", err.message);
	kiln_steer_close(steer);
	kiln_board_close(&board);
	assert_int_equal(kiln_board_open(&board, 257, &err), KILN_E_USAGE);
	assert_int_equal(kiln_board_open(&board, 0, &err), KILN_E_USAGE);
}

/* ------------------------------------------------------------------ without the rights */

/* In a child: as nobody, with stderr and the answer going into the pipe. */
static void try_as_nobody(int pipe_fd)
{
	struct kiln_board board;
	struct kiln_steer *steer;
	struct kiln_error err = {0};

	if (dup2(pipe_fd, STDERR_FILENO) < 0 || (geteuid() == 0 && setuid(NOBODY) != 0))
		_exit(100);
	enum kiln_code code = kiln_board_open(&board, 2, &err);
	if (code == KILN_OK)
		code = kiln_steer_open(&steer, &board, NULL, &err);
	if (write(pipe_fd, err.message, strlen(err.message)) < 0)
		_exit(101);
	_exit((int)code);
}

static void without_rights_it_says_the_way_out(void **state)
{
	char said[1024];
	size_t len = 0;
	ssize_t n;
	int fds[2], status = 0;

	(void)state;
	assert_return_code(pipe(fds), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0)
		try_as_nobody(fds[1]);
	close(fds[1]);
	while ((n = read(fds[0], said + len, sizeof said - 1 - len)) > 0)
		len += (size_t)n;
	said[len] = '\0';
	close(fds[0]);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), KILN_E_PERMISSION);
	/* The message and nothing else: the library prints nothing of its own. */
	assert_int_equal(strncmp(said, "no right to load eBPF", 21), 0);
	assert_non_null(strstr(said, "CAP_BPF and CAP_NET_ADMIN"));
	assert_null(strstr(said, "libbpf"));
	assert_true(len < KILN_ERROR_MAX);
}

int main(void)
{
	const struct CMUnitTest anyone[] = {
	    cmocka_unit_test(without_rights_it_says_the_way_out),
	};
	const struct CMUnitTest entitled[] = {
	    cmocka_unit_test(lands_on_the_worker_of_its_cpu),
	    cmocka_unit_test(more_workers_than_cpus_share_them),
	    cmocka_unit_test(draining_loses_nothing),
	    cmocka_unit_test(nobody_ready_falls_back_to_the_kernel),
	    cmocka_unit_test(a_closed_listener_hands_its_queue_on),
	    cmocka_unit_test(a_new_listener_takes_an_empty_slot),
	    cmocka_unit_test(a_socket_without_reuseport_is_refused),
	    cmocka_unit_test(the_largest_program_loads),
	};
	int failed = cmocka_run_group_tests(anyone, NULL, NULL);

	if (!rig_may_steer())
		return failed != 0 ? failed : SKIPPED;
	return failed + cmocka_run_group_tests(entitled, NULL, NULL);
}
