/* SPDX-License-Identifier: Apache-2.0
 * What the supervisor says at its start about how it was started. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log/log.h"
#include "supervisor/announce.h"

#define SKIPPED 77

/* The log goes to descriptor 2: put a memory file there for a moment. */
static void announce(const char *user, char text[4096])
{
	static struct kiln_gateway_options options;
	static struct kiln_supervisor supervisor;
	options = (struct kiln_gateway_options){.mode = KILN_GATEWAY_CLIENT, .user = user};
	supervisor = (struct kiln_supervisor){.options = &options};
	const int memory = memfd_create("log", MFD_CLOEXEC), kept = dup(STDERR_FILENO);
	assert_true(memory >= 0 && kept >= 0);
	assert_true(dup2(memory, STDERR_FILENO) >= 0);
	kiln_log_configure(KILN_LOG_TEXT, KILN_LOG_INFO, NULL, NULL);
	kiln_announce_start(&supervisor);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	const ssize_t n = pread(memory, text, 4095, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	(void)close(memory);
	(void)close(kept);
}

static void warns_of_workers_that_are_root(void **state)
{
	char text[4096];
	(void)state;
	announce(NULL, text);
	assert_non_null(strstr(text, "level=warning event=workers_are_root"));
	assert_non_null(strstr(text, "--user NAME"));
}

static void is_quiet_with_another_user(void **state)
{
	char text[4096];
	(void)state;
	announce("nobody", text);
	assert_null(strstr(text, "workers_are_root"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(warns_of_workers_that_are_root),
	    cmocka_unit_test(is_quiet_with_another_user),
	};
	if (geteuid() != 0) {
		(void)puts("skipped: only root can leave its workers root");
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
