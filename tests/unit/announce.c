/* SPDX-License-Identifier: Apache-2.0
 * What the supervisor says at its start about how it was started. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "log/log.h"
#include "supervisor/announce.h"

static struct kiln_gateway_options options;
static struct kiln_supervisor supervisor;

/* The log goes to descriptor 2: a memory file is there for a moment. */
static int begin_capture(int *memory)
{
	const int kept = dup(STDERR_FILENO);
	*memory = memfd_create("log", MFD_CLOEXEC);
	assert_true(*memory >= 0 && kept >= 0);
	assert_true(dup2(*memory, STDERR_FILENO) >= 0);
	kiln_log_configure(KILN_LOG_TEXT, KILN_LOG_INFO, NULL, NULL);
	return kept;
}

static void end_capture(int memory, int kept, char text[4096])
{
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	const ssize_t n = pread(memory, text, 4095, 0);
	assert_true(n >= 0);
	text[n] = '\0';
	(void)close(memory);
	(void)close(kept);
}

static void announce(const char *user, char text[4096])
{
	int memory;
	options = (struct kiln_gateway_options){.mode = KILN_GATEWAY_CLIENT, .user = user};
	supervisor = (struct kiln_supervisor){.options = &options};
	const int kept = begin_capture(&memory);
	kiln_announce_start(&supervisor);
	end_capture(memory, kept, text);
}

static void warns_of_workers_that_are_root(void **state)
{
	char text[4096];
	(void)state;
	if (geteuid() != 0)
		skip(); /* only root can leave its workers root */
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

/* What is logged, and how long until the next look. */
static int progress(uint64_t ms, char text[4096])
{
	int memory;
	supervisor.now += ms;
	const int kept = begin_capture(&memory);
	const int wait = kiln_announce_progress(&supervisor);
	end_capture(memory, kept, text);
	return wait;
}

static void says_what_is_left_of_a_stop(void **state)
{
	char text[4096];
	struct kiln_counters counters[2] = {{.active = 4}, {.active = 2}};
	(void)state;
	supervisor = (struct kiln_supervisor){
	    .options = &options,
	    .counters = counters,
	    .slots = 2,
	    .workers = 2,
	    .children = {{.pid = 10}, {.pid = 11}},
	    .now = 5000,
	    .stop_at = 305000,
	};
	assert_int_equal(progress(0, text), 10000);
	assert_int_equal(progress(9999, text), 1);
	assert_string_equal(text, "");
	assert_int_equal(progress(1, text), 10000);
	assert_non_null(
	    strstr(text, "event=still_stopping connections=6 workers=2 left_ms=290000"));
	counters[0].active = 0;
	supervisor.children[0].pid = 0;
	progress(10000, text);
	assert_non_null(strstr(text, "connections=2 workers=1 left_ms=280000"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(warns_of_workers_that_are_root),
	    cmocka_unit_test(is_quiet_with_another_user),
	    cmocka_unit_test(says_what_is_left_of_a_stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
