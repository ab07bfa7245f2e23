/*
 * Who used the processor. A process's CPU clock counts nanoseconds exactly (it is the scheduler's
 * own sum, not the tick's), and in counted mode a nanosecond is an instruction.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define CPU_MAX_GROUPS 4
#define CPU_MAX_PIDS   64

/* Processes whose time is summed under one name: "proxy", "backend". */
struct cpu_group {
	char name[16];
	pid_t pids[CPU_MAX_PIDS];
	size_t count;
};

struct cpu_sample {
	uint64_t wall_ns;
	uint64_t self_ns;
	uint64_t groups_ns[CPU_MAX_GROUPS];
	uint64_t
	    kthreads_ns;  /* kernel threads: ksoftirqd, the workers that kTLS and io_uring use */
	uint64_t ktls_tx; /* sockets that ever got kTLS keys, from /proc/net/tls_stat; 0 without */
	uint64_t ktls_rx;
};

uint64_t cpu_now_ns(void);
/* "NAME=PID,PID,..."; 0 when it is not that. */
int cpu_parse_group(const char *text, struct cpu_group *group);
/*
 * 0 when a process of a group is gone; says which on stderr. What the sampling itself costs lies
 * before the clocks of the first and after those of the second.
 */
int cpu_sample_start(const struct cpu_group *groups, size_t count, struct cpu_sample *out);
int cpu_sample_end(const struct cpu_group *groups, size_t count, struct cpu_sample *out);
