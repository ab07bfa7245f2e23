/* SPDX-License-Identifier: Apache-2.0
 * Questions to the identity agent; see asker.h. */
#include "worker/asker.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "worker/link.h"

#define NOWHERE UINT32_MAX

void kiln_asker_init(struct kiln_asker *asker, struct kiln_io *io)
{
	memset(asker, 0, sizeof *asker);
	asker->io = io;
	asker->channel = -1;
	asker->first_free = NOWHERE;
	asker->pending = true;
}

/* ---- places -------------------------------------------------------------------------------- */

static bool grow(struct kiln_asker *asker)
{
	const uint32_t count = asker->place_count == 0 ? 64 : asker->place_count * 2;
	struct kiln_asker_place *places =
	    count <= 1u << 24 ? realloc(asker->places, count * sizeof *places) : NULL;
	if (places == NULL)
		return false;
	asker->places = places;
	for (uint32_t i = asker->place_count; i < count; i++)
		places[i] = (struct kiln_asker_place){.next_free = asker->first_free, .count = 1},
		asker->first_free = i;
	asker->place_count = count;
	return true;
}

static uint64_t take_place(struct kiln_asker *asker, struct kiln_link *link)
{
	if (asker->first_free == NOWHERE && !grow(asker))
		return 0;
	const uint32_t at = asker->first_free;
	struct kiln_asker_place *place = &asker->places[at];
	asker->first_free = place->next_free;
	place->link = link;
	return (uint64_t)place->count << 32 | at;
}

/* Frees the place of a question that is still waited for; NULL when it is not. */
static struct kiln_link *leave_place(struct kiln_asker *asker, uint64_t question)
{
	const uint32_t at = (uint32_t)question;
	if (at >= asker->place_count)
		return NULL;
	struct kiln_asker_place *place = &asker->places[at];
	struct kiln_link *link = place->link;
	if (link == NULL || place->count != question >> 32)
		return NULL;
	place->link = NULL;
	place->count = place->count == UINT32_MAX ? 1 : place->count + 1;
	place->next_free = asker->first_free;
	asker->first_free = at;
	return link;
}

/* ---- the channel --------------------------------------------------------------------------- */

static void lose(struct kiln_asker *asker)
{
	asker->known = false;
	asker->pending = true;
	for (uint32_t i = 0; i < asker->place_count; i++) {
		if (asker->places[i].link == NULL)
			continue;
		struct kiln_link *link =
		    leave_place(asker, (uint64_t)asker->places[i].count << 32 | i);
		kiln_link_unasked(link);
	}
}

static void hear(struct kiln_asker *asker, struct kiln_agent_message *m)
{
	if (m->type == KILN_AGENT_IDENTITY) {
		asker->known = m->code == KILN_OK;
		asker->pending = m->code == KILN_E_AGAIN;
		asker->role = m->role;
		asker->unknown.code = m->code;
		memcpy(asker->unknown.message, m->text, sizeof asker->unknown.message);
		if (asker->changed != NULL && !asker->pending)
			asker->changed(asker);
		return;
	}
	struct kiln_link *link = leave_place(asker, m->id);
	if (link != NULL)
		kiln_link_answered(link, m);
}

static void on_channel(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_asker *asker =
	    (struct kiln_asker *)(void *)((char *)op - offsetof(struct kiln_asker, op));
	struct kiln_agent_message message;
	int got = 0;
	if (event->result < 0)
		return; /* cancelled: kiln_asker_use or the end */
	while (asker->channel >= 0 && (got = kiln_agent_receive(asker->channel, &message)) == 1) {
		hear(asker, &message);
		kiln_agent_message_clear(&message);
	}
	if (got < 0) {
		kiln_io_cancel(asker->io, op);
		lose(asker);
	} else if (!op->armed && asker->channel >= 0) {
		kiln_io_poll(asker->io, op, asker->channel);
	}
}

/* One poll at a time: the old channel's last event arms the new one. */
static void on_old_channel(struct kiln_op *op, const struct kiln_event *event)
{
	struct kiln_asker *asker =
	    (struct kiln_asker *)(void *)((char *)op - offsetof(struct kiln_asker, op));
	(void)event;
	if (op->armed)
		return;
	op->done = on_channel;
	kiln_io_poll(asker->io, op, asker->channel);
}

void kiln_asker_use(struct kiln_asker *asker, int channel)
{
	const int old = asker->channel;
	asker->channel = channel;
	if (old >= 0)
		lose(asker);
	if (asker->op.armed) {
		asker->op.done = on_old_channel;
		kiln_io_cancel(asker->io, &asker->op);
	} else {
		asker->op.done = on_channel;
		kiln_io_poll(asker->io, &asker->op, channel);
	}
	if (old >= 0) {
		kiln_io_forget(asker->io, old);
		(void)close(old);
	}
}

void kiln_asker_close(struct kiln_asker *asker)
{
	if (asker->channel >= 0)
		(void)close(asker->channel);
	free(asker->places);
}

/* ---- asking -------------------------------------------------------------------------------- */

enum kiln_code kiln_asker_ask(struct kiln_asker *asker, struct kiln_link *link,
			      struct kiln_agent_message *message, uint64_t *question,
			      struct kiln_error *err)
{
	*question = 0;
	if (asker->channel < 0)
		return kiln_fail(err, KILN_E_AGAIN, "there is no identity agent");
	*question = take_place(asker, link);
	if (*question == 0)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a question");
	message->id = *question;
	const int sent = kiln_agent_send(asker->channel, message);
	if (sent == 1)
		return KILN_OK;
	(void)leave_place(asker, *question);
	*question = 0;
	return sent == 0 ? kiln_fail(err, KILN_E_LIMIT,
				     "the identity agent has more questions than it can take")
			 : kiln_fail(err, KILN_E_AGAIN, "the identity agent is gone");
}

void kiln_asker_forget(struct kiln_asker *asker, uint64_t question)
{
	(void)leave_place(asker, question);
}
