/* SPDX-License-Identifier: Apache-2.0
 * What the two halves of the relay share; for gateway/worker only. */
#ifndef KILN_WORKER_RELAY_H
#define KILN_WORKER_RELAY_H

#include "worker/link.h"

/* Sets the deadline for what the connection waits for now, unless it is looked at sooner anyway:
 * one look per timeout, not one per send. */
void kiln_relay_watch(struct kiln_link *conn);

/* A send begins: it has to move within the send timeout. */
void kiln_relay_watch_send(struct kiln_link *conn, struct kiln_flow *flow);

/* One direction is over: from now on the other one has to move within the close timeout. */
void kiln_relay_half_closed(struct kiln_link *conn);

/* Both directions over? Then the connection is. */
void kiln_relay_end_check(struct kiln_link *conn);

/* Remembers the first thing that went wrong, for the access line, without ending anything. */
void kiln_relay_note(struct kiln_link *conn, enum kiln_code code, int sys_errno, const char *what);

void kiln_relay_arm_plain_in(struct kiln_link *conn);

#endif
