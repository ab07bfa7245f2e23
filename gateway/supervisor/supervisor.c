/* SPDX-License-Identifier: Apache-2.0
 * The supervisor's set-up and loop; see supervisor.h. */
#include "supervisor/supervisor.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "log/log.h"
#include "sandbox/sandbox.h"
#include "supervisor/announce.h"
#include "supervisor/children.h"
#include "supervisor/plan.h"
#include "supervisor/reload.h"
#include "supervisor/target.h"
#include "supervisor/watch.h"

/* Workers that do not exit this long after they were told to stop are killed. */
#define KILL_AFTER_MS 2000u

static uint64_t monotonic_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static int open_signals(void)
{
	sigset_t set;
	(void)sigemptyset(&set);
	(void)sigaddset(&set, SIGTERM);
	(void)sigaddset(&set, SIGINT);
	(void)sigaddset(&set, SIGHUP);
	(void)sigaddset(&set, SIGCHLD);
	(void)sigaddset(&set, SIGUSR1);
	(void)sigprocmask(SIG_BLOCK, &set, NULL);
	(void)signal(SIGPIPE, SIG_IGN); /* whoever reads the log may go */
	return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

static void tell_all(struct kiln_supervisor *s, enum kiln_message_type type, int fd)
{
	for (unsigned i = 0; i < s->workers; i++)
		if (s->children[i].pid != 0)
			(void)kiln_control_send(s->children[i].channel, type, NULL, fd);
	for (unsigned i = 0; type == KILN_MESSAGE_STOP && i < s->retired_count; i++)
		(void)kiln_control_send(s->retired[i].channel, type, NULL, fd);
}

/* ---- SIGTERM: stop ------------------------------------------------------------------------ */

static void begin_stop(struct kiln_supervisor *s)
{
	if (s->stopping) {
		tell_all(s, KILN_MESSAGE_STOP, -1); /* asked twice: now */
		return;
	}
	s->stopping = true;
	kiln_announce_stop(s);
	kiln_listeners_refuse_new(&s->listeners);
	tell_all(s, KILN_MESSAGE_DRAIN, -1);
}

static bool all_draining(const struct kiln_supervisor *s)
{
	for (unsigned i = 0; i < s->workers; i++)
		if (s->children[i].pid != 0 && !s->children[i].draining)
			return false;
	return true;
}

/* ---- the loop ----------------------------------------------------------------------------- */

/* Certificates do not wait for a resolver. */
static void reload(struct kiln_supervisor *s)
{
	kiln_reload_begin(s);
	kiln_agent_child_reload(s);
	kiln_target_look_up(s);
}

static void on_signals(struct kiln_supervisor *s)
{
	struct signalfd_siginfo info;
	while (read(s->signals, &info, sizeof info) == (ssize_t)sizeof info) {
		if (info.ssi_signo == SIGTERM || info.ssi_signo == SIGINT)
			begin_stop(s);
		else if (info.ssi_signo == SIGHUP && !s->stopping)
			reload(s);
		else if (info.ssi_signo == SIGUSR1)
			kiln_announce_counters(s);
		else if (info.ssi_signo == SIGCHLD)
			kiln_children_reap(s);
	}
}

static void announce_when_ready(struct kiln_supervisor *s)
{
	for (unsigned i = 0; i < s->workers; i++)
		if (!s->children[i].ready)
			return;
	s->announced = true;
	kiln_announce_ready(s);
}

static int turn(struct kiln_supervisor *s, int timeout)
{
	struct pollfd fds[2 + KILN_WORKERS_MAX];
	fds[0] = (struct pollfd){.fd = s->signals, .events = POLLIN};
	for (unsigned i = 0; i < s->workers; i++)
		fds[1 + i] = (struct pollfd){
		    .fd = s->children[i].pid != 0 ? s->children[i].channel : -1,
		    .events = POLLIN,
		};
	fds[1 + s->workers] = (struct pollfd){
	    .fd = s->lookup.under_way ? s->lookup.fd : -1,
	    .events = POLLIN,
	};
	const int n = poll(fds, 2 + s->workers, timeout);
	s->now = monotonic_ms();
	if (n < 0)
		return errno == EINTR ? 0 : -1;
	for (unsigned i = 0; i < s->workers; i++)
		if (fds[1 + i].revents != 0)
			kiln_children_listen(s, i);
	if (fds[0].revents != 0)
		on_signals(s);
	kiln_reload_watch(s);
	if (!s->announced)
		announce_when_ready(s);
	return 0;
}

/* Waits for the workers' ends; true while there is something to wait for. *timeout is lowered. */
static bool stopping_goes_on(struct kiln_supervisor *s, int *timeout)
{
	if (kiln_children_alive(s) == 0)
		return false;
	if (all_draining(s))
		kiln_listeners_close(&s->listeners);
	if (s->stop_at == 0)
		s->stop_at = s->now + s->options->shutdown_timeout;
	const uint64_t kill_at = s->stop_at + KILL_AFTER_MS;
	if (s->now >= kill_at)
		kiln_children_kill(s); /* what remains is their last SIGCHLD */
	else
		*timeout = kiln_sooner(*timeout, kiln_ms_until(s, kill_at));
	*timeout = kiln_sooner(*timeout, kiln_announce_progress(s));
	return true;
}

static void serve(struct kiln_supervisor *s)
{
	for (;;) {
		int timeout = kiln_sooner(kiln_children_restart(s), kiln_target_watch(s));
		timeout = kiln_sooner(timeout, kiln_watch_workers(s));
		timeout = kiln_sooner(timeout, kiln_agent_child_watch(s));
		if (s->failed && !s->stopping) {
			s->stopping = true;
			tell_all(s, KILN_MESSAGE_STOP, -1);
		}
		if (s->stopping && !stopping_goes_on(s, &timeout))
			return;
		if (turn(s, timeout) != 0)
			return;
	}
}

static enum kiln_code prepare(struct kiln_supervisor *s, struct kiln_error *err)
{
	unsigned cpus[KILN_WORKERS_MAX];
	kiln_plan_limits();
	kiln_plan_workers(s->options, &s->workers, s->cpu_of_worker);
	kiln_plan_settings(s->options, s->workers, &s->settings);
	enum kiln_code rc = KILN_OK;
	if (s->options->user != NULL)
		rc = kiln_sandbox_check_user(s->options->user, err);
	if (rc == KILN_OK && s->options->handoff_user != NULL)
		rc = kiln_sandbox_find_user("--handoff-user", s->options->handoff_user,
					    &s->settings.handoff_user, err);
	if (rc == KILN_OK && s->options->roast)
		rc = kiln_agent_child_check(s->options, err);
	if (rc == KILN_OK)
		rc = kiln_material_load(s->options, &s->material, err);
	if (rc == KILN_OK)
		rc = kiln_material_find_target(s->options, &s->material.targets, err);
	if (rc != KILN_OK)
		return rc;
	struct kiln_tls_config *config = kiln_material_config(s->options, &s->material, err);
	if (config == NULL)
		return err->code;
	kiln_tls_config_unref(config);
	if (s->settings.ktls == KILN_KTLS_REQUIRE && s->settings.kernel.reason[0] != '\0')
		return kiln_fail(err, KILN_E_UNSUPPORTED, "--ktls require: %s",
				 s->settings.kernel.reason);
	for (unsigned i = 0; i < s->workers; i++)
		cpus[i] = s->cpu_of_worker[i] >= 0 ? (unsigned)s->cpu_of_worker[i] : i;
	rc = kiln_listeners_open(&s->listeners, s->options, s->workers,
				 s->cpu_of_worker[0] >= 0 ? cpus : NULL, err);
	if (rc != KILN_OK)
		return rc;
	s->slots = s->workers + KILN_RETIRED_MAX;
	s->counters = mmap(NULL, s->slots * sizeof *s->counters, PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (s->counters == MAP_FAILED)
		return kiln_fail_errno(err, KILN_E_NO_MEMORY, errno, "no memory for counters");
	return KILN_OK;
}

/* Nothing is handed over by descriptor: whatever else is open was leaked by whoever started us, and
 * would be in every worker. */
static void close_leaked(void)
{
	(void)close_range(STDERR_FILENO + 1, ~0U, 0);
}

static int run(struct kiln_supervisor *s)
{
	struct kiln_error err = {0};
	s->signals = open_signals();
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); /* it holds the private key */
	s->now = monotonic_ms();
	if (prepare(s, &err) != KILN_OK) {
		kiln_announce_failure(&err);
		return 1;
	}
	kiln_announce_start(s);
	if (!kiln_agent_child_start(s)) {
		(void)kiln_fail_errno(&err, KILN_E_SYSTEM, errno,
				      "the identity agent cannot be started");
		kiln_announce_failure(&err);
		return 1;
	}
	for (unsigned i = 0; i < s->workers; i++)
		if (!kiln_children_start(s, i)) {
			(void)kiln_fail_errno(&err, KILN_E_SYSTEM, errno,
					      "worker %u cannot be started", i);
			kiln_announce_failure(&err);
			s->failed = true;
			break;
		}
	serve(s);
	kiln_agent_child_stop(s);
	kiln_announce_counters(s);
	kiln_announce_end(s);
	kiln_listeners_close(&s->listeners);
	kiln_material_clear(&s->material);
	return s->failed ? 1 : 0;
}

int kiln_supervisor_main(enum kiln_gateway_mode mode, int argc, char **argv)
{
	static struct kiln_gateway_options options; /* too large for a stack, and there is one */
	static struct kiln_supervisor supervisor;
	struct kiln_error err = {0};
	if (kiln_options_parse(mode, argc, argv, &options, &err) != KILN_OK) {
		(void)fprintf(stderr, "kiln %s: %s\n", argv[0], err.message);
		return 2;
	}
	if (options.help) {
		kiln_options_help(mode, stdout);
		return 0;
	}
	kiln_log_configure(options.log_format, options.log_level, NULL, NULL);
	close_leaked();
	supervisor.options = &options;
	return run(&supervisor);
}
