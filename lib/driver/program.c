/* SPDX-License-Identifier: Apache-2.0
 * Running a credential_process; see program.h. */
#include "driver/program.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aws/chain.h"
#include "base/bytes.h"

extern char **environ;

/* A group of its own, so that what it started can be killed with it; and the signals as a program
 * expects them: what we ignore would stay ignored in it. */
static int set_attributes(posix_spawnattr_t *attributes)
{
	static const int defaults[] = {SIGPIPE, SIGTERM, SIGINT, SIGHUP};
	sigset_t none, usual;
	(void)sigemptyset(&none);
	(void)sigemptyset(&usual);
	for (size_t i = 0; i < sizeof defaults / sizeof defaults[0]; i++)
		(void)sigaddset(&usual, defaults[i]);
	int failed = posix_spawnattr_setsigmask(attributes, &none);
	if (failed == 0)
		failed = posix_spawnattr_setsigdefault(attributes, &usual);
	if (failed == 0)
		failed = posix_spawnattr_setpgroup(attributes, 0);
	if (failed == 0)
		failed = posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETSIGMASK |
								  POSIX_SPAWN_SETSIGDEF |
								  POSIX_SPAWN_SETPGROUP);
	return failed;
}

static int spawn(struct kiln_program *command, const char *const *argv, int out)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	union { /* posix_spawn takes no const, and does not write */
		const char *const *in;
		char *const *out;
	} words = {.in = argv};
	int failed = posix_spawn_file_actions_init(&files);
	if (failed != 0)
		return failed;
	failed = posix_spawnattr_init(&attributes);
	if (failed == 0) {
		/* No terminal to ask at; what it complains about goes to our log's stderr. */
		failed = posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null",
							  O_RDONLY, 0);
		if (failed == 0)
			failed = posix_spawn_file_actions_adddup2(&files, out, STDOUT_FILENO);
		if (failed == 0)
			failed = set_attributes(&attributes);
		if (failed == 0)
			failed = posix_spawnp(&command->pid, argv[0], &files, &attributes,
					      words.out, environ);
		(void)posix_spawnattr_destroy(&attributes);
	}
	(void)posix_spawn_file_actions_destroy(&files);
	return failed;
}

int kiln_program_start(struct kiln_program *command, const char *const *argv, size_t max,
		       uint64_t end_at_ms)
{
	int ends[2];
	memset(command, 0, sizeof *command);
	command->fd = -1;
	command->max = max;
	command->end_at_ms = end_at_ms;
	command->data = malloc(max + 1);
	if (command->data == NULL)
		return ENOMEM;
	int failed = pipe2(ends, O_CLOEXEC) == 0 ? 0 : errno;
	if (failed == 0) {
		failed = spawn(command, argv, ends[1]);
		(void)close(ends[1]);
		if (failed != 0)
			(void)close(ends[0]);
	}
	if (failed != 0) {
		command->pid = 0;
		kiln_program_clear(command);
		return failed;
	}
	command->fd = ends[0];
	(void)fcntl(command->fd, F_SETFL, O_NONBLOCK);
	return 0;
}

/* False while it runs; options as waitpid has them. */
static bool reap(struct kiln_program *command, int options, int *exit_status)
{
	int status = 0;
	pid_t pid;
	while ((pid = waitpid(command->pid, &status, options)) < 0 && errno == EINTR) {
	}
	if (pid == 0)
		return false;
	command->pid = 0;
	if (pid < 0) /* somebody else has reaped it: how it ended is not known */
		*exit_status = 1;
	else
		*exit_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
	return true;
}

/* Not yet reaped, its id is that of its group and of nobody else. */
static void kill_all(struct kiln_program *command)
{
	int status;
	(void)kill(-command->pid, SIGKILL);
	(void)reap(command, 0, &status);
}

static bool give_up(struct kiln_program *command, int why, int *status)
{
	kill_all(command);
	*status = why;
	return true;
}

/* 0, or what is wrong with its output. Behind the end of that there is nothing to poll. */
static int take_output(struct kiln_program *command)
{
	ssize_t n = -1;
	/* One byte more than is allowed tells that it was too long. */
	while (command->fd >= 0 && (n = read(command->fd, command->data + command->len,
					     command->max + 1 - command->len)) > 0) {
		command->len += (size_t)n;
		if (command->len > command->max)
			return KILN_CHAIN_TOO_LONG;
	}
	if (command->fd < 0)
		return 0;
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : 1;
	(void)close(command->fd);
	command->fd = -1;
	return 0;
}

bool kiln_program_turn(struct kiln_program *command, uint64_t now_ms, int *status)
{
	const int wrong = take_output(command);
	if (wrong != 0)
		return give_up(command, wrong, status);
	/* Its output's end need not be its own. */
	if (command->fd < 0 && reap(command, WNOHANG, status))
		return true;
	return now_ms >= command->end_at_ms && give_up(command, KILN_CHAIN_TOO_SLOW, status);
}

void kiln_program_clear(struct kiln_program *command)
{
	if (command->pid != 0)
		kill_all(command);
	if (command->fd >= 0)
		(void)close(command->fd);
	if (command->data != NULL)
		kiln_wipe(command->data, command->len);
	free(command->data);
	memset(command, 0, sizeof *command);
	command->fd = -1;
}
