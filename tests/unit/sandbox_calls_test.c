/* SPDX-License-Identifier: Apache-2.0
 * The whole sandbox, as a worker enters it: what a worker needs still works, the rest does not. */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include <openssl/evp.h>
#include <openssl/rand.h>

#include <kiln/tls.h>

#include "sandbox/sandbox.h"
#include "sandbox_child.h"

#ifndef KILN_SANITIZED

static int landlock; /* its version, from enter on; 0 without */

static void enter_for(uint16_t port, const char *expected)
{
	struct kiln_error err = {0};
	char in_force[KILN_SANDBOX_TEXT] = "";

	NEED(kiln_sandbox_drop_user(geteuid() == 0 ? "nobody" : NULL, &err) == KILN_OK);
	if (kiln_sandbox_worker(port, false, in_force, &err) != KILN_OK)
		dprintf(STDERR_FILENO, "%s\n", err.message);
	NEED(err.code == KILN_OK);
	NEED(strstr(in_force, "user=") != NULL && strstr(in_force, " landlock=") != NULL);
	if (strstr(in_force, expected) == NULL) {
		dprintf(STDERR_FILENO, "%s\n", in_force);
		NEED(false);
	}
	const char *version = strstr(in_force, " landlock=v");
	landlock = version != NULL ? atoi(version + 11) : 0;
}

static void enter(const char *expected)
{
	enter_for(0, expected);
}

static void use_files(void)
{
	struct stat st;

	enter("seccomp=on");
	NEED(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
	NEED(open("/tmp/kiln-sandbox-test", O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES);
	NEED(stat("/etc/passwd", &st) < 0 && errno == EACCES);
	NEED(fstat(STDERR_FILENO, &st) == 0);
	NEED(access("/etc/passwd", R_OK) < 0 && errno == EACCES);
}

static void files_are_out_of_reach(void **state)
{
	(void)state;
	succeeds(use_files);
}

static int listen_on_loopback(struct sockaddr_in *addr)
{
	socklen_t len = sizeof *addr;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	*addr =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	NEED(fd >= 0 && bind(fd, (struct sockaddr *)addr, len) == 0 && listen(fd, 8) == 0);
	NEED(getsockname(fd, (struct sockaddr *)addr, &len) == 0);
	return fd;
}

static struct sockaddr_un targets[2]; /* a path, and an abstract name */

/* Everything that both engines do with sockets. */
static void use_sockets(void)
{
	struct sockaddr_in addr;
	struct epoll_event event = {.events = EPOLLIN};
	char byte = 0;
	const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
	int one = 1, listener = listen_on_loopback(&addr), poll = epoll_create1(0);

	enter_for(ntohs(addr.sin_port), "seccomp=on");
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	NEED(client >= 0 && setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) == 0);
	NEED(connect(client, (struct sockaddr *)&addr, sizeof addr) == 0);
	int conn = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	NEED(conn >= 0 && fcntl(conn, F_SETFL, O_NONBLOCK) == 0);
	NEED(epoll_ctl(poll, EPOLL_CTL_ADD, conn, &event) == 0);
	NEED(send(client, "x", 1, MSG_NOSIGNAL) == 1);
	NEED(epoll_wait(poll, &event, 1, 5000) == 1);
	NEED(recv(conn, &byte, 1, 0) == 1 && byte == 'x');
	NEED(shutdown(client, SHUT_WR) == 0);
	NEED(connect(client, &nowhere, sizeof nowhere) == 0); /* as a reset is sent */
	NEED(close(conn) == 0 && close(client) == 0);

	for (size_t i = 0; i < 2; i++) {
		int target = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		NEED(target >= 0);
		NEED(connect(target, (struct sockaddr *)&targets[i], sizeof targets[i]) == 0);
	}
	NEED(socket(AF_NETLINK, SOCK_RAW, 0) < 0 && errno == EACCES);
}

/* The target's port at any address, and no other port. */
static void connect_elsewhere(void)
{
	struct sockaddr_in target, other;
	(void)listen_on_loopback(&target);
	(void)listen_on_loopback(&other);
	enter_for(ntohs(target.sin_port), "seccomp=on");
	if (landlock < 4)
		_exit(77);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	NEED(connect(fd, (struct sockaddr *)&other, sizeof other) < 0 && errno == EACCES);
	target.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1);
	NEED(connect(fd, (struct sockaddr *)&target, sizeof target) < 0 && errno == ECONNREFUSED);
	target.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	NEED(connect(fd, (struct sockaddr *)&target, sizeof target) == 0);
}

