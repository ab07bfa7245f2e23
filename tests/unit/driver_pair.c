/* SPDX-License-Identifier: Apache-2.0
 * The driver at both ends: what they agree on, reading, writing, ending. */
#include "driver_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/time.h>

#define EXPORTER "EXPORTER-kiln-test"

/* ---- what was agreed on --------------------------------------------------------------------- */

static const struct kiln_conn_options with_exporter = {
    .exporter_label = EXPORTER,
    .exporter_context = "ctx",
    .exporter_context_len = 3,
    .exporter_len = 48,
};

static void exporting_peer(int fd, int sync, const void *arg)
{
	struct kiln_conn *conn = rig_child_open(fd, arg, with_exporter);
	size_t len;
	const uint8_t *value = kiln_conn_exporter(conn, &len);
	RIG_CHECK(len == 48 && kiln_conn_write(conn, value, len, NULL) == 48);
	RIG_CHECK(strcmp(kiln_conn_peer(conn)->name, "localhost") == 0);
	RIG_CHECK(strcmp(kiln_conn_alpn(conn), "kiln") == 0);
	rig_hear(sync);
	kiln_conn_close(conn);
}

static void test_agreement(void **state)
{
	struct rig rig;
	uint8_t theirs[48];
	size_t len;
	rig_start(&rig, *state, exporting_peer, *state);
	struct kiln_conn *conn = rig_open_with(&rig, rig_server, KILN_SERVER, with_exporter);
	assert_true(kiln_conn_peer(conn)->present);
	assert_string_equal(kiln_conn_peer(conn)->name, "spiffe://test/driver");
	assert_string_equal(kiln_conn_peer(conn)->common_name, "client");
	assert_string_equal(kiln_conn_alpn(conn), "kiln");
	assert_string_equal(kiln_conn_server_name(conn), "localhost");
	assert_string_equal(kiln_conn_cipher(conn), "TLS_AES_256_GCM_SHA384");
	assert_string_equal(kiln_conn_group(conn), "x25519");
	rig_read(conn, theirs, sizeof theirs);
	assert_memory_equal(kiln_conn_exporter(conn, &len), theirs, sizeof theirs);
	assert_int_equal(len, sizeof theirs);
	rig_say(rig.sync);
	rig_expect_end(conn, KILN_OK);
	kiln_conn_close(conn);
	rig_finish(&rig);
}

/* ---- reading and ending --------------------------------------------------------------------- */

static void talking_peer(int fd, int sync, const void *arg)
{
	struct kiln_conn *conn = rig_child_open(fd, arg, (struct kiln_conn_options){0});
	char data[16];
	RIG_CHECK(kiln_conn_write(conn, "hello, world", 12, NULL) == 12);
	rig_hear(sync); /* a FIN before the keys are in would keep them out of the kernel */
	RIG_CHECK(kiln_conn_shutdown_write(conn, NULL) == KILN_OK);
	RIG_CHECK(kiln_conn_shutdown_write(conn, NULL) == KILN_OK);
	RIG_CHECK(kiln_conn_write(conn, "x", 1, NULL) == -1);
	RIG_CHECK(kiln_conn_read(conn, data, 6, NULL) == 6 && memcmp(data, "answer", 6) == 0);
	RIG_CHECK(kiln_conn_read(conn, data, sizeof data, NULL) == 0);
	kiln_conn_close(conn);
}

/* Half-close: after the peer's end there is still a way back. Reads of a byte lose nothing. */
static void test_half_close(void **state)
{
	struct rig rig;
	struct kiln_error err;
	char data[12];
	rig_start(&rig, *state, talking_peer, *state);
	struct kiln_conn *conn = rig_open(&rig, rig_server, KILN_SERVER);
	assert_int_equal(kiln_conn_read(conn, data, 0, &err), -1);
	assert_int_equal(err.code, KILN_E_USAGE);
	for (size_t i = 0; i < sizeof data; i++)
		assert_int_equal(kiln_conn_read(conn, data + i, 1, &err), 1);
	assert_memory_equal(data, "hello, world", 12);
	rig_say(rig.sync);
	rig_expect_end(conn, KILN_OK);
	rig_write(conn, "answer", 6);
	kiln_conn_close(conn);
	rig_finish(&rig);
}

static void waiting_peer(int fd, int sync, const void *arg)
{
	struct kiln_conn *conn = rig_child_open(fd, arg, (struct kiln_conn_options){0});
	char data[100];
	rig_hear(sync);
	RIG_CHECK(kiln_conn_write(conn, "now", 3, NULL) == 3);
	RIG_CHECK(kiln_conn_read(conn, data, sizeof data, NULL) == 0);
	kiln_conn_close(conn);
}

