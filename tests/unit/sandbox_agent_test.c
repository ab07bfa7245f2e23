/* SPDX-License-Identifier: Apache-2.0
 * The identity agent's sandbox, entered in children: what libcurl, the name service and OpenSSL do
 * still works, the rest is refused and told; and the wider one, in which programs run. */
#include <fcntl.h>
#include <linux/keyctl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <openssl/ssl.h>

#include "sandbox/sandbox.h"
#include "sandbox_child.h"

#ifndef KILN_SANITIZED

extern char **environ;

static void enter(bool programs, const char *expected)
{
	struct kiln_error err = {0};
	char in_force[KILN_SANDBOX_TEXT] = "";

	NEED(kiln_sandbox_drop_user(geteuid() == 0 ? "nobody" : NULL, &err) == KILN_OK);
	if (kiln_sandbox_agent(programs, in_force, &err) != KILN_OK)
		dprintf(STDERR_FILENO, "%s\n", err.message);
	NEED(err.code == KILN_OK);
	if (strstr(in_force, expected) == NULL) {
		dprintf(STDERR_FILENO, "%s\n", in_force);
		NEED(false);
	}
}

/* ---- the tight one */

static void *look_up(void *arg)
{
	struct addrinfo *found = NULL;
	*(bool *)arg = getaddrinfo("localhost", "443", NULL, &found) == 0;
	if (found != NULL)
		freeaddrinfo(found);
	return NULL;
}

static void do_its_job(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof addr;
	char byte, name[KILN_SANDBOX_CALL];
	pthread_t thread;
	bool found = false;
	int ends[2];
	const int listener = socket(AF_INET, SOCK_STREAM, 0);

	NEED(listener >= 0 && listen(listener, 8) == 0);
	NEED(getsockname(listener, (struct sockaddr *)&addr, &len) == 0);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	enter(false, "seccomp=on");
	const int file = open("/etc/passwd", O_RDONLY | O_CLOEXEC);
	NEED(file >= 0 && read(file, &byte, 1) == 1);
	NEED(pthread_create(&thread, NULL, look_up, &found) == 0);
	NEED(pthread_join(thread, NULL) == 0 && found);
	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
	const int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP);
	NEED(fd >= 0);
	NEED(connect(fd, (struct sockaddr *)&addr, len) == 0 || errno == EINPROGRESS);
	SSL_CTX *tls = SSL_CTX_new(TLS_client_method());
	NEED(tls != NULL && SSL_CTX_set_default_verify_paths(tls) == 1);
	SSL_CTX_free(tls);
	NEED(mmap(NULL, 1, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) != MAP_FAILED);
	NEED(!kiln_sandbox_refused(name));
}

/* A name that no file has: the resolver's sockets, here with nobody to reach. */
static void look_up_far_away(void)
{
	struct addrinfo *found;
	char name[KILN_SANDBOX_CALL];

	if (unshare(CLONE_NEWNET) != 0)
		_exit(77);
	enter(false, "seccomp=on");
	NEED(getaddrinfo("sts.name.invalid", "443", NULL, &found) != 0);
	if (kiln_sandbox_refused(name)) {
		dprintf(STDERR_FILENO, "%s was refused\n", name);
		NEED(false);
	}
}

static void its_job_works(void **state)
{
	(void)state;
	succeeds(do_its_job);
}

