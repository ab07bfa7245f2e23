/* SPDX-License-Identifier: Apache-2.0
 * From a failed BPF load to a sentence that says what to do. */
#include "steer/bpf_error.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/libbpf.h>

static char last_line[KILN_ERROR_MAX];
static libbpf_print_fn_t previous;

/* "failed to load object" ends every failure and tells nothing; the line before it does. */
static bool is_telling(const char *line)
{
	return strncmp(line, "failed to load", 14) != 0 && line[0] != '\0';
}

static KILN_PRINTF(2, 0) int capture(enum libbpf_print_level level, const char *format,
				     va_list args)
{
	char line[1024];

	if (level != LIBBPF_WARN || vsnprintf(line, sizeof line, format, args) < 0)
		return 0;
	char *start = strncmp(line, "libbpf: ", 8) == 0 ? line + 8 : line;
	start[strcspn(start, "\n")] = '\0';
	if (is_telling(start))
		(void)snprintf(last_line, sizeof last_line, "%.255s", start);
	return 0;
}

void kiln_bpf_capture_start(void)
{
	last_line[0] = '\0';
	previous = libbpf_set_print(capture);
}

void kiln_bpf_capture_end(void)
{
	(void)libbpf_set_print(previous);
}

static bool have_capability(unsigned capability)
{
	struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {0};

	if (syscall(SYS_capget, &header, data) != 0)
		return false;
	return (data[capability / 32].effective & (1U << (capability % 32))) != 0;
}

static bool is_entitled(void)
{
	return (have_capability(CAP_BPF) && have_capability(CAP_NET_ADMIN)) ||
	       have_capability(CAP_SYS_ADMIN);
}

enum kiln_code kiln_bpf_fail(struct kiln_error *err, int sys_errno, const char *what)
{
	switch (sys_errno) {
	case EPERM:
		if (!is_entitled())
			return kiln_fail(err, KILN_E_PERMISSION,
					 "no right to load eBPF, so no %s: start kiln as root or "
					 "give it CAP_BPF and CAP_NET_ADMIN (setcap "
					 "cap_bpf,cap_net_admin+ep, or AmbientCapabilities= in its "
					 "systemd unit)",
					 what);
		return kiln_fail(err, KILN_E_PERMISSION,
				 "the kernel refuses eBPF although the capabilities are held, so "
				 "no %s: a container's seccomp filter, a user namespace or kernel "
				 "lockdown is in the way",
				 what);
	case ENOSYS:
		return kiln_fail(err, KILN_E_UNSUPPORTED,
				 "this kernel has no eBPF (CONFIG_BPF_SYSCALL), so no %s", what);
	case ENOMEM:
		return kiln_fail(err, KILN_E_NO_MEMORY,
				 "no memory for eBPF, so no %s: raise RLIMIT_MEMLOCK", what);
	default:
		return kiln_fail_errno(err, KILN_E_UNSUPPORTED, sys_errno,
				       "this kernel does not load the eBPF program, so no %s "
				       "(%.120s)",
				       what, last_line);
	}
}
