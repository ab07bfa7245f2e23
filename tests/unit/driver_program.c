/* SPDX-License-Identifier: Apache-2.0
 * Running a credential_process: output, exit status, bounds of size and time. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "aws/chain.h"
#include "driver/program.h"

#define MAX 1000

/* What its owner does between turns. */
static void wait_for(const struct kiln_program *program)
{
	struct pollfd output = {.fd = program->fd, .events = POLLIN};
	if (program->fd >= 0)
		assert_true(poll(&output, 1, 60000) == 1);
	else
		(void)poll(NULL, 0, KILN_PROGRAM_LOOK_AGAIN_MS);
}

/* Runs it to its end, which comes; now_ms is its clock. */
static int run(struct kiln_program *program, const char *const *argv, uint64_t now_ms)
{
	int status;
	assert_int_equal(kiln_program_start(program, argv, MAX, 1000), 0);
	while (!kiln_program_turn(program, now_ms, &status)) {
		wait_for(program);
	}
	return status;
}

static void test_output(void **state)
{
	(void)state;
	struct kiln_program program;
	assert_int_equal(
	    run(&program, (const char *[]){"printf", "%s-%s", "a b", "$HOME", NULL}, 0), 0);
	assert_int_equal(program.len, 9);
	assert_memory_equal(program.data, "a b-$HOME", 9); /* no shell looked at it */
	kiln_program_clear(&program);
	assert_int_equal(run(&program, (const char *[]){"false", NULL}, 0), 1);
	kiln_program_clear(&program);
	assert_int_equal(run(&program, (const char *[]){"sh", "-c", "kill -9 $$", NULL}, 0), 137);
	kiln_program_clear(&program);
	assert_int_equal(run(&program, (const char *[]){"cat", NULL}, 0), 0); /* nothing to read */
	assert_int_equal(program.len, 0);
	kiln_program_clear(&program);
}

static void test_bounds(void **state)
{
	(void)state;
	struct kiln_program program;
	assert_int_equal(run(&program, (const char *[]){"yes", NULL}, 0), KILN_CHAIN_TOO_LONG);
	kiln_program_clear(&program);
	assert_int_equal(
	    run(&program, (const char *[]){"sh", "-c", "exec head -c 1000 /dev/zero", NULL}, 0), 0);
	assert_int_equal(program.len, MAX);
	kiln_program_clear(&program);
	/* The clock says that its time is over. */
	assert_int_equal(
	    kiln_program_start(&program, (const char *[]){"sleep", "1000", NULL}, MAX, 1000), 0);
	int status;
	assert_false(kiln_program_turn(&program, 999, &status));
	assert_true(kiln_program_turn(&program, 1000, &status));
	assert_int_equal(status, KILN_CHAIN_TOO_SLOW);
	kiln_program_clear(&program);
	/* Given up while it runs. */
	assert_int_equal(
	    kiln_program_start(&program, (const char *[]){"sleep", "1000", NULL}, MAX, 1000), 0);
	kiln_program_clear(&program);
	assert_int_equal(program.pid, 0);
}

static void start(struct kiln_program *program, const char *script)
{
	const char *const argv[] = {"sh", "-c", script, NULL};
	assert_int_equal(kiln_program_start(program, argv, MAX, 1000), 0);
}

/* Its output ends and it lives on: nobody is held up, and its time ends as any other's. */
static void test_output_ends_first(void **state)
{
	(void)state;
	struct kiln_program program;
	int status, gate[2];
	char script[100];
	start(&program, "echo abc; exec sleep 60 >&-");
	while (program.fd >= 0) {
		assert_false(kiln_program_turn(&program, 999, &status));
		wait_for(&program);
	}
	assert_false(kiln_program_turn(&program, 999, &status));
	assert_true(kiln_program_turn(&program, 1000, &status));
	assert_int_equal(status, KILN_CHAIN_TOO_SLOW);
	assert_int_equal(program.pid, 0);
	kiln_program_clear(&program);
	/* It goes on only when its output's end was seen, and how it ends still counts. */
	assert_int_equal(pipe(gate), 0);
	(void)snprintf(script, sizeof script, "echo abc; exec >&-; read x </dev/fd/%d; exit 3",
		       gate[0]);
	start(&program, script);
	while (program.fd >= 0) {
		assert_false(kiln_program_turn(&program, 999, &status));
		wait_for(&program);
	}
	assert_int_equal(write(gate[1], "x\n", 2), 2);
	while (!kiln_program_turn(&program, 999, &status))
		wait_for(&program);
	assert_int_equal(status, 3);
	assert_int_equal(program.len, 4);
	kiln_program_clear(&program);
	(void)close(gate[0]);
	(void)close(gate[1]);
}

/* What a program started goes with it: this pipe ends when the last who has it is gone. */
static void test_children_go_too(void **state)
{
	(void)state;
	struct kiln_program program;
	int status, ends[2];
	char c;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(fcntl(ends[0], F_SETFD, FD_CLOEXEC), 0);
	start(&program, "sleep 60 & echo; exec sleep 60");
	while (program.len == 0) {
		wait_for(&program);
		assert_false(kiln_program_turn(&program, 999, &status));
	}
	assert_true(kiln_program_turn(&program, 1000, &status));
	assert_int_equal(status, KILN_CHAIN_TOO_SLOW);
	kiln_program_clear(&program);
	(void)close(ends[1]);
	struct pollfd end = {.fd = ends[0], .events = POLLIN};
	assert_int_equal(poll(&end, 1, 20000), 1);
	assert_int_equal(read(ends[0], &c, 1), 0);
	(void)close(ends[0]);
}

/* Signals that we ignore are not ignored in it. */
static void test_signals(void **state)
{
	(void)state;
	static const int signals[] = {SIGPIPE, SIGTERM, SIGINT, SIGHUP};
	for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) {
		struct kiln_program program;
		char script[40];
		void (*before)(int) = signal(signals[i], SIG_IGN);
		(void)snprintf(script, sizeof script, "kill -%d $$", signals[i]);
		assert_int_equal(run(&program, (const char *[]){"sh", "-c", script, NULL}, 0),
				 128 + signals[i]);
		kiln_program_clear(&program);
		(void)signal(signals[i], before);
	}
}

static void test_not_there(void **state)
{
	(void)state;
	struct kiln_program program;
	assert_int_equal(
	    kiln_program_start(&program, (const char *[]){"/nonexistent/program", NULL}, MAX, 1),
	    ENOENT);
	assert_int_equal(program.pid, 0);
	kiln_program_clear(&program);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_output),
	    cmocka_unit_test(test_bounds),
	    cmocka_unit_test(test_output_ends_first),
	    cmocka_unit_test(test_children_go_too),
	    cmocka_unit_test(test_signals),
	    cmocka_unit_test(test_not_there),
	};
	return cmocka_run_group_tests_name("agent: credential_process", tests, NULL, NULL);
}
