/* SPDX-License-Identifier: Apache-2.0
 *
 * Deadlines for many connections: a hashed wheel. Setting and clearing cost a few instructions, and
 * nothing ticks while no deadline is set.
 */
#ifndef KILN_WORKER_DEADLINE_H
#define KILN_WORKER_DEADLINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KILN_WHEEL_SLOTS 512u
#define KILN_WHEEL_TICK  64u /* ms: how late a deadline may fire */

struct kiln_deadline;
typedef void kiln_deadline_fn(struct kiln_deadline *deadline);

struct kiln_deadline {
	struct kiln_deadline *next, *prev; /* NULL while not set */
	kiln_deadline_fn *expired;         /* set once by the owner */
	uint64_t at;                       /* ms, on the caller's clock */
};

struct kiln_wheel {
	struct kiln_deadline slots[KILN_WHEEL_SLOTS]; /* list heads */
	uint64_t tick;                                /* everything up to here has fired */
	uint64_t soonest; /* no deadline is in a slot before this tick */
	unsigned count;
};

void kiln_wheel_init(struct kiln_wheel *wheel, uint64_t now);

/* Sets, or moves, a deadline to now + ms. */
void kiln_deadline_set(struct kiln_wheel *wheel, struct kiln_deadline *deadline, uint64_t now,
		       uint32_t ms);
void kiln_deadline_clear(struct kiln_wheel *wheel, struct kiln_deadline *deadline);
static inline bool kiln_deadline_is_set(const struct kiln_deadline *deadline)
{
	return deadline->next != NULL;
}

/* Calls expired of each deadline that has passed; it may set it again. */
void kiln_wheel_run(struct kiln_wheel *wheel, uint64_t now);

/* How long the caller may sleep, in ms; -1 while no deadline is set. */
int kiln_wheel_timeout(struct kiln_wheel *wheel, uint64_t now);

#endif
