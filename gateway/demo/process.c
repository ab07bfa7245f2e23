/* SPDX-License-Identifier: Apache-2.0
 * Starting the program again as a server or a client, and reading its log; see process.h. */
#include "demo/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARGUMENTS_MAX 32u
#define STOP_MS       5000

static int64_t now_ms(void)
{
	struct timespec ts;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

extern char **environ;

/* Whoever runs the demo may have AWS credentials of his own, in whatever place. */
static void set_environment(const char *const *environment)
{
	char name[128];
	for (char **entry = environ; entry != NULL && *entry != NULL;) {
		const size_t len = strcspn(*entry, "=");
		if (strncmp(*entry, "AWS_", 4) != 0 || len >= sizeof name) {
			entry++;
			continue;
		}
		memcpy(name, *entry, len);
		name[len] = '\0';
		entry = unsetenv(name) == 0 ? environ : entry + 1;
	}
	for (; environment != NULL && *environment != NULL; environment++) {
		const char *equals = strchr(*environment, '=');
		(void)snprintf(name, sizeof name, "%.*s", (int)(equals - *environment),
			       *environment);
		(void)setenv(name, equals + 1, 1);
	}
}

static void run(const char *const *arguments, const char *const *environment, int log_fd)
{
	union {
		const char *in;
		char *out;
	} argv[ARGUMENTS_MAX + 4];
	size_t n = 0;
	argv[n++].in = "kiln";
	for (; *arguments != NULL && n < ARGUMENTS_MAX; arguments++)
		argv[n++].in = *arguments;
	argv[n++].in = "--log-format";
	argv[n++].in = "json";
	argv[n].in = NULL;
	set_environment(environment);
	(void)prctl(PR_SET_PDEATHSIG, SIGTERM); /* a demo that dies leaves nothing behind */
	(void)dup2(log_fd, STDERR_FILENO);
	char *out[ARGUMENTS_MAX + 4]; /* execv takes no const, and does not write */
	for (size_t i = 0; i <= n; i++)
		out[i] = argv[i].out;
	(void)execv("/proc/self/exe", out);
	_exit(127);
}

enum kiln_code kiln_demo_spawn(struct kiln_demo_process *p, const char *const *arguments,
			       const char *const *environment, struct kiln_error *err)
{
	int pair[2];
	memset(p, 0, sizeof *p);
	if (pipe2(pair, O_CLOEXEC) != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "no pipe for a log");
	p->pid = fork();
	if (p->pid == 0)
		run(arguments, environment, pair[1]);
	(void)close(pair[1]);
	p->log_fd = pair[0];
	if (p->pid > 0)
		return KILN_OK;
	p->pid = 0;
	(void)close(pair[0]);
	return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "kiln cannot be started");
}

/* Takes one complete line off the front; NULL when there is none yet. */
static json_t *take_line(struct kiln_demo_process *p, bool *took)
{
	char *end = memchr(p->line, '\n', p->have);
	*took = end != NULL;
	if (end == NULL)
		return NULL;
	*end = '\0';
	json_t *event = json_loads(p->line, 0, NULL);
	if (event == NULL || strcmp(json_string_value(json_object_get(event, "level")) != NULL
					? json_string_value(json_object_get(event, "level"))
					: "",
				    "error") == 0)
		(void)snprintf(p->complaint, sizeof p->complaint, "%.511s", p->line);
	const size_t used = (size_t)(end + 1 - p->line);
	memmove(p->line, p->line + used, p->have - used);
	p->have -= used;
	return event;
}

static enum kiln_code read_more(struct kiln_demo_process *p, int64_t deadline,
				struct kiln_error *err)
{
	struct pollfd fd = {.fd = p->log_fd, .events = POLLIN};
	const int64_t left = deadline - now_ms();
	const int ready = left > 0 ? poll(&fd, 1, (int)left) : 0;
	if (ready < 0 && errno == EINTR)
		return KILN_OK;
	if (ready <= 0)
		return kiln_fail(err, KILN_E_TIMEOUT, "kiln did not get there in time%s%.150s",
				 p->complaint[0] != '\0' ? "; it said: " : "", p->complaint);
	if (p->have == sizeof p->line)
		p->have = 0; /* no event of ours is that long */
	const ssize_t n = read(p->log_fd, p->line + p->have, sizeof p->line - p->have);
	if (n <= 0)
		return kiln_fail(err, KILN_E_SYSTEM, "kiln ended%s%.200s",
				 p->complaint[0] != '\0' ? "; it said: " : "", p->complaint);
	p->have += (size_t)n;
	return KILN_OK;
}

static void keep(json_t *event, const char *const *events, size_t count, json_t **lines,
		 size_t *missing)
{
	const char *is = json_string_value(json_object_get(event, "event"));
	for (size_t i = 0; is != NULL && i < count; i++) {
		if (lines[i] != NULL || strcmp(is, events[i]) != 0)
			continue;
		lines[i] = json_incref(event);
		(*missing)--;
		break;
	}
	json_decref(event);
}

bool kiln_demo_events(struct kiln_demo_process *p, const char *const *events, size_t count,
		      json_t **lines, int ms, struct kiln_error *err)
{
	const int64_t deadline = now_ms() + ms;
	size_t missing = count;
	for (size_t i = 0; i < count; i++)
		lines[i] = NULL;
	while (missing > 0) {
		bool took;
		keep(take_line(p, &took), events, count, lines, &missing);
		if (!took && read_more(p, deadline, err) != KILN_OK) {
			for (size_t i = 0; i < count; i++) {
				json_decref(lines[i]);
				lines[i] = NULL;
			}
			return false;
		}
	}
	return true;
}

json_t *kiln_demo_event(struct kiln_demo_process *p, const char *name, int ms,
			struct kiln_error *err)
{
	json_t *line;
	return kiln_demo_events(p, &name, 1, &line, ms, err) ? line : NULL;
}

void kiln_demo_ask_to_stop(struct kiln_demo_process *p)
{
	if (p->pid != 0 && !p->asked)
		(void)kill(p->pid, SIGTERM);
	p->asked = true;
}

/* Its end shows as the end of its log: no need to poll for the process. */
void kiln_demo_stop(struct kiln_demo_process *p)
{
	struct kiln_error err = {0};
	if (p->pid == 0)
		return;
	kiln_demo_ask_to_stop(p);
	json_decref(kiln_demo_event(p, "stopped", STOP_MS, &err));
	if (err.code == KILN_E_TIMEOUT)
		(void)kill(p->pid, SIGKILL);
	(void)waitpid(p->pid, NULL, 0);
	(void)close(p->log_fd);
	p->pid = 0;
}
