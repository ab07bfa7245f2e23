/* SPDX-License-Identifier: Apache-2.0
 * The life of a worker process, from fork to exit. */
#ifndef KILN_SUPERVISOR_WORKER_PROCESS_H
#define KILN_SUPERVISOR_WORKER_PROCESS_H

#include "supervisor/listeners.h"
#include "supervisor/material.h"
#include "worker/settings.h"

struct kiln_worker_job {
	const struct kiln_gateway_options *options;
	const struct kiln_settings *settings;
	struct kiln_listeners *listeners;
	struct kiln_material *material; /* wiped in the worker once it is used */
	struct kiln_counters *counters;
	unsigned index;
	int cpu; /* to stay on, -1 for any */
	int channel;
	int agent; /* to the identity agent; -1 without one */
};

/* Runs the worker; returns its exit status. The caller has just forked. */
int kiln_worker_process(const struct kiln_worker_job *job);

#endif
