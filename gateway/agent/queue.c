/* SPDX-License-Identifier: Apache-2.0
 * Questions that wait, and their turns; see queue.h. */
#include "agent/queue.h"

#include <string.h>

enum { NEWCOMERS, KNOWN };

void kiln_queue_init(struct kiln_queue *queue, uint64_t seed)
{
	memset(queue, 0, sizeof *queue);
	queue->seed = seed;
}

static unsigned flow_of(const struct kiln_queue *queue, uint64_t source)
{
	uint64_t x = source ^ queue->seed;
	for (unsigned i = 0; i < 3; i++) {
		x ^= x >> 32;
		x *= UINT64_C(0xd6e8feb86659fd93);
		x += queue->seed;
	}
	return (unsigned)(x >> 40) % KILN_QUEUE_FLOWS;
}

static void append(struct kiln_queue_lane *lane, struct kiln_queue_flow *flow,
		   struct kiln_queue_item *item)
{
	item->next = NULL;
	if (flow->count > 0)
		flow->last->next = item;
	else
		flow->first = item;
	flow->last = item;
	flow->count++;
	lane->count++;
}

static struct kiln_queue_item *drop_newest(struct kiln_queue_lane *lane)
{
	struct kiln_queue_flow *flow = lane->flows;
	for (unsigned i = 1; i < KILN_QUEUE_FLOWS; i++)
		if (lane->flows[i].count > flow->count)
			flow = &lane->flows[i];
	struct kiln_queue_item *newest = flow->last, *before = flow->first;
	while (before != newest && before->next != newest)
		before = before->next;
	before->next = NULL;
	flow->last = before;
	if (--flow->count == 0)
		flow->first = flow->last = NULL;
	lane->count--;
	return newest;
}

struct kiln_queue_item *kiln_queue_put(struct kiln_queue *queue, struct kiln_queue_item *item,
				       uint64_t source, bool known)
{
	struct kiln_queue_lane *newcomers = &queue->lanes[NEWCOMERS];
	struct kiln_queue_lane *lane = &queue->lanes[known ? KNOWN : NEWCOMERS];
	append(lane, &lane->flows[flow_of(queue, source)], item);
	if (queue->lanes[NEWCOMERS].count + queue->lanes[KNOWN].count <= KILN_QUEUE_MAX)
		return NULL;
	return drop_newest(newcomers->count > 0 ? newcomers : lane);
}

static struct kiln_queue_item *take_from(struct kiln_queue_lane *lane)
{
	while (lane->flows[lane->next].count == 0)
		lane->next = (lane->next + 1) % KILN_QUEUE_FLOWS;
	struct kiln_queue_flow *flow = &lane->flows[lane->next];
	struct kiln_queue_item *item = flow->first;
	flow->first = item->next;
	flow->count--;
	lane->count--;
	lane->next = (lane->next + 1) % KILN_QUEUE_FLOWS;
	return item;
}

struct kiln_queue_item *kiln_queue_take(struct kiln_queue *queue, bool newcomers)
{
	const bool new_ones = newcomers && queue->lanes[NEWCOMERS].count > 0;
	const bool known = queue->lanes[KNOWN].count > 0;
	if (!new_ones && !known)
		return NULL;
	if (new_ones && known)
		queue->turn = (queue->turn + 1) % KILN_QUEUE_TURNS;
	const bool is_new = new_ones && (!known || queue->turn == 0);
	return take_from(&queue->lanes[is_new ? NEWCOMERS : KNOWN]);
}