/* With a Unix socket as target. */
static void connect_anywhere(void)
{
	struct sockaddr_in target;
	(void)listen_on_loopback(&target);
	enter("seccomp=on");
	if (landlock < 4)
		_exit(77);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	NEED(connect(fd, (struct sockaddr *)&target, sizeof target) < 0 && errno == EACCES);
}

static void only_the_target_is_in_reach(void **state)
{
	static void (*const children[])(void) = {connect_elsewhere, connect_anywhere};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		int status = status_of(children[i]);
		if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
			print_message("this kernel's Landlock does not rule over connections\n");
			skip();
		}
		if (status != 0)
			fail_msg("child %zu ended with status %#x", i, (unsigned)status);
	}
}

static int listen_on_unix(const struct sockaddr_un *un)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_return_code(bind(fd, (const struct sockaddr *)un, sizeof *un), errno);
	assert_return_code(listen(fd, 8), errno);
	return fd;
}

static void sockets_still_work(void **state)
{
	const char *tmp = getenv("TMPDIR");
	char directory[64];

	(void)state;
	(void)snprintf(directory, sizeof directory, "%.40s/kiln-sandbox-XXXXXX",
		       tmp != NULL ? tmp : "/tmp");
	assert_non_null(mkdtemp(directory));
	targets[0] = targets[1] = (struct sockaddr_un){.sun_family = AF_UNIX};
	(void)snprintf(targets[0].sun_path, sizeof targets[0].sun_path, "%s/target", directory);
	(void)snprintf(targets[1].sun_path + 1, sizeof targets[1].sun_path - 1, "%s", directory);
	int path_listener = listen_on_unix(&targets[0]), abstract = listen_on_unix(&targets[1]);
	/* The child is somebody else. */
	assert_return_code(chmod(directory, 0755), errno);
	assert_return_code(chmod(targets[0].sun_path, 0777), errno);
	int status = status_of(use_sockets);
	close(path_listener);
	close(abstract);
	assert_return_code(unlink(targets[0].sun_path), errno);
	assert_return_code(rmdir(directory), errno);
	if (status != 0)
		fail_msg("the child ended with status %#x", (unsigned)status);
}

/* Cold: nothing of OpenSSL was used before the door closed. */
static void use_libraries(void)
{
	uint8_t secret[KILN_SECRET_MAX] = {1}, record[64];
	struct kiln_traffic traffic = {0};
	size_t len;
	char text[64];

	enter("seccomp=on");
	NEED(RAND_bytes(secret, sizeof secret) == 1);
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	NEED(key != NULL);
	EVP_PKEY_free(key);
	NEED(kiln_traffic_init(&traffic, 0x1301, secret, 0, NULL) == KILN_OK);
	NEED(kiln_traffic_seal(&traffic, 23, "kiln", 4, record, &len, NULL) == KILN_OK);
	kiln_traffic_clear(&traffic);

	char *large = malloc(32u << 20);
	NEED(large != NULL);
	memset(large, 1, 32u << 20);
	large = realloc(large, 64u << 20);
	NEED(large != NULL);
	free(large);
	time_t now = time(NULL);
	struct tm tm;
	NEED(localtime_r(&now, &tm) != NULL && strftime(text, sizeof text, "%F", &tm) == 10);
	NEED(dprintf(STDOUT_FILENO, "%s", "") == 0);
}

static void libraries_still_work(void **state)
{
	(void)state;
	succeeds(use_libraries);
}

static void run_a_program(void)
{
	enter("seccomp=on");
	(void)execl("/bin/true", "true", (char *)NULL);
}

static void start_a_process(void)
{
	enter("seccomp=on");
	(void)fork();
}

static void map_code(void)
{
	enter("seccomp=on");
	(void)mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void signal_the_parent(void)
{
	enter("seccomp=on");
	(void)kill(getppid(), 0);
}

static void open_a_raw_socket(void)
{
	enter("seccomp=on");
	(void)socket(AF_PACKET, SOCK_RAW, 0);
}

/* Everything but streams of the family's own protocol. */
static void open_a_datagram_socket(void)
{
	enter("seccomp=on");
	(void)socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
}

static void open_a_unix_datagram_socket(void)
{
	enter("seccomp=on");
	(void)socket(AF_UNIX, SOCK_DGRAM, 0);
}

static void open_a_raw_ipv6_socket(void)
{
	enter("seccomp=on");
	(void)socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6);
}

