/* SPDX-License-Identifier: (MIT OR GPL-2.0-only)
 *
 * What steer.bpf.c and its loader (gateway/steer) agree on.
 */
#ifndef KILN_BPF_STEER_ABI_H
#define KILN_BPF_STEER_ABI_H

#include <linux/types.h>

#define KILN_STEER_WORKERS_MAX 256
#define KILN_STEER_CPUS_MAX    4096

/* The workers of one CPU: places [first, first + count) of the array "order". Places, not worker
 * numbers, because a CPU's workers need not be numbered in a row. */
struct kiln_steer_share {
	__u16 first;
	__u16 count;
};

struct kiln_steer_count {
	__u64 steered; /* connections given to this worker */
	__u64 skipped; /* times its CPU's connection went on: it was not ready, over its share, or
			  had no listener in its slot */
};

/* What is on its way to a worker is forgotten after a tick of 2^27 ns, 134 ms: most of it was
 * accepted by then, and the rest never will be. */
#define KILN_STEER_TICK_SHIFT 27

/* A worker as the program sees it; a cache line of its own. Each field has one writer, but for
 * arriving, which is an estimate. */
struct kiln_steer_seat {
	__u32 active;   /* by the worker: its connections, over all addresses */
	__u32 limit;    /* by the worker: with more than that it is over its share */
	__u32 arriving; /* steered to it in this tick and not accepted yet */
	__u32 tick;     /* by the program: when arriving began to count */
	__u32 ready;    /* by the supervisor: it takes connections */
} __attribute__((aligned(64)));

/* One for all addresses. */
struct kiln_steer_board {
	struct kiln_steer_seat seats[KILN_STEER_WORKERS_MAX];
};

#endif
