/* SPDX-License-Identifier: Apache-2.0
 * The identity agent's process: set up, listen to the workers and the supervisor, stop. */
#include "agent/agent.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "agent/parts.h"
#include "sandbox/sandbox.h"
#include "supervisor/control.h"

#define REPLAY_SIGNATURES 131072u

uint64_t kiln_agent_monotonic_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* ---- what the others say ------------------------------------------------------------------- */

/* False when the worker is gone. A worker's questions are bounded by what its channel holds. */
static bool listen_to_worker(struct kiln_agent *agent, const struct kiln_agent_channel *channel)
{
	struct kiln_agent_message message;
	const uint64_t serial = channel->serial;
	int got;
	while ((got = kiln_agent_receive(channel->fd, &message)) == 1) {
		if (message.type == KILN_AGENT_PROVE)
			kiln_agent_prove(agent, serial, &message);
		else if (message.type == KILN_AGENT_VERIFY)
			kiln_agent_verify(agent, serial, &message);
		kiln_agent_message_clear(&message);
	}
	return got == 0;
}

static void listen_to_supervisor(struct kiln_agent *agent)
{
	struct kiln_message message;
	int fd, got;
	while ((got = kiln_control_receive(agent->job->channel, &message, &fd)) == 1) {
		if (message.type == KILN_MESSAGE_AGENT_CHANNEL && fd >= 0)
			kiln_agent_add_channel(agent, fd);
		else if (fd >= 0)
			(void)close(fd);
		if (message.type == KILN_MESSAGE_STOP)
			agent->stopping = true;
		else if (message.type == KILN_MESSAGE_RELOAD)
			kiln_identity_refresh(agent->identity);
	}
	/* Without a supervisor: workers may still be finishing what they have, but no handshake. */
	if (got < 0)
		agent->stopping = true;
}

static void tell_refused(void)
{
	char call[KILN_SANDBOX_CALL];
	struct kiln_log_line line;
	while (kiln_sandbox_refused(call)) {
		kiln_log_begin(&line, KILN_LOG_WARNING, "agent_call_refused");
		kiln_log_str(&line, "call", call);
		kiln_log_str(&line, "hint",
			     "a library asked for more than the sandbox gives, or somebody broke "
			     "in; if identity or STS fail, see KILN_SECCOMP");
		kiln_log_end(&line);
	}
}

static enum kiln_code turn(struct kiln_agent *agent, struct kiln_error *err)
{
	struct pollfd fds[1 + KILN_AGENT_CHANNELS_MAX];
	const unsigned count = agent->channel_count;
	const int pulse = (int)KILN_AGENT_PULSE_MS;
	int timeout = kiln_identity_turn(agent->identity, agent->now_ms);
	if (timeout < 0 || timeout > pulse)
		timeout = pulse;
	(void)atomic_fetch_add_explicit(agent->job->turns, 1, memory_order_relaxed);
	fds[0] = (struct pollfd){.fd = agent->job->channel, .events = POLLIN};
	for (unsigned i = 0; i < count; i++)
		fds[1 + i] = (struct pollfd){
		    .fd = agent->channels[i].fd,
		    .events = (short)(POLLIN | (agent->channels[i].waiting ? POLLOUT : 0)),
		};
	const enum kiln_code rc = kiln_exchanges_turn(agent->http, fds, 1 + count, timeout, err);
	agent->now_ms = kiln_agent_monotonic_ms();
	tell_refused();
	if (rc != KILN_OK)
		return rc;
	/* Backwards: a dropped one's place is taken by the last. */
	for (unsigned i = count; i-- > 0;) {
		struct kiln_agent_channel *channel = &agent->channels[i];
		if (((fds[1 + i].revents & POLLOUT) != 0 && !kiln_agent_flush(channel)) ||
		    ((fds[1 + i].revents & POLLIN) != 0 && !listen_to_worker(agent, channel)))
			kiln_agent_drop_channel(agent, i);
	}
	if (fds[0].revents != 0)
		listen_to_supervisor(agent);
	return KILN_OK;
}

/* ---- set-up -------------------------------------------------------------------------------- */

