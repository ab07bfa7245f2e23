/* SPDX-License-Identifier: Apache-2.0
 * The supervisor's state and its worker processes; for gateway/supervisor only. */
#ifndef KILN_SUPERVISOR_CHILDREN_H
#define KILN_SUPERVISOR_CHILDREN_H

#include <sys/types.h>

#include "supervisor/agent_child.h"
#include "supervisor/control.h"
#include "supervisor/lookup.h"
#include "supervisor/worker_process.h"

struct kiln_child {
	pid_t pid; /* 0: none */
	int channel;
	uint64_t started_at; /* ms */
	unsigned quick_deaths;
	uint64_t start_again_at; /* ms; 0: not waiting */
	unsigned reloads;        /* sent, and not answered yet */
	unsigned late_answers;   /* to those that were given up */
	uint64_t reload_sent_at; /* the last one */
	uint64_t turns;          /* of its loop, when it was last looked at */
	unsigned looks;          /* since they have changed */
	bool ready, draining;
	bool said_slow, stuck; /* was reported to be */
	bool target_is_old;    /* it has to be told of new addresses */
	bool killed;           /* by us, and that was logged */
	unsigned index;        /* as its log lines have it */
	unsigned slot;         /* its counters; nobody else's while it lives */
};

/* Workers that were replaced and still serve what they have. */
#define KILN_RETIRED_MAX 64u

struct kiln_supervisor {
	struct kiln_gateway_options *options;
	struct kiln_settings settings;
	struct kiln_material material;
	struct kiln_listeners listeners;
	struct kiln_counters *counters; /* shared, slots of them; all are summed, also old ones */
	unsigned slots;
	int signals; /* signalfd(2) */
	struct kiln_agent_child agent;
	struct kiln_child children[KILN_WORKERS_MAX];
	struct kiln_child retired[KILN_RETIRED_MAX];
	unsigned workers, retired_count;
	int cpu_of_worker[KILN_WORKERS_MAX];
	char engine[KILN_ERROR_MAX]; /* what the first worker said */
	uint64_t now;                /* ms, monotonic */
	uint64_t stop_at;            /* when what is left is cut; 0: not stopping */
	uint64_t progress_at;        /* when to say again what is left */
	uint64_t look_at;            /* when to look after the workers again */
	bool stopping, announced;
	bool failed;               /* it could not start, or did not stop in order: exit status 1 */
	struct kiln_lookup lookup; /* of the target, while all else goes on */
	bool look_again;           /* asked for while one was under way */
	uint64_t refresh_at;       /* the next one, ms; 0: when asked for */
	bool reloading, reload_failed; /* not every worker has answered; one could not */
};

/* Starts worker i. False when it cannot be forked. */
bool kiln_children_start(struct kiln_supervisor *s, unsigned i);

/* Collects those that ended, and plans their successors. */
void kiln_children_reap(struct kiln_supervisor *s);

/* Kills those that do not end by themselves. */
void kiln_children_kill(struct kiln_supervisor *s);

/* Starts those whose time has come; returns ms until the next one, or -1. */
int kiln_children_restart(struct kiln_supervisor *s);

/* Acts on what worker i has said. */
void kiln_children_listen(struct kiln_supervisor *s, unsigned i);

/* A process that died sooner than this after its start is not started again at once, but after so
 * many ms, by how often that has happened in a row. */
#define KILN_QUICK_DEATH_MS 1000u
uint64_t kiln_restart_delay(unsigned quick_deaths);

/* Times to wait, as poll(2) takes them: -1 is for ever. */
int kiln_ms_until(const struct kiln_supervisor *s, uint64_t when);
int kiln_sooner(int a, int b);

unsigned kiln_children_alive(const struct kiln_supervisor *s);

#endif
