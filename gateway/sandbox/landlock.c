/* SPDX-License-Identifier: Apache-2.0
 * Landlock (Documentation/userspace-api/landlock.rst): a ruleset that handles rights and grants
 * none of them. Called by number, with our own constants: the C library and its headers know less
 * than the kernel. */
#include <errno.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/parts.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_restrict_self  446
#endif

#define CREATE_VERSION 1u
#define FS_VERSION_1   ((UINT64_C(1) << 13) - 1) /* execute, read, write, make, remove */
#define FS_REFER       (UINT64_C(1) << 13)       /* version 2 */
#define FS_TRUNCATE    (UINT64_C(1) << 14)       /* version 3 */
#define NET_BIND_TCP   (UINT64_C(1) << 0)        /* version 4 */
#define FS_IOCTL_DEV   (UINT64_C(1) << 15)       /* version 5 */
#define SCOPE_SIGNAL   (UINT64_C(1) << 1)        /* version 6 */

/* Connecting to a target, TCP or Unix, needs none of these rights. Abstract Unix sockets would be
 * cut off by version 6's other scope, and they are allowed as targets. */
struct ruleset {
	uint64_t fs, net, scoped;
};

static size_t fill(struct ruleset *ruleset, int abi)
{
	*ruleset = (struct ruleset){.fs = FS_VERSION_1};
	if (abi >= 2)
		ruleset->fs |= FS_REFER;
	if (abi >= 3)
		ruleset->fs |= FS_TRUNCATE;
	if (abi >= 4)
		ruleset->net = NET_BIND_TCP;
	if (abi >= 5)
		ruleset->fs |= FS_IOCTL_DEV;
	if (abi >= 6)
		ruleset->scoped = SCOPE_SIGNAL;
	return abi >= 6 ? sizeof *ruleset : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

enum kiln_code kiln_sandbox_landlock(int *abi, struct kiln_error *err)
{
	struct ruleset ruleset;
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	*abi = version > 0 ? (int)version : 0;
	if (*abi == 0)
		return KILN_OK; /* ENOSYS: not built in; EOPNOTSUPP: off at boot */
	size_t size = fill(&ruleset, *abi);
	long fd = syscall(SYS_landlock_create_ruleset, &ruleset, size, 0);
	if (fd < 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "cannot make a Landlock ruleset");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_landlock_restrict_self, fd, 0) != 0) {
		int failed = errno;
		(void)close((int)fd);
		return kiln_fail_errno(err, KILN_E_SYSTEM, failed, "cannot enforce Landlock");
	}
	(void)close((int)fd);
	return KILN_OK;
}
