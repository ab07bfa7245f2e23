/* SPDX-License-Identifier: Apache-2.0
 * "kiln doctor" as a program would use it: run in a child under several conditions, its JSON read
 * and held against the probes. */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>
#include <seccomp.h>

#include "doctor/doctor.h"
#include "doctor/faults.h"
#include "doctor/probe.h"

#define NOBODY 65534

struct run {
	int status;
	char out[65536];
	char err[4096];
};

static void slurp(int fd, char *out, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while ((n = read(fd, out + len, size - 1 - len)) > 0)
		len += (size_t)n;
	out[len] = '\0';
	close(fd);
}

/* Runs the doctor with one argument (or none) in a child that first prepares itself. */
static void run_doctor(struct run *run, const char *argument, bool (*prepare)(void))
{
	int out[2], err[2], status;
	char name[] = "doctor", arg[32] = "";
	char *argv[] = {name, argument != NULL ? arg : NULL, NULL};

	if (argument != NULL)
		(void)snprintf(arg, sizeof arg, "%s", argument);
	assert_int_equal(pipe(out) | pipe(err), 0);
	pid_t child = fork();
	assert_true(child >= 0);
	if (child == 0) {
		if (dup2(out[1], STDOUT_FILENO) < 0 || dup2(err[1], STDERR_FILENO) < 0)
			_exit(100);
		for (int fd = 3; fd < 32; fd++)
			close(fd);
		if (prepare != NULL && !prepare())
			_exit(101);
		exit(kiln_doctor_main(argument != NULL ? 2 : 1, argv));
	}
	close(out[1]);
	close(err[1]);
	slurp(out[0], run->out, sizeof run->out);
	slurp(err[0], run->err, sizeof run->err);
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status));
	run->status = WEXITSTATUS(status);
}

static json_t *json_of(const struct run *run)
{
	json_error_t error;
	json_t *top = json_loads(run->out, 0, &error);

	if (top == NULL)
		fail_msg("line %d: %s", error.line, error.text);
	return top;
}

static const char *text_at(json_t *top, const char *outer, const char *inner, const char *key)
{
	json_t *object = json_object_get(top, outer);

	if (inner != NULL)
		object = json_object_get(object, inner);
	const char *text = json_string_value(json_object_get(object, key));
	if (text == NULL)
		fail_msg("no text at %s.%s.%s", outer, inner != NULL ? inner : "", key);
	return text;
}

static void every_check_is_complete(json_t *top)
{
	static const char *const verdicts[] = {"ok", "limited", "missing"};
	json_int_t counted[3] = {0};
	const char *key;
	json_t *check, *checks = json_object_get(top, "checks");

	json_object_foreach(checks, key, check) {
		const char *verdict = text_at(checks, key, NULL, "verdict");
		(void)text_at(checks, key, NULL, "group");
		(void)text_at(checks, key, NULL, "title");
		(void)text_at(checks, key, NULL, "meaning");
		assert_true(strlen(text_at(checks, key, NULL, "found")) > 0);
		json_t *fix = json_object_get(check, "fix");
		assert_true(json_is_null(fix) || json_string_length(fix) > 0);
		assert_true(json_is_null(fix) || strcmp(verdict, "ok") != 0);
		for (size_t v = 0; v < 3; v++)
			counted[v] += strcmp(verdict, verdicts[v]) == 0;
	}
	assert_int_equal(counted[0] + counted[1] + counted[2], json_object_size(checks));
	for (size_t v = 0; v < 3; v++)
		assert_int_equal(counted[v], json_integer_value(json_object_get(
						 json_object_get(top, "summary"), verdicts[v])));
}

