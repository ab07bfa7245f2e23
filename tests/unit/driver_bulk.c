/* SPDX-License-Identifier: Apache-2.0
 * Much data: both directions at once through poll(), a full socket, and the tail of a stream whose
 * reader is slow. */
#include "driver_rig.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

#define TOTAL (6u * 1024u * 1024u)

/* A byte that depends on its place, so that loss, doubling and reordering all show. */
static uint8_t pattern(size_t at)
{
	return (uint8_t)(at ^ (at >> 8) * 7 ^ (at >> 16) * 13);
}

static void make(uint8_t *data, size_t at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		data[i] = pattern(at + i);
}

static bool right(const uint8_t *data, size_t at, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] != pattern(at + i))
			return false;
	return true;
}

/* ---- both directions at once, as an event loop does it --------------------------------------- */

struct exchange {
	struct kiln_conn *conn;
	size_t sent, received;
	bool ended, read_end;
};

static bool send_more(struct exchange *x)
{
	/* Odd lengths, so that records and pieces never fit. */
	uint8_t data[50021];
	struct kiln_error err = {0};
	const size_t want = TOTAL - x->sent < sizeof data ? TOTAL - x->sent : sizeof data;
	if (want == 0) {
		const enum kiln_code rc = kiln_conn_shutdown_write(x->conn, &err);
		x->ended = rc == KILN_OK;
		return rc == KILN_OK || rc == KILN_E_AGAIN;
	}
	make(data, x->sent, want);
	const ssize_t n = kiln_conn_write(x->conn, data, want, &err);
	x->sent += n > 0 ? (size_t)n : 0;
	return n > 0 || err.code == KILN_E_AGAIN;
}

static bool receive_more(struct exchange *x)
{
	uint8_t data[30011];
	struct kiln_error err = {0};
	do {
		const ssize_t n = kiln_conn_read(x->conn, data, sizeof data, &err);
		if (n < 0)
			return err.code == KILN_E_AGAIN;
		if (n == 0) {
			x->read_end = true;
			return x->received == TOTAL;
		}
		if (!right(data, x->received, (size_t)n))
			return false;
		x->received += (size_t)n;
	} while (kiln_conn_pending(x->conn) > 0);
	return true;
}

static bool exchange(struct kiln_conn *conn)
{
	struct exchange x = {.conn = conn};
	struct pollfd p = {.fd = kiln_conn_fd(conn)};
	if (fcntl(p.fd, F_SETFL, O_NONBLOCK) != 0)
		return false;
	while (!x.ended || !x.read_end) {
		p.events = (short)((x.read_end ? 0 : POLLIN) |
				   (!x.ended || kiln_conn_unsent(conn) ? POLLOUT : 0));
		if (poll(&p, 1, -1) <= 0)
			return false;
		if ((p.revents & POLLOUT) != 0 && !x.ended && !send_more(&x))
			return false;
		if ((p.revents & (POLLIN | POLLHUP)) != 0 && !x.read_end && !receive_more(&x))
			return false;
	}
	return true;
}

static void exchanging_peer(int fd, int sync, const void *arg)
{
	struct kiln_conn *conn = rig_child_open(fd, arg, (struct kiln_conn_options){0});
	(void)sync;
	RIG_CHECK(exchange(conn));
	kiln_conn_close(conn);
}

static void test_both_directions(void **state)
{
	struct rig rig;
	rig_start(&rig, *state, exchanging_peer, *state);
	struct kiln_conn *conn = rig_open(&rig, rig_server, KILN_SERVER);
	assert_true(exchange(conn));
	kiln_conn_close(conn);
	rig_finish(&rig);
}

/* ---- blocking ------------------------------------------------------------------------------- */

static void blocking_reader(int fd, int sync, const void *arg)
{
	struct kiln_conn *conn = rig_child_open(fd, arg, (struct kiln_conn_options){0});
	static uint8_t data[100003];
	size_t at = 0;
	ssize_t n;
	(void)sync;
	while ((n = kiln_conn_read(conn, data, sizeof data, NULL)) > 0) {
		RIG_CHECK(right(data, at, (size_t)n));
		at += (size_t)n;
	}
	RIG_CHECK(n == 0 && at == TOTAL);
	kiln_conn_close(conn);
}

