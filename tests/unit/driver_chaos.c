/* SPDX-License-Identifier: Apache-2.0
 * The driver on sockets that behave as badly as they may: a few bytes per call, interruptions, and
 * a peer that is gone before the keys are in place. */
#include "driver_rig.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>

#include "base/sys.h"

#define TOTAL 100000u

/* The same sequence in every run (xorshift32); a child goes on with a copy of its own. */
static uint32_t chaos_state = 2463534242u;

static uint32_t chaos(uint32_t below)
{
	chaos_state ^= chaos_state << 13;
	chaos_state ^= chaos_state >> 17;
	chaos_state ^= chaos_state << 5;
	return chaos_state % below;
}

/* Every third call is interrupted; the others move at most a few bytes. */
static bool interrupted(void)
{
	errno = EINTR;
	return chaos(3) == 0;
}

static size_t few(size_t len)
{
	const size_t most = 1 + chaos(chaos(10) == 0 ? 20000 : 40);
	return len < most ? len : most;
}

static ssize_t chaos_recv(int fd, void *data, size_t len, int flags)
{
	return interrupted() ? -1 : recv(fd, data, few(len), flags);
}

static ssize_t chaos_send(int fd, const void *data, size_t len, int flags)
{
	return interrupted() ? -1 : send(fd, data, few(len), flags);
}

static ssize_t chaos_recvmsg(int fd, struct msghdr *msg, int flags)
{
	return interrupted() ? -1 : recvmsg(fd, msg, flags);
}

static ssize_t chaos_sendmsg(int fd, const struct msghdr *msg, int flags)
{
	return interrupted() ? -1 : sendmsg(fd, msg, flags);
}

static const struct kiln_sys chaotic = {
    .setsockopt = setsockopt,
    .recv = chaos_recv,
    .send = chaos_send,
    .recvmsg = chaos_recvmsg,
    .sendmsg = chaos_sendmsg,
};

/* Sends TOTAL bytes and expects them back, in pieces of any size. */
static bool converse(struct kiln_conn *conn, bool first)
{
	static uint8_t out[TOTAL], in[TOTAL];
	for (size_t i = 0; i < TOTAL; i++)
		out[i] = (uint8_t)(i * 31 >> 3);
	for (int turn = 0; turn < 2; turn++) {
		size_t done = 0;
		while (done < TOTAL) {
			const size_t want = 1 + chaos(30000);
			const size_t n = want < TOTAL - done ? want : TOTAL - done;
			const ssize_t moved = (turn == 0) == first
						  ? kiln_conn_write(conn, out + done, n, NULL)
						  : kiln_conn_read(conn, in + done, n, NULL);
			if (moved <= 0)
				return false;
			done += (size_t)moved;
		}
	}
	return memcmp(in, out, TOTAL) == 0;
}

static void chaotic_peer(int fd, int sync, const void *arg)
{
	struct kiln_conn *conn =
	    rig_child_open(fd, arg, (struct kiln_conn_options){.sys = &chaotic});
	(void)sync;
	RIG_CHECK(converse(conn, true));
	kiln_conn_close(conn);
}

static void test_few_bytes_and_interruptions(void **state)
{
	struct rig rig;
	rig_start(&rig, *state, chaotic_peer, *state);
	struct kiln_conn *conn = rig_open_with(&rig, rig_server, KILN_SERVER,
					       (struct kiln_conn_options){.sys = &chaotic});
	assert_true(converse(conn, false));
	rig_expect_end(conn, KILN_OK);
	kiln_conn_close(conn);
	rig_finish(&rig);
}

/* ---- gone before the keys are in place ------------------------------------------------------ */

/* The first option set after the handshake waits for the peer's FIN. */
static int late_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
	struct pollfd fin = {.fd = fd, .events = POLLRDHUP};
	(void)poll(&fin, 1, -1);
	return setsockopt(fd, level, name, value, len);
}

static void brief_peer(int fd, int sync, const void *arg)
{
	struct kiln_conn *conn = rig_child_open(fd, arg, (struct kiln_conn_options){0});
	char data[6];
	(void)sync;
	RIG_CHECK(kiln_conn_write(conn, "all of it", 9, NULL) == 9);
	RIG_CHECK(kiln_conn_shutdown_write(conn, NULL) == KILN_OK);
	RIG_CHECK(kiln_conn_read(conn, data, 6, NULL) == 6 && memcmp(data, "answer", 6) == 0);
	RIG_CHECK(kiln_conn_read(conn, data, 6, NULL) == 0);
	kiln_conn_close(conn);
}

/* The kernel takes keys only while a socket is ESTABLISHED: user space it is, and nothing lost. */
static void test_fin_before_the_keys(void **state)
{
	struct kiln_sys late = kiln_sys_linux;
	struct rig rig;
	struct kiln_conn *conn;
	struct kiln_error err;
	char data[9];
	late.setsockopt = late_setsockopt;
	rig_start(&rig, *state, brief_peer, *state);
	const struct kiln_conn_options o = {.sys = &late};
	if (kiln_tls_accept(rig_server, rig.fd, &o, &conn, &err) < 0)
		fail_msg("%s", err.message);
	assert_false(kiln_conn_in_kernel(conn));
	if (rig_kernel_can())
		assert_non_null(strstr(kiln_conn_path_reason(conn), "the peer closed its side"));
	rig_read(conn, data, sizeof data);
	assert_memory_equal(data, "all of it", 9);
	rig_expect_end(conn, KILN_OK);
	rig_write(conn, "answer", 6);
	kiln_conn_close(conn);
	rig_finish(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    RIG_TEST_EACH(test_few_bytes_and_interruptions),
	    {"test_fin_before_the_keys", test_fin_before_the_keys, NULL, NULL,
	     (void *)(uintptr_t)&rig_ways[0]},
	};
	return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}