static void open_an_sctp_socket(void)
{
	enter("seccomp=on");
	(void)socket(AF_INET, SOCK_STREAM, IPPROTO_SCTP);
}

static void open_an_mptcp_socket(void)
{
	enter("seccomp=on");
	(void)socket(AF_INET, SOCK_STREAM, IPPROTO_MPTCP);
}

/* What --handoff allows, and nothing else does. */
static void enter_handing_off(void)
{
	char in_force[KILN_SANDBOX_TEXT] = "";
	NEED(kiln_sandbox_drop_user(geteuid() == 0 ? "nobody" : NULL, NULL) == KILN_OK);
	NEED(kiln_sandbox_worker(0, true, in_force, NULL) == KILN_OK);
}

static void hand_off(void)
{
	const int flags = SOCK_CLOEXEC | SOCK_NONBLOCK;
	int pair[2];
	enter_handing_off();
	NEED(socket(AF_UNIX, SOCK_SEQPACKET | flags, 0) >= 0);
	NEED(socketpair(AF_UNIX, SOCK_STREAM | flags, 0, pair) == 0);
	NEED(socketpair(AF_UNIX, SOCK_SEQPACKET | flags, 0, pair) == 0);
	NEED(open("/etc/passwd", O_RDONLY) < 0 && errno == EACCES);
}

static void handing_off_works(void **state)
{
	(void)state;
	succeeds(hand_off);
}

static void hand_off_with_datagrams(void)
{
	int pair[2];
	enter_handing_off();
	(void)socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
}

static void open_packets_without_handing_off(void)
{
	enter("seccomp=on");
	(void)socket(AF_UNIX, SOCK_SEQPACKET, 0);
}

static void make_a_pair_without_handing_off(void)
{
	int pair[2];
	enter("seccomp=on");
	(void)socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
}

static void connect_by_sending(void)
{
	struct sockaddr_in addr;
	(void)listen_on_loopback(&addr);
	enter("seccomp=on");
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	(void)sendto(fd, "x", 1, MSG_FASTOPEN, (struct sockaddr *)&addr, sizeof addr);
}

static void call_abort(void)
{
	enter("seccomp=on");
	abort();
}

static void other_calls_kill(void **state)
{
	static void (*const children[])(void) = {run_a_program,
						 hand_off_with_datagrams,
						 open_packets_without_handing_off,
						 make_a_pair_without_handing_off,
						 start_a_process,
						 map_code,
						 signal_the_parent,
						 open_a_raw_socket,
						 open_a_datagram_socket,
						 open_a_unix_datagram_socket,
						 open_a_raw_ipv6_socket,
						 open_an_sctp_socket,
						 open_an_mptcp_socket,
						 connect_by_sending};

	(void)state;
	for (size_t i = 0; i < sizeof children / sizeof children[0]; i++) {
		int status = status_of(children[i]);
		if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
			fail_msg("child %zu ended with status %#x", i, (unsigned)status);
	}
	int status = status_of(call_abort);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void run_in_log_mode(void)
{
	NEED(setenv("KILN_SECCOMP", "log", 1) == 0);
	enter("seccomp=log");
	NEED(getpgid(0) >= 0); /* on no list */
}

static void run_with_seccomp_off(void)
{
	NEED(setenv("KILN_SECCOMP", "off", 1) == 0);
	enter("seccomp=off");
	NEED(getpgid(0) >= 0);
}

static void the_environment_loosens_it(void **state)
{
	(void)state;
	succeeds(run_in_log_mode);
	succeeds(run_with_seccomp_off);
}

static const struct CMUnitTest tests[] = {
    cmocka_unit_test(files_are_out_of_reach),      cmocka_unit_test(sockets_still_work),
    cmocka_unit_test(only_the_target_is_in_reach), cmocka_unit_test(libraries_still_work),
    cmocka_unit_test(handing_off_works),           cmocka_unit_test(other_calls_kill),
    cmocka_unit_test(the_environment_loosens_it),
};

#else

static void the_log_line_says_why_not(void)
{
	char in_force[KILN_SANDBOX_TEXT] = "";

	NEED(kiln_sandbox_worker(0, false, in_force, NULL) == KILN_OK);
	NEED(strstr(in_force, "landlock=off seccomp=off reason=built_with_sanitizers") != NULL);
	NEED(access("/etc/passwd", R_OK) == 0);
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
