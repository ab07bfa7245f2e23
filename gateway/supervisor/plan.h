/* SPDX-License-Identifier: Apache-2.0
 * From options and the machine to workers and their settings. */
#ifndef KILN_SUPERVISOR_PLAN_H
#define KILN_SUPERVISOR_PLAN_H

#include "cli/options.h"
#include "supervisor/listeners.h"

/* Raises the limit of open files as far as this user may. */
void kiln_plan_limits(void);

/* How many workers, and the CPU of each (-1: any). */
void kiln_plan_workers(const struct kiln_gateway_options *options, unsigned *workers,
		       int cpu_of_worker[KILN_WORKERS_MAX]);

/* Settings for each of the workers; probes the kernel for kTLS. */
void kiln_plan_settings(const struct kiln_gateway_options *options, unsigned workers,
			struct kiln_settings *settings);

#endif
