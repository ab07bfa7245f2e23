/* SPDX-License-Identifier: Apache-2.0
 * Worker processes from the supervisor's side: start, listen, replace. */
#include "supervisor/children.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log/log.h"
#include "supervisor/reload.h"

#define RESTART_MAX_MS 5000u

static void close_inherited(struct kiln_supervisor *s, unsigned self)
{
	(void)close(s->signals);
	kiln_lookup_forget(&s->lookup);
	kiln_agent_child_forget(s);
	for (unsigned i = 0; i < s->workers; i++)
		if (i != self && s->children[i].channel > 0)
			(void)close(s->children[i].channel);
	for (unsigned i = 0; i < s->retired_count; i++)
		if (s->retired[i].channel > 0)
			(void)close(s->retired[i].channel);
}

static bool slot_is_taken(const struct kiln_supervisor *s, unsigned slot)
{
	for (unsigned i = 0; i < s->workers; i++)
		if (s->children[i].pid != 0 && s->children[i].slot == slot)
			return true;
	for (unsigned i = 0; i < s->retired_count; i++)
		if (s->retired[i].slot == slot)
			return true;
	return false;
}

/* Counters that no living worker writes; a new one goes on from what its forerunner counted. */
static unsigned free_slot(const struct kiln_supervisor *s)
{
	unsigned slot = 0;
	while (slot_is_taken(s, slot)) /* there are as many as workers can be alive */
		slot++;
	return slot;
}

