/* SPDX-License-Identifier: Apache-2.0
 *
 * Listeners that stand in for workers, and clients on a chosen CPU.
 */
#ifndef KILN_TESTS_STEER_RIG_H
#define KILN_TESTS_STEER_RIG_H

#include <stdbool.h>
#include <stdint.h>

#include "steer/steer.h"

#define RIG_WORKERS_MAX 8

struct rig {
	struct kiln_board board;
	struct kiln_steer *steer;
	unsigned workers;
	uint16_t port;
	int listeners[RIG_WORKERS_MAX];
};

/* False where steering is not to be had; says why. */
bool rig_may_steer(void);

/* Opens workers listeners on one loopback port and steers to them; all are ready. Any failure
 * fails the test. */
void rig_open(struct rig *rig, unsigned workers, const unsigned *cpu_of_worker);
void rig_close(struct rig *rig);

/* One more listener on the port, which nothing steers to yet. */
int rig_listen(uint16_t port);

/* Blocking client. Its SYN is taken by the CPU that the caller runs on. */
int rig_connect(const struct rig *rig);

/* Waits for a connection on any listener and accepts it; *worker tells whose it was. */
int rig_take(const struct rig *rig, unsigned *worker);

/* Also tells the board that it came and, for it will not last, that it has ended. */
int rig_accept(const struct rig *rig, unsigned *worker);

/* Nothing waits in this worker's accept queue. */
bool rig_queue_is_empty(const struct rig *rig, unsigned worker);

/* CPUs that this process may run on, as numbers; returns how many. */
unsigned rig_cpus(unsigned *cpus, unsigned max);
void rig_pin(unsigned cpu);
void rig_unpin(void);

#endif
