/* SPDX-License-Identifier: Apache-2.0
 * The application's side of a hand-off, with a worker played here: what is let in, what is sent
 * away, and how a relayed connection ends. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "handoff_sample.h"

static char folder[] = "/tmp/kiln-handoff-XXXXXX", path[64];
static struct kiln_handoff *listener;
static int channel = -1, stream = -1, notice = -1; /* the worker's ends */

static int make_folder(void **state)
{
	(void)state;
	if (mkdtemp(folder) == NULL)
		return -1;
	(void)snprintf(path, sizeof path, "%s/socket", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	return rmdir(folder); /* nothing was left in it */
}

static int connect_to(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	memcpy(at.sun_path, path, strlen(path) + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

static int open_all(void **state)
{
	(void)state;
	listener = kiln_handoff_listen(path, NULL, NULL);
	assert_non_null(listener);
	channel = connect_to();
	return 0;
}

static int close_all(void **state)
{
	int *const all[] = {&channel, &stream, &notice};
	(void)state;
	for (int i = 0; i < 3; i++) {
		if (*all[i] >= 0)
			(void)close(*all[i]);
		*all[i] = -1;
	}
	kiln_handoff_close(listener);
	return access(path, F_OK) == 0 ? -1 : 0;
}

static void send_bytes(const void *bytes, size_t len, const int *fds, size_t count)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(8 * sizeof(int))];
	} control = {0};
	union {
		const void *in;
		void *out;
	} data = {.in = bytes};
	struct iovec part = {.iov_base = data.out, .iov_len = len};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
	if (count > 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(count * sizeof(int));
		control.align.cmsg_level = SOL_SOCKET;
		control.align.cmsg_type = SCM_RIGHTS;
		control.align.cmsg_len = CMSG_LEN(count * sizeof(int));
		memcpy(CMSG_DATA(&control.align), fds, count * sizeof(int));
	}
	assert_int_equal(sendmsg(channel, &message, 0), len);
}

static void send_message(const struct kiln_handoff_message *m, const int *fds, size_t count)
{
	static uint8_t bytes[KILN_HANDOFF_MESSAGE_MAX];
	send_bytes(bytes, kiln_handoff_encode(m, bytes, sizeof bytes), fds, count);
}

static enum kiln_handoff_kind answer(struct kiln_handoff_message *m)
{
	uint8_t bytes[KILN_HANDOFF_SHORT_MAX];
	const ssize_t n = recv(channel, bytes, sizeof bytes, MSG_DONTWAIT);
	assert_true(n > 0);
	assert_int_equal(kiln_handoff_decode(bytes, (size_t)n, m, NULL), KILN_OK);
	return m->kind;
}

static void pairs(int theirs[2])
{
	int a[2], b[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, b), 0);
	stream = a[0];
	notice = b[0];
	theirs[0] = a[1];
	theirs[1] = b[1];
}

static struct kiln_conn *hand_off_relayed(void)
{
	struct kiln_handoff_message m, said;
	struct kiln_conn *conn;
	int theirs[2];
	handoff_sample(&m, false);
	pairs(theirs);
	send_message(&m, theirs, 2);
	(void)close(theirs[0]);
	(void)close(theirs[1]);
	assert_true(kiln_handoff_accept(listener, 10000, &conn, NULL) >= 0);
	assert_int_equal(answer(&said), KILN_HANDOFF_TAKEN);
	assert_int_equal(said.number, m.number);
	return conn;
}

static void expect_nothing(void)
{
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	assert_int_equal(kiln_handoff_accept(listener, 0, &conn, &err), -1);
	assert_int_equal(err.code, KILN_E_AGAIN);
	assert_null(conn);
}

