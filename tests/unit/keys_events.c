/* SPDX-License-Identifier: Apache-2.0
 * What the key server says of what its machine tells it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "keys/serve/keyd.h"

/* The log goes to descriptor 2: a memory file is there for a moment. */
static void tell(struct kiln_keyd *keyd, const struct kiln_keys_event *event, char text[4096])
{
	const int kept = dup(STDERR_FILENO), memory = memfd_create("log", MFD_CLOEXEC);
	assert_true(memory >= 0 && kept >= 0);
	assert_true(dup2(memory, STDERR_FILENO) >= 0);
	kiln_log_configure(KILN_LOG_TEXT, KILN_LOG_INFO, NULL, NULL);
	kiln_keyd_on_event(keyd, event);
	assert_true(dup2(kept, STDERR_FILENO) >= 0);
	const ssize_t n = pread(memory, text, 4095, 0);
	assert_true(n > 0);
	text[n] = '\0';
	(void)close(memory);
	(void)close(kept);
}

/* A connection that was given up is no success of anything. */
static void memory_has_no_outcome(void **state)
{
	static const struct kiln_keys_serve_options options;
	struct kiln_keyd keyd = {.options = &options, .now = {.steady_ms = 1000}};
	struct kiln_keys_event event = {.what = KILN_KEYS_EVENT_NO_MEMORY};
	char text[4096];
	(void)state;
	tell(&keyd, &event, text);
	assert_non_null(strstr(text, "level=error event=keys_session what=memory"));
	assert_null(strstr(text, "outcome="));
	event.what = KILN_KEYS_EVENT_LOGIN;
	tell(&keyd, &event, text);
	assert_non_null(strstr(text, "level=info event=keys_session what=login outcome=success"));
}

/* One attempt too many is counted for the connection that it came on. */
static void attempts_that_are_too_many(void **state)
{
	static const struct kiln_keys_serve_options options;
	struct kiln_keyd_conn conn = {.id = 7};
	struct kiln_keyd keyd = {.options = &options, .feeding = &conn, .now = {.steady_ms = 1000}};
	const struct kiln_keys_event event = {.what = KILN_KEYS_EVENT_LOGIN,
					      .outcome = KILN_KEYS_LIMITED};
	char text[4096];
	(void)state;
	tell(&keyd, &event, text);
	assert_non_null(strstr(text, "outcome=limited"));
	assert_int_equal(conn.limited, 1);
	assert_int_equal(conn.refused, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(memory_has_no_outcome),
	    cmocka_unit_test(attempts_that_are_too_many),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
