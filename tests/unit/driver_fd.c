/* SPDX-License-Identifier: Apache-2.0
 * The fd of a connection in the kernel, used without the driver's calls. */
#include "driver_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/sendfile.h>

static void echo_peer(int fd, int sync, const void *arg)
{
	struct kiln_conn *conn = rig_child_open(fd, arg, (struct kiln_conn_options){0});
	char data[4096];
	ssize_t n;
	(void)sync;
	while ((n = kiln_conn_read(conn, data, sizeof data, NULL)) > 0)
		RIG_CHECK(kiln_conn_write(conn, data, (size_t)n, NULL) == n);
	RIG_CHECK(n == 0);
	kiln_conn_close(conn);
}

static void read_exactly(int fd, char *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		const ssize_t n = read(fd, data + done, len - done);
		assert_true(n > 0);
		done += (size_t)n;
	}
}

/* write(), sendfile() and read() on the fd; EIO at close_notify, and kiln_conn_read knows. */
static void test_plain_fd(void **state)
{
	struct rig rig;
	char data[10];
	rig_start(&rig, *state, echo_peer, *state);
	struct kiln_conn *conn = rig_open(&rig, rig_server, KILN_SERVER);
	const int file = memfd_create("text", MFD_CLOEXEC);
	assert_int_equal(write(rig.fd, "12345", 5), 5);
	assert_int_equal(write(file, "67890", 5), 5);
	off_t from = 0;
	assert_int_equal(sendfile(rig.fd, file, &from, 5), 5);
	(void)close(file);
	read_exactly(rig.fd, data, 10);
	assert_memory_equal(data, "1234567890", 10);
	assert_int_equal(kiln_conn_shutdown_write(conn, NULL), KILN_OK);
	assert_int_equal(read(rig.fd, data, 10), -1);
	assert_int_equal(errno, EIO);
	rig_expect_end(conn, KILN_OK);
	kiln_conn_close(conn);
	rig_finish(&rig);
}

/* The fd outlives its struct, if it is the kernel's. */
static void test_detach(void **state)
{
	struct rig rig;
	char data[5];
	rig_start(&rig, *state, echo_peer, *state);
	struct kiln_conn *conn = rig_open(&rig, rig_server, KILN_SERVER);
	const bool in_kernel = kiln_conn_in_kernel(conn);
	const int fd = kiln_conn_detach(conn);
	assert_int_equal(fd, in_kernel ? rig.fd : -1);
	if (in_kernel) {
		assert_int_equal(write(fd, "plain", 5), 5);
		read_exactly(fd, data, 5);
		assert_memory_equal(data, "plain", 5);
		assert_int_equal(kiln_ktls_send_record(NULL, fd, KILN_RECORD_ALERT, "\1\0", 2), 2);
		(void)close(fd);
	} else {
		kiln_conn_close(conn);
	}
	rig_finish(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    RIG_TEST_EACH(test_detach),
	    {"test_plain_fd", test_plain_fd, NULL, NULL, (void *)(uintptr_t)&rig_ways[0]},
	};
	return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}
