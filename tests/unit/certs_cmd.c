/* SPDX-License-Identifier: Apache-2.0
 * `kiln certs` as a whole: its files are what `openssl verify` accepts, and its refusals. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "demo/certs_cmd.h"
#include "demo/files.h"

static struct kiln_temp_dir dir;
static char said[8192];

static int set_up(void **state)
{
	(void)state;
	return kiln_temp_dir_make(&dir, NULL) == KILN_OK ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return kiln_temp_dir_remove(&dir, NULL) == KILN_OK ? 0 : -1;
}

/* Runs the command with the words of line; "DIR" stands for the test's directory. What it wrote, on
 * either stream, is in said. */
static int run(const char *line)
{
	char words[1024], *argv[40], *save = NULL;
	char name[] = "certs";
	int argc = 1;
	argv[0] = name;
	assert_true(strlen(line) < sizeof words);
	(void)snprintf(words, sizeof words, "%s", line);
	for (char *w = strtok_r(words, " ", &save); w != NULL; w = strtok_r(NULL, " ", &save))
		argv[argc++] = strcmp(w, "DIR") == 0 ? dir.path : w;
	argv[argc] = NULL;
	memset(said, 0, sizeof said);
	FILE *f = fmemopen(said, sizeof said - 1, "w");
	assert_non_null(f);
	int status = kiln_certs_run(argc, argv, f, f);
	assert_int_equal(fclose(f), 0);
	return status;
}

static void assert_said(const char *text)
{
	if (strstr(said, text) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", said, text);
}

/* `openssl verify`, the operator's own check; its exit status. */
static int openssl_verify(const char *purpose, const char *cert)
{
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		int null = open("/dev/null", O_RDWR);
		if (chdir(dir.path) != 0 || dup2(null, 1) < 0 || dup2(null, 2) < 0)
			_exit(126);
		execlp("openssl", "openssl", "verify", "-x509_strict", "-purpose", purpose,
		       "-CAfile", "ca.pem", cert, (char *)NULL);
		_exit(127);
	}
	int status;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) >= 126)
		fail_msg("the program openssl is missing (Debian package openssl)");
	return WEXITSTATUS(status);
}

static void openssl_accepts(void **state)
{
	(void)state;
	static const char *const kinds[] = {"ec", "rsa", "ed25519"};
	for (size_t i = 0; i < 3; i++) {
		char line[100];
		(void)snprintf(line, sizeof line, "--out DIR --force --key %s --days 1", kinds[i]);
		assert_int_equal(run(line), 0);
		assert_int_equal(openssl_verify("sslserver", "server.pem"), 0);
		assert_int_equal(openssl_verify("sslclient", "client.pem"), 0);
		assert_int_not_equal(openssl_verify("sslclient", "server.pem"), 0);
		assert_int_not_equal(openssl_verify("sslserver", "client.pem"), 0);
	}
}

static void writes_private_files(void **state)
{
	(void)state;
	static const char *const names[] = {"ca.pem", "server.pem", "server.key", "client.pem",
					    "client.key"};
	assert_int_equal(run("--out DIR"), 0);
	for (size_t i = 0; i < 5; i++) {
		struct stat st;
		assert_int_equal(fstatat(dir.fd, names[i], &st, 0), 0);
		bool key = strstr(names[i], ".key") != NULL;
		assert_int_equal(st.st_mode & 077, key ? 0 : st.st_mode & 044);
		assert_true(st.st_size > 100);
	}
	assert_said("localhost 127.0.0.1 ::1");
	assert_said("--allow-cn client");
	assert_said("--server-name localhost");
}

static void does_not_overwrite(void **state)
{
	(void)state;
	struct stat before, after;
	assert_int_equal(run("--out DIR"), 0);
	assert_int_equal(fstatat(dir.fd, "server.key", &before, 0), 0);
	assert_int_equal(unlinkat(dir.fd, "ca.pem", 0), 0);
	assert_int_equal(run("--out DIR"), 1);
	assert_said("server.pem is there already; --force replaces it");
	assert_int_equal(faccessat(dir.fd, "ca.pem", F_OK, 0), -1); /* nothing was half done */
	assert_int_equal(fstatat(dir.fd, "server.key", &after, 0), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(run("--out DIR --force"), 0);
	assert_int_equal(fstatat(dir.fd, "server.key", &after, 0), 0);
	assert_int_not_equal(before.st_ino, after.st_ino);
}

static void takes_names(void **state)
{
	(void)state;
	assert_int_equal(
	    run("--out DIR --dns a.test --dns b.test --ip 192.0.2.7 --uri spiffe://t/x "
		"--client-cn tester --ca-cn mine"),
	    0);
	assert_said("a.test b.test 192.0.2.7\n");
	assert_said("authority \"mine\"");
	assert_said("--allow-cn tester");
	assert_int_equal(openssl_verify("sslserver", "server.pem"), 0);
}

static void teaches(void **state)
{
	(void)state;
	assert_int_equal(run("--help"), 0);
	assert_said("Usage: kiln certs --out DIR");
	assert_said("Not for production");
	assert_int_equal(run("-h"), 0);
}

static void refuses(void **state)
{
	(void)state;
	assert_int_equal(run(""), 2);
	assert_said("--out DIR is missing");
	assert_int_equal(run("--otu DIR"), 2);
	assert_said("unknown flag --otu; did you mean --out?");
	assert_int_equal(run("--frobnicate"), 2);
	assert_said("`kiln certs --help`");
	assert_int_equal(run("--out"), 2);
	assert_said("--out needs a value");
	assert_int_equal(run("--out --force"), 2);
	assert_said("a value is missing before --force");
	assert_int_equal(run("DIR"), 2);
	assert_said("is no flag; try --out");
	assert_int_equal(run("--out DIR --days 0"), 2);
	assert_said("from 1 to 3650");
	assert_int_equal(run("--out DIR --key dsa"), 2);
	assert_said("write ec, rsa or ed25519");
	assert_int_equal(run("--out DIR --ip host"), 1);
	assert_said("'host' is no IP address");
	assert_int_equal(run("--out /dev/null/x"), 1);
	assert_said("cannot make /dev/null/x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(openssl_accepts, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(writes_private_files, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(does_not_overwrite, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(takes_names, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(teaches, set_up, tear_down),
	    cmocka_unit_test_setup_teardown(refuses, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
