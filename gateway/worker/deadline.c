/* SPDX-License-Identifier: Apache-2.0
 * The deadline wheel; see deadline.h. */
#include "worker/deadline.h"

static uint64_t tick_of(uint64_t ms)
{
	return (ms + KILN_WHEEL_TICK - 1) / KILN_WHEEL_TICK; /* never early */
}

void kiln_wheel_init(struct kiln_wheel *wheel, uint64_t now)
{
	for (unsigned i = 0; i < KILN_WHEEL_SLOTS; i++)
		wheel->slots[i].next = wheel->slots[i].prev = &wheel->slots[i];
	wheel->tick = now / KILN_WHEEL_TICK;
	wheel->soonest = UINT64_MAX;
	wheel->count = 0;
}

void kiln_deadline_clear(struct kiln_wheel *wheel, struct kiln_deadline *deadline)
{
	if (deadline->next == NULL)
		return;
	deadline->prev->next = deadline->next;
	deadline->next->prev = deadline->prev;
	deadline->next = deadline->prev = NULL;
	wheel->count--;
}

/* A deadline beyond the wheel's horizon waits in the last slot and is put further from there. */
static void insert(struct kiln_wheel *wheel, struct kiln_deadline *deadline)
{
	uint64_t tick = tick_of(deadline->at);
	if (tick <= wheel->tick)
		tick = wheel->tick + 1;
	if (tick >= wheel->tick + KILN_WHEEL_SLOTS)
		tick = wheel->tick + KILN_WHEEL_SLOTS - 1;
	if (tick < wheel->soonest)
		wheel->soonest = tick;
	struct kiln_deadline *head = &wheel->slots[tick % KILN_WHEEL_SLOTS];
	deadline->prev = head->prev;
	deadline->next = head;
	head->prev->next = deadline;
	head->prev = deadline;
	wheel->count++;
}

void kiln_deadline_set(struct kiln_wheel *wheel, struct kiln_deadline *deadline, uint64_t now,
		       uint32_t ms)
{
	kiln_deadline_clear(wheel, deadline);
	if (wheel->count == 0 && now / KILN_WHEEL_TICK > wheel->tick)
		wheel->tick = now / KILN_WHEEL_TICK; /* nothing to fire in between */
	deadline->at = now + ms;
	insert(wheel, deadline);
}

static void run_slot(struct kiln_wheel *wheel, uint64_t now)
{
	struct kiln_deadline *head = &wheel->slots[wheel->tick % KILN_WHEEL_SLOTS];
	/* Taken off one by one, counted first: a callback may set deadlines in this very slot. */
	unsigned n = 0;
	for (const struct kiln_deadline *d = head->next; d != head; d = d->next)
		n++;
	while (n-- > 0 && head->next != head) {
		struct kiln_deadline *d = head->next;
		kiln_deadline_clear(wheel, d);
		if (d->at > now)
			insert(wheel, d);
		else
			d->expired(d);
	}
}

void kiln_wheel_run(struct kiln_wheel *wheel, uint64_t now)
{
	const uint64_t until = now / KILN_WHEEL_TICK;
	while (wheel->tick < until) {
		if (wheel->count == 0) {
			wheel->tick = until;
			return;
		}
		wheel->tick++;
		run_slot(wheel, now);
	}
}

/* The bound is moved up only here, when sleeping until it would be too short: most turns of the
 * loop then cost a comparison, and clearing a deadline costs no search. */
static uint64_t find_soonest(const struct kiln_wheel *wheel)
{
	uint64_t tick = wheel->soonest > wheel->tick ? wheel->soonest : wheel->tick + 1;
	const uint64_t end = wheel->tick + KILN_WHEEL_SLOTS;
	for (; tick < end; tick++) {
		const struct kiln_deadline *head = &wheel->slots[tick % KILN_WHEEL_SLOTS];
		if (head->next != head)
			break;
	}
	return tick;
}

int kiln_wheel_timeout(struct kiln_wheel *wheel, uint64_t now)
{
	if (wheel->count == 0) {
		wheel->soonest = UINT64_MAX;
		return -1;
	}
	wheel->soonest = find_soonest(wheel);
	const uint64_t at = wheel->soonest * KILN_WHEEL_TICK;
	return at > now ? (int)(at - now) : 0;
}
