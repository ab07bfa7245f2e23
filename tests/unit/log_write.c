/* SPDX-License-Identifier: Apache-2.0
 * Log lines on their way out: a reader that stalls or leaves must cost lines, not time. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
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

/* ---- several processes, one pipe ---- */

#define WRITERS 4
#define ROUNDS  300

static volatile unsigned long *attempts; /* of each writer, shared */

static void write_for_ever(int which)
{
	static char filler[KILN_LOG_VALUE_MAX - 2];
	memset(filler, 'x', sizeof filler);
	kiln_log_configure(KILN_LOG_TEXT, KILN_LOG_INFO, NULL, NULL);
	for (;;) {
		kiln_log_begin(&l, KILN_LOG_INFO, "test");
		for (int i = 0; i < 7; i++) /* a page holds one line */
			kiln_log_bytes(&l, "filler", filler, sizeof filler);
		kiln_log_end(&l);
		attempts[which]++;
	}
}

/* Whether all of them have tried a few times more; they need microseconds for it. */
static bool all_go_on(void)
{
	unsigned long before[WRITERS];
	for (int i = 0; i < WRITERS; i++)
		before[i] = attempts[i];
	for (int i = 0; i < WRITERS; i++)
		for (int ms = 0; attempts[i] < before[i] + 3; ms++) {
			if (ms == 10000)
				return false;
			(void)poll(NULL, 0, 1);
		}
	return true;
}

static bool kernel_does_not_wait(int write_end)
{
	struct iovec byte = {.iov_base = (char[]){"x"}, .iov_len = 1};
	return pwritev2(write_end, &byte, 1, -1, RWF_NOWAIT) == 1;
}

/* All see room in the pipe, one takes it: the others must not wait for the reader. */
static void race(int write_end)
{
	(void)write_end;
	int ends[2];
	char page[4096];
	pid_t writers[WRITERS];
	bool go_on = true;
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	for (int i = 0; i < WRITERS; i++) {
		writers[i] = fork();
		if (writers[i] == 0)
			write_for_ever(i);
	}
	for (int i = 0; go_on && i < ROUNDS; i++) {
		go_on = all_go_on() && read(ends[0], page, sizeof page) > 0;
	}
	for (int i = 0; i < WRITERS; i++) {
		(void)kill(writers[i], SIGKILL);
		(void)waitpid(writers[i], NULL, 0);
	}
	assert_int_equal(close(ends[0]) | close(ends[1]), 0);
	attempts[0] = go_on;
}

static void never_blocks_where_others_write(void **state)
{
	(void)state;
	int ends[2];
	assert_int_equal(pipe(ends), 0);
	const bool can = kernel_does_not_wait(ends[1]);
	assert_int_equal(close(ends[0]) | close(ends[1]), 0);
	if (!can)
		skip(); /* before Linux 6.4 a pipe cannot be written to without waiting */
	void *shared = mmap(NULL, sizeof *attempts * WRITERS, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(shared, MAP_FAILED);
	attempts = shared;
	(void)close(run_with_piped_stderr(race));
	assert_true(attempts[0]);
	(void)munmap(shared, sizeof *attempts * WRITERS);
}

/* ---- lines that are held ---- */

static int held_bytes; /* in the pipe before let_go */

static void hold_two(int write_end)
{
	int waiting = -1;
	(void)write_end;
	kiln_log_configure(KILN_LOG_TEXT, KILN_LOG_INFO, NULL, NULL);
	kiln_log_hold();
	for (int i = 0; i < 2; i++) {
		kiln_log_begin(&l, KILN_LOG_INFO, i == 0 ? "one" : "two");
		kiln_log_end(&l);
	}
	assert_int_equal(ioctl(STDERR_FILENO, FIONREAD, &waiting), 0);
	held_bytes = waiting;
	kiln_log_let_go();
	kiln_log_begin(&l, KILN_LOG_INFO, "three");
	kiln_log_end(&l);
}

static void held_lines_come_together(void **state)
{
	(void)state;
	char text[KILN_LOG_LINE_MAX];
	int fd = run_with_piped_stderr(hold_two);
	assert_int_equal(held_bytes, 0); /* nothing before let_go */
	ssize_t n = read(fd, text, sizeof text - 1);
	assert_true(n > 0);
	text[n] = '\0';
	const char *one = strstr(text, "event=one\n"), *two = strstr(text, "event=two\n"),
		   *three = strstr(text, "event=three\n");
	assert_true(one != NULL && one < two && two < three);
	assert_int_equal(close(fd), 0);
}

/* More than a page of them: all come, in their order, and each whole. */
static void hold_many(int write_end)
{
	(void)write_end;
	kiln_log_configure(KILN_LOG_TEXT, KILN_LOG_INFO, NULL, NULL);
	kiln_log_hold();
	for (unsigned i = 0; i < 300; i++) {
		kiln_log_begin(&l, KILN_LOG_INFO, "test");
		kiln_log_u64(&l, "number", i);
		kiln_log_end(&l);
	}
	kiln_log_let_go();
}

static void many_held_lines(void **state)
{
	(void)state;
	unsigned next = 0, number;
	char text[KILN_LOG_LINE_MAX];
	FILE *lines = fdopen(run_with_piped_stderr(hold_many), "r");
	assert_non_null(lines);
	while (fgets(text, sizeof text, lines) != NULL) {
		const char *at = strstr(text, "number=");
		assert_true(at != NULL && sscanf(at, "number=%u\n", &number) == 1);
		assert_int_equal(number, next++);
	}
	assert_int_equal(next, 300);
	assert_int_equal(fclose(lines), 0);
}

/* As many are said to be lost as were. */
static void hold_into_full(int write_end)
{
	char page[4096] = {0};
	assert_int_equal(fcntl(write_end, F_SETFL, O_NONBLOCK), 0);
	while (write(write_end, page, sizeof page) > 0)
		;
	assert_int_equal(fcntl(write_end, F_SETFL, 0), 0);
	hold_many(write_end);
	assert_int_equal(kiln_log_dropped(), 300);
}

static void held_lines_are_counted(void **state)
{
	(void)state;
	(void)close(run_with_piped_stderr(hold_into_full));
}

/* ---- a socket ---- */

/* The journal's way. First full, then without its reader. */
static void write_to_socket(int write_end)
{
	(void)write_end;
	int ends[2];
	char page[4096] = {0};
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	write_one(0);
	assert_int_equal(kiln_log_dropped(), 0);
	assert_true(read(ends[0], page, sizeof page) > 0);
	assert_memory_equal(page, "time=", 5);
	while (send(ends[1], page, sizeof page, MSG_DONTWAIT) > 0)
		;
	write_one(0);
	assert_int_equal(kiln_log_dropped(), 1);
	assert_int_equal(close(ends[0]), 0);
	write_one(0);
	assert_int_equal(kiln_log_dropped(), 1);
	assert_int_equal(close(ends[1]), 0);
}

static void never_blocks_on_a_socket(void **state)
{
	(void)state;
	(void)close(run_with_piped_stderr(write_to_socket));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(writes_a_line),
	    cmocka_unit_test(never_blocks),
	    cmocka_unit_test(never_blocks_where_others_write),
	    cmocka_unit_test(never_blocks_on_a_socket),
	    cmocka_unit_test(survives_a_lost_reader),
	    cmocka_unit_test(held_lines_come_together),
	    cmocka_unit_test(many_held_lines),
	    cmocka_unit_test(held_lines_are_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
