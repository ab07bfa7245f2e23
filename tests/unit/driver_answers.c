/* SPDX-License-Identifier: Apache-2.0
 * Credential programs that do not simply print and end, run for a caller who waits: his time is
 * kept, and nothing of them is left. Each inherits a pipe; its end tells that the last of them is
 * gone. */
#include "roast_world.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "driver/identity.h"

#define SHORT_MS   500
#define PATIENT_MS 20000

static char folder[] = "/tmp/kiln-answers-XXXXXX";
static int alive[2]; /* what they hold is alive[1] */

static int begin(void **state)
{
	char path[64];
	if (mkdtemp(folder) == NULL || world_begin(state) != 0)
		return -1;
	(void)snprintf(path, sizeof path, "%s/config", folder);
	return setenv("AWS_CONFIG_FILE", path, 1);
}

static int end(void **state)
{
	char path[64];
	for (const char *const *name = (const char *const[]){"config", "program", NULL};
	     *name != NULL; name++) {
		(void)snprintf(path, sizeof path, "%s/%s", folder, *name);
		(void)unlink(path);
	}
	(void)rmdir(folder);
	return world_end(state);
}

static void write_file(const char *name, mode_t mode, const char *text)
{
	char path[64];
	(void)snprintf(path, sizeof path, "%s/%s", folder, name);
	FILE *file = fopen(path, "w");
	assert_non_null(file);
	assert_true(fputs(text, file) >= 0);
	assert_int_equal(fclose(file), 0);
	assert_int_equal(chmod(path, mode), 0);
}

/* "keys" prints the client's. */
static void set_program(const char *script)
{
	char text[1500];
	(void)snprintf(text, sizeof text,
		       "#!/bin/sh\n"
		       "keys() {\n"
		       "echo '{\"Version\":1,\"AccessKeyId\":\"%s\",\"SecretAccessKey\":\"%s\","
		       "\"SessionToken\":\"%s\"}'\n}\n%s\n",
		       client_person.key_id, client_person.secret, client_person.token, script);
	write_file("program", 0700, text);
}

static struct kiln_aws *with_program(const char *script)
{
	const struct kiln_aws_options options = {.development_sts = true, .profile = "program"};
	char text[200];
	(void)snprintf(text, sizeof text, "[profile program]\ncredential_process = %s/program\n",
		       folder);
	write_file("config", 0600, text);
	set_program(script);
	assert_int_equal(pipe(alive), 0);
	assert_int_equal(fcntl(alive[0], F_SETFD, FD_CLOEXEC), 0);
	struct kiln_aws *aws = kiln_aws_open(&options, NULL);
	assert_non_null(aws);
	return aws;
}

static void assert_all_gone(void)
{
	struct pollfd last = {.fd = alive[0], .events = POLLIN};
	char byte;
	(void)close(alive[1]);
	assert_int_equal(poll(&last, 1, PATIENT_MS), 1);
	assert_int_equal(read(alive[0], &byte, 1), 0);
	(void)close(alive[0]);
	/* Ours was reaped. */
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static void assert_client(struct kiln_aws *aws)
{
	const struct kiln_aws_role wanted = rig_role(client_person.role);
	struct kiln_aws_role role;
	struct kiln_error err = {0};
	if (kiln_aws_whoami(aws, 0, &role, NULL, &err) != KILN_OK)
		fail_msg("%s", err.message);
	assert_true(kiln_aws_role_equal(&role, &wanted));
}

/* The caller's time ends; then the program is another, and its keys are taken. */
static void out_of_time(const char *script)
{
	struct kiln_aws *aws = with_program(script);
	struct kiln_error err = {0};
	const kiln_time_ms began = kiln_driver_now();
	const enum kiln_code rc = kiln_aws_whoami(aws, SHORT_MS, NULL, NULL, &err);
	const kiln_time_ms took = kiln_driver_now() - began;
	if (rc != KILN_E_TIMEOUT || strstr(err.message, "/program") == NULL)
		fail_msg("%s: %s", kiln_code_name(rc), err.message);
	assert_in_range(took, SHORT_MS, PATIENT_MS);
	assert_all_gone();
	set_program("keys");
	assert_client(aws);
	kiln_aws_close(aws);
}

static void test_closes_its_output_and_lives_on(void **state)
{
	(void)state;
	out_of_time("keys; exec sleep 600 >&-");
	/* One that heeds no signal that can be heeded. */
	out_of_time("trap '' TERM INT HUP PIPE; keys; exec >&-; while :; do sleep 600; done");
}

static void test_what_it_started_holds_its_output(void **state)
{
	(void)state;
	out_of_time("sleep 600 & keys"); /* it has ended itself */
	out_of_time("sleep 600 & keys; wait");
	out_of_time("(sleep 600 & sleep 600 & wait) & exec sleep 600 >&-");
}

static void test_writes_without_end(void **state)
{
	static const char *const scripts[] = {"exec yes", "yes & wait", "keys; exec cat /dev/zero"};
	(void)state;
	for (size_t i = 0; i < sizeof scripts / sizeof scripts[0]; i++) {
		struct kiln_aws *aws = with_program(scripts[i]);
		struct kiln_error err = {0};
		const enum kiln_code rc = kiln_aws_whoami(aws, 0, NULL, NULL, &err);
		if (rc != KILN_E_CREDENTIALS || strstr(err.message, "printed more than") == NULL)
			fail_msg("%s: %s", kiln_code_name(rc), err.message);
		assert_all_gone();
		kiln_aws_close(aws);
	}
}

/* Slowly, so that there is something to read again and again: each bit brings no new time. */
static void test_never_stops_talking(void **state)
{
	(void)state;
	out_of_time("while :; do echo; sleep 0.02; done");
}

/* What goes on behind a program that did its job is none of our business. */
static void test_leaves_somebody_behind(void **state)
{
	struct kiln_aws *aws = with_program("sleep 600 >&- 2>&- & echo $! >&2; keys");
	int complaints[2];
	char text[32] = "";
	(void)state;
	assert_int_equal(pipe(complaints), 0);
	const int before = dup(STDERR_FILENO);
	assert_true(before >= 0 && dup2(complaints[1], STDERR_FILENO) >= 0);
	struct kiln_error err = {0};
	const enum kiln_code rc = kiln_aws_whoami(aws, 0, NULL, NULL, &err);
	assert_true(dup2(before, STDERR_FILENO) >= 0);
	if (rc != KILN_OK)
		fail_msg("%s", err.message);
	assert_true(read(complaints[0], text, sizeof text - 1) > 0);
	const pid_t left = (pid_t)strtol(text, NULL, 10);
	assert_true(left > 1);
	assert_int_equal(kill(left, SIGKILL), 0);
	assert_all_gone();
	(void)close(before);
	(void)close(complaints[0]);
	(void)close(complaints[1]);
	kiln_aws_close(aws);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_closes_its_output_and_lives_on),
	    cmocka_unit_test(test_what_it_started_holds_its_output),
	    cmocka_unit_test(test_writes_without_end),
	    cmocka_unit_test(test_never_stops_talking),
	    cmocka_unit_test(test_leaves_somebody_behind),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
