/* SPDX-License-Identifier: Apache-2.0
 * Children in which a sandbox can be tried: it cannot be left again. */
#ifndef KILN_TESTS_SANDBOX_CHILD_H
#define KILN_TESTS_SANDBOX_CHILD_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* For children: cmocka's assertions would go on as a second copy of the test run. */
#define NEED(condition) need(condition, __LINE__, #condition)

static inline void need(bool good, int line, const char *what)
{
	if (good)
		return;
	dprintf(STDERR_FILENO, "line %d: %s is false, errno %d\n", line, what, errno);
	_exit(1);
}

static inline int status_of(void (*child_main)(void))
{
	int status;
	pid_t child = fork();

	assert_true(child >= 0);
	if (child == 0) {
		child_main();
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static inline void succeeds(void (*child_main)(void))
{
	int status = status_of(child_main);

	if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
		fail_msg("the child ended with status %#x", (unsigned)status);
}

#endif
