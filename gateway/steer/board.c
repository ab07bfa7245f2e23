/* SPDX-License-Identifier: Apache-2.0
 * The workers' seats, and what a fair share is; see board.h. */
#include "steer/board.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "steer/bpf_error.h"

/* A share is the mean, a quarter more, and this: few connections follow their CPU freely. */
#define SLACK 8u

#define LOADS_A_CHANGE 16u

#define LOAD(field)         __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define STORE(field, value) __atomic_store_n(&(field), (value), __ATOMIC_RELAXED)

static void clear_seat(struct kiln_steer_seat *seat)
{
	STORE(seat->ready, 0);
	STORE(seat->active, 0);
	STORE(seat->arriving, 0);
	STORE(seat->limit, SLACK);
}

enum kiln_code kiln_board_open(struct kiln_board *board, unsigned workers, struct kiln_error *err)
{
	const struct bpf_map_create_opts options = {.sz = sizeof options,
						    .map_flags = BPF_F_MMAPABLE};

	memset(board, 0, sizeof *board);
	if (workers == 0 || workers > KILN_STEER_WORKERS_MAX)
		return kiln_fail(err, KILN_E_USAGE, "steering takes 1 to %d workers, not %u",
				 KILN_STEER_WORKERS_MAX, workers);
	const int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "kiln_board", sizeof(__u32),
				      sizeof *board->shared, 1, &options);
	if (fd < 0)
		return kiln_bpf_fail(err, -fd, "steering");
	void *shared = mmap(NULL, sizeof *board->shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (shared == MAP_FAILED) {
		const int failed = errno;
		(void)close(fd);
		return kiln_bpf_fail(err, failed, "steering");
	}
	*board = (struct kiln_board){.shared = shared, .fd = fd, .workers = workers};
	for (unsigned i = 0; i < workers; i++)
		clear_seat(&board->shared->seats[i]);
	return KILN_OK;
}

enum kiln_code kiln_board_set_ready(struct kiln_board *board, unsigned worker, bool ready,
				    struct kiln_error *err)
{
	if (worker >= board->workers)
		return kiln_fail(err, KILN_E_USAGE, "there is no worker %u to steer to", worker);
	if (ready)
		STORE(board->shared->seats[worker].ready, 1);
	else
		clear_seat(&board->shared->seats[worker]);
	return KILN_OK;
}

uint32_t kiln_board_limit(uint64_t total, unsigned ready, uint32_t most)
{
	const uint64_t limit = total * 5 / (ready * 4ULL) + SLACK;
	const uint32_t full = most > 0 ? most - 1 : 0;

	return limit < full ? (uint32_t)limit : full;
}

static void weigh(struct kiln_board *board, unsigned worker, uint32_t active, uint32_t most)
{
	struct kiln_steer_seat *seats = board->shared->seats;
	uint64_t total = active;
	unsigned ready = 1;

	for (unsigned i = 0; i < board->workers; i++) {
		if (i == worker || LOAD(seats[i].ready) == 0)
			continue;
		total += LOAD(seats[i].active);
		ready++;
	}
	STORE(seats[worker].limit, kiln_board_limit(total, ready, most));
}

/* A worker that may take no more says so at once; the mean can wait for a few changes. */
static void publish(struct kiln_board *board, unsigned worker, uint32_t active, uint32_t most)
{
	STORE(board->shared->seats[worker].active, active);
	board->changes += LOADS_A_CHANGE;
	if (board->changes < board->workers && active < most)
		return;
	board->changes = 0;
	weigh(board, worker, active, most);
}

void kiln_board_accepted(struct kiln_board *board, unsigned worker, uint32_t active, uint32_t most)
{
	if (board == NULL || board->shared == NULL)
		return;
	publish(board, worker, active, most);
	/* It has arrived. Where the program counts at the same moment, one too many is an estimate
	 * as good; below 0 would not be. */
	__u32 *arriving = &board->shared->seats[worker].arriving;
	__u32 before = LOAD(*arriving);
	if (before > 0)
		(void)__atomic_compare_exchange_n(arriving, &before, before - 1, false,
						  __ATOMIC_RELAXED, __ATOMIC_RELAXED);
}

void kiln_board_ended(struct kiln_board *board, unsigned worker, uint32_t active, uint32_t most)
{
	if (board != NULL && board->shared != NULL)
		publish(board, worker, active, most);
}

void kiln_board_keep_memory(struct kiln_board *board)
{
	if (board->shared == NULL || board->fd < 0)
		return;
	(void)close(board->fd);
	board->fd = -1;
}

void kiln_board_close(struct kiln_board *board)
{
	if (board == NULL || board->shared == NULL)
		return;
	(void)munmap(board->shared, sizeof *board->shared);
	if (board->fd >= 0)
		(void)close(board->fd);
	memset(board, 0, sizeof *board);
}
