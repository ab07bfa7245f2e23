/* SPDX-License-Identifier: Apache-2.0
 * The supervisor's log lines: what runs, how, and what it cannot do here. */
#include "supervisor/announce.h"

#include <stdio.h>
#include <unistd.h>

#include "log/log.h"
#include "worker/path.h"

#define PROGRESS_MS 10000u

static void log_plain_target(const struct kiln_supervisor *s)
{
	const struct kiln_gateway_options *o = s->options;
	if (o->mode != KILN_GATEWAY_SERVER)
		return;
	for (size_t i = 0; i < s->material.targets.count; i++) {
		if (kiln_address_is_loopback(&s->material.targets.at[i].addr))
			continue;
		struct kiln_log_line line;
		kiln_log_begin(&line, KILN_LOG_WARNING, "plain_target");
		kiln_log_str(&line, "target", o->target_text);
		kiln_log_str(
		    &line, "hint",
		    "bytes leave this machine unencrypted; --unsafe-target says that it is meant");
		kiln_log_end(&line);
		return;
	}
}

/* A client side that listens beyond this machine lends its identity to whoever reaches it. */
static void log_plain_listen(const struct kiln_supervisor *s)
{
	for (unsigned g = 0; s->settings.role == KILN_CLIENT && g < s->listeners.group_count; g++) {
		const struct kiln_listen_group *group = &s->listeners.groups[g];
		if (kiln_address_is_loopback(&group->endpoint.addr))
			continue;
		struct kiln_log_line line;
		kiln_log_begin(&line, KILN_LOG_WARNING, "plain_listen");
		kiln_log_str(&line, "listen", group->text);
		kiln_log_str(&line, "hint",
			     "whoever reaches this address speaks with this gateway's identity; "
			     "--unsafe-listen says that it is meant");
		kiln_log_end(&line);
	}
}

/* Without capabilities root still owns root's Unix sockets, which Landlock does not see. */
static void log_root(const struct kiln_supervisor *s)
{
	struct kiln_log_line line;
	if (geteuid() != 0 || s->options->user != NULL)
		return;
	kiln_log_begin(&line, KILN_LOG_WARNING, "workers_are_root");
	kiln_log_str(
	    &line, "hint",
	    "--user NAME, or User= of systemd: a worker that is broken into is no root then");
	kiln_log_end(&line);
}

void kiln_announce_start(const struct kiln_supervisor *s)
{
	struct kiln_log_line line;
	log_root(s);
	if (!s->options->unsafe_plain) {
		log_plain_target(s);
		log_plain_listen(s);
	}
	if (s->settings.ktls != KILN_KTLS_OFF && s->settings.kernel.reason[0] != '\0') {
		kiln_log_begin(&line, KILN_LOG_WARNING, "no_ktls");
		kiln_log_str(&line, "reason", s->settings.kernel.reason);
		kiln_log_str(&line, "hint",
			     "records are protected in user space; see `kiln doctor`");
		kiln_log_end(&line);
	}
	if (s->listeners.steering[0] != '\0') {
		kiln_log_begin(&line, KILN_LOG_WARNING, "no_steering");
		kiln_log_str(&line, "reason", s->listeners.steering);
		kiln_log_str(&line, "hint",
			     "the kernel's hash spreads connections over the workers");
		kiln_log_end(&line);
	}
}

void kiln_announce_ready(const struct kiln_supervisor *s)
{
	for (unsigned g = 0; g < s->listeners.group_count; g++) {
		const struct kiln_listen_group *group = &s->listeners.groups[g];
		struct kiln_log_line line;
		kiln_log_begin(&line, KILN_LOG_INFO, "ready");
		kiln_log_str(&line, "version", KILN_VERSION);
		kiln_log_str(&line, "mode", s->settings.role == KILN_SERVER ? "server" : "client");
		kiln_log_str(&line, "listen", group->text);
		kiln_log_str(&line, s->options->handoff ? "handoff" : "target",
			     s->options->target_text);
		kiln_log_u64(&line, "workers", s->workers);
		kiln_log_str(&line, "engine", s->engine);
		kiln_log_str(&line, "path",
			     s->settings.ktls != KILN_KTLS_OFF &&
				     s->settings.kernel.reason[0] == '\0'
				 ? "ktls"
				 : "userspace");
		kiln_log_str(&line, "steering", group->steer != NULL ? "ebpf" : "kernel");
		kiln_log_u64(&line, "max_connections",
			     (uint64_t)s->settings.max_connections * s->workers);
		kiln_log_i64(&line, "pid", getpid());
		kiln_log_end(&line);
	}
}

static uint64_t active(const struct kiln_supervisor *s)
{
	uint64_t sum = 0;
	for (unsigned i = 0; i < s->slots; i++)
		sum += s->counters[i].active;
	return sum;
}

