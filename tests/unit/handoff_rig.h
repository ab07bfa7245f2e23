/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker that hands its one connection off, in user space: the client of life_rig.h, and the
 * application, which the test plays.
 */
#ifndef KILN_TESTS_HANDOFF_RIG_H
#define KILN_TESTS_HANDOFF_RIG_H

#include "handoff/message.h"
#include "life_rig.h"

struct handoff_rig {
	struct life life;
	int listener, channel;
	int notice;      /* the application's, of the last message */
	int failures[4]; /* errno of the sends to come; 0: it works; -1: it is short */
	unsigned sends;
};

extern struct handoff_rig handoff;

/* Up to the hand-off; the first sends give first and second. */
void handoff_start(int first, int second);

/* The application takes the channel and the next message; its stream, or -1: there is none. */
int handoff_receive(struct kiln_handoff_message *message);

/* The application answers; handoff_say lets the worker hear it. */
void handoff_answer_unread(enum kiln_handoff_kind kind, uint64_t number);
void handoff_say(enum kiln_handoff_kind kind, uint64_t number);

/* What waits is what was to be handed off, and it begins to be relayed when it is taken. */
void handoff_expect_taken(void);

/* The client got an alert, and the connection ended for that reason; ends the test. */
void handoff_expect_refused(enum kiln_code code);

/* Both end a test; handoff_stop ends the connection first. */
void handoff_stop(void);
void handoff_close_channel(void);

#endif
