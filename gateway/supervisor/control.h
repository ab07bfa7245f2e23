/* SPDX-License-Identifier: Apache-2.0
 *
 * What the supervisor and a worker say to each other, over a SOCK_SEQPACKET pair: one fixed-size
 * struct per message, an fd beside it where there is one.
 */
#ifndef KILN_SUPERVISOR_CONTROL_H
#define KILN_SUPERVISOR_CONTROL_H

#include <kiln/error.h>

#include "net/address.h"

enum kiln_message_type {
	/* to a worker */
	KILN_MESSAGE_RELOAD = 1,    /* with the material's fd */
	KILN_MESSAGE_TARGETS,       /* with the addresses to connect to from now on */
	KILN_MESSAGE_DRAIN,         /* the gateway stops: take what has arrived, then no more */
	KILN_MESSAGE_STOP,          /* end what is left, now */
	KILN_MESSAGE_AGENT_CHANNEL, /* with its fd: to the identity agent, or to a worker */
	/* from a worker */
	KILN_MESSAGE_READY = 16, /* text: the engine and why */
	KILN_MESSAGE_RELOADED,
	KILN_MESSAGE_RELOAD_FAILED, /* text: why */
	KILN_MESSAGE_DRAINING,      /* it takes no new connections any more */
};

struct kiln_message {
	uint32_t type;
	union {
		char text[KILN_ERROR_MAX];
		struct kiln_endpoints targets;
	};
};

/* Sends; fd is -1 for none and stays the caller's. False when the other side is gone. */
bool kiln_control_send(int channel, enum kiln_message_type type, const char *text, int fd);

/* The same for KILN_MESSAGE_TARGETS. */
bool kiln_control_send_targets(int channel, const struct kiln_endpoints *targets);

/* 1: a message, *fd is the receiver's or -1; 0: nothing there; -1: the other side is gone. */
int kiln_control_receive(int channel, struct kiln_message *message, int *fd);

#endif
