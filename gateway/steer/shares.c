/* SPDX-License-Identifier: Apache-2.0
 * Spreads workers over CPUs and CPUs over workers, whichever there are more of. */
#include "steer/shares.h"

#include <string.h>

static unsigned home_of(unsigned worker, unsigned cpus, const unsigned *cpu_of_worker)
{
	return cpu_of_worker != NULL ? cpu_of_worker[worker] : worker % cpus;
}

enum kiln_code kiln_steer_shares(struct kiln_steer_share *shares, uint16_t *order, unsigned workers,
				 unsigned cpus, const unsigned *cpu_of_worker,
				 struct kiln_error *err)
{
	struct kiln_steer_share place_of[KILN_STEER_WORKERS_MAX];
	unsigned placed = 0;

	if (workers == 0 || workers > KILN_STEER_WORKERS_MAX)
		return kiln_fail(err, KILN_E_USAGE, "steering takes 1 to %d workers, not %u",
				 KILN_STEER_WORKERS_MAX, workers);
	if (cpus == 0 || cpus > KILN_STEER_CPUS_MAX)
		cpus = cpus == 0 ? 1 : KILN_STEER_CPUS_MAX;
	memset(shares, 0, sizeof *shares * KILN_STEER_CPUS_MAX);
	for (unsigned w = 0; w < workers; w++) {
		unsigned cpu = home_of(w, cpus, cpu_of_worker);
		if (cpu >= KILN_STEER_CPUS_MAX)
			return kiln_fail(err, KILN_E_USAGE,
					 "worker %u cannot be on CPU %u: steering knows %d", w, cpu,
					 KILN_STEER_CPUS_MAX);
		if (shares[cpu].count != 0)
			continue; /* placed with its CPU's first worker */
		shares[cpu].first = (uint16_t)placed;
		for (unsigned peer = w; peer < workers; peer++) {
			if (home_of(peer, cpus, cpu_of_worker) != cpu)
				continue;
			place_of[peer] =
			    (struct kiln_steer_share){.first = (uint16_t)placed, .count = 1};
			order[placed++] = (uint16_t)peer;
			shares[cpu].count++;
		}
	}
	for (unsigned cpu = 0; cpu < KILN_STEER_CPUS_MAX; cpu++)
		if (shares[cpu].count == 0)
			shares[cpu] = place_of[cpu % workers];
	return KILN_OK;
}
