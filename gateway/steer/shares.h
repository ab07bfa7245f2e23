/* SPDX-License-Identifier: Apache-2.0
 *
 * Which workers a CPU's connections go to. Pure, so that every count of workers and CPUs can be
 * tried without a kernel.
 */
#ifndef KILN_GATEWAY_STEER_SHARES_H
#define KILN_GATEWAY_STEER_SHARES_H

#include <kiln/error.h>
#include <steer_abi.h>

/* Fills order with all workers, grouped by CPU, and shares[0..KILN_STEER_CPUS_MAX) with each CPU's
 * part of it. Every worker is in the part of some CPU below cpus, and no part is empty: a CPU
 * without a worker of its own shares those of CPU number modulo workers. */
enum kiln_code kiln_steer_shares(struct kiln_steer_share *shares, uint16_t *order, unsigned workers,
				 unsigned cpus, const unsigned *cpu_of_worker,
				 struct kiln_error *err) KILN_NODISCARD;

#endif
