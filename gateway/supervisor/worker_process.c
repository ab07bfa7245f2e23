/* SPDX-License-Identifier: Apache-2.0
 * A worker process: set up, serve, follow the supervisor's messages, drain, exit. */
#include "supervisor/worker_process.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/bytes.h"
#include "log/log.h"
#include "roast/roast.h"
#include "sandbox/sandbox.h"
#include "supervisor/control.h"
#include "worker/worker.h"

/* After the first packets are dropped, connections whose handshake with this kernel was under way
 * still arrive; they are waited for this long. */
#define LAST_ARRIVALS_MS 200u

struct process {
	struct kiln_worker worker;
	const struct kiln_worker_job *job;
	struct kiln_op channel_op, signal_op;
	struct kiln_deadline last_arrivals, shutdown, pulse;
	int signal_fd;
	bool draining, stopping;
	bool has_left_listeners; /* and has said so */
};

#define PROCESS_OF(pointer, member)                                                                \
	((struct process *)(void *)((char *)(pointer)-offsetof(struct process, member)))

static void say(struct process *p, enum kiln_message_type type, const char *text)
{
	/* A supervisor that is gone shows in the channel's end, which is watched. */
	(void)kiln_control_send(p->job->channel, type, text, -1);
}

/* ---- draining ----------------------------------------------------------------------------- */

/* Said when the kernel has let go of the last accept and not before: a wake-up of the listener is
 * for one waiter, and if that is this process, which only cancels, a successor that shares the
 * listener sleeps on while connections wait. */
static void announce_draining(struct process *p)
{
	if (p->has_left_listeners || !p->worker.accept_over || kiln_worker_is_accepting(&p->worker))
		return;
	p->has_left_listeners = true;
	say(p, KILN_MESSAGE_DRAINING, NULL);
}

static void stop_accepting(struct process *p)
{
	kiln_worker_stop_accepting(&p->worker);
}

static void on_last_arrivals(struct kiln_deadline *deadline)
{
	stop_accepting(PROCESS_OF(deadline, last_arrivals));
}

static void on_shutdown(struct kiln_deadline *deadline)
{
	PROCESS_OF(deadline, shutdown)->stopping = true;
}

/* at_once: the listeners go on under another worker; nothing is waited for. */
static void drain(struct process *p, bool at_once)
{
	struct kiln_worker *worker = &p->worker;
	const uint64_t limit = p->job->options->shutdown_timeout;
	if (p->draining)
		return;
	p->draining = true;
	p->shutdown.expired = on_shutdown;
	p->last_arrivals.expired = on_last_arrivals;
	kiln_deadline_set(&worker->wheel, &p->shutdown, worker->now, (uint32_t)limit);
	if (at_once)
		stop_accepting(p);
	else
		kiln_deadline_set(&worker->wheel, &p->last_arrivals, worker->now, LAST_ARRIVALS_MS);
}

/* Keeps the loop turning while there is nothing to do, so that the supervisor sees it turn. */
static void on_pulse(struct kiln_deadline *deadline)
{
	struct kiln_worker *worker = &PROCESS_OF(deadline, pulse)->worker;
	kiln_deadline_set(&worker->wheel, deadline, worker->now, KILN_PULSE_MS);
}

/* ---- messages ----------------------------------------------------------------------------- */

static void reload(struct process *p, int fd)
{
	struct kiln_material material;
	struct kiln_error err = {0};
	struct kiln_tls_config *config = NULL;
	if (kiln_material_from_fd(fd, &material, &err) == KILN_OK) {
		config = kiln_material_config(p->job->options, &material, &err);
		if (config != NULL)
			p->worker.targets = material.targets;
		kiln_material_clear(&material);
	}
	if (config == NULL) {
		say(p, KILN_MESSAGE_RELOAD_FAILED, err.message);
		return;
	}
	kiln_worker_reconfigure(&p->worker, config);
	say(p, KILN_MESSAGE_RELOADED, NULL);
}

static void on_channel(struct kiln_op *op, const struct kiln_event *event)
{
	struct process *p = PROCESS_OF(op, channel_op);
	struct kiln_message message;
	int fd, got;
	(void)event;
	while ((got = kiln_control_receive(p->job->channel, &message, &fd)) == 1) {
		if (message.type == KILN_MESSAGE_RELOAD && fd >= 0)
			reload(p, fd);
		else if (message.type == KILN_MESSAGE_TARGETS)
			p->worker.targets = message.targets;
		else if (message.type == KILN_MESSAGE_AGENT_CHANNEL && fd >= 0) {
			kiln_asker_use(&p->worker.asker, fd);
			fd = -1;
		} else if (message.type == KILN_MESSAGE_DRAIN)
			drain(p, false);
		else if (message.type == KILN_MESSAGE_STOP)
			p->stopping = true;
		if (fd >= 0)
			(void)close(fd);
	}
	if (got < 0)
		drain(p, true); /* without a supervisor: serve what is here, and go */
	else if (!op->armed)
		kiln_io_poll(p->worker.io, op, p->job->channel);
}

