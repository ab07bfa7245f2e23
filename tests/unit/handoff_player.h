/* SPDX-License-Identifier: Apache-2.0
 *
 * A listener of libkiln, and a worker that the test plays, which hands connections to it.
 */
#ifndef KILN_TESTS_HANDOFF_PLAYER_H
#define KILN_TESTS_HANDOFF_PLAYER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "handoff_sample.h"

struct handoff_player {
	char folder[32], path[64];
	struct kiln_handoff *listener;
	int channel, stream, notice; /* the worker's ends */
};

extern struct handoff_player player;

/* Of a group: the folder that the socket is in, in which nothing must be left. */
int player_make_folder(void **state);
int player_remove_folder(void **state);

/* Of a test: the listener and a channel to it. */
int player_open_all(void **state);
int player_close_all(void **state);

int player_connect_to(void);

/* One packet on the channel, with descriptors. */
void player_send_bytes(const void *bytes, size_t len, const int *fds, size_t count);
void player_send_message(const struct kiln_handoff_message *m, const int *fds, size_t count);

/* The next answer, which is there. */
enum kiln_handoff_kind player_answer(struct kiln_handoff_message *m);

/* What goes with a relayed connection; the other ends are stream and notice. */
void player_pairs(int theirs[2]);
struct kiln_conn *player_hand_off_relayed(void);

/* An accept finds no connection, and says no more than that. */
void player_expect_nothing(void);

#define PLAYER_TEST(name) cmocka_unit_test_setup_teardown(name, player_open_all, player_close_all)

#endif
