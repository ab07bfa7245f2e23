/* SPDX-License-Identifier: Apache-2.0
 * The target's addresses; see target.h. */
#include "supervisor/target.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "log/log.h"

#define TELL_AGAIN_MS 1000 /* a worker that did not take the message */

static bool has_name(const struct kiln_address *target)
{
	return !target->is_unix && !kiln_address_is_number(target->host);
}

static void log_failure(const struct kiln_supervisor *s, const struct kiln_error *err)
{
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_WARNING, "lookup_failed");
	kiln_log_str(&line, "target", s->options->target_text);
	kiln_log_error(&line, err);
	kiln_log_str(&line, "hint", "connections go to the addresses that were found before");
	kiln_log_end(&line);
}

static void log_change(const struct kiln_supervisor *s)
{
	const struct kiln_endpoints *targets = &s->material.targets;
	char all[KILN_ENDPOINTS_MAX * KILN_ADDRESS_TEXT], one[KILN_ADDRESS_TEXT];
	size_t used = 0;
	for (size_t i = 0; i < targets->count && used < sizeof all; i++)
		used += (size_t)snprintf(
		    all + used, sizeof all - used, "%s%s", i > 0 ? " " : "",
		    kiln_address_format(&targets->at[i].addr, targets->at[i].len, one));
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_INFO, "target_changed");
	kiln_log_str(&line, "target", s->options->target_text);
	kiln_log_str(&line, "addresses", all);
	kiln_log_end(&line);
}

static bool contains(const struct kiln_endpoints *all, const struct kiln_endpoint *one)
{
	for (size_t i = 0; i < all->count; i++)
		if (all->at[i].len == one->len &&
		    memcmp(&all->at[i].addr, &one->addr, one->len) == 0)
			return true;
	return false;
}

/* Resolvers turn the order of their answers, which is no news. */
static bool same(const struct kiln_endpoints *a, const struct kiln_endpoints *b)
{
	for (size_t i = 0; i < a->count; i++)
		if (!contains(b, &a->at[i]))
			return false;
	return a->count == b->count;
}

static void take(struct kiln_supervisor *s, const struct kiln_endpoints *found)
{
	if (same(&s->material.targets, found))
		return;
	s->material.targets = *found;
	log_change(s);
	for (unsigned i = 0; i < s->workers; i++)
		s->children[i].target_is_old = s->children[i].pid != 0;
}

/* True when somebody is left who has to be told again later. */
static bool tell(struct kiln_supervisor *s)
{
	bool left = false;
	for (unsigned i = 0; i < s->workers; i++) {
		struct kiln_child *child = &s->children[i];
		if (child->pid == 0 || !child->target_is_old)
			continue;
		child->target_is_old =
		    !kiln_control_send_targets(child->channel, &s->material.targets) &&
		    errno == EAGAIN;
		left = left || child->target_is_old;
	}
	return left;
}

static void begin(struct kiln_supervisor *s)
{
	struct kiln_error err = {0};
	const uint64_t interval = s->options->target_refresh;
	s->look_again = false;
	s->refresh_at = interval > 0 ? s->now + interval : 0;
	if (kiln_lookup_begin(&s->lookup, &s->options->target, &s->material, s->now, &err) !=
	    KILN_OK)
		log_failure(s, &err);
}

void kiln_target_look_up(struct kiln_supervisor *s)
{
	s->look_again = has_name(&s->options->target);
}

int kiln_target_watch(struct kiln_supervisor *s)
{
	struct kiln_endpoints found;
	struct kiln_error err = {0};
	int wait = -1;
	if (s->stopping) {
		kiln_lookup_cancel(&s->lookup);
		return -1;
	}
	if (kiln_lookup_poll(&s->lookup, s->now, &found, &err)) {
		if (err.code == KILN_OK)
			take(s, &found);
		else
			log_failure(s, &err);
	}
	if (s->options->target_refresh > 0 && has_name(&s->options->target)) {
		if (s->refresh_at == 0)
			s->refresh_at = s->now + s->options->target_refresh;
		s->look_again = s->look_again || s->now >= s->refresh_at;
	}
	if (s->look_again && !s->lookup.under_way)
		begin(s);
	if (tell(s))
		wait = TELL_AGAIN_MS;
	if (s->lookup.under_way)
		return kiln_sooner(wait, kiln_ms_until(s, s->lookup.give_up_at));
	return s->refresh_at != 0 ? kiln_sooner(wait, kiln_ms_until(s, s->refresh_at)) : wait;
}
