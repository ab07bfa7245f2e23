/* SPDX-License-Identifier: Apache-2.0
 * Puts the parts of the sandbox together and says what is in force. */
#include "sandbox/sandbox.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sandbox/parts.h"

/* Read before files are out of reach. */
static void name_user(char *out, size_t size)
{
	struct passwd found, *result = NULL;
	char text[4096];

	if (getpwuid_r(geteuid(), &found, text, sizeof text, &result) == 0 && result != NULL)
		(void)snprintf(out, size, "%.40s", found.pw_name);
	else
		(void)snprintf(out, size, "%u", (unsigned)geteuid());
}

#ifdef KILN_SANITIZED

enum kiln_code kiln_sandbox_worker(uint16_t port, bool handoff, char in_force[KILN_SANDBOX_TEXT],
				   struct kiln_error *err)
{
	char user[48];

	(void)err, (void)port, (void)handoff;
	name_user(user, sizeof user);
	(void)snprintf(in_force, KILN_SANDBOX_TEXT,
		       "user=%s landlock=off seccomp=off reason=built_with_sanitizers", user);
	return KILN_OK;
}

enum kiln_code kiln_sandbox_agent(bool programs, char in_force[KILN_SANDBOX_TEXT],
				  struct kiln_error *err)
{
	(void)programs;
	return kiln_sandbox_worker(0, false, in_force, err);
}

enum kiln_code kiln_sandbox_keys(const struct kiln_sandbox_keys *keys,
				 char in_force[KILN_SANDBOX_TEXT], struct kiln_error *err)
{
	(void)keys;
	return kiln_sandbox_worker(0, false, in_force, err);
}

#else

static enum kiln_seccomp wanted_mode(void)
{
	const char *value = getenv("KILN_SECCOMP");

	if (value != NULL && strcmp(value, "log") == 0)
		return KILN_SECCOMP_LOG;
	if (value != NULL && strcmp(value, "off") == 0)
		return KILN_SECCOMP_OFF;
	return KILN_SECCOMP_ON;
}

/* Seccomp's outcome is code. */
static enum kiln_code describe(const char *user, int abi, const char *seccomp, enum kiln_code code,
			       char in_force[KILN_SANDBOX_TEXT])
{
	char landlock[16] = "unavailable";

	if (code != KILN_OK && code != KILN_E_UNSUPPORTED)
		return code;
	if (abi > 0)
		(void)snprintf(landlock, sizeof landlock, "v%d", abi);
	(void)snprintf(in_force, KILN_SANDBOX_TEXT, "user=%s landlock=%s seccomp=%s", user,
		       landlock, code == KILN_OK ? seccomp : "unavailable");
	return KILN_OK;
}

static const char *const modes[] = {"on", "log", "off"};

enum kiln_code kiln_sandbox_worker(uint16_t port, bool handoff, char in_force[KILN_SANDBOX_TEXT],
				   struct kiln_error *err)
{
	enum kiln_seccomp mode = wanted_mode();
	char user[48];
	int abi;

	name_user(user, sizeof user);
	enum kiln_code code = kiln_sandbox_landlock(port, &abi, err);
	if (code != KILN_OK)
		return code;
	code = kiln_sandbox_seccomp(mode, handoff, err);
	return describe(user, abi, modes[mode], code, in_force);
}

static enum kiln_code landlock_agent(bool programs, int *abi, struct kiln_error *err)
{
	const char *home = getenv("HOME");
	char aws[256];
	const char *const writable[] = {"/dev", "/tmp", aws, NULL};

	(void)snprintf(aws, sizeof aws, "%s/.aws", home != NULL ? home : "/nonexistent");
	return programs ? kiln_sandbox_landlock_programs(writable, abi, err)
			: kiln_sandbox_landlock_readonly(abi, err);
}

enum kiln_code kiln_sandbox_agent(bool programs, char in_force[KILN_SANDBOX_TEXT],
				  struct kiln_error *err)
{
	const enum kiln_seccomp mode = wanted_mode();
	char user[48];
	int abi;

	name_user(user, sizeof user);
	enum kiln_code code = landlock_agent(programs, &abi, err);
	if (code != KILN_OK)
		return code;
	code = programs ? kiln_sandbox_seccomp_programs(mode, err)
			: kiln_sandbox_seccomp_agent(mode, err);
	return describe(user, abi,
			programs && mode == KILN_SECCOMP_ON    ? "programs"
			: programs && mode == KILN_SECCOMP_LOG ? "off"
							       : modes[mode],
			code, in_force);
}

enum kiln_code kiln_sandbox_keys(const struct kiln_sandbox_keys *keys,
				 char in_force[KILN_SANDBOX_TEXT], struct kiln_error *err)
{
	const enum kiln_seccomp mode = wanted_mode();
	char user[48];
	int abi;

	name_user(user, sizeof user);
	enum kiln_code code = kiln_sandbox_landlock_keys(keys, &abi, err);
	if (code != KILN_OK)
		return code;
	code = kiln_sandbox_seccomp_keys(mode, keys->network, err);
	return describe(user, abi, modes[mode], code, in_force);
}

#endif
