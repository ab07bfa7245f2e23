/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker's channel to the application that its connections are handed to. What is to be handed
 * off waits in a queue, in the order of its arrival, until the application says that it took it;
 * until then it is the worker's, and ends with an alert when its deadline passes. So nothing is
 * lost with an application that dies, and nothing is served twice: what was not taken is offered to
 * the next one.
 */
#ifndef KILN_WORKER_HANDOFF_H
#define KILN_WORKER_HANDOFF_H

#include "handoff/message.h"
#include "io/io.h"
#include "worker/deadline.h"

struct kiln_link;
struct kiln_worker;

/* In place of an errno: another user than the expected one listens there. */
#define KILN_HANDOFF_STRANGER (-1)

/* A connection that is being handed off. */
struct kiln_handing {
	struct kiln_handing *next, *prev;
	struct kiln_link *link;
	struct kiln_handoff_message message; /* number 0: not sent on this channel */
	int theirs[2]; /* in user space: the application's ends of stream and alerts; -1 */
};

struct kiln_handoff_channel {
	struct kiln_worker *worker;
	int fd;    /* -1: there is none */
	bool lost; /* it is closed when its operations have ended */
	bool full; /* waits for room */
	bool said; /* that it cannot be had */
	bool said_late;
	struct kiln_op in, room;
	struct kiln_deadline retry;
	unsigned failures; /* in a row, with nothing taken in between */
	uint64_t number;
	struct kiln_handing *first, *last;
	struct kiln_handing *unsent; /* the first of those */
};

void kiln_handoff_prepare(struct kiln_handoff_channel *channel, struct kiln_worker *worker);
void kiln_handoff_end(struct kiln_handoff_channel *channel);

/* Nothing more can be taken, and what was taken is known, when this returns: then the rest can be
 * ended. */
void kiln_handoff_finish(struct kiln_handoff_channel *channel);

/* Sends what waits, as far as that goes. */
void kiln_handoff_flush(struct kiln_handoff_channel *channel);
void kiln_handoff_add(struct kiln_handoff_channel *channel, struct kiln_handing *handing);
void kiln_handoff_remove(struct kiln_handoff_channel *channel, struct kiln_handing *handing);

/* ---- handoff_link.c: what the channel does to a connection */

/* Sends its message. 1: sent; 0: not now, errno tells why; -1: the channel is broken; -2: this
 * connection cannot be sent at all, and errno tells why. */
int kiln_handing_send(struct kiln_handing *handing, int channel);
/* The application has it, and the worker lets go (or begins to relay); handing is freed. */
void kiln_handing_taken(struct kiln_handing *handing);
/* It will not have it; handing is freed. */
void kiln_handing_failed(struct kiln_handing *handing, const struct kiln_error *err);

#endif
