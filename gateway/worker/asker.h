/* SPDX-License-Identifier: Apache-2.0
 *
 * A worker's side of its channel to the identity agent: questions go out without waiting, and each
 * answer finds the connection that asked. An agent that is gone, busy or slow never stops the
 * worker. While there is none, or it does not know yet who we are, handshakes wait within their own
 * deadline, and go on with the new one.
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
	/* Called when who we are has become known, has changed, or cannot be known. */
	void (*changed)(struct kiln_asker *asker);
	bool known;   /* role is this gateway's own */
	bool pending; /* it is being looked for */
	struct kiln_aws_role role;
	struct kiln_error unknown; /* why it is neither known nor pending */
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

/* A channel to a new agent, taken over. */
void kiln_asker_use(struct kiln_asker *asker, int channel);

/* Asks for link; its answer comes to kiln_link_answered, unless kiln_asker_forget(link's question)
 * is called before. *question is not 0. message->id is set. KILN_E_AGAIN when there is no agent: to
 * be asked again when `changed` is called. When the agent is lost, its questions are: those links
 * hear kiln_link_unasked. */
enum kiln_code kiln_asker_ask(struct kiln_asker *asker, struct kiln_link *link,
			      struct kiln_agent_message *message, uint64_t *question,
			      struct kiln_error *err) KILN_NODISCARD;
void kiln_asker_forget(struct kiln_asker *asker, uint64_t question);

#endif
