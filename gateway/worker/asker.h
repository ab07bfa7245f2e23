/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker's side of its channel to the identity agent: questions go out without waiting, and each
 * answer finds the connection that asked. An agent that is gone, busy or slow never stops the
 * worker: the question fails at once or at the handshake's deadline.
 */
#ifndef KILN_WORKER_ASKER_H
#define KILN_WORKER_ASKER_H

#include "agent/message.h"
#include "io/io.h"

struct kiln_link;

struct kiln_asker {
	struct kiln_io *io;
	int channel; /* -1: there is none */
	struct kiln_op op;
	bool known; /* role is this gateway's own */
	struct kiln_aws_role role;
	struct kiln_error unknown; /* why it is not known */
	/* Who waits: a question's number is its place here below, and a count above, so that no
	 * late answer meets another connection. */
	struct kiln_asker_place {
		struct kiln_link *link; /* NULL: free */
		uint32_t count, next_free;
	} * places;
	uint32_t place_count, first_free;
};

void kiln_asker_init(struct kiln_asker *asker, struct kiln_io *io);
void kiln_asker_close(struct kiln_asker *asker);

/* A channel to a new agent, taken over. Whoever waits for the old one is told that it is gone. */
void kiln_asker_use(struct kiln_asker *asker, int channel);

/* Whether this gateway's role is known, also when the agent's word of it is still in the channel: a
 * connection may be here before that has been read. */
bool kiln_asker_knows(struct kiln_asker *asker);

/* Waits, ms at most, for the first word of an agent that was just started: for a worker that is
 * about to say that it accepts. */
void kiln_asker_await(const struct kiln_asker *asker, int ms);

/* Asks for link; its answer comes to kiln_link_answered, unless kiln_asker_forget(link's question)
 * is called before. *question is not 0. message->id is set. */
enum kiln_code kiln_asker_ask(struct kiln_asker *asker, struct kiln_link *link,
			      struct kiln_agent_message *message, uint64_t *question,
			      struct kiln_error *err) KILN_NODISCARD;
void kiln_asker_forget(struct kiln_asker *asker, uint64_t question);

#endif
