/* SPDX-License-Identifier: Apache-2.0
 * Workers that hang; see watch.h. */
#include "supervisor/watch.h"

#include "log/log.h"
#include "supervisor/reload.h"

#define LOOK_MS 1000u

static void begin_line(struct kiln_log_line *line, enum kiln_log_level level, const char *event,
		       const struct kiln_child *child)
{
	kiln_log_begin(line, level, event);
	kiln_log_u64(line, "worker", child->index);
	kiln_log_i64(line, "pid", child->pid);
}

static void log_slow(const struct kiln_child *child, const char *waiting_for)
{
	struct kiln_log_line line;
	begin_line(&line, KILN_LOG_ERROR, "worker_slow", child);
	kiln_log_str(&line, "waiting_for", waiting_for);
	kiln_log_end(&line);
}

static void check_ready(const struct kiln_supervisor *s, struct kiln_child *child)
{
	if (child->said_slow || s->now - child->started_at < KILN_READY_MS)
		return;
	child->said_slow = true;
	log_slow(child, "ready");
}

static void check_reload(struct kiln_supervisor *s, struct kiln_child *child)
{
	if (child->reloads == 0 || s->now - child->reload_sent_at < KILN_RELOAD_MS)
		return;
	log_slow(child, "reload");
	kiln_reload_give_up(s, child->index);
}

static void set_stuck(struct kiln_supervisor *s, struct kiln_child *child, bool stuck)
{
	struct kiln_log_line line;
	child->stuck = stuck;
	kiln_listeners_set_ready(&s->listeners, child->index, !stuck);
	begin_line(&line, stuck ? KILN_LOG_ERROR : KILN_LOG_INFO,
		   stuck ? "worker_stuck" : "worker_turns", child);
	kiln_log_u64(&line, "connections", s->counters[child->slot].active);
	kiln_log_end(&line);
}

/* Looks are counted, not time: a supervisor that was stopped itself has seen nothing meanwhile. */
static void check_turns(struct kiln_supervisor *s, struct kiln_child *child)
{
	const uint64_t turns = s->counters[child->slot].turns;
	child->looks = turns == child->turns ? child->looks + 1 : 0;
	child->turns = turns;
	if (!child->stuck && child->looks >= KILN_STUCK_MS / LOOK_MS)
		set_stuck(s, child, true);
	else if (child->stuck && child->looks == 0)
		set_stuck(s, child, false);
}

static void look(struct kiln_supervisor *s)
{
	for (unsigned i = 0; i < s->workers; i++) {
		struct kiln_child *child = &s->children[i];
		if (child->pid == 0 || child->draining)
			continue;
		check_reload(s, child);
		if (child->ready)
			check_turns(s, child);
		else
			check_ready(s, child);
	}
}

int kiln_watch_workers(struct kiln_supervisor *s)
{
	if (s->stopping)
		return -1;
	if (s->now >= s->look_at) {
		look(s);
		s->look_at = s->now + LOOK_MS;
	}
	return kiln_ms_until(s, s->look_at);
}