void kiln_announce_stop(const struct kiln_supervisor *s)
{
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_INFO, "stopping");
	kiln_log_u64(&line, "connections", active(s));
	kiln_log_u64(&line, "timeout_ms", s->options->shutdown_timeout);
	kiln_log_end(&line);
}

int kiln_announce_progress(struct kiln_supervisor *s)
{
	struct kiln_log_line line;
	if (s->progress_at == 0) {
		s->progress_at = s->now + PROGRESS_MS;
	} else if (s->now >= s->progress_at) {
		s->progress_at = s->now + PROGRESS_MS;
		kiln_log_begin(&line, KILN_LOG_INFO, "still_stopping");
		kiln_log_u64(&line, "connections", active(s));
		kiln_log_u64(&line, "workers", kiln_children_alive(s));
		kiln_log_i64(&line, "left_ms", kiln_ms_until(s, s->stop_at));
		kiln_log_end(&line);
	}
	return kiln_ms_until(s, s->progress_at);
}

void kiln_announce_counters(const struct kiln_supervisor *s)
{
	struct kiln_counters sum = {0};
	for (unsigned i = 0; i < s->slots; i++) {
		const struct kiln_counters *c = &s->counters[i];
		sum.accepted += c->accepted;
		sum.active += c->active;
		sum.refused_limit += c->refused_limit;
		sum.accept_errors += c->accept_errors;
		sum.handshakes_ok += c->handshakes_ok;
		sum.handshakes_failed += c->handshakes_failed;
		sum.access_denied += c->access_denied;
		for (unsigned p = 0; p < KILN_PATH_REASONS; p++)
			sum.path[p] += c->path[p];
		sum.handed_off += c->handed_off;
		sum.handoff_failed += c->handoff_failed;
		sum.handoff_late += c->handoff_late;
		sum.handoff_lost += c->handoff_lost;
		sum.target_failed += c->target_failed;
		sum.truncated += c->truncated;
		sum.no_close_notify += c->no_close_notify;
		sum.timeouts += c->timeouts;
		sum.key_updates += c->key_updates;
		sum.key_update_impossible += c->key_update_impossible;
		sum.record_limit += c->record_limit;
		sum.bytes_up += c->bytes_up;
		sum.bytes_down += c->bytes_down;
		sum.buffers_peak += c->buffers_peak;
	}
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_INFO, "counters");
	kiln_log_u64(&line, "accepted", sum.accepted);
	kiln_log_u64(&line, "active", sum.active);
	kiln_log_u64(&line, "handshakes", sum.handshakes_ok);
	kiln_log_u64(&line, "handshakes_failed", sum.handshakes_failed);
	kiln_log_u64(&line, "access_denied", sum.access_denied);
	for (unsigned p = 0; p < KILN_PATH_REASONS; p++)
		if (p == KILN_PATH_KTLS || sum.path[p] > 0) {
			char key[48];
			(void)snprintf(key, sizeof key, "path_%s",
				       kiln_path_name((enum kiln_path_reason)p));
			kiln_log_u64(&line, key, sum.path[p]);
		}
	if (s->options->handoff) {
		kiln_log_u64(&line, "handed_off", sum.handed_off);
		kiln_log_u64(&line, "handoff_failed", sum.handoff_failed);
		kiln_log_u64(&line, "handoff_late", sum.handoff_late);
		kiln_log_u64(&line, "handoff_lost", sum.handoff_lost);
	}
	kiln_log_u64(&line, "target_failed", sum.target_failed);
	kiln_log_u64(&line, "truncated", sum.truncated);
	kiln_log_u64(&line, "no_close_notify", sum.no_close_notify);
	kiln_log_u64(&line, "timeouts", sum.timeouts);
	kiln_log_u64(&line, "key_updates", sum.key_updates);
	kiln_log_u64(&line, "key_update_impossible", sum.key_update_impossible);
	kiln_log_u64(&line, "record_limit", sum.record_limit);
	kiln_log_u64(&line, "limit_reached", sum.refused_limit);
	kiln_log_u64(&line, "accept_errors", sum.accept_errors);
	kiln_log_u64(&line, "bytes_up", sum.bytes_up);
	kiln_log_u64(&line, "bytes_down", sum.bytes_down);
	kiln_log_u64(&line, "buffers_peak", sum.buffers_peak);
	kiln_log_end(&line);
}

void kiln_announce_end(const struct kiln_supervisor *s)
{
	struct kiln_log_line line;
	kiln_log_begin(&line, s->failed ? KILN_LOG_ERROR : KILN_LOG_INFO, "stopped");
	kiln_log_end(&line);
}

void kiln_announce_failure(const struct kiln_error *err)
{
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_ERROR, "cannot_start");
	kiln_log_error(&line, err);
	kiln_log_end(&line);
}
