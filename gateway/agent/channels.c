/* SPDX-License-Identifier: Apache-2.0
 * The agent's side of the workers' channels. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/parts.h"

void kiln_agent_add_channel(struct kiln_agent *agent, int fd)
{
	if (agent->channel_count == KILN_AGENT_CHANNELS_MAX) {
		(void)close(fd); /* the worker sees its end and fails what it asks */
		return;
	}
	struct kiln_agent_channel *channel = &agent->channels[agent->channel_count++];
	*channel = (struct kiln_agent_channel){.fd = fd, .serial = ++agent->next_serial};
	channel->waiting_tail = &channel->waiting;
	struct kiln_agent_message message;
	kiln_identity_describe(agent->identity, &message);
	kiln_agent_say(agent, channel->serial, &message);
}

void kiln_agent_drop_channel(struct kiln_agent *agent, unsigned i)
{
	struct kiln_agent_channel *channel = &agent->channels[i];
	(void)close(channel->fd);
	while (channel->waiting != NULL) {
		struct kiln_agent_answer *answer = channel->waiting;
		channel->waiting = answer->next;
		kiln_agent_message_clear(&answer->message);
		free(answer);
	}
	*channel = agent->channels[--agent->channel_count];
	if (channel->waiting == NULL)
		channel->waiting_tail = &channel->waiting;
}

static struct kiln_agent_channel *find(struct kiln_agent *agent, uint64_t serial)
{
	for (unsigned i = 0; i < agent->channel_count; i++)
		if (agent->channels[i].serial == serial)
			return &agent->channels[i];
	return NULL;
}

/* A deep copy; false when there is no memory. */
static bool copy_message(struct kiln_agent_message *to, const struct kiln_agent_message *from)
{
	*to = *from;
	to->proof.token = from->proof.token != NULL ? strdup(from->proof.token) : NULL;
	to->proof.body = NULL;
	if (from->proof.body_len > 0)
		to->proof.body = malloc(from->proof.body_len);
	if ((from->proof.token != NULL && to->proof.token == NULL) ||
	    (from->proof.body_len > 0 && to->proof.body == NULL)) {
		to->proof.body_len = 0;
		kiln_agent_message_clear(to);
		return false;
	}
	if (from->proof.body_len > 0)
		memcpy(to->proof.body, from->proof.body, from->proof.body_len);
	return true;
}

/* An answer that is lost is a handshake that ends at its deadline: bounded, and rare enough. */
static void keep(struct kiln_agent_channel *channel, const struct kiln_agent_message *message)
{
	struct kiln_agent_answer *answer =
	    channel->waiting_count < KILN_AGENT_ANSWERS_MAX ? calloc(1, sizeof *answer) : NULL;
	if (answer == NULL)
		return;
	if (!copy_message(&answer->message, message)) {
		free(answer);
		return;
	}
	*channel->waiting_tail = answer;
	channel->waiting_tail = &answer->next;
	channel->waiting_count++;
}

void kiln_agent_say(struct kiln_agent *agent, uint64_t serial,
		    const struct kiln_agent_message *message)
{
	struct kiln_agent_channel *channel = find(agent, serial);
	if (channel == NULL)
		return;
	if (channel->waiting != NULL || kiln_agent_send(channel->fd, message) == 0)
		keep(channel, message);
	/* Gone: its end is read at the next turn. */
}

void kiln_agent_say_all(struct kiln_agent *agent, const struct kiln_agent_message *message)
{
	for (unsigned i = 0; i < agent->channel_count; i++)
		kiln_agent_say(agent, agent->channels[i].serial, message);
}

void kiln_agent_refuse(struct kiln_agent *agent, uint64_t serial, uint64_t id,
		       const struct kiln_error *err)
{
	struct kiln_agent_message message;
	memset(&message, 0, sizeof message);
	message.type = KILN_AGENT_REFUSED;
	message.id = id;
	message.code = err->code;
	memcpy(message.text, err->message, sizeof message.text);
	kiln_agent_say(agent, serial, &message);
}

bool kiln_agent_flush(struct kiln_agent_channel *channel)
{
	while (channel->waiting != NULL) {
		struct kiln_agent_answer *answer = channel->waiting;
		const int sent = kiln_agent_send(channel->fd, &answer->message);
		if (sent <= 0)
			return sent == 0;
		channel->waiting = answer->next;
		if (channel->waiting == NULL)
			channel->waiting_tail = &channel->waiting;
		channel->waiting_count--;
		kiln_agent_message_clear(&answer->message);
		free(answer);
	}
	return true;
}