static void ignore_signals(void)
{
	sigset_t none;
	(void)sigemptyset(&none);
	(void)signal(SIGINT, SIG_IGN);
	(void)signal(SIGHUP, SIG_IGN);
	(void)signal(SIGUSR1, SIG_IGN);
	(void)signal(SIGPIPE, SIG_IGN);
	(void)signal(SIGTERM, SIG_IGN); /* the supervisor's word ends it: handshakes may need it */
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

static void tell_workers(void *arg)
{
	struct kiln_agent *agent = arg;
	struct kiln_agent_message message;
	kiln_identity_describe(agent->identity, &message);
	kiln_agent_say_all(agent, &message);
}

/* All regions' requests together leave descriptors for workers and credentials. */
static unsigned at_once_to_a_region(void)
{
	struct rlimit files = {.rlim_cur = KILN_AGENT_OTHER_FDS};
	(void)getrlimit(RLIMIT_NOFILE, &files);
	const rlim_t left =
	    files.rlim_cur > KILN_AGENT_OTHER_FDS ? files.rlim_cur - KILN_AGENT_OTHER_FDS : 0;
	const rlim_t share = left / KILN_AGENT_REGIONS;
	if (share >= KILN_AGENT_AT_ONCE)
		return KILN_AGENT_AT_ONCE;
	return share > 4 ? (unsigned)share : 4;
}

/* How narrow depends on what the credentials' files say, read as the user who will read them. */
static enum kiln_code enter_sandbox(struct kiln_agent *agent, struct kiln_error *err)
{
	char in_force[KILN_SANDBOX_TEXT];
	struct kiln_log_line line;
	enum kiln_code rc = kiln_sandbox_drop_user(agent->job->options->user, err);
	if (rc != KILN_OK)
		return rc;
	const bool programs = kiln_identity_look(agent->identity);
	rc = kiln_sandbox_agent(programs, in_force, err);
	if (rc != KILN_OK)
		return rc;
	if (!programs)
		kiln_identity_forbid_programs(agent->identity);
	kiln_log_begin(&line, KILN_LOG_INFO, "sandbox");
	kiln_log_str(&line, "in_force", in_force);
	kiln_log_end(&line);
	return KILN_OK;
}

static enum kiln_code set_up(struct kiln_agent *agent, struct kiln_error *err)
{
	const struct kiln_gateway_options *o = agent->job->options;
	uint64_t seed;
	if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		return kiln_fail(err, KILN_E_SYSTEM, "no random numbers");
	kiln_limits_init(&agent->limits, o->roast_rate, seed);
	agent->http = kiln_exchanges_new(err);
	if (agent->http == NULL)
		return err->code;
	agent->replay = kiln_roast_replay_new(REPLAY_SIGNATURES, err);
	if (agent->replay == NULL)
		return err->code;
	const struct kiln_identity_options identity = {
	    .http = agent->http,
	    .region = o->region,
	    .development = o->development_sts,
	    .changed = tell_workers,
	    .arg = agent,
	};
	agent->identity = kiln_identity_new(&identity, err);
	if (agent->identity == NULL)
		return err->code;
	return enter_sandbox(agent, err);
}

static void tear_down(struct kiln_agent *agent)
{
	while (agent->channel_count > 0)
		kiln_agent_drop_channel(agent, 0);
	kiln_identity_free(agent->identity);
	kiln_roast_replay_free(agent->replay);
	kiln_exchanges_free(agent->http);
}

static void log_failure(const struct kiln_error *err)
{
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_ERROR, "agent_failed");
	kiln_log_error(&line, err);
	kiln_log_end(&line);
}

int kiln_agent_process(const struct kiln_agent_job *job)
{
	static struct kiln_agent agent; /* one per process, and too large for a stack */
	struct kiln_error err = {0};
	memset(&agent, 0, sizeof agent);
	agent.job = job;
	agent.at_once = at_once_to_a_region();
	agent.now_ms = kiln_agent_monotonic_ms();
	ignore_signals();
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	(void)prctl(PR_SET_NAME, "kiln-agent", 0, 0, 0);
	kiln_log_configure(job->options->log_format, job->options->log_level, "agent", "0");
	enum kiln_code rc = set_up(&agent, &err);
	if (rc == KILN_OK)
		(void)kiln_control_send(job->channel, KILN_MESSAGE_READY, NULL, -1);
	while (rc == KILN_OK && !agent.stopping && !kiln_identity_wants_program(agent.identity))
		rc = turn(&agent, &err);
	const bool anew = rc == KILN_OK && !agent.stopping;
	if (rc != KILN_OK)
		log_failure(&err);
	tear_down(&agent);
	return rc != KILN_OK ? 1 : anew ? KILN_AGENT_BEGIN_ANEW : 0;
}
