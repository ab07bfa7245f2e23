/* SPDX-License-Identifier: Apache-2.0
 * Log lines on their way out: a reader that stalls or leaves must cost lines, not time. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "log/log.h"

static struct kiln_log_line l;

static void begin(void)
{
	kiln_log_configure(KILN_LOG_TEXT, KILN_LOG_INFO, NULL, NULL);
	kiln_log_begin(&l, KILN_LOG_INFO, "test");
}

/* Makes stderr a pipe for the time of a call and returns the reading end. */
static int run_with_piped_stderr(void (*call)(int write_end))
{
	int ends[2], saved = dup(STDERR_FILENO);
	assert_true(saved >= 0);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	call(ends[1]);
	assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(close(ends[1]) | close(saved), 0);
	return ends[0];
}

static void write_one(int write_end)
{
	(void)write_end;
	begin();
	kiln_log_end(&l);
}

static void writes_a_line(void **state)
{
	(void)state;
	char text[KILN_LOG_LINE_MAX];
	int fd = run_with_piped_stderr(write_one);
	ssize_t n = read(fd, text, sizeof text);
	assert_true(n > 0 && text[n - 1] == '\n');
	assert_memory_equal(text, "time=", 5);
	assert_int_equal(read(fd, text, sizeof text), 0);
	assert_int_equal(close(fd), 0);
}

/* Fills the pipe, so that a write would block for ever, and logs. */
static void write_into_full(int write_end)
{
	char page[4096] = {0};
	assert_int_equal(fcntl(write_end, F_SETFL, O_NONBLOCK), 0);
	while (write(write_end, page, sizeof page) > 0)
		;
	assert_int_equal(errno, EAGAIN);
	assert_int_equal(fcntl(write_end, F_SETFL, 0), 0);
	begin();
	kiln_log_end(&l);
	kiln_log_begin(&l, KILN_LOG_INFO, "test");
	kiln_log_end(&l);
}

static void never_blocks(void **state)
{
	(void)state;
	int fd = run_with_piped_stderr(write_into_full);
	assert_int_equal(kiln_log_dropped(), 2);
	kiln_log_begin(&l, KILN_LOG_INFO, "test");
	size_t len;
	const char *text = kiln_log_finish(&l, &len);
	static const char want[] = " event=test log_dropped=2\n";
	assert_true(len > sizeof want);
	assert_memory_equal(text + len - strlen(want), want, strlen(want));
	assert_int_equal(close(fd), 0);
	fd = run_with_piped_stderr(write_one);
	assert_int_equal(kiln_log_dropped(), 0);
	assert_int_equal(close(fd), 0);
}

/* With the reader gone, a write would raise SIGPIPE and end this very process. */
static void close_reader_and_write(int write_end)
{
	(void)write_end;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	assert_int_equal(close(ends[0]) | close(ends[1]), 0);
	begin();
	kiln_log_end(&l);
}

static void survives_a_lost_reader(void **state)
{
	(void)state;
	int fd = run_with_piped_stderr(close_reader_and_write);
	assert_int_equal(kiln_log_dropped(), 1);
	assert_int_equal(close(fd), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_a_line),
	    cmocka_unit_test(never_blocks),
	    cmocka_unit_test(survives_a_lost_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