static void json_is_complete(void **state)
{
	static const char *const keys[] = {
	    "kernel",
	    "ktls",
	    "cve_2024_0646",
	    "cve_2025_39682",
	    "cve_2026_74611",
	    "cve_2026_93824",
	    "send_order",
	    "send_zc",
	    "io_uring",
	    "ebpf",
	    "cap_bpf",
	    "cap_net_admin",
	    "cap_net_bind_service",
	    "cap_sys_admin",
	    "rlimit_nofile",
	    "rlimit_memlock",
	    "somaxconn",
	    "tcp_max_syn_backlog",
	    "ip_local_port_range",
	    "nr_open",
	    "container",
	    "seccomp",
	    "tcp_fastopen",
	};
	static struct run run;

	(void)state;
	run_doctor(&run, "--json", NULL);
	assert_int_equal(run.status, 0);
	assert_string_equal(run.err, "");
	json_t *top = json_of(&run);
	for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
		(void)text_at(top, "checks", keys[i], "verdict");
	every_check_is_complete(top);
	for (unsigned i = 0; i < KILN_FAULTS; i++)
		(void)text_at(top, "faults", NULL, kiln_fault((enum kiln_fault_id)i)->key);
	assert_true(json_is_true(json_object_get(json_object_get(top, "summary"), "can_run")));
	assert_true(strlen(text_at(top, "kernel", NULL, "release")) > 0);
	json_decref(top);
}

static void verdicts_are_what_the_probes_say(void **state)
{
	static const char *const ciphers[] = {"ktls_aes_128_gcm", "ktls_aes_256_gcm",
					      "ktls_chacha20_poly1305"};
	struct kiln_ktls_caps ktls;
	struct kiln_uring_caps uring;
	static struct run run;

	(void)state;
	assert_int_equal(kiln_probe_ktls(NULL, &ktls), KILN_OK);
	assert_int_equal(kiln_probe_uring(&uring), KILN_OK);
	run_doctor(&run, "--json", NULL);
	json_t *top = json_of(&run);
	assert_string_equal(text_at(top, "checks", "ktls", "verdict"),
			    ktls.available ? "ok" : "missing");
	assert_string_equal(text_at(top, "summary", NULL, "path"),
			    ktls.available ? "ktls" : "userspace");
	if (!ktls.available)
		assert_string_equal(text_at(top, "summary", NULL, "path_reason"), ktls.reason);
	for (size_t i = 0; ktls.available && i < 3; i++)
		assert_string_equal(text_at(top, "checks", ciphers[i], "verdict"),
				    ktls.cipher[i] ? "ok" : "missing");
	if (ktls.available)
		assert_string_equal(text_at(top, "checks", "ktls_rekey", "verdict"),
				    ktls.rekey ? "ok" : "limited");
	assert_string_equal(text_at(top, "summary", NULL, "engine"),
			    uring.usable ? "io_uring" : "epoll");
	json_decref(top);
}

static bool become_nobody(void)
{
	return geteuid() != 0 || setuid(NOBODY) == 0;
}

static void it_works_for_nobody(void **state)
{
	static struct run run;

	(void)state;
	run_doctor(&run, "--json", become_nobody);
	assert_int_equal(run.status, 0);
	assert_string_equal(run.err, "");
	json_t *top = json_of(&run);
	every_check_is_complete(top);
	assert_string_equal(text_at(top, "checks", "cap_bpf", "verdict"), "limited");
	assert_string_equal(text_at(top, "checks", "ebpf", "verdict"), "missing");
	assert_string_equal(text_at(top, "summary", NULL, "steering"), "kernel");
	json_decref(top);
}

/* In a network of its own, which has a sysctl of its own. */
static bool set_fast_open(const char *value)
{
	struct ifreq lo = {.ifr_name = "lo", .ifr_flags = IFF_UP};

	if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0)
		return false;
	const int fd = socket(AF_INET, SOCK_DGRAM, 0);
	const int sysctl = open("/proc/sys/net/ipv4/tcp_fastopen", O_WRONLY);
	return fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &lo) == 0 && sysctl >= 0 &&
	       write(sysctl, value, 1) == 1;
}

static bool fast_open_for_all(void)
{
	return set_fast_open("3");
}

static bool fast_open_for_servers(void)
{
	return set_fast_open("2");
}

static bool rules_over_connections(void)
{
	struct kiln_uring_caps uring;

	(void)kiln_probe_uring(&uring);
	return uring.usable && syscall(444, NULL, (size_t)0, 1u) >= 4;
}

