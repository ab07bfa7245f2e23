/* SPDX-License-Identifier: Apache-2.0
 * Loads the steering program, fills its tables, and attaches it to the listeners. */
#include "steer/steer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <steer_abi.h>
#include <steer.skel.h>

#include "steer/bpf_error.h"
#include "steer/shares.h"

struct kiln_steer {
	struct steer_bpf *bpf;
	unsigned workers;
	int cpus; /* possible CPUs: how many values a per-CPU entry has */
};

static enum kiln_code set_up(struct kiln_steer *steer, const struct kiln_board *board,
			     const unsigned *cpu_of_worker, struct kiln_error *err)
{
	struct steer_bpf *bpf = steer->bpf;

	bpf->rodata->workers = steer->workers;
	long online = sysconf(_SC_NPROCESSORS_ONLN);
	enum kiln_code code =
	    kiln_steer_shares(bpf->rodata->shares, bpf->rodata->order, steer->workers,
			      online > 0 ? (unsigned)online : 1, cpu_of_worker, err);
	if (code != KILN_OK)
		return code;
	if (bpf_map__set_max_entries(bpf->maps.listeners, steer->workers) != 0 ||
	    bpf_map__set_max_entries(bpf->maps.counts, steer->workers) != 0)
		return kiln_fail(err, KILN_E_NO_MEMORY, "cannot size the steering tables");
	int rc = bpf_map__reuse_fd(bpf->maps.board, board->fd);
	if (rc == 0)
		rc = steer_bpf__load(bpf);
	if (rc != 0)
		return kiln_bpf_fail(err, -rc, "steering");
	return KILN_OK;
}

enum kiln_code kiln_steer_open(struct kiln_steer **out, const struct kiln_board *board,
			       const unsigned *cpu_of_worker, struct kiln_error *err)
{
	*out = NULL;
	struct kiln_steer *steer = calloc(1, sizeof *steer);
	if (steer == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for steering");

	kiln_bpf_capture_start();
	enum kiln_code code;
	steer->workers = board->workers;
	steer->cpus = libbpf_num_possible_cpus();
	steer->bpf = steer_bpf__open();
	if (steer->cpus < 1 || steer->bpf == NULL)
		code = kiln_bpf_fail(err, steer->cpus < 1 ? -steer->cpus : errno, "steering");
	else
		code = set_up(steer, board, cpu_of_worker, err);
	kiln_bpf_capture_end();

	if (code != KILN_OK) {
		kiln_steer_close(steer);
		return code;
	}
	*out = steer;
	return KILN_OK;
}

/* The array gives back a socket's cookie. Putting the same socket in again would be refused. */
static bool sits_there(int map, uint32_t slot, int fd)
{
	uint64_t there = 0, cookie = 0;
	socklen_t len = sizeof cookie;

	return bpf_map_lookup_elem(map, &slot, &there) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &len) == 0 && there == cookie;
}

enum kiln_code kiln_steer_attach(struct kiln_steer *steer, const int *listen_fds,
				 struct kiln_error *err)
{
	int map = bpf_map__fd(steer->bpf->maps.listeners);
	int prog = bpf_program__fd(steer->bpf->progs.kiln_steer);
	int any = -1;

	for (uint32_t i = 0; i < steer->workers; i++) {
		uint64_t fd = (uint64_t)listen_fds[i];
		if (listen_fds[i] < 0)
			continue;
		any = listen_fds[i];
		if (sits_there(map, i, listen_fds[i]))
			continue;
		if (bpf_map_update_elem(map, &i, &fd, BPF_ANY) != 0)
			return kiln_fail_errno(err, KILN_E_SYSTEM, errno,
					       "cannot steer to worker %u: its socket must listen, "
					       "with SO_REUSEPORT set before bind",
					       (unsigned)i);
	}
	if (any < 0)
		return kiln_fail(err, KILN_E_USAGE, "there is no listener to steer to");
	if (setsockopt(any, SOL_SOCKET, SO_ATTACH_REUSEPORT_EBPF, &prog, sizeof prog) != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno,
				       "cannot attach the steering program to the listeners");
	return KILN_OK;
}

void kiln_steer_counts(struct kiln_steer *steer, uint64_t *steered, uint64_t *skipped)
{
	int map = bpf_map__fd(steer->bpf->maps.counts);
	struct kiln_steer_count *per_cpu = calloc((size_t)steer->cpus, sizeof *per_cpu);

	for (uint32_t i = 0; i < steer->workers; i++) {
		uint64_t sum[2] = {0, 0};
		if (per_cpu != NULL && bpf_map_lookup_elem(map, &i, per_cpu) == 0) {
			for (int cpu = 0; cpu < steer->cpus; cpu++) {
				sum[0] += per_cpu[cpu].steered;
				sum[1] += per_cpu[cpu].skipped;
			}
		}
		if (steered != NULL)
			steered[i] = sum[0];
		if (skipped != NULL)
			skipped[i] = sum[1];
	}
	free(per_cpu);
}

void kiln_steer_close(struct kiln_steer *steer)
{
	if (steer == NULL)
		return;
	steer_bpf__destroy(steer->bpf);
	free(steer);
}
