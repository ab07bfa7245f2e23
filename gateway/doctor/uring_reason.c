/* SPDX-License-Identifier: Apache-2.0
 * Verdicts on a refused io_uring_setup. */
#include "doctor/uring_reason.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <string.h>

#include "doctor/facts.h"

void kiln_uring_walls_look(struct kiln_uring_walls *walls)
{
	long value;

	walls->disabled =
	    kiln_fact_number("/proc/sys/kernel/io_uring_disabled", &value) ? (int)value : -1;
	walls->seccomp = kiln_fact_seccomp() == 2;
	walls->admin = kiln_fact_capability(CAP_SYS_ADMIN);
}

static void say(char out[KILN_PROBE_TEXT], const char *text)
{
	(void)snprintf(out, KILN_PROBE_TEXT, "%s", text);
}

static void not_permitted(const struct kiln_uring_walls *walls, char *reason, char *fix)
{
	if (walls->disabled == 2 || (walls->disabled == 1 && !walls->admin)) {
		(void)snprintf(reason, KILN_PROBE_TEXT, "the sysctl kernel.io_uring_disabled is %d",
			       walls->disabled);
		say(fix, "sysctl -w kernel.io_uring_disabled=0");
	} else if (walls->seccomp) {
		say(reason,
		    "a seccomp filter refuses io_uring, as the default profiles of container "
		    "runtimes do");
		say(fix, "docker run --security-opt seccomp=PROFILE, with the io_uring_* calls "
			 "allowed in PROFILE");
	} else {
		say(reason, "a security module refuses io_uring to this user");
	}
}

void kiln_uring_reason(int sys_errno, const struct kiln_uring_walls *walls,
		       char reason[KILN_PROBE_TEXT], char fix[KILN_PROBE_TEXT])
{
	char text[96];

	say(fix, "");
	switch (sys_errno) {
	case EPERM:
	case EACCES: not_permitted(walls, reason, fix); return;
	case ENOSYS:
		say(reason, walls->seccomp ? "a seccomp filter hides io_uring from this process"
					   : "this kernel was built without io_uring");
		return;
	case ENOMEM:
		say(reason, "too little lockable memory for a ring (RLIMIT_MEMLOCK)");
		say(fix, "ulimit -l unlimited");
		return;
	case EMFILE:
	case ENFILE:
		say(reason, "no file descriptor is left for a ring");
		say(fix, "ulimit -n 1048576");
		return;
	default:
		(void)snprintf(reason, KILN_PROBE_TEXT, "io_uring_setup is refused: %s",
			       strerror_r(sys_errno, text, sizeof text));
	}
}
