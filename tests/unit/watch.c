/* SPDX-License-Identifier: Apache-2.0
 * Workers that hang, and what the supervisor makes of it: with a clock and counters of the test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/log.h"
#include "supervisor/reload.h"
#include "supervisor/watch.h"

static struct kiln_supervisor s;
static struct kiln_counters counters[2];
static struct kiln_steer_board board;
static char text[8192];

/* Two workers that have just been started, and are ready. */
static int set_up(void **state)
{
	(void)state;
	memset(&s, 0, sizeof s);
	memset(counters, 0, sizeof counters);
	memset(&board, 0, sizeof board);
	s.now = 1000000;
	s.workers = s.slots = 2;
	s.counters = counters;
	s.listeners.board = (struct kiln_board){.shared = &board, .fd = -1, .workers = 2};
	for (unsigned i = 0; i < 2; i++) {
		s.children[i] = (struct kiln_child){
		    .pid = 100 + (int)i, .index = i, .slot = i, .started_at = s.now, .ready = true};
		board.seats[i].ready = 1;
	}
	return 0;
}

/* The log goes to descriptor 2: a memory file is there for a moment. Returns what was there. */
static int catch_log(void)
{
	const int memory = memfd_create("log", MFD_CLOEXEC), kept = dup(STDERR_FILENO);
	assert_true(memory >= 0 && kept >= 0);
	assert_true(dup2(memory, STDERR_FILENO) >= 0);
	(void)close(memory);
	kiln_log_configure(KILN_LOG_TEXT, KILN_LOG_INFO, NULL, NULL);
	return kept;
}

static const char *caught_log(int kept)
{
	const ssize_t n = pread(STDERR_FILENO, text, sizeof text - 1, 0);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	(void)close(kept);
	assert_true(n >= 0);
	text[n] = '\0';
	return text;
}

/* A look at the workers. */
static const char *look(void)
{
	const int kept = catch_log();
	assert_int_not_equal(kiln_watch_workers(&s), -1);
	return caught_log(kept);
}

/* Time goes by, and these workers turn. */
static const char *look_after(uint64_t ms, bool first_turns, bool second_turns)
{
	s.now += ms;
	counters[0].turns += first_turns;
	counters[1].turns += second_turns;
	return look();
}

static void says(const char *log, const char *what)
{
	if (strstr(log, what) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", log, what);
}

static void reports_a_worker_that_does_not_get_ready(void **state)
{
	(void)state;
	s.children[1].ready = false;
	for (unsigned i = 0; i < KILN_READY_MS / 1000 - 1; i++)
		assert_string_equal(look_after(1000, true, false), "");
	says(look_after(1000, true, false), "event=worker_slow worker=1 pid=101 waiting_for=ready");
	assert_string_equal(look_after(1000, true, false), ""); /* once */
}

static void answers_a_reload_for_a_worker_that_does_not(void **state)
{
	(void)state;
	s.reloading = true;
	s.children[0].reloads = 1;
	s.children[0].reload_sent_at = s.now;
	for (unsigned i = 0; i < KILN_RELOAD_MS / 1000 - 1; i++)
		assert_string_equal(look_after(1000, true, true), "");
	const char *log = look_after(1000, true, true);
	says(log, "event=worker_slow worker=0 pid=100 waiting_for=reload");
	says(log, "event=reload_failed worker=0");
	kiln_reload_watch(&s);
	assert_false(s.reloading);
	assert_string_equal(look_after(1000, true, true), "");

	/* The next reload: what comes first is the late answer to the one before. */
	s.children[0].reloads = 1;
	kiln_reload_answered(&s, 0, NULL);
	assert_int_equal(s.children[0].reloads, 1);
	kiln_reload_answered(&s, 0, NULL);
	assert_int_equal(s.children[0].reloads, 0);
}

static void passes_over_a_worker_that_does_not_turn(void **state)
{
	(void)state;
	counters[1].active = 7;
	look_after(1000, true, true);
	for (unsigned i = 0; i < KILN_STUCK_MS / 1000 - 1; i++)
		assert_string_equal(look_after(1000, true, false), "");
	assert_int_equal(board.seats[1].ready, 1);
	says(look_after(1000, true, false),
	     "level=error event=worker_stuck worker=1 pid=101 connections=7");
	assert_int_equal(board.seats[1].ready, 0);
	assert_int_equal(board.seats[0].ready, 1);
	assert_string_equal(look_after(1000, true, false), ""); /* once */
	says(look_after(1000, true, true), "event=worker_turns worker=1 pid=101");
	assert_int_equal(board.seats[1].ready, 1);
	assert_string_equal(look_after(1000, true, true), "");
}

/* Then nobody has turned; and it is nobody's fault. */
static void blames_nobody_after_a_pause_of_its_own(void **state)
{
	(void)state;
	look_after(1000, true, true);
	assert_string_equal(look_after(3600000, false, false), "");
	assert_string_equal(look_after(1000, true, true), "");
}

static void leaves_draining_workers_alone(void **state)
{
	(void)state;
	s.children[1].draining = true;
	board.seats[1].ready = 0;
	for (unsigned i = 0; i < 20; i++)
		assert_string_equal(look_after(1000, true, i % 8 == 7), "");
	assert_int_equal(board.seats[1].ready, 0);
}

/* An agent, and whether it turns in the second that goes by. */
static _Atomic uint64_t agent_turns;

static pid_t start_agent(int pair[2])
{
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair), 0);
	const pid_t pid = fork();
	if (pid == 0)
		for (;;)
			(void)pause();
	assert_true(pid > 0);
	s.agent = (struct kiln_agent_child){.pid = pid, .channel = pair[0], .turns = &agent_turns};
	return pid;
}

static const char *look_at_agent_after(uint64_t ms, bool turns)
{
	s.now += ms;
	agent_turns += turns;
	const int kept = catch_log();
	(void)kiln_agent_child_watch(&s);
	return caught_log(kept);
}

static void kills_an_agent_that_does_not_turn(void **state)
{
	(void)state;
	char expected[64];
	int pair[2], status = 0;
	const pid_t pid = start_agent(pair);
	assert_true(kiln_control_send(pair[1], KILN_MESSAGE_READY, NULL, -1));
	assert_string_equal(look_at_agent_after(1000, true), "");
	assert_int_equal(recv(pair[0], text, sizeof text, MSG_DONTWAIT), -1); /* it was heard */
	assert_string_equal(look_at_agent_after(3600000, false), ""); /* a pause of our own */
	assert_string_equal(look_at_agent_after(1000, true), "");
	for (unsigned i = 0; i < KILN_AGENT_STUCK_MS / 1000 - 1; i++)
		assert_string_equal(look_at_agent_after(1000, false), "");
	assert_int_equal(waitpid(pid, &status, WNOHANG), 0);
	(void)snprintf(expected, sizeof expected, "level=error event=agent_stuck pid=%d", pid);
	says(look_at_agent_after(1000, false), expected);
	assert_string_equal(look_at_agent_after(1000, false), ""); /* once */
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	(void)close(pair[0]);
	(void)close(pair[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(reports_a_worker_that_does_not_get_ready, set_up),
	    cmocka_unit_test_setup(answers_a_reload_for_a_worker_that_does_not, set_up),
	    cmocka_unit_test_setup(passes_over_a_worker_that_does_not_turn, set_up),
	    cmocka_unit_test_setup(blames_nobody_after_a_pause_of_its_own, set_up),
	    cmocka_unit_test_setup(leaves_draining_workers_alone, set_up),
	    cmocka_unit_test_setup(kills_an_agent_that_does_not_turn, set_up),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
