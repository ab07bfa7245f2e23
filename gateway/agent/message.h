/* SPDX-License-Identifier: Apache-2.0
 *
 * What workers and the identity agent say to each other, over a SOCK_SEQPACKET pair for each
 * worker: one message, one packet, bounded in size. A worker asks, and the answer carries the
 * question's number; IDENTITY comes unasked whenever it changes.
 *
 * A worker never sees a secret of AWS: it gets signatures. The agent never sees a byte of a peer
 * that is not in a proof.
 */
#ifndef KILN_AGENT_MESSAGE_H
#define KILN_AGENT_MESSAGE_H

#include "aws/proof.h"
#include "aws/role.h"

enum kiln_agent_message_type {
	/* to the agent */
	KILN_AGENT_PROVE = 1, /* body: what to sign, and role: as whom */
	KILN_AGENT_VERIFY,    /* proof, source */
	/* from the agent */
	KILN_AGENT_IDENTITY = 16, /* role, or code and text: why there is none */
	KILN_AGENT_PROVED,        /* proof */
	KILN_AGENT_VERIFIED,      /* role, session */
	KILN_AGENT_REFUSED,       /* code, text */
};

#define KILN_AGENT_SOURCE 16u /* an IPv6 address, or an IPv4 one mapped into it */

/* A message in memory. What it points to belongs to the proof; clear it. */
struct kiln_agent_message {
	uint32_t type;
	uint64_t id;
	uint8_t source[KILN_AGENT_SOURCE];
	struct kiln_aws_proof proof; /* PROVE: only its body */
	struct kiln_aws_role role;
	char session[KILN_AWS_SESSION_MAX + 1];
	enum kiln_code code;
	char text[KILN_ERROR_MAX];
};

/* 1: sent; 0: the other side does not take it now; -1: it is gone. */
int kiln_agent_send(int channel, const struct kiln_agent_message *message);

/* 1: *message is filled, to be cleared; 0: nothing there; -1: the other side is gone. What is no
 * message, or finds no memory, is passed over. */
int kiln_agent_receive(int channel, struct kiln_agent_message *message);

void kiln_agent_message_clear(struct kiln_agent_message *message);

/* A pair of channels with room for some messages of the largest size; false with errno. */
bool kiln_agent_pair(int pair[2]);

#endif