bool kiln_children_start(struct kiln_supervisor *s, unsigned i)
{
	struct kiln_child *child = &s->children[i];
	int pair[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return false;
	const unsigned slot = free_slot(s);
	const int agent = kiln_agent_child_channel(s);
	const pid_t pid = fork();
	if (pid == 0) {
		close_inherited(s, i);
		(void)close(pair[0]);
		const struct kiln_worker_job job = {
		    .options = s->options,
		    .settings = &s->settings,
		    .listeners = &s->listeners,
		    .material = &s->material,
		    .counters = &s->counters[slot],
		    .index = i,
		    .cpu = s->cpu_of_worker[i],
		    .channel = pair[1],
		    .agent = agent,
		};
		_exit(kiln_worker_process(&job));
	}
	(void)close(pair[1]);
	if (agent >= 0)
		(void)close(agent);
	if (pid < 0) {
		(void)close(pair[0]);
		return false;
	}
	*child = (struct kiln_child){
	    .pid = pid,
	    .channel = pair[0],
	    .started_at = s->now,
	    .quick_deaths = child->quick_deaths,
	    .index = i,
	    .slot = slot,
	};
	return true;
}

static void log_child(const char *event, enum kiln_log_level level, unsigned i, pid_t pid)
{
	struct kiln_log_line line;
	kiln_log_begin(&line, level, event);
	kiln_log_u64(&line, "worker", i);
	kiln_log_i64(&line, "pid", pid);
	kiln_log_end(&line);
}

/* ---- messages ----------------------------------------------------------------------------- */

/* The worker takes no new connections: another one goes on with its listeners. */
static void retire(struct kiln_supervisor *s, unsigned i)
{
	struct kiln_child *child = &s->children[i];
	kiln_listeners_set_ready(&s->listeners, i, false);
	child->draining = true;
	if (s->stopping)
		return;
	log_child("worker_draining", KILN_LOG_INFO, i, child->pid);
	if (s->retired_count == KILN_RETIRED_MAX)
		return; /* replaced when it has exited */
	s->retired[s->retired_count++] = *child;
	memset(child, 0, sizeof *child);
	if (!kiln_children_start(s, i))
		child->start_again_at = s->now + KILN_QUICK_DEATH_MS;
}

void kiln_children_listen(struct kiln_supervisor *s, unsigned i)
{
	struct kiln_child *child = &s->children[i];
	struct kiln_message message;
	int fd;
	while (child->channel > 0 && kiln_control_receive(child->channel, &message, &fd) == 1) {
		if (fd >= 0)
			(void)close(fd);
		switch ((enum kiln_message_type)message.type) {
		case KILN_MESSAGE_READY:
			child->ready = true;
			memcpy(s->engine, message.text, sizeof s->engine);
			kiln_listeners_set_ready(&s->listeners, i, true);
			if (s->announced)
				log_child("worker_started", KILN_LOG_INFO, i, child->pid);
			break;
		case KILN_MESSAGE_DRAINING: retire(s, i); return;
		case KILN_MESSAGE_RELOAD_FAILED: kiln_reload_answered(s, i, message.text); break;
		case KILN_MESSAGE_RELOADED: kiln_reload_answered(s, i, NULL); break;
		case KILN_MESSAGE_AGENT_CHANNEL:
		case KILN_MESSAGE_RELOAD:
		case KILN_MESSAGE_TARGETS:
		case KILN_MESSAGE_DRAIN:
		case KILN_MESSAGE_STOP: break;
		}
	}
}

/* ---- ends --------------------------------------------------------------------------------- */

static void begin_death(struct kiln_log_line *line, const char *event,
			const struct kiln_supervisor *s, const struct kiln_child *child)
{
	kiln_log_begin(line, KILN_LOG_ERROR, event);
	kiln_log_u64(line, "worker", child->index);
	kiln_log_i64(line, "pid", child->pid);
	kiln_log_u64(line, "connections", s->counters[child->slot].active);
}

/* again_in is -1 for a worker that is not replaced. */
static void log_death(const struct kiln_supervisor *s, const struct kiln_child *child, int status,
		      int64_t again_in)
{
	struct kiln_log_line line;
	begin_death(&line, "worker_died", s, child);
	if (WIFSIGNALED(status))
		kiln_log_str(&line, "signal", sigabbrev_np(WTERMSIG(status)));
	else
		kiln_log_i64(&line, "exit", WEXITSTATUS(status));
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
		kiln_log_str(
		    &line, "hint",
		    "a system call that the sandbox does not allow; with KILN_SECCOMP=log it "
		    "is named in the kernel's log instead");
	if (again_in >= 0)
		kiln_log_i64(&line, "restart_in_ms", again_in);
	kiln_log_end(&line);
}

/* expected: it was told to end, and an exit status of 0 is what it owes. */
static void take_status(struct kiln_supervisor *s, const struct kiln_child *child, int status,
			bool expected, int64_t again_in)
{
	const bool clean = WIFEXITED(status) && WEXITSTATUS(status) == 0;
	if (!clean && s->stopping)
		s->failed = true;
	if (!child->killed && (!clean || !expected))
		log_death(s, child, status, again_in);
	else if (!child->killed && !s->stopping)
		log_child("worker_drained", KILN_LOG_INFO, child->index, child->pid);
	s->counters[child->slot].active = 0;
}

static void kill_one(const struct kiln_supervisor *s, struct kiln_child *child)
{
	struct kiln_log_line line;
	if (child->pid == 0 || child->killed)
		return;
	child->killed = true;
	begin_death(&line, "worker_killed", s, child);
	kiln_log_str(&line, "hint", "it did not end when it had to (--shutdown-timeout)");
	kiln_log_end(&line);
	(void)kill(child->pid, SIGKILL);
}

void kiln_children_kill(struct kiln_supervisor *s)
{
	for (unsigned i = 0; i < s->workers; i++)
		kill_one(s, &s->children[i]);
	for (unsigned i = 0; i < s->retired_count; i++)
		kill_one(s, &s->retired[i]);
}

uint64_t kiln_restart_delay(unsigned quick_deaths)
{
	if (quick_deaths == 0)
		return 0;
	const unsigned shift = quick_deaths < 7 ? quick_deaths : 7;
	const uint64_t delay = UINT64_C(50) << shift;
	return delay < RESTART_MAX_MS ? delay : RESTART_MAX_MS;
}

static void ended(struct kiln_supervisor *s, unsigned i, int status)
{
	struct kiln_child *child = &s->children[i];
	const bool expected = s->stopping || child->draining;
	kiln_listeners_set_ready(&s->listeners, i, false);
	(void)close(child->channel);
	if (!s->announced && !child->ready)
		s->failed = true; /* it said why */
	child->quick_deaths = !expected && s->now - child->started_at < KILN_QUICK_DEATH_MS
				  ? child->quick_deaths + 1
				  : 0;
	const bool again = !s->stopping && !s->failed;
	const uint64_t delay = kiln_restart_delay(child->quick_deaths);
	take_status(s, child, status, expected, again ? (int64_t)delay : -1);
	child->pid = 0;
	child->channel = 0;
	child->reloads = 0;
	child->ready = child->draining = false;
	if (again)
		child->start_again_at = s->now + delay;
}

static void retired_ended(struct kiln_supervisor *s, unsigned i, int status)
{
	take_status(s, &s->retired[i], status, true, -1);
	(void)close(s->retired[i].channel);
	s->retired[i] = s->retired[--s->retired_count];
}

void kiln_children_reap(struct kiln_supervisor *s)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		kiln_lookup_ended(&s->lookup, pid);
		kiln_agent_child_ended(s, pid, status);
		for (unsigned i = 0; i < s->retired_count; i++)
			if (s->retired[i].pid == pid)
				retired_ended(s, i--, status);
		for (unsigned i = 0; i < s->workers; i++)
			if (s->children[i].pid == pid) {
				kiln_children_listen(s, i); /* its last words */
				if (s->children[i].pid == pid)
					ended(s, i, status);
				else
					retired_ended(s, s->retired_count - 1, status);
			}
	}
}

int kiln_ms_until(const struct kiln_supervisor *s, uint64_t when)
{
	if (when <= s->now)
		return 0;
	return when - s->now < INT_MAX ? (int)(when - s->now) : INT_MAX;
}

int kiln_sooner(int a, int b)
{
	return a < 0 || (b >= 0 && b < a) ? b : a;
}

int kiln_children_restart(struct kiln_supervisor *s)
{
	int wait = -1;
	for (unsigned i = 0; i < s->workers && !s->stopping && !s->failed; i++) {
		struct kiln_child *child = &s->children[i];
		if (child->pid != 0 || child->start_again_at == 0)
			continue;
		if (child->start_again_at <= s->now) {
			if (!kiln_children_start(s, i))
				child->start_again_at = s->now + RESTART_MAX_MS;
		}
		if (child->start_again_at > s->now)
			wait = kiln_sooner(wait, kiln_ms_until(s, child->start_again_at));
	}
	return wait;
}

unsigned kiln_children_alive(const struct kiln_supervisor *s)
{
	unsigned alive = s->retired_count;
	for (unsigned i = 0; i < s->workers; i++)
		alive += s->children[i].pid != 0;
	return alive;
}
