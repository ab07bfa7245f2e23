/* SPDX-License-Identifier: Apache-2.0
 * The worker's part; see handoff_player.h. */
#include "handoff_player.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct handoff_player player = {
    .folder = "/tmp/kiln-handoff-XXXXXX",
    .channel = -1,
    .stream = -1,
    .notice = -1,
};

int player_make_folder(void **state)
{
	(void)state;
	if (mkdtemp(player.folder) == NULL)
		return -1;
	(void)snprintf(player.path, sizeof player.path, "%s/socket", player.folder);
	return 0;
}

int player_remove_folder(void **state)
{
	(void)state;
	return rmdir(player.folder); /* nothing was left in it */
}

int player_connect_to(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	const int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	memcpy(at.sun_path, player.path, strlen(player.path) + 1);
	assert_int_equal(connect(fd, (struct sockaddr *)&at, sizeof at), 0);
	return fd;
}

int player_open_all(void **state)
{
	(void)state;
	player.listener = kiln_handoff_listen(player.path, NULL, NULL);
	assert_non_null(player.listener);
	player.channel = player_connect_to();
	return 0;
}

int player_close_all(void **state)
{
	int *const all[] = {&player.channel, &player.stream, &player.notice};
	(void)state;
	for (int i = 0; i < 3; i++) {
		if (*all[i] >= 0)
			(void)close(*all[i]);
		*all[i] = -1;
	}
	kiln_handoff_close(player.listener);
	return access(player.path, F_OK) == 0 ? -1 : 0;
}

void player_send_bytes(const void *bytes, size_t len, const int *fds, size_t count)
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
	assert_int_equal(sendmsg(player.channel, &message, 0), len);
}

void player_send_message(const struct kiln_handoff_message *m, const int *fds, size_t count)
{
	static uint8_t bytes[KILN_HANDOFF_MESSAGE_MAX];
	player_send_bytes(bytes, kiln_handoff_encode(m, bytes, sizeof bytes), fds, count);
}

enum kiln_handoff_kind player_answer(struct kiln_handoff_message *m)
{
	uint8_t bytes[KILN_HANDOFF_SHORT_MAX];
	const ssize_t n = recv(player.channel, bytes, sizeof bytes, MSG_DONTWAIT);
	assert_true(n > 0);
	assert_int_equal(kiln_handoff_decode(bytes, (size_t)n, m, NULL), KILN_OK);
	return m->kind;
}

void player_pairs(int theirs[2])
{
	int a[2], b[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, a), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, b), 0);
	player.stream = a[0];
	player.notice = b[0];
	theirs[0] = a[1];
	theirs[1] = b[1];
}

struct kiln_conn *player_hand_off_relayed(void)
{
	struct kiln_handoff_message m, said;
	struct kiln_conn *conn;
	int theirs[2];
	handoff_sample(&m, false);
	player_pairs(theirs);
	player_send_message(&m, theirs, 2);
	(void)close(theirs[0]);
	(void)close(theirs[1]);
	assert_true(kiln_handoff_accept(player.listener, 10000, &conn, NULL) >= 0);
	assert_int_equal(player_answer(&said), KILN_HANDOFF_TAKEN);
	assert_int_equal(said.number, m.number);
	return conn;
}

void player_expect_nothing(void)
{
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	assert_int_equal(kiln_handoff_accept(player.listener, 0, &conn, &err), -1);
	assert_int_equal(err.code, KILN_E_AGAIN);
	assert_null(conn);
}
