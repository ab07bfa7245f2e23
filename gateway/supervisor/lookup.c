/* SPDX-License-Identifier: Apache-2.0
 * A child that asks the resolver; see lookup.h. */
#include "supervisor/lookup.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "supervisor/material.h"

struct answer {
	struct kiln_error err;
	struct kiln_endpoints found;
};

_Static_assert(sizeof(struct answer) <= PIPE_BUF, "a pipe takes it in one piece");

/* Listeners that it held would outlive the gateway's own by as long as the resolver takes. */
static void answer(int fd, const struct kiln_address *address, struct kiln_material *secrets)
{
	struct answer a;
	memset(&a, 0, sizeof a);
	(void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
	(void)prctl(PR_SET_NAME, "kiln-lookup", 0, 0, 0);
	kiln_material_clear(secrets);
	if (fd > 3)
		(void)close_range(3, (unsigned)fd - 1, 0);
	(void)close_range((unsigned)fd + 1, ~0U, 0);
	a.err.code = kiln_address_resolve(address, KILN_TO_CONNECT, &a.found, &a.err);
	_exit(write(fd, &a, sizeof a) == (ssize_t)sizeof a ? 0 : 1);
}

enum kiln_code kiln_lookup_begin(struct kiln_lookup *lookup, const struct kiln_address *address,
				 struct kiln_material *secrets, uint64_t now,
				 struct kiln_error *err)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "no pipe for a lookup");
	const pid_t pid = fork();
	const int failed = errno;
	if (pid == 0)
		answer(ends[1], address, secrets);
	(void)close(ends[1]);
	if (pid < 0) {
		(void)close(ends[0]);
		return kiln_fail_errno(err, KILN_E_SYSTEM, failed, "no process for a lookup");
	}
	*lookup = (struct kiln_lookup){
	    .under_way = true,
	    .pid = pid,
	    .fd = ends[0],
	    .give_up_at = now + KILN_LOOKUP_MS,
	};
	return KILN_OK;
}

bool kiln_lookup_poll(struct kiln_lookup *lookup, uint64_t now, struct kiln_endpoints *found,
		      struct kiln_error *err)
{
	struct answer a;
	if (!lookup->under_way)
		return false;
	const ssize_t n = read(lookup->fd, &a, sizeof a);
	if (n == (ssize_t)sizeof a) {
		*err = a.err;
		*found = a.found;
	} else if (n >= 0 || (errno != EAGAIN && errno != EINTR)) {
		(void)kiln_fail(err, KILN_E_TARGET, "the lookup ended without an answer");
	} else if (now >= lookup->give_up_at) {
		(void)kiln_fail(err, KILN_E_TIMEOUT, "no answer within %u s",
				KILN_LOOKUP_MS / 1000);
	} else {
		return false;
	}
	kiln_lookup_cancel(lookup);
	return true;
}

void kiln_lookup_ended(struct kiln_lookup *lookup, pid_t pid)
{
	if (lookup->pid == pid)
		lookup->pid = 0;
}

void kiln_lookup_cancel(struct kiln_lookup *lookup)
{
	if (lookup->pid != 0)
		(void)kill(lookup->pid, SIGKILL);
	kiln_lookup_forget(lookup);
}

void kiln_lookup_forget(struct kiln_lookup *lookup)
{
	if (lookup->under_way)
		(void)close(lookup->fd);
	memset(lookup, 0, sizeof *lookup);
}
