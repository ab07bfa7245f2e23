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

#include "base/bytes.h"

extern char **environ;

#define TOO_SLOW 124 /* as timeout(1) says it */
#define TOO_LONG 125

static int spawn(struct kiln_program *command, const char *const *argv, int out)
{
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attributes;
	sigset_t none;
	union { /* posix_spawn takes no const, and does not write */
		const char *const *in;
		char *const *out;
	} words = {.in = argv};
	(void)sigemptyset(&none);
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
			failed = posix_spawnattr_setsigmask(&attributes, &none);
		if (failed == 0)
			failed = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
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

static int reap(struct kiln_program *command, bool kill_it)
{
	int status = 0;
	if (kill_it)
		(void)kill(command->pid, SIGKILL);
	while (waitpid(command->pid, &status, 0) < 0 && errno == EINTR) {
	}
	command->pid = 0;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

bool kiln_program_turn(struct kiln_program *command, uint64_t now_ms, int *status)
{
	ssize_t n;
	/* One byte more than is allowed tells that it was too long. */
	while ((n = read(command->fd, command->data + command->len,
			 command->max + 1 - command->len)) > 0) {
		command->len += (size_t)n;
		if (command->len > command->max) {
			(void)reap(command, true);
			*status = TOO_LONG;
			return true;
		}
	}
	if (n == 0) {
		*status = reap(command, false);
		return true;
	}
	if (errno != EAGAIN && errno != EINTR) {
		(void)reap(command, true);
		*status = 1;
		return true;
	}
	if (now_ms < command->end_at_ms)
		return false;
	(void)reap(command, true);
	*status = TOO_SLOW;
	return true;
}

void kiln_program_clear(struct kiln_program *command)
{
	if (command->pid != 0)
		(void)reap(command, true);
	if (command->fd >= 0)
		(void)close(command->fd);
	if (command->data != NULL)
		kiln_wipe(command->data, command->len);
	free(command->data);
	memset(command, 0, sizeof *command);
	command->fd = -1;
}
