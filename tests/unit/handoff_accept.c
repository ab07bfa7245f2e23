/* SPDX-License-Identifier: Apache-2.0
 * The application's side of a hand-off, with a worker played here: what is let in, and what is sent
 * away. */
#include "handoff_player.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void expect_refused(const char *why)
{
	struct kiln_handoff_message said;
	player_expect_nothing();
	assert_int_equal(player_answer(&said), KILN_HANDOFF_REFUSED);
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
	player_pairs(theirs);
	const int odd[2] = {theirs[1], theirs[0]}, files[2] = {file, file},
		  many[4] = {theirs[0], theirs[1], file, file};
	player_send_message(&m, theirs, 1);
	expect_refused("came with 1 descriptors");
	player_send_message(&m, NULL, 0);
	expect_refused("came with 0 descriptors");
	player_send_message(&m, many, 4);
	expect_refused("came with 4 descriptors");
	player_send_message(&m, odd, 2);
	expect_refused("another descriptor");
	player_send_message(&m, files, 2);
	expect_refused("another descriptor");
	player_send_bytes("hello", 5, theirs, 2);
	expect_refused("no hand-off message");
	player_send_bytes(large, sizeof large, theirs, 2);
	expect_refused("too long");
	m.kind = KILN_HANDOFF_TAKEN;
	player_send_message(&m, theirs, 2);
	expect_refused("another kind");
	(void)close(file);
	(void)close(theirs[0]);
	(void)close(theirs[1]);
	/* Nothing of what came is still open here. */
	char byte;
	assert_int_equal(read(player.stream, &byte, 1), 0);
	assert_int_equal(recv(player.notice, &byte, 1, 0), 0);
}

/* A worker that cannot be told keeps the connection, which nobody gets then. */
static void test_cannot_answer(void **state)
{
	struct kiln_handoff_message m;
	int theirs[2];
	char byte;
	(void)state;
	handoff_sample(&m, false);
	player_pairs(theirs);
	player_send_message(&m, theirs, 2);
	(void)close(theirs[0]);
	(void)close(theirs[1]);
	(void)close(player.channel);
	player.channel = -1;
	player_expect_nothing();
	assert_int_equal(read(player.stream, &byte, 1), 0);
}

static void test_nobody(void **state)
{
	struct kiln_conn *conn;
	struct kiln_error err = {0};
	(void)state;
	assert_int_equal(kiln_handoff_accept(player.listener, 20, &conn, &err), -1);
	assert_int_equal(err.code, KILN_E_AGAIN);
}

static void test_mode(void **state)
{
	struct stat file;
	(void)state;
	assert_int_equal(stat(player.path, &file), 0);
	assert_int_equal(file.st_mode & 07777, 0600);
	kiln_handoff_close(player.listener);
	const mode_t mask = umask(0077);
	player.listener =
	    kiln_handoff_listen(player.path, &(struct kiln_handoff_options){.mode = 0660}, NULL);
	(void)umask(mask);
	assert_non_null(player.listener);
	assert_int_equal(stat(player.path, &file), 0);
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
	refuses_to_listen(player.path, NULL, KILN_E_CONFIG); /* somebody does already: we */
	assert_int_equal(access(player.path, F_OK), 0);
	refuses_to_listen(too_long, NULL, KILN_E_CONFIG);
	refuses_to_listen("", NULL, KILN_E_CONFIG);
	refuses_to_listen("/nowhere/at/all", NULL, KILN_E_SYSTEM);
	refuses_to_listen(player.path, "no such user", KILN_E_CONFIG);
	/* What is no socket stays. */
	char other[80];
	(void)snprintf(other, sizeof other, "%s/file", player.folder);
	(void)close(open(other, O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
	refuses_to_listen(other, NULL, KILN_E_CONFIG);
	assert_int_equal(unlink(other), 0);
}

/* A socket that is left over is replaced, and ours is not removed by who was there before. */
static void test_left_over(void **state)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	(void)state;
	kiln_handoff_close(player.listener);
	memcpy(at.sun_path, player.path, strlen(player.path) + 1);
	const int dead = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(dead, (struct sockaddr *)&at, sizeof at), 0);
	(void)close(dead);
	struct kiln_handoff *first = kiln_handoff_listen(player.path, NULL, NULL);
	assert_non_null(first);
	assert_int_equal(unlink(player.path), 0);
	player.listener = kiln_handoff_listen(player.path, NULL, NULL);
	assert_non_null(player.listener);
	kiln_handoff_close(first);
	assert_int_equal(access(player.path, F_OK), 0);
}

