/* SPDX-License-Identifier: Apache-2.0
 * The system calls of the key server: its sockets come to it as descriptors, SQLite reads and
 * writes files, libpq opens connections. Everything is set up before. Any other call fails as one
 * that the kernel does not have, and is remembered for the log: an unknown need of a library must
 * not end the sessions of all users. */
#include <asm/termbits.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/in.h>
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
    /* sockets that came to us */
    SCMP_SYS(accept4),
    SCMP_SYS(close),
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
    /* files: the store, its journal, its anchor */
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(fallocate),
    SCMP_SYS(fchmod),
    SCMP_SYS(fdatasync),
    SCMP_SYS(flock),
    SCMP_SYS(fstat),
    SCMP_SYS(fstatfs),
    SCMP_SYS(fsync),
    SCMP_SYS(ftruncate),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents64),
    SCMP_SYS(lseek),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(open),
    SCMP_SYS(openat),
    SCMP_SYS(pread64),
    SCMP_SYS(pwrite64),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(rename),
    SCMP_SYS(renameat),
    SCMP_SYS(renameat2),
    SCMP_SYS(stat),
    SCMP_SYS(statfs),
    SCMP_SYS(statx),
    SCMP_SYS(sync_file_range),
    SCMP_SYS(unlink),
    SCMP_SYS(unlinkat),
    /* waiting */
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(timerfd_settime), /* the pause of the hand-off listener */
    SCMP_SYS(epoll_wait),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    /* memory */
    SCMP_SYS(brk),
    SCMP_SYS(madvise),
    SCMP_SYS(mlock),
    SCMP_SYS(mlock2),
    SCMP_SYS(mremap),
    SCMP_SYS(msync),
    SCMP_SYS(munlock),
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
};

#define ANY_BITS KILN_FILTER_ANY_BITS
#define ALLOW    SCMP_ACT_ALLOW

static const struct kiln_filter_condition conditions[] = {
    /* Sending with it connects, and Landlock does not look. */
    {SCMP_SYS(sendto), 3, MSG_FASTOPEN, 0, ALLOW},
    {SCMP_SYS(sendmsg), 2, MSG_FASTOPEN, 0, ALLOW},
    {SCMP_SYS(ioctl), 1, ANY_BITS, TCGETS, ALLOW}, /* stdio asks for a terminal */
    {SCMP_SYS(ioctl), 1, ANY_BITS, FIONBIO, ALLOW},
    {SCMP_SYS(ioctl), 1, ANY_BITS, FIONREAD, ALLOW},
    {SCMP_SYS(ioctl), 1, ANY_BITS, SIOCOUTQ, ALLOW},
    {SCMP_SYS(prctl), 0, ANY_BITS, PR_SET_NAME, ALLOW},
    {SCMP_SYS(prctl), 0, ANY_BITS, PR_SET_VMA, ALLOW}, /* malloc names its memory */
    {SCMP_SYS(prlimit64), 2, ANY_BITS, 0, ALLOW},      /* reading, not setting */
    /* Memory may be had, but never to run. */
    {SCMP_SYS(mmap), 2, PROT_EXEC, 0, ALLOW},
    {SCMP_SYS(mprotect), 2, PROT_EXEC, 0, ALLOW},
};

static int add_rules(scmp_filter_ctx filter)
{
	const struct kiln_filter_condition abort_itself = {SCMP_SYS(tgkill), 0, ANY_BITS,
							   (uint64_t)getpid(), ALLOW};
	int rc = kiln_filter_conditions(filter, &abort_itself, 1);
	if (rc == 0)
		rc = kiln_filter_calls(filter, ALLOW, allowed, KILN_FILTER_COUNT(allowed));
	if (rc == 0)
		rc = kiln_filter_conditions(filter, conditions, KILN_FILTER_COUNT(conditions));
	return rc;
}

/* TCP, the resolver's datagrams, the database's and the name service's sockets, and the list of our
 * addresses; and code of a file, which nobody here can write: a module of the name service. */
static int add_network(scmp_filter_ctx filter)
{
	static const struct {
		int family, type, protocol;
	} sockets[] = {
	    {AF_INET, SOCK_STREAM, 0},  {AF_INET, SOCK_STREAM, IPPROTO_TCP},
	    {AF_INET6, SOCK_STREAM, 0}, {AF_INET6, SOCK_STREAM, IPPROTO_TCP},
	    {AF_INET, SOCK_DGRAM, 0},   {AF_INET, SOCK_DGRAM, IPPROTO_UDP},
	    {AF_INET6, SOCK_DGRAM, 0},  {AF_INET6, SOCK_DGRAM, IPPROTO_UDP},
	    {AF_UNIX, SOCK_STREAM, 0},  {AF_NETLINK, SOCK_RAW, 0},
	};
	static const int calls[] = {SCMP_SYS(bind),     SCMP_SYS(connect), SCMP_SYS(recvmmsg),
				    SCMP_SYS(sendmmsg), SCMP_SYS(select),  SCMP_SYS(pselect6)};
	const struct scmp_arg_cmp module[] = {
	    {.arg = 2,
	     .op = SCMP_CMP_MASKED_EQ,
	     .datum_a = PROT_EXEC | PROT_WRITE,
	     .datum_b = PROT_EXEC},
	    {.arg = 3, .op = SCMP_CMP_MASKED_EQ, .datum_a = MAP_ANONYMOUS, .datum_b = 0},
	};
	int rc = add_rules(filter);
	if (rc == 0)
		rc = kiln_filter_calls(filter, ALLOW, calls, KILN_FILTER_COUNT(calls));
	for (size_t i = 0; rc == 0 && i < KILN_FILTER_COUNT(sockets); i++)
		rc = kiln_filter_socket(filter, SCMP_SYS(socket), sockets[i].family,
					sockets[i].type, sockets[i].protocol);
	if (rc == 0)
		rc = seccomp_rule_add_array(filter, ALLOW, SCMP_SYS(mmap),
					    KILN_FILTER_COUNT(module), module);
	return rc;
}

enum kiln_code kiln_sandbox_seccomp_keys(enum kiln_seccomp mode, bool network,
					 struct kiln_error *err)
{
	return kiln_sandbox_trap(mode, network ? add_network : add_rules, err);
}