/* One call writes everything; keys change on the way where the kernel lets them. */
static void test_one_large_write(void **state)
{
	struct rig rig;
	uint8_t *data = malloc(TOTAL);
	const bool can = *state != &rig_ways[0] || !rig_kernel_can() || rig_kernel_can_rekey();
	assert_non_null(data);
	make(data, 0, TOTAL);
	rig_start(&rig, *state, blocking_reader, *state);
	struct kiln_conn *conn =
	    rig_open_with(&rig, rig_server, KILN_SERVER,
			  (struct kiln_conn_options){.rekey_records = can ? 50 : 0});
	rig_write(conn, data, TOTAL);
	assert_int_equal(kiln_conn_shutdown_write(conn, NULL), KILN_OK);
	rig_expect_end(conn, KILN_OK);
	kiln_conn_close(conn);
	rig_finish(&rig);
	free(data);
}

/* ---- a full socket, and what comes behind it ------------------------------------------------- */

static void late_reader(int fd, int sync, const void *arg)
{
	const int little = 2048;
	uint8_t data[777];
	size_t at = 0, expected;
	ssize_t n;
	RIG_CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &little, sizeof little) == 0);
	struct kiln_conn *conn = rig_child_open(fd, arg, (struct kiln_conn_options){0});
	RIG_CHECK(read(sync, &expected, sizeof expected) == sizeof expected);
	while ((n = kiln_conn_read(conn, data, sizeof data, NULL)) > 0) {
		RIG_CHECK(right(data, at, (size_t)n));
		at += (size_t)n;
	}
	RIG_CHECK(n == 0 && at == expected);
	kiln_conn_close(conn);
}

static size_t fill(struct kiln_conn *conn, size_t piece)
{
	struct kiln_error err = {0};
	uint8_t data[KILN_RECORD_PLAIN_MAX];
	size_t at = 0;
	for (;;) {
		make(data, at, piece);
		const ssize_t n = kiln_conn_write(conn, data, piece, &err);
		if (n < 0)
			break;
		assert_true(n > 0);
		at += (size_t)n;
	}
	assert_int_equal(err.code, KILN_E_AGAIN);
	return at;
}

/* A writer fills the smallest of sockets until it takes no more, says the end as soon as it can,
 * and leaves; a slow reader with a small window gets every byte and the end. A kernel that holds
 * part of a record back (TCP was full) must not lose it to the FIN. */
static void end_behind_full_socket(const struct rig_way *way, size_t piece, bool blocking)
{
	const int little = 4608;
	struct rig rig;
	struct kiln_error err;
	enum kiln_code rc;
	rig_start(&rig, way, late_reader, way);
	assert_int_equal(setsockopt(rig.fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little), 0);
	struct kiln_conn *conn = rig_open(&rig, rig_server, KILN_SERVER);
	assert_int_equal(fcntl(rig.fd, F_SETFL, O_NONBLOCK), 0);
	const size_t written = fill(conn, piece);
	assert_int_equal(write(rig.sync, &written, sizeof written), sizeof written);
	if (blocking)
		assert_int_equal(fcntl(rig.fd, F_SETFL, 0), 0);
	while ((rc = kiln_conn_shutdown_write(conn, &err)) == KILN_E_AGAIN) {
		struct pollfd p = {.fd = rig.fd, .events = POLLOUT};
		assert_false(blocking);
		assert_int_equal(poll(&p, 1, -1), 1);
	}
	assert_int_equal(rc, KILN_OK);
	assert_int_equal(fcntl(rig.fd, F_SETFL, 0), 0);
	rig_expect_end(conn, KILN_OK);
	kiln_conn_close(conn);
	rig_finish(&rig);
}

static void test_end_behind_full_socket(void **state)
{
	static const size_t pieces[] = {100, 1000, 1369, 4000, 16384};
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++)
		end_behind_full_socket(*state, pieces[i], i % 2 == 0);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
	    RIG_TEST_EACH(test_both_directions),
	    RIG_TEST_EACH(test_one_large_write),
	    RIG_TEST_EACH(test_end_behind_full_socket),
	};
	return cmocka_run_group_tests(tests, rig_set_up, rig_tear_down);
}