static void a_name_is_looked_up(void **state)
{
	(void)state;
	const int status = status_of(look_up_far_away);
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("a network of its own is for root to make\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* Each is refused, and told by its name. */
static const struct attempt {
	long number;
	const char *name;
	long args[4];
} attempts[] = {
    {SYS_execve, "execve", {0}},
    {SYS_clone, "clone", {SIGCHLD}},
    {SYS_kill, "kill", {1}},
    {SYS_ptrace, "ptrace", {PTRACE_TRACEME}},
    {SYS_process_vm_readv, "process_vm_readv", {1}},
    {SYS_bpf, "bpf", {0}},
    {SYS_io_uring_setup, "io_uring_setup", {8}},
    {SYS_keyctl, "keyctl", {KEYCTL_GET_KEYRING_ID}},
    {SYS_perf_event_open, "perf_event_open", {0}},
    {SYS_userfaultfd, "userfaultfd", {0}},
    {SYS_memfd_create, "memfd_create", {0}},
    {SYS_unshare, "unshare", {CLONE_NEWUSER}},
    {SYS_mount, "mount", {0}},
    {SYS_listen, "listen", {0}},
    {SYS_accept4, "accept4", {0}},
    {SYS_unlinkat, "unlinkat", {AT_FDCWD}},
    {SYS_truncate, "truncate", {0}},
    {SYS_openat, "openat", {AT_FDCWD, 0, O_RDWR}},
    {SYS_mprotect, "mprotect", {0, 4096, PROT_READ | PROT_EXEC}},
    {SYS_mmap, "mmap", {0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS}},
    {SYS_socket, "socket", {AF_PACKET, SOCK_RAW}},
    {SYS_prctl, "prctl", {PR_SET_DUMPABLE, 1}},
};

static void try_all(void)
{
	char name[KILN_SANDBOX_CALL];

	enter(false, "seccomp=on");
	for (size_t i = 0; i < sizeof attempts / sizeof attempts[0]; i++) {
		const struct attempt *a = &attempts[i];
		errno = 0;
		const long rc =
		    syscall(a->number, a->args[0], a->args[1], a->args[2], a->args[3], -1, 0);
		if (rc != -1 || errno != ENOSYS) {
			dprintf(STDERR_FILENO, "%s: %ld, errno %d\n", a->name, rc, errno);
			NEED(false);
		}
		NEED(kiln_sandbox_refused(name));
		if (strcmp(name, a->name) != 0) {
			dprintf(STDERR_FILENO, "%s was told as %s\n", a->name, name);
			NEED(false);
		}
		/* Once for each call. */
		NEED(syscall(a->number, a->args[0], a->args[1], a->args[2], a->args[3], -1, 0) ==
		     -1);
		NEED(!kiln_sandbox_refused(name));
	}
}

static void the_rest_is_refused_and_told(void **state)
{
	(void)state;
	succeeds(try_all);
}

/* From a thread as well: it has the filter, and the call is told to all. */
static void *try_in_thread(void *arg)
{
	*(bool *)arg = syscall(SYS_memfd_create, "x", 0) == -1 && errno == ENOSYS;
	return NULL;
}

static void try_from_a_thread(void)
{
	char name[KILN_SANDBOX_CALL];
	pthread_t thread;
	bool refused = false;

	enter(false, "seccomp=on");
	NEED(pthread_create(&thread, NULL, try_in_thread, &refused) == 0);
	NEED(pthread_join(thread, NULL) == 0 && refused);
	NEED(kiln_sandbox_refused(name) && strcmp(name, "memfd_create") == 0);
}

static void threads_are_no_way_around(void **state)
{
	(void)state;
	succeeds(try_from_a_thread);
}

static void log_only(void)
{
	NEED(setenv("KILN_SECCOMP", "log", 1) == 0);
	enter(false, "seccomp=log");
	NEED(syscall(SYS_memfd_create, "x", 0) >= 0);
}

static void not_at_all(void)
{
	NEED(setenv("KILN_SECCOMP", "off", 1) == 0);
	enter(false, "seccomp=off");
	NEED(syscall(SYS_memfd_create, "x", 0) >= 0);
}

static void the_environment_loosens_it(void **state)
{
	(void)state;
	succeeds(log_only);
	succeeds(not_at_all);
}

/* ---- with programs */

static int run(const char *script)
{
	char sh[] = "sh", option[] = "-c", text[300];
	char *words[] = {sh, option, text, NULL};
	pid_t pid;
	int status;

	(void)snprintf(text, sizeof text, "%s", script);
	NEED(posix_spawnp(&pid, sh, NULL, NULL, words, environ) == 0);
	NEED(waitpid(pid, &status, 0) == pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void run_programs(void)
{
	enter(true, "seccomp=programs");
	NEED(run("x=$(printf abc | cat) && test \"$x\" = abc") == 0);
	NEED(run("f=$(mktemp) && echo x >\"$f\" && rm \"$f\"") == 0);
	NEED(run("exec 2>&-; unshare -r true") != 0);
}

static const struct attempt nobody_needs[] = {
    {SYS_ptrace, "ptrace", {PTRACE_TRACEME}},
    {SYS_process_vm_readv, "process_vm_readv", {1}},
    {SYS_process_vm_writev, "process_vm_writev", {1}},
    {SYS_bpf, "bpf", {0}},
    {SYS_io_uring_setup, "io_uring_setup", {8}},
    {SYS_keyctl, "keyctl", {KEYCTL_GET_KEYRING_ID}},
    {SYS_perf_event_open, "perf_event_open", {0}},
    {SYS_userfaultfd, "userfaultfd", {0}},
    {SYS_kexec_load, "kexec_load", {0}},
    {SYS_finit_module, "finit_module", {-1}},
    {SYS_unshare, "unshare", {CLONE_NEWUSER}},
    {SYS_clone, "clone", {CLONE_NEWUSER | SIGCHLD}},
    {SYS_mount, "mount", {0}},
    {SYS_setns, "setns", {-1}},
};

static void try_what_nobody_needs(void)
{
	enter(true, "seccomp=programs");
	for (size_t i = 0; i < sizeof nobody_needs / sizeof nobody_needs[0]; i++) {
		const struct attempt *a = &nobody_needs[i];
		errno = 0;
		const long rc =
		    syscall(a->number, a->args[0], a->args[1], a->args[2], a->args[3], 0, 0);
		if (rc == 0 && a->number == SYS_clone)
			_exit(1);
		if (rc != -1 || errno != EPERM) {
			dprintf(STDERR_FILENO, "%s: %ld, errno %d\n", a->name, rc, errno);
			NEED(false);
		}
	}
}

static void programs_run(void **state)
{
	(void)state;
	succeeds(run_programs);
	succeeds(try_what_nobody_needs);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(its_job_works),
    cmocka_unit_test(a_name_is_looked_up),
    cmocka_unit_test(the_rest_is_refused_and_told),
    cmocka_unit_test(threads_are_no_way_around),
    cmocka_unit_test(the_environment_loosens_it),
    cmocka_unit_test(programs_run),
};

#else

static void the_log_line_says_why_not(void)
{
	char in_force[KILN_SANDBOX_TEXT] = "";

	NEED(kiln_sandbox_agent(false, in_force, NULL) == KILN_OK);
	NEED(strstr(in_force, "landlock=off seccomp=off reason=built_with_sanitizers") != NULL);
}

static void sanitized_builds_say_so(void **state)
{
	(void)state;
	succeeds(the_log_line_says_why_not);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(sanitized_builds_say_so),
};

#endif

int main(void)
{
	return cmocka_run_group_tests(tests, NULL, NULL);
}