static void test_relayed(void **state)
{
	char data[16];
	(void)state;
	struct kiln_conn *conn = hand_off_relayed();
	assert_string_equal(kiln_conn_path(conn), "userspace");
	assert_string_equal(kiln_conn_path_reason(conn), "switched_off");
	assert_false(kiln_conn_in_kernel(conn));
	assert_int_equal(kiln_conn_handoff(conn)->proof, KILN_PROOF_ROAST);
	assert_string_equal(kiln_conn_role(conn)->role.account, "123456789012");
	assert_string_equal(kiln_conn_alpn(conn), "kiln-keys/1");
	assert_int_equal(fcntl(kiln_conn_fd(conn), F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(kiln_conn_fd(conn), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(write(stream, "up", 2), 2);
	assert_int_equal(read(kiln_conn_fd(conn), data, sizeof data), 2);
	assert_int_equal(kiln_conn_write(conn, "down", 4, NULL), 4);
	assert_int_equal(read(stream, data, sizeof data), 4);
	assert_int_equal(kiln_conn_detach(conn), -1); /* half of it would be lost */
	kiln_conn_close(conn);
	assert_int_equal(recv(notice, data, sizeof data, 0), 2);
	assert_memory_equal(data, "\1\0", 2);
	assert_int_equal(read(stream, data, sizeof data), 0);
}

/* The stream's end, and what was said before it on the other socket. */
static void test_ends(void **state)
{
	static const struct {
		const char *notice;
		enum kiln_code code;
	} ends[] = {
	    {"\1\0", KILN_OK},
	    {"\2\x50", KILN_E_TLS_ALERT},
	    {NULL, KILN_E_TLS_TRUNCATED},
	};
	char data[16];
	(void)state;
	for (size_t i = 0; i < 3; i++) {
		struct kiln_error err = {0};
		struct kiln_conn *conn = hand_off_relayed();
		assert_int_equal(write(stream, "last", 4), 4);
		if (ends[i].notice != NULL)
			assert_int_equal(send(notice, ends[i].notice, 2, 0), 2);
		(void)close(stream);
		(void)close(notice);
		stream = notice = -1;
		assert_int_equal(kiln_conn_read(conn, data, sizeof data, &err), 4);
		assert_int_equal(kiln_conn_read(conn, data, sizeof data, &err),
				 ends[i].code == KILN_OK ? 0 : -1);
		assert_int_equal(err.code, ends[i].code);
		assert_int_equal(kiln_conn_read(conn, data, sizeof data, &err),
				 ends[i].code == KILN_OK ? 0 : -1); /* for good */
		kiln_conn_close(conn);
	}
}

/* In the kernel, as far as a socket without kTLS can play it: what came first, and the end. */
static void test_early(void **state)
{
	struct kiln_handoff_message m, said;
	struct kiln_conn *conn;
	char data[64];
	int theirs[2];
	(void)state;
	handoff_sample(&m, true);
	m.update_wanted = false;
	m.rx.message_have = 0;
	pairs(theirs);
	send_message(&m, theirs, 1);
	assert_true(kiln_handoff_accept(listener, 10000, &conn, NULL) >= 0);
	assert_int_equal(answer(&said), KILN_HANDOFF_TAKEN);
	assert_string_equal(kiln_conn_path(conn), "ktls");
	assert_int_equal(kiln_conn_detach(conn), -1);
	assert_int_equal(kiln_conn_pending(conn), m.early_len);
	assert_int_equal(kiln_conn_read(conn, data, 4, NULL), 4);
	assert_int_equal(kiln_conn_pending(conn), m.early_len - 4);
	assert_int_equal(kiln_conn_read(conn, data + 4, sizeof data - 4, NULL), m.early_len - 4);
	assert_memory_equal(data, m.early, m.early_len);
	assert_int_equal(kiln_conn_pending(conn), 1); /* the end, which makes no event */
	assert_int_equal(kiln_conn_read(conn, data, sizeof data, NULL), 0);
	assert_int_equal(kiln_conn_pending(conn), 0);
	const int fd = kiln_conn_detach(conn);
	assert_true(fd >= 0);
	(void)close(fd);
	(void)close(theirs[0]);
	(void)close(theirs[1]);
}

static void expect_refused(const char *why)
{
	struct kiln_handoff_message said;
	expect_nothing();
	assert_int_equal(answer(&said), KILN_HANDOFF_REFUSED);
	if (strstr(said.text, why) == NULL)
		fail_msg("\"%s\" does not say \"%s\"", said.text, why);
}

static void test_refused(void **state)
{
	static uint8_t large[KILN_HANDOFF_MESSAGE_MAX + 1];
	struct kiln_handoff_message m;
	int theirs[2], file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	(void)state;
	handoff_sample(&m, false);
	pairs(theirs);
	const int odd[2] = {theirs[1], theirs[0]}, files[2] = {file, file},
		  many[4] = {theirs[0], theirs[1], file, file};
	send_message(&m, theirs, 1);
	expect_refused("came with 1 descriptors");
	send_message(&m, NULL, 0);
	expect_refused("came with 0 descriptors");
	send_message(&m, many, 4);
	expect_refused("came with 4 descriptors");
	send_message(&m, odd, 2);
	expect_refused("another descriptor");
	send_message(&m, files, 2);
	expect_refused("another descriptor");
	send_bytes("hello", 5, theirs, 2);
	expect_refused("no hand-off message");
	send_bytes(large, sizeof large, theirs, 2);
	expect_refused("too long");
	m.kind = KILN_HANDOFF_TAKEN;
	send_message(&m, theirs, 2);
	expect_refused("another kind");
	(void)close(file);
	(void)close(theirs[0]);
	(void)close(theirs[1]);
	/* Nothing of what came is still open here. */
	char byte;
	assert_int_equal(read(stream, &byte, 1), 0);
	assert_int_equal(recv(notice, &byte, 1, 0), 0);
}

/* A worker that cannot be told keeps the connection, which nobody gets then. */
static void test_cannot_answer(void **state)
{
	struct kiln_handoff_message m;
	int theirs[2];
	char byte;
	(void)state;
	handoff_sample(&m, false);
	pairs(theirs);
	send_message(&m, theirs, 2);
	(void)close(theirs[0]);
	(void)close(theirs[1]);
	(void)close(channel);
	channel = -1;
	expect_nothing();
	assert_int_equal(read(stream, &byte, 1), 0);
}

static void test_nobody(void **state)
{
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	(void)state;
	assert_int_equal(kiln_handoff_accept(listener, 20, &conn, &err), -1);
	assert_int_equal(err.code, KILN_E_AGAIN);
}

static void test_mode(void **state)
{
	struct stat file;
	(void)state;
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_mode & 07777, 0600);
	kiln_handoff_close(listener);
	const mode_t mask = umask(0077);
	listener = kiln_handoff_listen(path, &(struct kiln_handoff_options){.mode = 0660}, NULL);
	(void)umask(mask);
	assert_non_null(listener);
	assert_int_equal(stat(path, &file), 0);
	assert_int_equal(file.st_mode & 07777, 0660);
}

static void refuses_to_listen(const char *where, const char *user, enum kiln_code code)
{
	struct kiln_error err = {0};
	const struct kiln_handoff_options options = {.user = user};
	assert_null(kiln_handoff_listen(where, &options, &err));
	assert_int_equal(err.code, code);
}

static void test_cannot_listen(void **state)
{
	char too_long[200];
	(void)state;
	memset(too_long, 'x', sizeof too_long - 1);
	too_long[sizeof too_long - 1] = '\0';
	refuses_to_listen(path, NULL, KILN_E_CONFIG); /* somebody does already: we */
	assert_int_equal(access(path, F_OK), 0);
	refuses_to_listen(too_long, NULL, KILN_E_CONFIG);
	refuses_to_listen("", NULL, KILN_E_CONFIG);
	refuses_to_listen("/nowhere/at/all", NULL, KILN_E_SYSTEM);
	refuses_to_listen(path, "no such user", KILN_E_CONFIG);
	/* What is no socket stays. */
	char other[80];
	(void)snprintf(other, sizeof other, "%s/file", folder);
	(void)close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	refuses_to_listen(other, NULL, KILN_E_CONFIG);
	assert_int_equal(unlink(other), 0);
}

/* A socket that is left over is replaced, and ours is not removed by who was there before. */
static void test_left_over(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	(void)state;
	kiln_handoff_close(listener);
	memcpy(at.sun_path, path, strlen(path) + 1);
	const int dead = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(dead, (struct sockaddr *)&at, sizeof at), 0);
	(void)close(dead);
	struct kiln_handoff *first = kiln_handoff_listen(path, NULL, NULL);
	assert_non_null(first);
	assert_int_equal(unlink(path), 0);
	listener = kiln_handoff_listen(path, NULL, NULL);
	assert_non_null(listener);
	kiln_handoff_close(first);
	assert_int_equal(access(path, F_OK), 0);
}

/* Another user's worker finds its channel closed; one too many as well. */
static void test_channels(void **state)
{
	struct kiln_handoff_options options = {.channels = 1};
	char byte, number[16];
	(void)state;
	kiln_handoff_close(listener);
	listener = kiln_handoff_listen(path, &options, NULL);
	const int first = connect_to(), second = connect_to();
	expect_nothing();
	assert_int_equal(recv(second, &byte, 1, 0), 0);
	assert_int_equal(recv(first, &byte, 1, MSG_DONTWAIT), -1);
	(void)close(first);
	(void)close(second);
	kiln_handoff_close(listener);
	(void)snprintf(number, sizeof number, "%u", geteuid() + 1);
	options.user = number;
	listener = kiln_handoff_listen(path, &options, NULL);
	const int stranger = connect_to();
	expect_nothing();
	assert_int_equal(recv(stranger, &byte, 1, 0), 0);
	(void)close(stranger);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_all, close_all)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(test_relayed),  TEST(test_ends),          TEST(test_early),
	    TEST(test_refused),  TEST(test_cannot_answer), TEST(test_nobody),
	    TEST(test_mode),     TEST(test_cannot_listen), TEST(test_left_over),
	    TEST(test_channels),
	};
	return cmocka_run_group_tests_name("hand-off: accepting", tests, make_folder,
					   remove_folder);
}
