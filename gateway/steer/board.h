/* SPDX-License-Identifier: Apache-2.0
 *
 * What the workers tell the steering programs, in shared memory: who takes connections, how many
 * each has, and when it has more than its share. One board for all listening addresses. The
 * supervisor opens it before it forks; each seat is then written by its worker alone, until the
 * supervisor takes it away (ready = false), which it does for a worker that has ended or has said
 * that it drains. No locks: every number is right by itself, and sums of them are estimates.
 */
#ifndef KILN_GATEWAY_STEER_BOARD_H
#define KILN_GATEWAY_STEER_BOARD_H

#include <kiln/error.h>
#include <steer_abi.h>

struct kiln_board {
	struct kiln_steer_board *shared; /* NULL: there is no board, and nothing is steered */
	int fd;                          /* -1: the memory is all that is left */
	unsigned workers;
	unsigned changes; /* of this process since it last looked at the others */
};

/* workers: 1 to 256. Nobody is ready at first. Fails as kiln_steer_open does, and is then what a
 * cleared one is: no board. */
enum kiln_code kiln_board_open(struct kiln_board *board, unsigned workers,
			       struct kiln_error *err) KILN_NODISCARD;

/* One worker takes new connections, or no more: its number is forgotten then, and its successor
 * begins with none. Works without privileges. */
enum kiln_code kiln_board_set_ready(struct kiln_board *board, unsigned worker, bool ready,
				    struct kiln_error *err);

/* The worker's number of connections changed, by one that was accepted or by one that ended. most
 * is how many it may have; with so many it is over its share whatever the others have. Looks at the
 * other workers as often as costs 16 loads a call, for any number of workers. */
void kiln_board_accepted(struct kiln_board *board, unsigned worker, uint32_t active, uint32_t most);
void kiln_board_ended(struct kiln_board *board, unsigned worker, uint32_t active, uint32_t most);

/* For a worker: it writes its seat and needs the memory alone. With the map's descriptor it could
 * do what the kernel lets holders of one do. */
void kiln_board_keep_memory(struct kiln_board *board);

/* The most that a worker may have without being over its share, when ready workers have total
 * connections together. */
uint32_t kiln_board_limit(uint64_t total, unsigned ready, uint32_t most);

/* NULL and a cleared board are fine. */
void kiln_board_close(struct kiln_board *board);

#endif
