/* SPDX-License-Identifier: Apache-2.0
 * A connection that was handed off: its first bytes, and how it ends. */
#include "handoff_player.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void test_relayed(void **state)
{
	char data[16];
	(void)state;
	struct kiln_conn *conn = player_hand_off_relayed();
	assert_string_equal(kiln_conn_path(conn), "userspace");
	assert_string_equal(kiln_conn_path_reason(conn), "switched_off");
	assert_false(kiln_conn_in_kernel(conn));
	assert_int_equal(kiln_conn_handoff(conn)->proof, KILN_PROOF_ROAST);
	assert_string_equal(kiln_conn_role(conn)->role.account, "123456789012");
	assert_string_equal(kiln_conn_alpn(conn), "kiln-keys/1");
	assert_int_equal(fcntl(kiln_conn_fd(conn), F_GETFL) & O_NONBLOCK, 0);
	assert_int_equal(fcntl(kiln_conn_fd(conn), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	assert_int_equal(write(player.stream, "up", 2), 2);
	assert_int_equal(read(kiln_conn_fd(conn), data, sizeof data), 2);
	assert_int_equal(kiln_conn_write(conn, "down", 4, NULL), 4);
	assert_int_equal(read(player.stream, data, sizeof data), 4);
	assert_int_equal(kiln_conn_detach(conn), -1); /* half of it would be lost */
	kiln_conn_close(conn);
	assert_int_equal(recv(player.notice, data, sizeof data, 0), 2);
	assert_memory_equal(data, "\1\0", 2);
	assert_int_equal(read(player.stream, data, sizeof data), 0);
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
		struct kiln_conn *conn = player_hand_off_relayed();
		assert_int_equal(write(player.stream, "last", 4), 4);
		if (ends[i].notice != NULL)
			assert_int_equal(send(player.notice, ends[i].notice, 2, 0), 2);
		(void)close(player.stream);
		(void)close(player.notice);
		player.stream = player.notice = -1;
		assert_int_equal(kiln_conn_read(conn, data, sizeof data, &err), 4);
		assert_int_equal(kiln_conn_read(conn, data, sizeof data, &err),
				 ends[i].code == KILN_OK ? 0 : -1);
		assert_int_equal(err.code, ends[i].code);
		assert_int_equal(kiln_conn_read(conn, data, sizeof data, &err),
				 ends[i].code == KILN_OK ? 0 : -1); /* for good */
		kiln_conn_close(conn);
	}
}

/* A gateway that closes with our alert unread makes ECONNRESET in front of its own. */
static void test_end_unread(void **state)
{
	struct kiln_error err = {0};
	char data[16];
	(void)state;
	struct kiln_conn *conn = player_hand_off_relayed();
	assert_int_equal(kiln_conn_shutdown_write(conn, &err), KILN_OK);
	assert_int_equal(send(player.notice, "\1\0", 2, 0), 2);
	(void)close(player.stream);
	(void)close(player.notice);
	player.stream = player.notice = -1;
	assert_int_equal(kiln_conn_read(conn, data, sizeof data, &err), 0);
	assert_int_equal(err.code, KILN_OK);
	kiln_conn_close(conn);
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
	player_pairs(theirs);
	player_send_message(&m, theirs, 1);
	assert_true(kiln_handoff_accept(player.listener, 10000, &conn, NULL) >= 0);
	assert_int_equal(player_answer(&said), KILN_HANDOFF_TAKEN);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    PLAYER_TEST(test_relayed),
	    PLAYER_TEST(test_ends),
	    PLAYER_TEST(test_end_unread),
	    PLAYER_TEST(test_early),
	};
	return cmocka_run_group_tests_name("hand-off: ends", tests, player_make_folder,
					   player_remove_folder);
}
