/* SPDX-License-Identifier: Apache-2.0
 * Running a credential_process: output, exit status, bounds of size and time. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "driver/program.h"

#define MAX 1000

/* Runs it to its end, which comes; now_ms is its clock. */
static int run(struct kiln_program *program, const char *const *argv, uint64_t now_ms)
{
	int status;
	assert_int_equal(kiln_program_start(program, argv, MAX, 1000), 0);
	while (!kiln_program_turn(program, now_ms, &status)) {
		struct pollfd output = {.fd = program->fd, .events = POLLIN};
		assert_true(poll(&output, 1, 60000) == 1);
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
	assert_int_equal(run(&program, (const char *[]){"yes", NULL}, 0), 125);
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
	assert_int_equal(status, 124);
	kiln_program_clear(&program);
	/* Given up while it runs. */
	assert_int_equal(
	    kiln_program_start(&program, (const char *[]){"sleep", "1000", NULL}, MAX, 1000), 0);
	kiln_program_clear(&program);
	assert_int_equal(program.pid, 0);
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
	    cmocka_unit_test(test_not_there),
	};
	return cmocka_run_group_tests_name("agent: credential_process", tests, NULL, NULL);
}
