/* SPDX-License-Identifier: Apache-2.0
 * From root to nobody in particular. */
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "sandbox/sandbox.h"

static enum kiln_code find_user(const char *flag, const char *user, struct passwd *found,
				char *text, size_t size, struct kiln_error *err)
{
	struct passwd *result = NULL;
	int rc = getpwnam_r(user, found, text, size, &result);

	if (result != NULL)
		return KILN_OK;
	if (rc != 0)
		return kiln_fail_errno(err, KILN_E_CONFIG, rc, "%s %.64s cannot be looked up", flag,
				       user);
	return kiln_fail(err, KILN_E_CONFIG, "%s %.64s: there is no such user on this system", flag,
			 user);
}

enum kiln_code kiln_sandbox_check_user(const char *user, struct kiln_error *err)
{
	struct passwd found;
	char text[4096];

	return find_user("--user", user, &found, text, sizeof text, err);
}

enum kiln_code kiln_sandbox_find_user(const char *flag, const char *user, uid_t *number,
				      struct kiln_error *err)
{
	struct passwd found;
	char text[4096];
	const enum kiln_code code = find_user(flag, user, &found, text, sizeof text, err);

	if (code == KILN_OK)
		*number = found.pw_uid;
	return code;
}

/* Group first: after setresuid nobody may change it. */
static enum kiln_code become(const char *user, struct kiln_error *err)
{
	struct passwd found;
	char text[4096];
	enum kiln_code code = find_user("--user", user, &found, text, sizeof text, err);

	if (code != KILN_OK)
		return code;
	/* Already that user, and without the right to change groups: nothing to do. */
	if (geteuid() == found.pw_uid && getuid() == found.pw_uid && geteuid() != 0)
		return KILN_OK;
	if (setgroups(1, &found.pw_gid) != 0 ||
	    setresgid(found.pw_gid, found.pw_gid, found.pw_gid) != 0 ||
	    setresuid(found.pw_uid, found.pw_uid, found.pw_uid) != 0)
		return kiln_fail_errno(err, KILN_E_PERMISSION, errno,
				       "--user %.64s: start kiln as root, or with CAP_SETUID and "
				       "CAP_SETGID",
				       user);
	return KILN_OK;
}

/* The bounding set can only be lowered with CAP_SETPCAP; without it, no_new_privs does the same. */
static void empty_bounding_set(void)
{
	for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		(void)prctl(PR_CAPBSET_DROP, cap, 0, 0, 0);
}

static enum kiln_code give_up_capabilities(struct kiln_error *err)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct none[2];

	memset(none, 0, sizeof none);
	(void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	if (syscall(SYS_capset, &header, none) != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "cannot give up capabilities");
	return KILN_OK;
}

enum kiln_code kiln_sandbox_drop_user(const char *user, struct kiln_error *err)
{
	const struct rlimit no_core = {0, 0};
	enum kiln_code code = KILN_OK;

	empty_bounding_set();
	if (user != NULL)
		code = become(user, err);
	if (code == KILN_OK)
		code = give_up_capabilities(err);
	if (code != KILN_OK)
		return code;
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || setrlimit(RLIMIT_CORE, &no_core) != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "cannot give up privileges");
#ifndef KILN_SANITIZED /* the leak sanitizer traces its own process */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "cannot forbid tracing");
#endif
	/* Trust, but verify: a worker that can be root again is no worker. */
	if (user != NULL && geteuid() != 0 && setuid(0) == 0)
		return kiln_fail(err, KILN_E_SYSTEM, "the user could be changed back to root");
	return KILN_OK;
}
