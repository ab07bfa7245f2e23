/* SPDX-License-Identifier: Apache-2.0
 * The application's side of a hand-off, short of descriptors, or busy with what is no connection:
 * an accept says so and comes back in time. */
#include "handoff_player.h"

#include <errno.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include "driver/driver.h"

static struct rlimit usual;
static int64_t clock_step, clock_now; /* ms that pass from one look at the clock to the next */

kiln_time_ms __wrap_kiln_driver_now(void);
kiln_time_ms __real_kiln_driver_now(void);

kiln_time_ms __wrap_kiln_driver_now(void)
{
	return clock_step == 0 ? __real_kiln_driver_now() : (clock_now += clock_step);
}

/* From here on so many more descriptors can be had. */
static void leave(unsigned more)
{
	const int next = dup(STDIN_FILENO);
	assert_true(next >= 0);
	(void)close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &usual), 0);
	const struct rlimit tight = {.rlim_cur = (rlim_t)next + more, .rlim_max = usual.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
}

static void accept_fails(int timeout_ms, enum kiln_code code, int sys_errno)
{
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	(void)alarm(30); /* rather than for ever */
	assert_int_equal(kiln_handoff_accept(player.listener, timeout_ms, &conn, &err), -1);
	(void)alarm(0);
	assert_null(conn);
	assert_int_equal(err.code, code);
	assert_int_equal(err.sys_errno, sys_errno);
}

/* A worker that cannot be let in waits; it is told once in a while, and the listener is quiet. */
static void test_no_channel(void **state)
{
	(void)state;
	leave(0);
	accept_fails(0, KILN_E_SYSTEM, EMFILE);
	accept_fails(0, KILN_E_AGAIN, 0);
	struct pollfd ready = {.fd = kiln_handoff_fd(player.listener), .events = POLLIN};
	assert_int_equal(poll(&ready, 1, 0), 0);
	accept_fails(-1, KILN_E_SYSTEM, EMFILE); /* it is tried again */
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
	assert_int_equal(poll(&ready, 1, 10000), 1); /* and nobody has to ask for that */
	kiln_conn_close(player_hand_off_relayed());
}

/* The gateway is told that it was not taken, and so is the caller. */
static void test_no_descriptors(void **state)
{
	struct kiln_handoff_message m, said;
	int theirs[2];
	char byte;
	(void)state;
	player_expect_nothing(); /* lets the channel in */
	handoff_sample(&m, false);
	for (unsigned more = 0; more < 2; more++) {
		player_pairs(theirs);
		player_send_message(&m, theirs, 2);
		leave(more);
		accept_fails(0, KILN_E_SYSTEM, EMFILE);
		assert_int_equal(setrlimit(RLIMIT_NOFILE, &usual), 0);
		assert_int_equal(player_answer(&said), KILN_HANDOFF_REFUSED);
		(void)close(theirs[0]);
		(void)close(theirs[1]);
		assert_int_equal(read(player.stream, &byte, 1), 0); /* nothing is left open */
		assert_int_equal(read(player.notice, &byte, 1), 0);
		(void)close(player.stream);
		(void)close(player.notice);
	}
	kiln_conn_close(player_hand_off_relayed());
}

/* Nonsense, and behind it a connection. */
static void busy(unsigned messages)
{
	struct kiln_handoff_message m;
	int theirs[2];
	for (unsigned i = 0; i < messages; i++)
		player_send_bytes("hello", 5, NULL, 0);
	handoff_sample(&m, false);
	player_pairs(theirs);
	player_send_message(&m, theirs, 2);
	(void)close(theirs[0]);
	(void)close(theirs[1]);
}

static void accept_works(void)
{
	struct kiln_conn *conn;
	assert_true(kiln_handoff_accept(player.listener, 0, &conn, NULL) >= 0);
	kiln_conn_close(conn);
}

/* Who does not wait is not kept by it. */
static void test_busy(void **state)
{
	(void)state;
	busy(100);
	accept_fails(0, KILN_E_AGAIN, 0);
	accept_works();
}

static void test_deadline(void **state)
{
	(void)state;
	busy(20);
	clock_step = 10;
	accept_fails(50, KILN_E_AGAIN, 0);
	clock_step = 0;
	accept_works();
}

/* An accept that can never work says so by a code of its own, or a loop would go on for ever. */
static void test_closed_behind_its_back(void **state)
{
	(void)state;
	const int kept = dup(kiln_handoff_fd(player.listener));
	(void)close(kiln_handoff_fd(player.listener));
	accept_fails(-1, KILN_E_USAGE, EBADF);
	assert_int_equal(dup2(kept, kiln_handoff_fd(player.listener)),
			 kiln_handoff_fd(player.listener));
	(void)close(kept);
	kiln_conn_close(player_hand_off_relayed());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    PLAYER_TEST(test_no_channel),
	    PLAYER_TEST(test_no_descriptors),
	    PLAYER_TEST(test_busy),
	    PLAYER_TEST(test_deadline),
	    PLAYER_TEST(test_closed_behind_its_back),
	};
	return cmocka_run_group_tests_name("hand-off: shortage", tests, player_make_folder,
					   player_remove_folder);
}
