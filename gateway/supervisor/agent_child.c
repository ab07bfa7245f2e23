/* SPDX-License-Identifier: Apache-2.0
 * The identity agent's process, started, connected and stopped; see agent_child.h. */
#include "supervisor/agent_child.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/agent.h"
#include "agent/message.h"
#include "aws/chain.h"
#include "log/log.h"
#include "supervisor/children.h"

#define RESTART_MAX_MS 5000u
#define STOP_MS        2000
#define LOOK_MS        1000u

extern char **environ;

enum kiln_code kiln_agent_child_check(const struct kiln_gateway_options *options,
				      struct kiln_error *err)
{
	const struct kiln_chain_options chain = {
	    .environ = (const char *const *)environ,
	    .region = options->region,
	    .development = options->development_sts,
	};
	struct kiln_chain *made;
	const enum kiln_code rc = kiln_chain_new(&chain, &made, err);
	kiln_chain_free(made);
	return rc;
}

static void close_inherited(struct kiln_supervisor *s)
{
	(void)close(s->signals);
	kiln_lookup_forget(&s->lookup);
	for (unsigned i = 0; i < s->workers; i++)
		if (s->children[i].channel > 0)
			(void)close(s->children[i].channel);
	for (unsigned i = 0; i < s->retired_count; i++)
		if (s->retired[i].channel > 0)
			(void)close(s->retired[i].channel);
	kiln_listeners_close(&s->listeners);
	kiln_material_clear(&s->material);
}

static void give_channel(struct kiln_supervisor *s, const struct kiln_child *child)
{
	if (child->pid == 0)
		return;
	const int fd = kiln_agent_child_channel(s);
	if (fd < 0)
		return;
	(void)kiln_control_send(child->channel, KILN_MESSAGE_AGENT_CHANNEL, NULL, fd);
	(void)close(fd);
}

