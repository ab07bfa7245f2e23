/* SPDX-License-Identifier: Apache-2.0
 * Sockets, children and paths of the driver's tests; see driver_rig.h. */
#include "driver_rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "doctor/probe.h"

/* More than any test needs on an emulated processor; a hang becomes a failure. */
#define CHILD_SECONDS 100

const struct rig_way rig_ways[3] = {
    {"tcp", false, KILN_KTLS_AUTO},
    {"tcp, user space", false, KILN_KTLS_OFF},
    {"socketpair", true, KILN_KTLS_AUTO},
};

static void tcp_pair(int fd[2])
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof at;
	const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof at), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
	fd[0] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd[0], (struct sockaddr *)&at, sizeof at), 0);
	fd[1] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fd[1] >= 0);
	(void)close(listener);
}

static void run_child(int fd, int sync, rig_peer *peer, const void *arg)
{
	(void)signal(SIGPIPE, SIG_IGN); /* OpenSSL's own sockets raise it */
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	(void)alarm(CHILD_SECONDS);
	peer(fd, sync, arg);
	(void)fflush(NULL);
	_exit(0);
}

void rig_start(struct rig *rig, const struct rig_way *way, rig_peer *peer, const void *arg)
{
	int fd[2], sync[2];
	if (way->unix_socket)
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
	else
		tcp_pair(fd);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sync), 0);
	(void)fflush(NULL);
	const pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		(void)close(fd[0]);
		(void)close(sync[0]);
		run_child(fd[1], sync[1], peer, arg);
	}
	(void)close(fd[1]);
	(void)close(sync[1]);
	*rig = (struct rig){.way = way, .fd = fd[0], .sync = sync[0], .pid = pid};
}

void rig_finish(struct rig *rig)
{
	int status;
	(void)close(rig->sync);
	while (waitpid(rig->pid, &status, 0) < 0)
		assert_int_equal(errno, EINTR);
	if (WIFSIGNALED(status))
		fail_msg("the peer was ended by signal %d", WTERMSIG(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

_Noreturn void rig_child_failed(const char *file, int line, const char *what)
{
	(void)fprintf(stderr, "%s:%d: in the peer's process: %s (errno: %s)\n", file, line, what,
		      strerror(errno));
	(void)fflush(NULL);
	_exit(1);
}

void rig_say(int sync)
{
	(void)!send(sync, "", 1, MSG_NOSIGNAL);
}

void rig_hear(int sync)
{
	char byte;
	while (read(sync, &byte, 1) < 0 && errno == EINTR)
		continue;
}

/* ---- paths ---------------------------------------------------------------------------------- */

static const struct kiln_ktls_caps *caps(void)
{
	static struct kiln_ktls_caps found;
	static bool known;
	if (!known)
		assert_int_equal(kiln_probe_ktls(NULL, &found), KILN_OK);
	known = true;
	return &found;
}

static bool says_ktls(const char *variable)
{
	const char *value = getenv(variable);
	return value != NULL && strcmp(value, "ktls") == 0;
}

void rig_check_kernel(void)
{
	if (caps()->available)
		return;
	if (says_ktls("KILN_EXPECT_PATH"))
		fail_msg("kernel TLS is expected here, and cannot be had: %s", caps()->reason);
	if (says_ktls("KILN_TEST_PATH")) {
		(void)printf("skipped: %s\n", caps()->reason);
		exit(77);
	}
}

bool rig_kernel_can(void)
{
	return caps()->available && caps()->cipher[1];
}

bool rig_kernel_can_rekey(void)
{
	return caps()->rekey;
}

void rig_assert_path(const struct rig_way *way, const struct kiln_conn *conn)
{
	/* The kernel takes no keys on a socket whose peer has ended: who is refused meets that. */
	if (!kiln_conn_in_kernel(conn) &&
	    strstr(kiln_conn_path_reason(conn), "peer closed its side"))
		return;
	const bool expected = !way->unix_socket && way->ktls != KILN_KTLS_OFF && rig_kernel_can();
	if (expected && !kiln_conn_in_kernel(conn))
		fail_msg("not in the kernel: %s", kiln_conn_path_reason(conn));
	assert_int_equal(kiln_conn_in_kernel(conn), expected);
	assert_string_equal(kiln_conn_path(conn), expected ? "ktls" : "userspace");
	assert_int_equal(kiln_conn_path_reason(conn)[0] == '\0', expected);
}

/* ---- the driver's side ---------------------------------------------------------------------- */

struct kiln_conn *rig_open_with(struct rig *rig, struct kiln_tls_config *config,
				enum kiln_role role, struct kiln_conn_options options)
{
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	options.ktls = rig->way->ktls;
	options.timeout_ms = CHILD_SECONDS * 1000;
	const int fd = role == KILN_SERVER
			   ? kiln_tls_accept(config, rig->fd, &options, &conn, &err)
			   : kiln_tls_connect_fd(config, rig->fd, &options, &conn, &err);
	if (fd < 0)
		fail_msg("%s: %s", kiln_code_name(err.code), err.message);
	assert_int_equal(err.code,
			 KILN_OK); /* left alone, also where the kernel was not to be had */
	assert_int_equal(fd, rig->fd);
	assert_int_equal(kiln_conn_fd(conn), fd);
	rig_assert_path(rig->way, conn);
	return conn;
}

struct kiln_conn *rig_open(struct rig *rig, struct kiln_tls_config *config, enum kiln_role role)
{
	return rig_open_with(rig, config, role, (struct kiln_conn_options){0});
}

struct kiln_conn *rig_child_open(int fd, const struct rig_way *way,
				 struct kiln_conn_options options)
{
	struct kiln_conn *conn;
	struct kiln_error err;
	options.ktls = way->ktls;
	options.timeout_ms = CHILD_SECONDS * 1000;
	if (kiln_tls_connect_fd(rig_client, fd, &options, &conn, &err) < 0)
		rig_child_failed(__FILE__, __LINE__, err.message);
	return conn;
}

void rig_read(struct kiln_conn *conn, void *data, size_t len)
{
	struct kiln_error err = {0};
	for (size_t done = 0; done < len;) {
		const ssize_t n = kiln_conn_read(conn, (char *)data + done, len - done, &err);
		if (n <= 0)
			fail_msg("read gave %zd after %zu bytes: %s", n, done, err.message);
		done += (size_t)n;
	}
}

void rig_write(struct kiln_conn *conn, const void *data, size_t len)
{
	struct kiln_error err = {0};
	const ssize_t n = kiln_conn_write(conn, data, len, &err);
	assert_true(n < 0 || err.code == KILN_OK);
	if (n != (ssize_t)len)
		fail_msg("write gave %zd of %zu: %s", n, len, err.message);
}

void rig_expect_end(struct kiln_conn *conn, enum kiln_code code)
{
	struct kiln_error err = {0};
	char data[64];
	const ssize_t n = kiln_conn_read(conn, data, sizeof data, &err);
	assert_int_equal(n, code == KILN_OK ? 0 : -1);
	assert_string_equal(kiln_code_name(err.code), kiln_code_name(code));
	/* The end is for good. */
	assert_int_equal(kiln_conn_read(conn, data, sizeof data, &err), n);
	assert_int_equal(err.code, code);
}
