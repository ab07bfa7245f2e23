/* SPDX-License-Identifier: Apache-2.0
 *
 * The identity agent from the supervisor's side: started before the workers, started again when it
 * dies or hangs, stopped when the last worker is gone. Each worker gets a channel to it, and a new
 * one with every new agent: nothing but its own handshakes notices that one died.
 */
#ifndef KILN_SUPERVISOR_AGENT_CHILD_H
#define KILN_SUPERVISOR_AGENT_CHILD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <kiln/error.h>

struct kiln_gateway_options;
struct kiln_supervisor;

struct kiln_agent_child {
	pid_t pid; /* 0: none */
	int channel;
	uint64_t started_at, start_again_at; /* ms; the latter 0: not waiting */
	unsigned quick_deaths;
	_Atomic uint64_t *turns; /* of its loop, in memory shared with it; NULL before the first */
	uint64_t turns_seen;     /* when it was last looked at */
	uint64_t look_at;        /* ms; the next time */
	unsigned looks;          /* since they have changed */
	bool killed;             /* by us, and that was logged */
};

#define KILN_AGENT_STUCK_MS 5000u /* without a turn */

/* What an agent would only find out when nobody looks any more: the environment is not to be used.
 */
enum kiln_code kiln_agent_child_check(const struct kiln_gateway_options *options,
				      struct kiln_error *err) KILN_NODISCARD;

/* Starts it where it is wanted (--roast); false when it cannot be forked. */
bool kiln_agent_child_start(struct kiln_supervisor *s);

/* One end of a new channel to it, the caller's; -1 without an agent. */
int kiln_agent_child_channel(struct kiln_supervisor *s);

/* It was collected with this status, if it is the one. */
void kiln_agent_child_ended(struct kiln_supervisor *s, pid_t pid, int status);

/* Starts it again when its time has come, and kills one that hangs; returns ms until there is
 * something to do, or -1. */
int kiln_agent_child_watch(struct kiln_supervisor *s);

/* SIGHUP: it looks for its credentials anew. */
void kiln_agent_child_reload(struct kiln_supervisor *s);

/* In a child after fork: its descriptors are the supervisor's. */
void kiln_agent_child_forget(struct kiln_supervisor *s);

/* Tells it to end and waits a moment for that. */
void kiln_agent_child_stop(struct kiln_supervisor *s);

#endif
