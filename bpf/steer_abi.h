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
	__u64 skipped; /* times it was passed over: not ready, or no listener in its slot */
};

#endif