/* O_NONBLOCK is left as it was, and obeyed; SO_RCVTIMEO too. */
static void test_nothing_there(void **state)
{
	const struct timeval moment = {.tv_usec = 20000};
	struct rig rig;
	struct kiln_error err;
	char data[3];
	rig_start(&rig, *state, waiting_peer, *state);
	assert_int_equal(fcntl(rig.fd, F_SETFL, O_NONBLOCK), 0);
	struct kiln_conn *conn = rig_open(&rig, rig_server, KILN_SERVER);
	assert_true(fcntl(rig.fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(kiln_conn_read(conn, data, 3, &err), -1);
	assert_int_equal(err.code, KILN_E_AGAIN);
	assert_int_equal(kiln_conn_pending(conn), 0);
	assert_int_equal(fcntl(rig.fd, F_SETFL, 0), 0);
	assert_int_equal(setsockopt(rig.fd, SOL_SOCKET, SO_RCVTIMEO, &moment, sizeof moment), 0);
	assert_int_equal(kiln_conn_read(conn, data, 3, &err), -1);
	assert_int_equal(err.code, KILN_E_AGAIN);
	const struct timeval none = {0};
	assert_int_equal(setsockopt(rig.fd, SOL_SOCKET, SO_RCVTIMEO, &none, sizeof none), 0);
	rig_say(rig.sync);
	rig_read(conn, data, 1);
	assert_int_equal(kiln_conn_pending(conn), kiln_conn_in_kernel(conn) ? 0 : 2);
	rig_read(conn, data + 1, 2);
	assert_memory_equal(data, "now", 3);
	kiln_conn_close(conn);
	rig_finish(&rig);
}

static void leaving_peer(int fd, int sync, const void *arg)
{
	struct kiln_conn *conn = rig_child_open(fd, arg, (struct kiln_conn_options){0});
	rig_hear(sync);
	kiln_conn_close(conn);
	rig_say(sync);
}

/* Writing to a peer that is gone is an error, not a signal. */
static void test_no_sigpipe(void **state)
{
	struct rig rig;
	struct kiln_error err = {0};
	ssize_t n = 0;
	rig_start(&rig, *state, leaving_peer, *state);
	struct kiln_conn *conn = rig_open(&rig, rig_server, KILN_SERVER);
	rig_say(rig.sync);
	rig_hear(rig.sync);
	rig_expect_end(conn, KILN_OK);
	for (int i = 0; i < 1000 && n >= 0; i++)
		n = kiln_conn_write(conn, "anybody there?", 14, &err);
	assert_int_equal(n, -1);
	assert_int_equal(err.code, KILN_E_TLS_TRUNCATED);
	assert_int_equal(kiln_conn_shutdown_write(conn, &err), KILN_E_TLS_TRUNCATED);
	kiln_conn_close(conn);
	rig_finish(&rig);
}

/* ---- options -------------------------------------------------------------------------------- */

static void test_usage(void **state)
{
	struct kiln_conn *conn;
	struct kiln_error err;
	struct kiln_conn_options o = {.exporter_label = "x", .exporter_len = KILN_EXPORTER_MAX + 1};
	(void)state;
	assert_int_equal(kiln_tls_accept(rig_client, -1, NULL, &conn, &err), -1);
	assert_int_equal(err.code, KILN_E_USAGE);
	assert_int_equal(kiln_tls_connect_fd(rig_server, -1, NULL, &conn, NULL), -1);
	assert_int_equal(kiln_tls_accept(rig_server, -1, &o, &conn, &err), -1);
	assert_int_equal(err.code, KILN_E_USAGE);
	assert_int_equal(kiln_tls_accept(rig_server, -1, NULL, &conn, &err), -1);
	assert_int_equal(err.code, KILN_E_SYSTEM);
	assert_int_equal(err.sys_errno, EBADF);
	assert_null(conn);
	kiln_conn_close(NULL);
}

static void refused_peer(int fd, int sync, const void *arg)
{
	struct kiln_conn *conn = rig_child_open(fd, arg, (struct kiln_conn_options){0});
	struct kiln_error err;
	char data[8];
	(void)sync;
	RIG_CHECK(kiln_conn_read(conn, data, sizeof data, &err) == -1);
	RIG_CHECK(err.code == KILN_E_TLS_ALERT && err.alert == KILN_ALERT_INTERNAL_ERROR);
	kiln_conn_close(conn);
}

/* A Unix socket has no kernel TLS: who requires it gets an error, and the peer an alert. */
static void test_require(void **state)
{
	const struct kiln_conn_options require = {.ktls = KILN_KTLS_REQUIRE};
	struct kiln_conn *conn;
	struct kiln_error err;
	struct rig rig;
	rig_start(&rig, *state, refused_peer, *state);
	assert_int_equal(kiln_tls_accept(rig_server, rig.fd, &require, &conn, &err), -1);
	assert_int_equal(err.code, KILN_E_UNSUPPORTED);
	assert_null(conn);
	assert_int_equal(close(rig.fd), 0); /* it stayed ours */
	rig_finish(&rig);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    RIG_TEST_EACH(test_agreement),
	    RIG_TEST_EACH(test_half_close),
	    RIG_TEST_EACH(test_nothing_there),
	    RIG_TEST_EACH(test_no_sigpipe),
	    {"test_usage", test_usage, NULL, NULL, NULL},
	    {"test_require", test_require, NULL, NULL, (void *)(uintptr_t)&rig_ways[2]},
	};
	return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}