/* Starts at go's end, says whether it listens, and goes when the parent does not read any more. */
static void start_at_once(int go, int told, int stay)
{
	char byte;
	(void)!read(go, &byte, 1);
	struct kiln_handoff *listener = kiln_handoff_listen(player.path, NULL, NULL);
	byte = listener != NULL ? 'y' : 'n';
	(void)!write(told, &byte, 1);
	(void)!read(stay, &byte, 1);
	_exit(0);
}

#define STARTERS 6

static void leave_over(void)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	(void)unlink(player.path);
	memcpy(at.sun_path, player.path, strlen(player.path) + 1);
	const int dead = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(dead, (struct sockaddr *)&at, sizeof at), 0);
	(void)close(dead);
}

/* Of several that start at once where a socket is left over, one listens, and it is reached. */
static void test_at_once(void **state)
{
	(void)state;
	kiln_handoff_close(player.listener);
	player.listener = NULL;
	for (int round = 0; round < 40; round++) {
		int go[2], told[2], stay[2], listening = 0;
		char byte;
		leave_over();
		assert_int_equal(pipe(go) | pipe(told) | pipe(stay), 0);
		for (int i = 0; i < STARTERS; i++)
			if (fork() == 0) {
				(void)close(go[1]), (void)close(stay[1]);
				start_at_once(go[0], told[1], stay[0]);
			}
		(void)close(go[1]);
		for (int i = 0; i < STARTERS; i++) {
			assert_int_equal(read(told[0], &byte, 1), 1);
			listening += byte == 'y';
		}
		const int channel = player_connect_to();
		assert_int_equal(listening, 1);
		(void)close(channel);
		(void)close(stay[1]);
		for (int i = 0; i < STARTERS; i++)
			assert_true(wait(NULL) > 0);
		(void)close(go[0]), (void)close(told[0]), (void)close(told[1]),
		    (void)close(stay[0]);
	}
	assert_int_equal(unlink(player.path), 0);
	player.listener = kiln_handoff_listen(player.path, NULL, NULL);
	assert_non_null(player.listener);
}

/* Somebody who holds the folder for ever keeps nobody from starting. */
static void test_folder_held(void **state)
{
	(void)state;
	kiln_handoff_close(player.listener);
	leave_over();
	const int folder = open(player.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_int_equal(flock(folder, LOCK_EX), 0);
	player.listener = kiln_handoff_listen(player.path, NULL, NULL);
	assert_non_null(player.listener);
	(void)close(folder);
}

/* Another user's worker finds its channel closed; one too many as well. */
static void test_channels(void **state)
{
	struct kiln_handoff_options options = {.channels = 1};
	char byte, number[16];
	(void)state;
	kiln_handoff_close(player.listener);
	player.listener = kiln_handoff_listen(player.path, &options, NULL);
	const int first = player_connect_to(), second = player_connect_to();
	player_expect_nothing();
	assert_int_equal(recv(second, &byte, 1, 0), 0);
	assert_int_equal(recv(first, &byte, 1, MSG_DONTWAIT), -1);
	(void)close(first);
	(void)close(second);
	kiln_handoff_close(player.listener);
	(void)snprintf(number, sizeof number, "%u", geteuid() + 1);
	options.user = number;
	player.listener = kiln_handoff_listen(player.path, &options, NULL);
	const int stranger = player_connect_to();
	player_expect_nothing();
	assert_int_equal(recv(stranger, &byte, 1, 0), 0);
	(void)close(stranger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    PLAYER_TEST(test_refused),       PLAYER_TEST(test_cannot_answer),
	    PLAYER_TEST(test_nobody),        PLAYER_TEST(test_mode),
	    PLAYER_TEST(test_cannot_listen), PLAYER_TEST(test_left_over),
	    PLAYER_TEST(test_channels),      PLAYER_TEST(test_at_once),
	    PLAYER_TEST(test_folder_held),
	};
	return cmocka_run_group_tests_name("hand-off: accepting", tests, player_make_folder,
					   player_remove_folder);
}
