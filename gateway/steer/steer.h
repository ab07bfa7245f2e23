/* SPDX-License-Identifier: Apache-2.0
 *
 * Steering: which worker gets a new connection (bpf/steer.bpf.c). One struct kiln_steer per
 * listening address, owned by the supervisor:
 *
 *   open      loads the program; needs CAP_BPF and CAP_NET_ADMIN, so before privileges are dropped
 *   attach    puts the workers' listeners in; again after a listener was replaced
 *
 * Who takes connections, and how loaded each is, stands on the board (board.h). While nobody is
 * ready the kernel's own hash spreads the connections over all listeners, as it does without
 * steering. A worker that is no longer ready keeps what already waits in its accept queue. When a
 * listener is closed, the program also finds a new place for the connections left in its queue. Not
 * thread-safe.
 */
#ifndef KILN_GATEWAY_STEER_H
#define KILN_GATEWAY_STEER_H

#include "steer/board.h"

struct kiln_steer;

/* The workers are the board's, which must stay. cpu_of_worker[i] is the CPU that worker i is bound
 * to; NULL spreads workers over CPUs by number. KILN_E_PERMISSION and KILN_E_UNSUPPORTED say what
 * would help; the caller then goes on without steering. */
enum kiln_code kiln_steer_open(struct kiln_steer **out, const struct kiln_board *board,
			       const unsigned *cpu_of_worker,
			       struct kiln_error *err) KILN_NODISCARD;

/* listen_fds[i] is the listener of worker i, or -1 to leave its slot as it is. All are listening
 * already, share one address and port, and had SO_REUSEPORT set before bind. They stay the
 * caller's. */
enum kiln_code kiln_steer_attach(struct kiln_steer *steer, const int *listen_fds,
				 struct kiln_error *err) KILN_NODISCARD;

/* Connections steered to each worker so far, and how often another got a connection of its CPU
 * (NULL: not wanted). Arrays of as many as there are workers; zeros when the kernel does not
 * answer. */
void kiln_steer_counts(struct kiln_steer *steer, uint64_t *steered, uint64_t *skipped);

/* The program stays in force until the last listener is closed. NULL is fine. */
void kiln_steer_close(struct kiln_steer *steer);

#endif
