/* SPDX-License-Identifier: Apache-2.0
 *
 * What waits for a request to STS, so that no source waits behind another one's crowd. Sources are
 * hashed into flows that take turns; when there is no more room, the longest flow loses its newest
 * question. A source of which STS has lately vouched for somebody is known: such have flows of
 * their own, which get three turns of four and are the last to lose anything. So a flood from many
 * addresses, each asking little, crowds out other newcomers only.
 */
#ifndef KILN_AGENT_QUEUE_H
#define KILN_AGENT_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#define KILN_QUEUE_MAX   448u /* waiting, in all */
#define KILN_QUEUE_FLOWS 64u
#define KILN_QUEUE_TURNS 4u /* of which one is for sources that are not known */

struct kiln_queue_item {
	struct kiln_queue_item *next;
};

struct kiln_queue {
	struct kiln_queue_lane {
		struct kiln_queue_flow {
			struct kiln_queue_item *first, *last;
			unsigned count;
		} flows[KILN_QUEUE_FLOWS];
		unsigned count, next; /* waiting in all flows; whose turn it is */
	} lanes[2];                   /* newcomers, known */
	unsigned turn;
	uint64_t seed;
};

/* seed: random, so that nobody can choose addresses that share another's flow. */
void kiln_queue_init(struct kiln_queue *queue, uint64_t seed);

/* Returns whom there is no room for: NULL, the item itself, or another that was in the queue. */
struct kiln_queue_item *kiln_queue_put(struct kiln_queue *queue, struct kiln_queue_item *item,
				       uint64_t source, bool known);

/* Whose turn it is; NULL when nothing waits. newcomers: whether one of them will do. */
struct kiln_queue_item *kiln_queue_take(struct kiln_queue *queue, bool newcomers);

#endif
