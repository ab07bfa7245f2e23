/* SPDX-License-Identifier: Apache-2.0
 * Landlock (Documentation/userspace-api/landlock.rst): a ruleset that handles rights and grants
 * none of them, but for connecting to the target's port. Called by number, with our own constants:
 * the C library and its headers know less than the kernel. */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/parts.h"

#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule       445
#define SYS_landlock_restrict_self  446
#endif

#define CREATE_VERSION 1u
#define FS_VERSION_1   ((UINT64_C(1) << 13) - 1) /* execute, read, write, make, remove */
#define FS_REFER       (UINT64_C(1) << 13)       /* version 2 */
#define FS_TRUNCATE    (UINT64_C(1) << 14)       /* version 3 */
#define NET_BIND_TCP   (UINT64_C(1) << 0)        /* version 4 */
#define NET_CONNECT    (UINT64_C(1) << 1)        /* version 4, TCP too */
#define FS_IOCTL_DEV   (UINT64_C(1) << 15)       /* version 5 */
#define SCOPE_SIGNAL   (UINT64_C(1) << 1)        /* version 6 */

#define FS_READ    (UINT64_C(1) << 2 | UINT64_C(1) << 3) /* files, folders */
#define FS_EXECUTE (UINT64_C(1) << 0)
#define FS_REMOVE  (UINT64_C(1) << 5) /* of what is no folder */

#define RULE_PATH_BENEATH 1
#define RULE_NET_PORT     2

/* Connecting to a Unix socket needs none of these rights. Abstract Unix sockets would be
 * cut off by version 6's other scope, and they are allowed as targets. */
struct ruleset {
	uint64_t fs, net, scoped;
};

struct net_port_rule {
	uint64_t allowed, port;
};

struct path_rule {
	uint64_t allowed;
	int32_t parent;
} __attribute__((packed));

static size_t fill(struct ruleset *ruleset, int abi)
{
	*ruleset = (struct ruleset){.fs = FS_VERSION_1};
	if (abi >= 2)
		ruleset->fs |= FS_REFER;
	if (abi >= 3)
		ruleset->fs |= FS_TRUNCATE;
	if (abi >= 4)
		ruleset->net = NET_BIND_TCP | NET_CONNECT;
	if (abi >= 5)
		ruleset->fs |= FS_IOCTL_DEV;
	if (abi >= 6)
		ruleset->scoped = SCOPE_SIGNAL;
	return abi >= 6 ? sizeof *ruleset : abi >= 4 ? 2 * sizeof(uint64_t) : sizeof(uint64_t);
}

static enum kiln_code enforce(int fd, struct kiln_error *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    syscall(SYS_landlock_restrict_self, fd, 0) != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "cannot enforce Landlock");
	return KILN_OK;
}

/* A ruleset that grants nothing yet; *fd is -1 where there is no Landlock. */
static enum kiln_code begin(struct ruleset *ruleset, uint64_t net, int *abi, int *fd,
			    struct kiln_error *err)
{
	const long version = syscall(SYS_landlock_create_ruleset, NULL, 0, CREATE_VERSION);

	*fd = -1;
	*abi = version > 0 ? (int)version : 0;
	if (*abi == 0)
		return KILN_OK; /* ENOSYS: not built in; EOPNOTSUPP: off at boot */
	const size_t size = fill(ruleset, *abi);
	ruleset->net &= net;
	const long made = syscall(SYS_landlock_create_ruleset, ruleset, size, 0);
	if (made < 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "cannot make a Landlock ruleset");
	*fd = (int)made;
	return KILN_OK;
}

/* A rule of Landlock holds for a port at every address. */
static enum kiln_code allow_port(int fd, uint16_t port, struct kiln_error *err)
{
	const struct net_port_rule target = {.allowed = NET_CONNECT, .port = port};

	if (syscall(SYS_landlock_add_rule, fd, RULE_NET_PORT, &target, 0) == 0)
		return KILN_OK;
	return kiln_fail_errno(err, KILN_E_SYSTEM, errno,
			       "cannot allow port %u in a Landlock ruleset", port);
}

enum kiln_code kiln_sandbox_landlock(uint16_t port, int *abi, struct kiln_error *err)
{
	struct ruleset ruleset;
	int fd;
	enum kiln_code code = begin(&ruleset, NET_BIND_TCP | NET_CONNECT, abi, &fd, err);

	if (code != KILN_OK || fd < 0)
		return code;
	if (ruleset.net != 0 && port != 0)
		code = allow_port(fd, port, err);
	if (code == KILN_OK)
		code = enforce(fd, err);
	(void)close(fd);
	return code;
}

/* A path that is not there needs no rule. */
static enum kiln_code allow_path(int fd, const char *path, uint64_t rights, struct kiln_error *err)
{
	struct path_rule rule = {
	    .allowed = rights,
	    .parent = open(path, O_PATH | O_CLOEXEC | O_DIRECTORY),
	};
	if (rule.parent < 0)
		return KILN_OK;
	const long failed = syscall(SYS_landlock_add_rule, fd, RULE_PATH_BENEATH, &rule, 0);
	const int why = errno;
	(void)close(rule.parent);
	if (failed == 0)
		return KILN_OK;
	return kiln_fail_errno(err, KILN_E_SYSTEM, why, "cannot allow %.80s in a Landlock ruleset",
			       path);
}

static enum kiln_code read_and(uint64_t more, const char *const *writable, int *abi,
			       struct kiln_error *err)
{
	struct ruleset ruleset;
	int fd;
	enum kiln_code code = begin(&ruleset, NET_BIND_TCP, abi, &fd, err);

	if (code != KILN_OK || fd < 0)
		return code;
	code = allow_path(fd, "/", FS_READ | more, err);
	for (; code == KILN_OK && *writable != NULL; writable++)
		code = allow_path(fd, *writable, ruleset.fs, err);
	if (code == KILN_OK)
		code = enforce(fd, err);
	(void)close(fd);
	return code;
}

enum kiln_code kiln_sandbox_landlock_readonly(int *abi, struct kiln_error *err)
{
	static const char *const nothing[] = {NULL};

	return read_and(0, nothing, abi, err);
}

enum kiln_code kiln_sandbox_landlock_programs(const char *const *writable, int *abi,
					      struct kiln_error *err)
{
	return read_and(FS_EXECUTE, writable, abi, err);
}

enum kiln_code kiln_sandbox_landlock_keys(const struct kiln_sandbox_keys *keys, int *abi,
					  struct kiln_error *err)
{
	struct ruleset ruleset;
	int fd;
	enum kiln_code code = begin(
	    &ruleset, keys->network ? NET_BIND_TCP : NET_BIND_TCP | NET_CONNECT, abi, &fd, err);

	if (code != KILN_OK || fd < 0)
		return code;
	code = allow_path(fd, "/", FS_READ, err);
	for (const char *const *p = keys->writable; code == KILN_OK && *p != NULL; p++)
		code = allow_path(fd, *p, ruleset.fs & ~FS_EXECUTE, err);
	if (code == KILN_OK && keys->removable != NULL)
		code = allow_path(fd, keys->removable, FS_REMOVE, err);
	if (code == KILN_OK)
		code = enforce(fd, err);
	(void)close(fd);
	return code;
}