/* Once: a dead agent's counter is its successor's. */
static bool share_turns(struct kiln_agent_child *agent)
{
	if (agent->turns != NULL)
		return true;
	void *memory = mmap(NULL, sizeof *agent->turns, PROT_READ | PROT_WRITE,
			    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	agent->turns = memory;
	return true;
}

bool kiln_agent_child_start(struct kiln_supervisor *s)
{
	struct kiln_agent_child *agent = &s->agent;
	int pair[2];
	if (!s->options->roast)
		return true;
	if (!share_turns(agent) || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
		return false;
	const pid_t pid = fork();
	if (pid == 0) {
		(void)close(pair[0]);
		close_inherited(s);
		const struct kiln_agent_job job = {
		    .options = s->options, .channel = pair[1], .turns = agent->turns};
		_exit(kiln_agent_process(&job));
	}
	(void)close(pair[1]);
	if (pid < 0) {
		(void)close(pair[0]);
		return false;
	}
	agent->pid = pid;
	agent->channel = pair[0];
	agent->started_at = s->now;
	agent->start_again_at = 0;
	agent->looks = 0;
	agent->look_at = s->now + LOOK_MS;
	agent->killed = false;
	for (unsigned i = 0; i < s->workers; i++)
		give_channel(s, &s->children[i]);
	for (unsigned i = 0; i < s->retired_count; i++)
		give_channel(s, &s->retired[i]);
	return true;
}

int kiln_agent_child_channel(struct kiln_supervisor *s)
{
	int pair[2];
	if (s->agent.pid == 0 || !kiln_agent_pair(pair))
		return -1;
	const bool sent =
	    kiln_control_send(s->agent.channel, KILN_MESSAGE_AGENT_CHANNEL, NULL, pair[0]);
	(void)close(pair[0]);
	if (sent)
		return pair[1];
	(void)close(pair[1]);
	return -1;
}

void kiln_agent_child_reload(struct kiln_supervisor *s)
{
	if (s->agent.pid != 0)
		(void)kiln_control_send(s->agent.channel, KILN_MESSAGE_RELOAD, NULL, -1);
}

void kiln_agent_child_forget(struct kiln_supervisor *s)
{
	if (s->agent.pid != 0)
		(void)close(s->agent.channel);
}

static void log_death(const struct kiln_agent_child *agent, int status, uint64_t again_in)
{
	struct kiln_log_line line;
	if (WIFEXITED(status) && WEXITSTATUS(status) == KILN_AGENT_BEGIN_ANEW) {
		kiln_log_begin(&line, KILN_LOG_INFO, "agent_begins_anew");
		kiln_log_i64(&line, "pid", agent->pid);
		kiln_log_str(&line, "reason", "a credential_process has been configured");
		kiln_log_end(&line);
		return;
	}
	kiln_log_begin(&line, KILN_LOG_ERROR, "agent_died");
	kiln_log_i64(&line, "pid", agent->pid);
	if (WIFSIGNALED(status))
		kiln_log_str(&line, "signal", sigabbrev_np(WTERMSIG(status)));
	else
		kiln_log_i64(&line, "exit", WEXITSTATUS(status));
	kiln_log_u64(&line, "restart_in_ms", again_in);
	kiln_log_end(&line);
}

void kiln_agent_child_ended(struct kiln_supervisor *s, pid_t pid, int status)
{
	struct kiln_agent_child *agent = &s->agent;
	if (agent->pid == 0 || agent->pid != pid)
		return;
	agent->quick_deaths =
	    s->now - agent->started_at < KILN_QUICK_DEATH_MS ? agent->quick_deaths + 1 : 0;
	const uint64_t delay = kiln_restart_delay(agent->quick_deaths);
	log_death(agent, status, delay);
	(void)close(agent->channel);
	agent->pid = 0;
	agent->start_again_at = s->now + delay;
}

/* It is ready, and that is all it says: its turns tell more. */
static void listen_to(const struct kiln_agent_child *agent)
{
	struct kiln_message message;
	int fd;
	while (kiln_control_receive(agent->channel, &message, &fd) == 1)
		if (fd >= 0)
			(void)close(fd);
}

static void kill_stuck(struct kiln_agent_child *agent)
{
	struct kiln_log_line line;
	kiln_log_begin(&line, KILN_LOG_ERROR, "agent_stuck");
	kiln_log_i64(&line, "pid", agent->pid);
	kiln_log_end(&line);
	(void)kill(agent->pid, SIGKILL); /* SIGCHLD brings the next one */
	agent->killed = true;
}

/* Looks are counted, not time: a supervisor that was stopped itself has seen nothing meanwhile.
 * Without an agent no new connection gets anywhere, and it keeps nothing that another could not
 * find again: it is not waited for longer. */
static int look_after(struct kiln_supervisor *s)
{
	struct kiln_agent_child *agent = &s->agent;
	if (agent->killed)
		return -1;
	if (s->now >= agent->look_at) {
		const uint64_t turns = atomic_load_explicit(agent->turns, memory_order_relaxed);
		listen_to(agent);
		agent->looks = turns == agent->turns_seen ? agent->looks + 1 : 0;
		agent->turns_seen = turns;
		agent->look_at = s->now + LOOK_MS;
		if (agent->looks >= KILN_AGENT_STUCK_MS / LOOK_MS) {
			kill_stuck(agent);
			return -1;
		}
	}
	return kiln_ms_until(s, agent->look_at);
}

int kiln_agent_child_watch(struct kiln_supervisor *s)
{
	struct kiln_agent_child *agent = &s->agent;
	if (agent->pid != 0)
		return look_after(s);
	if (agent->start_again_at == 0)
		return -1;
	if (agent->start_again_at <= s->now && !kiln_agent_child_start(s))
		agent->start_again_at = s->now + RESTART_MAX_MS;
	return kiln_ms_until(s, agent->pid != 0 ? agent->look_at : agent->start_again_at);
}

void kiln_agent_child_stop(struct kiln_supervisor *s)
{
	struct kiln_agent_child *agent = &s->agent;
	if (agent->pid == 0)
		return;
	(void)kiln_control_send(agent->channel, KILN_MESSAGE_STOP, NULL, -1);
	/* Its end of the channel closes when it is gone. */
	struct pollfd gone = {.fd = agent->channel};
	if (poll(&gone, 1, STOP_MS) == 0)
		(void)kill(agent->pid, SIGKILL);
	(void)waitpid(agent->pid, NULL, 0);
	(void)close(agent->channel);
	agent->pid = 0;
}
