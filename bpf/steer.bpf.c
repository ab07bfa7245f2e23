/* SPDX-License-Identifier: (MIT OR GPL-2.0-only)
 *
 * Picks the worker that gets a new connection. The listening sockets of all workers share one port
 * (SO_REUSEPORT) and sit in a socket array; the kernel runs this program for every SYN, and for
 * every connection that a closing listener leaves in its queue (that is the "migrate").
 *
 * The first choice is a worker of the CPU that took the packet, so that the connection stays in
 * that CPU's caches. A worker that is not ready, or whose slot is empty, is passed over for the
 * next. When nobody is ready the program makes no choice and the kernel's hash decides.
 *
 * Needs Linux 5.14; uses no kernel structure, so it needs no relocation either.
 */
#include <stddef.h>

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "steer_abi.h"

struct {
	__uint(type, BPF_MAP_TYPE_REUSEPORT_SOCKARRAY);
	__uint(max_entries, KILN_STEER_WORKERS_MAX); /* the loader sets the true number */
	__type(key, __u32);
	__type(value, __u64);
} listeners SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, KILN_STEER_WORKERS_MAX);
	__type(key, __u32);
	__type(value, struct kiln_steer_count);
} counts SEC(".maps");

/* Set by the loader before the program is loaded. */
const volatile __u32 workers = 1;
const volatile struct kiln_steer_share shares[KILN_STEER_CPUS_MAX];
const volatile __u16 order[KILN_STEER_WORKERS_MAX];

/* Written by the supervisor while the program runs. */
__u8 ready[KILN_STEER_WORKERS_MAX];

static __u32 first_choice(__u32 hash)
{
	__u32 cpu = bpf_get_smp_processor_id() % KILN_STEER_CPUS_MAX;
	__u32 count = shares[cpu].count;

	return shares[cpu].first + (count > 1 ? hash % count : 0);
}

/* Gives the connection to this worker if it is ready and has a listener. */
static int offer(struct sk_reuseport_md *ctx, __u32 worker)
{
	/* Read before the key goes to the stack: the verifier forgets the bounds of what was there.
	 */
	__u8 is_ready = *(volatile __u8 *)&ready[worker % KILN_STEER_WORKERS_MAX];
	struct kiln_steer_count *count = bpf_map_lookup_elem(&counts, &worker);

	if (count == NULL)
		return 0;
	if (is_ready && bpf_sk_select_reuseport(ctx, &listeners, &worker, 0) == 0) {
		count->steered++;
		return 1;
	}
	count->skipped++;
	return 0;
}

SEC("sk_reuseport/migrate")
int kiln_steer(struct sk_reuseport_md *ctx)
{
	__u32 first = first_choice(ctx->hash);

	for (__u32 tried = 0; tried < KILN_STEER_WORKERS_MAX && tried < workers; tried++) {
		/* A division, because a wrap-around by comparison has too many paths to verify. */
		__u32 place = (first + tried) % workers;
		if (offer(ctx, order[place % KILN_STEER_WORKERS_MAX]))
			break;
	}
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