static void fast_open_is_told(void **state)
{
	static const struct {
		bool (*prepare)(void);
		bool open;
	} cases[] = {{fast_open_for_all, true}, {fast_open_for_servers, false}};
	static struct run run;

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const bool limited = cases[i].open && rules_over_connections();
		run_doctor(&run, "--json", cases[i].prepare);
		if (run.status == 101) {
			print_message("a network of its own is for root to make\n");
			skip();
		}
		assert_int_equal(run.status, 0);
		json_t *top = json_of(&run);
		assert_string_equal(text_at(top, "checks", "tcp_fastopen", "verdict"),
				    limited ? "limited" : "ok");
		assert_non_null(strstr(text_at(top, "checks", "tcp_fastopen", "found"),
				       cases[i].open ? "on for clients" : "off for clients"));
		if (limited)
			assert_string_equal(text_at(top, "checks", "tcp_fastopen", "fix"),
					    "sysctl -w net.ipv4.tcp_fastopen=2");
		json_decref(top);
	}
}

static bool refuse(int syscall_number)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool done = filter != NULL &&
		    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), syscall_number, 0) == 0 &&
		    seccomp_load(filter) == 0;

	seccomp_release(filter);
	return done;
}

static bool refuse_uring(void)
{
	return refuse(SCMP_SYS(io_uring_setup));
}

static void a_filter_against_uring_is_named(void **state)
{
	static struct run run;

	(void)state;
	run_doctor(&run, "--json", refuse_uring);
	assert_int_equal(run.status, 0);
	json_t *top = json_of(&run);
	assert_string_equal(text_at(top, "checks", "io_uring", "verdict"), "missing");
	assert_string_equal(text_at(top, "summary", NULL, "engine"), "epoll");
	assert_string_equal(text_at(top, "checks", "seccomp", "verdict"), "limited");
	/* A kernel where the sysctl forbids it too says that first. */
	const char *reason = text_at(top, "checks", "io_uring", "found");
	assert_true(strstr(reason, "seccomp filter") != NULL ||
		    strstr(reason, "io_uring_disabled") != NULL);
	json_decref(top);
}

static bool refuse_sockets(void)
{
	return refuse(SCMP_SYS(bind));
}

static void what_cannot_run_fails(void **state)
{
	static struct run run;

	(void)state;
	run_doctor(&run, "--json", refuse_sockets);
	assert_int_equal(run.status, 1);
	json_t *top = json_of(&run);
	assert_true(json_is_false(json_object_get(json_object_get(top, "summary"), "can_run")));
	assert_non_null(strstr(text_at(top, "summary", NULL, "broken"), "loopback"));
	json_decref(top);
}

static bool few_files(void)
{
	return setrlimit(RLIMIT_NOFILE, &(struct rlimit){40, 40}) == 0;
}

static void too_few_files_fail(void **state)
{
	static struct run run;

	(void)state;
	run_doctor(&run, NULL, few_files);
	assert_int_equal(run.status, 1);
	assert_non_null(strstr(run.out, "kiln cannot run here"));
	assert_non_null(strstr(run.out, "ulimit -n"));
}

static void people_get_plain_text_in_a_pipe(void **state)
{
	static struct run run;

	(void)state;
	run_doctor(&run, NULL, NULL);
	assert_int_equal(run.status, 0);
	assert_null(strchr(run.out, '\033'));
	assert_non_null(strstr(run.out, "connections will take the path: "));
	run_doctor(&run, "--help", NULL);
	assert_int_equal(run.status, 0);
	assert_int_equal(strncmp(run.out, "usage: kiln doctor", 18), 0);
	run_doctor(&run, "--jsno", NULL);
	assert_int_equal(run.status, 2);
	assert_non_null(strstr(run.err, "--jsno"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(json_is_complete),
	    cmocka_unit_test(verdicts_are_what_the_probes_say),
	    cmocka_unit_test(it_works_for_nobody),
	    cmocka_unit_test(fast_open_is_told),
	    cmocka_unit_test(a_filter_against_uring_is_named),
	    cmocka_unit_test(what_cannot_run_fails),
	    cmocka_unit_test(too_few_files_fail),
	    cmocka_unit_test(people_get_plain_text_in_a_pipe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
