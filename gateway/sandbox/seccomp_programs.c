/* SPDX-License-Identifier: Apache-2.0
 * The system calls of an identity agent that has a credential_process to run. A filter is inherited
 * by the program, and that may be anything: a shell, Python, a browser's helper. So this one takes
 * away only what none of them needs, and what has broken kernels. */
#include <errno.h>
#include <linux/sched.h>
#include <sys/ioctl.h>

#include "sandbox/filter.h"

#ifndef TIOCLINUX
#define TIOCLINUX 0x541C
#endif

static const int refused[] = {
    /* other processes */
    SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(process_madvise),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(ptrace),
    /* the kernel itself */
    SCMP_SYS(acct),
    SCMP_SYS(bpf),
    SCMP_SYS(delete_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(init_module),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(ioperm),
    SCMP_SYS(iopl),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(kexec_load),
    SCMP_SYS(lookup_dcookie),
    SCMP_SYS(modify_ldt),
    SCMP_SYS(perf_event_open),
    SCMP_SYS(reboot),
    SCMP_SYS(swapoff),
    SCMP_SYS(swapon),
    SCMP_SYS(syslog),
    SCMP_SYS(userfaultfd),
    /* its keys, its clock, its name */
    SCMP_SYS(add_key),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(clock_settime),
    SCMP_SYS(keyctl),
    SCMP_SYS(request_key),
    SCMP_SYS(setdomainname),
    SCMP_SYS(sethostname),
    SCMP_SYS(settimeofday),
    /* file systems and other rooms */
    SCMP_SYS(chroot),
    SCMP_SYS(fanotify_init),
    SCMP_SYS(fsconfig),
    SCMP_SYS(fsmount),
    SCMP_SYS(fsopen),
    SCMP_SYS(fspick),
    SCMP_SYS(mount),
    SCMP_SYS(mount_setattr),
    SCMP_SYS(move_mount),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(open_tree),
    SCMP_SYS(pivot_root),
    SCMP_SYS(quotactl),
    SCMP_SYS(quotactl_fd),
    SCMP_SYS(setns),
    SCMP_SYS(umount2),
    SCMP_SYS(unshare),
};

/* The C library goes on with clone, whose flags can be seen. */
static const int unknown[] = {SCMP_SYS(clone3)};

#define REFUSE SCMP_ACT_ERRNO(EPERM)

static const struct kiln_filter_condition conditions[] = {
    {SCMP_SYS(clone), 0, CLONE_NEWNS, CLONE_NEWNS, REFUSE},
    {SCMP_SYS(clone), 0, CLONE_NEWUSER, CLONE_NEWUSER, REFUSE},
    /* Words put into the mouth of whoever has our terminal. */
    {SCMP_SYS(ioctl), 1, UINT32_MAX, TIOCSTI, REFUSE},
    {SCMP_SYS(ioctl), 1, UINT32_MAX, TIOCLINUX, REFUSE},
};

static int add_rules(scmp_filter_ctx filter)
{
	int rc = kiln_filter_calls(filter, REFUSE, refused, KILN_FILTER_COUNT(refused));
	if (rc == 0)
		rc = kiln_filter_calls(filter, SCMP_ACT_ERRNO(ENOSYS), unknown,
				       KILN_FILTER_COUNT(unknown));
	if (rc == 0)
		rc = kiln_filter_conditions(filter, conditions, KILN_FILTER_COUNT(conditions));
	return rc;
}

enum kiln_code kiln_sandbox_seccomp_programs(enum kiln_seccomp mode, struct kiln_error *err)
{
	if (mode != KILN_SECCOMP_ON) /* nothing to log: what is not refused is allowed */
		return KILN_OK;
	scmp_filter_ctx filter = kiln_filter_new(SCMP_ACT_ALLOW);
	if (filter == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a seccomp filter");
	/* The kernel's log names what was refused, and to which program. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	return kiln_filter_load(filter, add_rules(filter), err);
}
