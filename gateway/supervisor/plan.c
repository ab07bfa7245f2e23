/* SPDX-License-Identifier: Apache-2.0
 * Planning workers and settings; see plan.h. */
#include "supervisor/plan.h"

#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include <kiln/handoff.h>

#include "doctor/probe.h"

/* Descriptors of a worker that are not connections': listeners, ring, log, channel. */
#define OTHER_FDS UINT64_C(64)

_Static_assert(KILN_OPTION_WORKERS_MAX <= KILN_WORKERS_MAX, "what was asked for can be had");

void kiln_plan_limits(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	(void)setrlimit(RLIMIT_NOFILE, &limit); /* fewer connections without; said by kiln doctor */
}

void kiln_plan_workers(const struct kiln_gateway_options *o, unsigned *workers,
		       int cpu_of_worker[KILN_WORKERS_MAX])
{
	cpu_set_t set;
	CPU_ZERO(&set);
	if (sched_getaffinity(0, sizeof set, &set) != 0)
		CPU_SET(0, &set);
	const unsigned cpus = (unsigned)CPU_COUNT(&set);
	*workers = o->workers > 0 ? o->workers : cpus;
	if (*workers > KILN_WORKERS_MAX)
		*workers = KILN_WORKERS_MAX;
	int cpu = -1;
	for (unsigned i = 0; i < KILN_WORKERS_MAX; i++) {
		cpu_of_worker[i] = -1;
		/* Fewer CPUs than workers: pinning would only stack them up. */
		if (!o->pin_workers || *workers > cpus || i >= *workers)
			continue;
		do
			cpu++;
		while (cpu < CPU_SETSIZE && !CPU_ISSET((unsigned)cpu, &set));
		cpu_of_worker[i] = cpu;
	}
}

static void plan_kernel(struct kiln_kernel_paths *kernel)
{
	struct kiln_ktls_caps caps;
	const enum kiln_code rc = kiln_probe_ktls(NULL, &caps);
	if (rc != KILN_OK || !caps.available)
		(void)snprintf(kernel->reason, sizeof kernel->reason, "%.159s",
			       caps.reason[0] != '\0' ? caps.reason
						      : "the kernel could not be probed");
	kernel->rekey = caps.rekey;
	memcpy(kernel->suite, caps.cipher, sizeof kernel->suite);
}

static unsigned plan_connections(const struct kiln_gateway_options *o, unsigned workers)
{
	struct rlimit limit = {.rlim_cur = 1024};
	(void)getrlimit(RLIMIT_NOFILE, &limit);
	/* Both sides of a relay; handed off, with both ends of two pairs for a moment. */
	const uint64_t each = o->handoff ? 5 : 2;
	uint64_t most =
	    limit.rlim_cur > each * OTHER_FDS ? (limit.rlim_cur - OTHER_FDS) / each : OTHER_FDS / 2;
	const uint64_t wanted = (o->max_connections + workers - 1) / workers;
	if (wanted > 0 && wanted < most)
		most = wanted;
	return most < UINT32_MAX ? (unsigned)most : UINT32_MAX;
}

static uint32_t ms(uint64_t value)
{
	return value < UINT32_MAX ? (uint32_t)value : UINT32_MAX;
}

void kiln_plan_settings(const struct kiln_gateway_options *o, unsigned workers,
			struct kiln_settings *s)
{
	memset(s, 0, sizeof *s);
	s->role = o->mode == KILN_GATEWAY_SERVER ? KILN_SERVER : KILN_CLIENT;
	s->engine = o->engine;
	s->ktls = o->ktls;
	if (o->ktls != KILN_KTLS_OFF)
		plan_kernel(&s->kernel);
	s->handshake_timeout = ms(o->handshake_timeout);
	s->connect_timeout = ms(o->connect_timeout);
	s->send_timeout = ms(o->send_timeout);
	s->idle_timeout = ms(o->idle_timeout);
	s->close_timeout = ms(o->close_timeout);
	s->max_connections = plan_connections(o, workers);
	s->buffer_bytes = o->buffer_memory / workers;
	s->rekey_records = o->rekey_after_records;
	s->proxy_out = o->proxy_send;
	s->proxy_in = o->proxy_accept;
	s->handoff = o->handoff;
	s->handoff_any_own = o->handoff_user == NULL;
	s->handoff_label = o->handoff_label != NULL ? o->handoff_label : KILN_HANDOFF_LABEL;
	s->roast = o->roast;
	s->require_binding = o->require_binding;
	s->roles = o->roles;
	s->role_count = o->role_count;
	(void)snprintf(s->target_name, sizeof s->target_name, "%s", o->target_text);
}
