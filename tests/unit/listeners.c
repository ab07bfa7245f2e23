/* SPDX-License-Identifier: Apache-2.0
 * Opening and closing the listening sockets: what happens to files that are not ours. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/listeners.h"

static char folder[64], path[96];
static struct kiln_gateway_options options;
static struct kiln_listeners listeners;

static int set_up(void **state)
{
	struct kiln_error err = {0};
	char text[128];
	(void)state;
	(void)snprintf(folder, sizeof folder, "/tmp/kiln-listeners-XXXXXX");
	assert_non_null(mkdtemp(folder));
	(void)snprintf(path, sizeof path, "%s/socket", folder);
	(void)snprintf(text, sizeof text, "unix:%s", path);
	memset(&options, 0, sizeof options);
	options.listen_count = 1;
	assert_int_equal(kiln_address_parse("--listen", text, &options.listen[0], &err), KILN_OK);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(path);
	return rmdir(folder);
}

static void a_file_in_the_way_stays(void **state)
{
	struct kiln_error err = {0};
	(void)state;
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(kiln_listeners_open(&listeners, &options, 1, NULL, &err), KILN_E_CONFIG);
	assert_int_equal(access(path, F_OK), 0);
}

static void our_socket_goes_with_us(void **state)
{
	struct kiln_error err = {0};
	struct stat st;
	(void)state;
	assert_int_equal(kiln_listeners_open(&listeners, &options, 1, NULL, &err), KILN_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	kiln_listeners_close(&listeners);
	assert_int_equal(access(path, F_OK), -1);
}

static void who_comes_at_the_stop_finds_nobody(void **state)
{
	struct kiln_error err = {0};
	(void)state;
	assert_int_equal(kiln_listeners_open(&listeners, &options, 1, NULL, &err), KILN_OK);
	kiln_listeners_refuse_new(&listeners);
	assert_int_equal(access(path, F_OK), -1);
	kiln_listeners_close(&listeners);
}

static void a_socket_that_answers_stays(void **state)
{
	static struct kiln_listeners second;
	struct kiln_error err = {0};
	(void)state;
	assert_int_equal(kiln_listeners_open(&listeners, &options, 1, NULL, &err), KILN_OK);
	assert_int_equal(kiln_listeners_open(&second, &options, 1, NULL, &err), KILN_E_CONFIG);
	assert_int_equal(access(path, F_OK), 0);
	kiln_listeners_close(&listeners);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_file_in_the_way_stays, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(our_socket_goes_with_us, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(who_comes_at_the_stop_finds_nobody, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(a_socket_that_answers_stays, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
