/* SPDX-License-Identifier: Apache-2.0
 * The sandbox part by part, each time in a child of its own: the user, Landlock, the ring. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <liburing.h>

#include "sandbox/parts.h"
#include "sandbox_child.h"

/* ------------------------------------------------------------------ user */

static void drop_to_nobody(void)
{
	struct kiln_error err = {0};
	struct rlimit core;
	char line[256];
	bool no_capabilities = false;

	if (kiln_sandbox_drop_user(geteuid() == 0 ? "nobody" : NULL, &err) != KILN_OK)
		dprintf(STDERR_FILENO, "%s\n", err.message);
	NEED(err.code == KILN_OK);
	NEED(getuid() != 0 && geteuid() != 0 && getgid() != 0 && getegid() != 0);
	NEED(getgroups(0, NULL) <= 1);
	NEED(setuid(0) != 0 && seteuid(0) != 0 && setgid(0) != 0);
	NEED(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	NEED(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0);
#ifndef KILN_SANITIZED
	NEED(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
#endif
	/* /proc/self would be root's now that we are not dumpable, but status may be read. */
	FILE *file = fopen("/proc/self/status", "re");
	NEED(file != NULL);
	while (fgets(line, sizeof line, file) != NULL)
		no_capabilities =
		    no_capabilities || strcmp(line, "CapPrm:\t0000000000000000\n") == 0;
	(void)fclose(file);
	NEED(no_capabilities);
}

static void a_dropped_user_stays_dropped(void **state)
{
	(void)state;
	succeeds(drop_to_nobody);
}

static void drop_and_stay(void)
{
	uid_t before = geteuid();

	NEED(kiln_sandbox_drop_user(NULL, NULL) == KILN_OK);
	NEED(geteuid() == before);
	NEED(prctl(PR_CAPBSET_READ, 21, 0, 0, 0) == 0 || before != 0);
	/* Root without capabilities may not become somebody else. */
	NEED(setuid(before + 1) != 0);
}

static void without_a_user_only_rights_go(void **state)
{
	(void)state;
	succeeds(drop_and_stay);
}

static void an_unknown_user_is_refused(void **state)
{
	struct kiln_error err = {0};

	(void)state;
	assert_int_equal(kiln_sandbox_check_user("no-such-user-here", &err), KILN_E_CONFIG);
	assert_non_null(strstr(err.message, "no-such-user-here"));
	assert_int_equal(kiln_sandbox_check_user("nobody", &err), KILN_OK);
}

/* ------------------------------------------------------------------ landlock */

static void use_files_under_landlock(void)
{
	int abi = -1;

	NEED(kiln_sandbox_landlock(0, &abi, NULL) == KILN_OK);
	if (abi == 0)
		_exit(77);
	NEED(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
	NEED(open("/tmp/kiln-landlock-test", O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES);
	NEED(open("/", O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
}

static void landlock_closes_the_file_system(void **state)
{
	int status = status_of(use_files_under_landlock);

	(void)state;
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("this kernel has no Landlock, or it is off at boot\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

/* ------------------------------------------------------------------ the ring */

static int complete_one(struct io_uring *ring)
{
	struct io_uring_cqe *cqe;

	NEED(io_uring_submit_and_wait(ring, 1) == 1);
	NEED(io_uring_peek_cqe(ring, &cqe) == 0);
	int result = cqe->res;
	io_uring_cqe_seen(ring, cqe);
	return result;
}

static void use_a_ring(void)
{
	struct io_uring ring;
	struct kiln_error err = {0};
	int fds[2];
	char byte = 0;

	NEED(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
	int rc =
	    io_uring_queue_init(8, &ring, IORING_SETUP_R_DISABLED | IORING_SETUP_SINGLE_ISSUER);
	if (rc == -EPERM || rc == -ENOSYS)
		_exit(77);
	NEED(rc == 0);
	if (kiln_sandbox_ring(&ring, &err) != KILN_OK)
		dprintf(STDERR_FILENO, "%s\n", err.message);
	NEED(err.code == KILN_OK);

	io_uring_prep_send(io_uring_get_sqe(&ring), fds[0], "x", 1, 0);
	NEED(complete_one(&ring) == 1);
	io_uring_prep_recv(io_uring_get_sqe(&ring), fds[1], &byte, 1, 0);
	NEED(complete_one(&ring) == 1 && byte == 'x');
	io_uring_prep_openat(io_uring_get_sqe(&ring), AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	NEED(complete_one(&ring) == -EACCES);
	io_uring_prep_unlink(io_uring_get_sqe(&ring), "/tmp/kiln-no-such-file", 0);
	NEED(complete_one(&ring) == -EACCES);
	io_uring_prep_splice(io_uring_get_sqe(&ring), fds[0], -1, fds[1], -1, 1, 0);
	NEED(complete_one(&ring) == -EACCES);
	io_uring_prep_rw(IORING_OP_SOCKET, io_uring_get_sqe(&ring), AF_INET, NULL, 0, SOCK_DGRAM);
	NEED(complete_one(&ring) == -EACCES);
	NEED(io_uring_register_files(&ring, fds, 2) == -EACCES);
	NEED(io_uring_register_ring_fd(&ring) == 1);
}

/* What goes through a ring is seen by Landlock, other than by seccomp. */
static void connect_through_a_ring(void)
{
	struct sockaddr_in addr = {.sin_family = AF_INET,
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof addr;
	struct io_uring ring;
	int abi, listener = socket(AF_INET, SOCK_STREAM, 0);

	NEED(bind(listener, (struct sockaddr *)&addr, len) == 0 && listen(listener, 8) == 0);
	NEED(getsockname(listener, (struct sockaddr *)&addr, &len) == 0);
	int rc = io_uring_queue_init(8, &ring, IORING_SETUP_R_DISABLED);
	if (rc == -EPERM || rc == -ENOSYS)
		_exit(77);
	NEED(rc == 0 && kiln_sandbox_ring(&ring, NULL) == KILN_OK);
	NEED(kiln_sandbox_landlock(ntohs(addr.sin_port), &abi, NULL) == KILN_OK);
	if (abi < 4)
		_exit(77);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	io_uring_prep_connect(io_uring_get_sqe(&ring), fd, (struct sockaddr *)&addr, len);
	NEED(complete_one(&ring) == 0);
	addr.sin_port = htons((uint16_t)(ntohs(addr.sin_port) ^ 1));
	fd = socket(AF_INET, SOCK_STREAM, 0);
	io_uring_prep_connect(io_uring_get_sqe(&ring), fd, (struct sockaddr *)&addr, len);
	NEED(complete_one(&ring) == -EACCES);
}

static void a_ring_connects_to_the_target_alone(void **state)
{
	int status = status_of(connect_through_a_ring);

	(void)state;
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("no io_uring here, or Landlock does not rule over connections\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void a_ring_takes_only_the_relays_operations(void **state)
{
	int status = status_of(use_a_ring);

	(void)state;
	assert_true(WIFEXITED(status));
	if (WEXITSTATUS(status) == 77) {
		print_message("io_uring is refused here\n");
		skip();
	}
	assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_dropped_user_stays_dropped),
	    cmocka_unit_test(without_a_user_only_rights_go),
	    cmocka_unit_test(an_unknown_user_is_refused),
	    cmocka_unit_test(landlock_closes_the_file_system),
	    cmocka_unit_test(a_ring_takes_only_the_relays_operations),
	    cmocka_unit_test(a_ring_connects_to_the_target_alone),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
