/* SPDX-License-Identifier: Apache-2.0
 * The system calls of a worker. Allowed: what both engines, the C library's malloc and stdio, and
 * OpenSSL use when everything is set up. Refused with an error: what libraries try and can do
 * without. Everything else is no mistake of ours and ends the process. */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sandbox/filter.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

static const int allowed[] = {
    /* sockets and descriptors */
    SCMP_SYS(accept),
    SCMP_SYS(accept4),
    SCMP_SYS(close),
    SCMP_SYS(connect),
    SCMP_SYS(fcntl),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(pwritev2), /* of log lines */
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    /* certificates arrive in a memory file */
    SCMP_SYS(fstat),
    SCMP_SYS(lseek),
    SCMP_SYS(pread64),
    /* waiting */
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_gettime),
    SCMP_SYS(timerfd_settime),
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    /* time, randomness, who and where */
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(getcpu),
    SCMP_SYS(getegid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getrusage),
    SCMP_SYS(gettid),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getuid),
    SCMP_SYS(nanosleep),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sysinfo),
    SCMP_SYS(time),
    SCMP_SYS(uname),
    /* signals, locks, the end */
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(futex),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rseq),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(signalfd4),
};

/* Files: libraries look for configuration, time zones and CPU counts, and go on without. */
static const int refused[] = {
    SCMP_SYS(access),   SCMP_SYS(faccessat),  SCMP_SYS(faccessat2), SCMP_SYS(getcwd),
    SCMP_SYS(lstat),    SCMP_SYS(open),       SCMP_SYS(openat),     SCMP_SYS(openat2),
    SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(stat),       SCMP_SYS(statfs),
    SCMP_SYS(statx),
};

#define ANY_BITS KILN_FILTER_ANY_BITS
#define REFUSE   SCMP_ACT_ERRNO(EACCES)

static const struct kiln_filter_condition conditions[] = {
    {SCMP_SYS(socket), 0, ANY_BITS, AF_NETLINK, REFUSE}, /* the C library's interface lists */
    /* Sending with it connects, and Landlock does not look. */
    {SCMP_SYS(sendto), 3, MSG_FASTOPEN, 0, SCMP_ACT_ALLOW},
    {SCMP_SYS(sendmsg), 2, MSG_FASTOPEN, 0, SCMP_ACT_ALLOW},
    {SCMP_SYS(ioctl), 1, ANY_BITS, TCGETS, SCMP_ACT_ALLOW}, /* stdio asks for a terminal */
    {SCMP_SYS(ioctl), 1, ANY_BITS, FIONBIO, SCMP_ACT_ALLOW},
    {SCMP_SYS(ioctl), 1, ANY_BITS, FIONREAD, SCMP_ACT_ALLOW},
    {SCMP_SYS(ioctl), 1, ANY_BITS, SIOCOUTQ, SCMP_ACT_ALLOW},
    {SCMP_SYS(prctl), 0, ANY_BITS, PR_SET_NAME, SCMP_ACT_ALLOW},
    {SCMP_SYS(prctl), 0, ANY_BITS, PR_SET_VMA, SCMP_ACT_ALLOW}, /* malloc names its memory */
    {SCMP_SYS(prlimit64), 2, ANY_BITS, 0, SCMP_ACT_ALLOW},      /* reading, not setting */
    {SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, AT_EMPTY_PATH, SCMP_ACT_ALLOW}, /* fstat */
    {SCMP_SYS(newfstatat), 3, AT_EMPTY_PATH, 0, REFUSE},
    /* Memory may be had, but never to run. */
    {SCMP_SYS(mmap), 2, PROT_EXEC, 0, SCMP_ACT_ALLOW},
    {SCMP_SYS(mprotect), 2, PROT_EXEC, 0, SCMP_ACT_ALLOW},
};

/* The channel to the application, and both ends of what is relayed to it. Descriptors go out with
 * sendmsg, whose control messages no filter can see. */
static int add_handoff(scmp_filter_ctx filter)
{
	static const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
	int rc = kiln_filter_socket(filter, SCMP_SYS(socket), AF_UNIX, SOCK_SEQPACKET, 0);
	for (size_t i = 0; rc == 0 && i < KILN_FILTER_COUNT(types); i++)
		rc = kiln_filter_socket(filter, SCMP_SYS(socketpair), AF_UNIX, types[i], 0);
	return rc;
}

static int add_rules(scmp_filter_ctx filter, bool handoff)
{
	/* abort() signals its own process, and nobody else's is in reach. */
	const struct kiln_filter_condition abort_itself = {SCMP_SYS(tgkill), 0, ANY_BITS,
							   (uint64_t)getpid(), SCMP_ACT_ALLOW};
	static const int families[] = {AF_INET, AF_INET6, AF_UNIX};
	int rc = kiln_filter_conditions(filter, &abort_itself, 1);

	/* Streams of the family, and of its own protocol: Landlock sees connections of TCP, and
	 * neither datagrams nor SCTP, MPTCP and the like. */
	for (size_t i = 0; rc == 0 && i < KILN_FILTER_COUNT(families); i++)
		rc = kiln_filter_socket(filter, SCMP_SYS(socket), families[i], SOCK_STREAM, 0);
	if (rc == 0 && handoff)
		rc = add_handoff(filter);
	if (rc == 0)
		rc = kiln_filter_calls(filter, SCMP_ACT_ALLOW, allowed, KILN_FILTER_COUNT(allowed));
	if (rc == 0)
		rc = kiln_filter_calls(filter, REFUSE, refused, KILN_FILTER_COUNT(refused));
	if (rc == 0)
		rc = kiln_filter_conditions(filter, conditions, KILN_FILTER_COUNT(conditions));
	return rc;
}

enum kiln_code kiln_sandbox_seccomp(enum kiln_seccomp mode, bool handoff, struct kiln_error *err)
{
	if (mode == KILN_SECCOMP_OFF)
		return KILN_OK;
	scmp_filter_ctx filter =
	    kiln_filter_new(mode == KILN_SECCOMP_LOG ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS);
	if (filter == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a seccomp filter");
	return kiln_filter_load(filter, add_rules(filter, handoff), err);
}
