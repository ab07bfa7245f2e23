/* SPDX-License-Identifier: Apache-2.0
 * SIGHUP; see reload.h. */
#include "supervisor/reload.h"

#include <errno.h>
#include <unistd.h>

#include "log/log.h"

#define HINT "the previous certificates stay in use"

static void log_worker_failure(struct kiln_supervisor *s, unsigned i, const char *why)
{
	struct kiln_log_line line;
	s->reload_failed = true;
	kiln_log_begin(&line, KILN_LOG_ERROR, "reload_failed");
	kiln_log_u64(&line, "worker", i);
	kiln_log_str(&line, "error", why);
	kiln_log_str(&line, "hint", HINT " in this worker");
	kiln_log_end(&line);
}

static void log_failure(const struct kiln_error *err)
{
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_ERROR, "reload_failed");
	kiln_log_error(&line, err);
	kiln_log_str(&line, "hint", HINT);
	kiln_log_end(&line);
}

static enum kiln_code load(const struct kiln_supervisor *s, struct kiln_material *material,
			   struct kiln_error *err)
{
	enum kiln_code rc = kiln_material_load(s->options, material, err);
	if (rc != KILN_OK)
		return rc;
	struct kiln_tls_config *config = kiln_material_config(s->options, material, err);
	if (config == NULL) {
		kiln_material_clear(material);
		return err->code;
	}
	kiln_tls_config_unref(config);
	material->targets = s->material.targets;
	return KILN_OK;
}

/* Each worker reads through a file description of its own. */
static void pass_on(struct kiln_supervisor *s, unsigned i)
{
	struct kiln_child *child = &s->children[i];
	struct kiln_error err = {0};
	if (child->pid == 0)
		return; /* its successor starts with the new ones */
	const int fd = kiln_material_to_fd(&s->material, &err);
	if (fd < 0) {
		log_worker_failure(s, i, err.message);
		return;
	}
	/* A worker that is gone needs none; one that lets messages pile up has to be told of. */
	child->reload_sent_at = s->now;
	if (kiln_control_send(child->channel, KILN_MESSAGE_RELOAD, NULL, fd))
		child->reloads++;
	else if (errno == EAGAIN)
		log_worker_failure(s, i, "the worker does not take messages");
	(void)close(fd);
}

void kiln_reload_begin(struct kiln_supervisor *s)
{
	struct kiln_material material;
	struct kiln_error err = {0};
	if (load(s, &material, &err) != KILN_OK) {
		log_failure(&err);
		return;
	}
	kiln_material_clear(&s->material);
	s->material = material;
	s->reloading = true;
	s->reload_failed = false;
	for (unsigned i = 0; i < s->workers; i++)
		pass_on(s, i);
}

void kiln_reload_answered(struct kiln_supervisor *s, unsigned i, const char *failure)
{
	struct kiln_child *child = &s->children[i];
	struct kiln_log_line line;
	if (child->late_answers > 0) {
		child->late_answers--;
		kiln_log_begin(&line, KILN_LOG_WARNING, "reloaded_late");
		kiln_log_u64(&line, "worker", i);
		kiln_log_str(&line, "error", failure);
		kiln_log_end(&line);
		return;
	}
	if (child->reloads > 0)
		child->reloads--;
	if (failure != NULL)
		log_worker_failure(s, i, failure);
}

void kiln_reload_give_up(struct kiln_supervisor *s, unsigned i)
{
	struct kiln_child *child = &s->children[i];
	child->late_answers += child->reloads;
	child->reloads = 0;
	log_worker_failure(s, i, "the worker does not answer");
}

void kiln_reload_watch(struct kiln_supervisor *s)
{
	struct kiln_log_line line;
	for (unsigned i = 0; i < s->workers; i++)
		if (s->children[i].reloads > 0)
			return;
	if (s->reloading && !s->reload_failed) {
		kiln_log_begin(&line, KILN_LOG_INFO, "reloaded");
		kiln_log_end(&line);
	}
	s->reloading = false;
}