static void on_signal(struct kiln_op *op, const struct kiln_event *event)
{
	struct process *p = PROCESS_OF(op, signal_op);
	struct signalfd_siginfo info;
	(void)event;
	while (read(p->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
		drain(p, true);
	if (!op->armed)
		kiln_io_poll(p->worker.io, op, p->signal_fd);
}

/* ---- set-up ------------------------------------------------------------------------------- */

/* SIGTERM to a worker drains this one. SIGINT and SIGHUP of a terminal are the supervisor's. */
static int open_signals(void)
{
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	const int fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	(void)sigprocmask(SIG_SETMASK, &set, NULL);
	return fd;
}

static void pin(int cpu)
{
	cpu_set_t set;
	CPU_ZERO(&set);
	CPU_SET((unsigned)cpu, &set);
	(void)sched_setaffinity(0, sizeof set, &set); /* a wish: the worker runs anywhere */
}

/* This worker's own listeners stay open; those of the others are theirs. */
static void take_listeners(struct process *p)
{
	struct kiln_listeners *listeners = p->job->listeners;
	for (unsigned g = 0; g < listeners->group_count; g++) {
		struct kiln_listen_group *group = &listeners->groups[g];
		const unsigned mine = group->shared ? 0 : p->job->index;
		for (unsigned i = 0; i < listeners->workers; i++)
			if (i != mine && group->fds[i] >= 0)
				(void)close(group->fds[i]);
		kiln_worker_listen(&p->worker, group->fds[mine]);
		/* The tables that steer everybody's connections are the supervisor's to write. */
		kiln_steer_close(group->steer);
		group->steer = NULL;
	}
	kiln_board_keep_memory(&listeners->board);
}

/* Last of all: from here on no file is opened and no right is held. */
static enum kiln_code enter_sandbox(struct process *p, struct kiln_error *err)
{
	char in_force[KILN_SANDBOX_TEXT];
	const struct kiln_address *target = &p->job->options->target; /* a reload keeps the port */
	enum kiln_code rc = kiln_sandbox_drop_user(p->job->options->user, err);
	if (rc == KILN_OK)
		rc = kiln_sandbox_worker(target->is_unix ? 0 : target->port,
					 p->job->options->handoff, in_force, err);
	if (rc != KILN_OK)
		return rc;
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_INFO, "sandbox");
	kiln_log_str(&line, "in_force", in_force);
	kiln_log_end(&line);
	return KILN_OK;
}

/* AWS secrets are the identity agent's. What came in the environment is in this process too, since
 * the fork: not any more. */
static void forget_aws_secrets(void)
{
	for (char **variable = environ; *variable != NULL; variable++)
		if (strncmp(*variable, "AWS_", 4) == 0)
			kiln_wipe(*variable + 4, strlen(*variable + 4));
}

static enum kiln_code set_up(struct process *p, struct kiln_error *err)
{
	const struct kiln_worker_job *job = p->job;
	char why[160];
	struct kiln_tls_config *config = kiln_material_config(job->options, job->material, err);
	p->worker.targets = job->material->targets;
	const struct kiln_endpoints targets = job->material->targets;
	kiln_material_clear(job->material);
	if (config == NULL)
		return err->code;
	enum kiln_code rc = kiln_worker_init(&p->worker, job->settings, job->index, config,
					     job->counters, why, err);
	kiln_tls_config_unref(config);
	if (rc == KILN_OK && job->options->roast)
		rc = kiln_roast_prepare(err);
	if (rc != KILN_OK)
		return rc;
	p->worker.targets = targets;
	if (job->agent >= 0)
		kiln_asker_use(&p->worker.asker, job->agent);
	take_listeners(p);
	p->worker.board = &job->listeners->board;
	p->pulse.expired = on_pulse;
	on_pulse(&p->pulse);
	p->channel_op.done = on_channel;
	kiln_io_poll(p->worker.io, &p->channel_op, job->channel);
	p->signal_op.done = on_signal;
	kiln_io_poll(p->worker.io, &p->signal_op, p->signal_fd);
	rc = enter_sandbox(p, err);
	if (rc != KILN_OK)
		return rc;
	kiln_worker_accept(&p->worker, true);
	char text[KILN_ERROR_MAX];
	(void)snprintf(text, sizeof text, "%s%s%s", kiln_io_name(p->worker.io),
		       why[0] != '\0' ? ": " : "", why);
	say(p, KILN_MESSAGE_READY, text);
	return KILN_OK;
}

static void log_failure(const struct kiln_error *err)
{
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_ERROR, "worker_failed");
	kiln_log_error(&line, err);
	kiln_log_end(&line);
}

int kiln_worker_process(const struct kiln_worker_job *job)
{
	static struct process process; /* one per process, and too large for a stack */
	static char name[12];
	struct process *p = &process;
	struct kiln_error err = {0};
	memset(p, 0, sizeof *p);
	p->job = job;
	forget_aws_secrets();
	p->signal_fd = open_signals();
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NAME, "kiln-worker", 0, 0, 0);
	(void)snprintf(name, sizeof name, "%u", job->index);
	kiln_log_configure(job->options->log_format, job->options->log_level, "worker", name);
	if (job->cpu >= 0)
		pin(job->cpu);
	enum kiln_code rc = set_up(p, &err);
	if (rc != KILN_OK) {
		log_failure(&err);
		return 1;
	}
	while (rc == KILN_OK && !p->stopping &&
	       (!p->has_left_listeners || !kiln_worker_done(&p->worker))) {
		rc = kiln_worker_turn(&p->worker, &err);
		job->counters->turns++;
		announce_draining(p);
	}
	if (rc != KILN_OK)
		log_failure(&err);
	kiln_worker_close(&p->worker);
	return rc == KILN_OK ? 0 : 1;
}
