/* SPDX-License-Identifier: (MIT OR GPL-2.0-only)
 *
 * Picks the worker that gets a new connection. The listening sockets of all workers share one port
 * (SO_REUSEPORT) and sit in a socket array; the kernel runs this program for every SYN, and for
 * every connection that a closing listener leaves in its queue (that is the "migrate").
 *
 * The first choice is a worker of the CPU that took the packet, so that the connection stays in
 * that CPU's caches. When that one is not ready or over its share, the least loaded of the ready
 * ones takes its place; when there is no listener in the chosen one's slot, any ready one does.
 * When nobody is ready the program makes no choice and the kernel's hash decides.
 *
 * A worker's load is its connections and those on their way to it: a client that opens hundreds at
 * once has done so before a worker has accepted the first.
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

/* Made by the supervisor, shared by the programs of all addresses, and written by the workers while
 * the programs run. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kiln_steer_board);
} board SEC(".maps");

#define NOBODY KILN_STEER_WORKERS_MAX

/* Set by the loader before the program is loaded. */
const volatile __u32 workers = 1;
const volatile struct kiln_steer_share shares[KILN_STEER_CPUS_MAX];
const volatile __u16 order[KILN_STEER_WORKERS_MAX];

static __u32 first_choice(__u32 hash)
{
	__u32 cpu = bpf_get_smp_processor_id() % KILN_STEER_CPUS_MAX;
	__u32 count = shares[cpu].count;

	return shares[cpu].first + (count > 1 ? hash % count : 0);
}

/* A division, because a wrap-around by comparison has too many paths to verify. */
static __u32 worker_at(__u32 place)
{
	return order[(place % workers) % KILN_STEER_WORKERS_MAX];
}

static volatile struct kiln_steer_seat *seat_of(struct kiln_steer_board *all, __u32 worker)
{
	return &all->seats[worker % KILN_STEER_WORKERS_MAX];
}

static __u32 load_of(volatile struct kiln_steer_seat *seat, __u32 now)
{
	return seat->active + (seat->tick == now ? seat->arriving : 0);
}

static int takes(struct kiln_steer_board *all, __u32 worker, __u32 now)
{
	volatile struct kiln_steer_seat *seat = seat_of(all, worker);

	return seat->ready && load_of(seat, now) <= seat->limit;
}

static void count(__u32 worker, int steered)
{
	struct kiln_steer_count *of = bpf_map_lookup_elem(&counts, &worker);

	if (of != NULL && steered)
		of->steered++;
	else if (of != NULL)
		of->skipped++;
}

static void expect(struct kiln_steer_board *all, __u32 worker, __u32 now)
{
	volatile struct kiln_steer_seat *seat = seat_of(all, worker);

	if (seat->tick != now) {
		seat->arriving = 0;
		seat->tick = now;
	}
	__sync_fetch_and_add(&seat->arriving, 1);
}

/* Gives the connection to this worker if it has a listener. */
static int offer(struct sk_reuseport_md *ctx, __u32 worker)
{
	/* A copy on the stack: the verifier forgets the bounds of what was there. */
	__u32 key = worker;

	return bpf_sk_select_reuseport(ctx, &listeners, &key, 0) == 0;
}

/* The ready worker with the least load, the next in turn among equals; NOBODY without any. */
static __u32 least_loaded(struct kiln_steer_board *all, __u32 first, __u32 now)
{
	__u32 best = NOBODY, least = ~0U;

	for (__u32 tried = 0; tried < KILN_STEER_WORKERS_MAX && tried < workers; tried++) {
		__u32 worker = worker_at(first + tried);
		volatile struct kiln_steer_seat *seat = seat_of(all, worker);
		__u32 load = load_of(seat, now);
		if (!seat->ready || load >= least)
			continue;
		least = load;
		best = worker;
	}
	return best;
}

/* The next ready one that has a listener; NOBODY without any. */
static __u32 offer_in_turn(struct sk_reuseport_md *ctx, struct kiln_steer_board *all, __u32 first)
{
	for (__u32 tried = 0; tried < KILN_STEER_WORKERS_MAX && tried < workers; tried++) {
		__u32 worker = worker_at(first + tried);
		if (seat_of(all, worker)->ready && offer(ctx, worker))
			return worker;
	}
	return NOBODY;
}

SEC("sk_reuseport/migrate")
int kiln_steer(struct sk_reuseport_md *ctx)
{
	__u32 key = 0, first = first_choice(ctx->hash), own = worker_at(first);
	__u32 now = bpf_ktime_get_coarse_ns() >> KILN_STEER_TICK_SHIFT;
	struct kiln_steer_board *all = bpf_map_lookup_elem(&board, &key);

	if (all == NULL)
		return SK_PASS;
	__u32 chosen = takes(all, own, now) ? own : least_loaded(all, first, now);
	if (chosen != NOBODY && !offer(ctx, chosen))
		chosen = offer_in_turn(ctx, all, first);
	if (chosen != own)
		count(own, 0);
	if (chosen != NOBODY) {
		count(chosen, 1);
		expect(all, chosen, now);
	}
	return SK_PASS;
}

char LICENSE[] SEC("license") = "Dual MIT/GPL";
