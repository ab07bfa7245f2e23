/* SPDX-License-Identifier: Apache-2.0
 * The system calls of the identity agent, which asks AWS through libcurl: a thread per look-up of a
 * name (getaddrinfo, with whatever modules nsswitch.conf names), TLS by OpenSSL, and files that are
 * read. It runs no program and writes no file. Any other call fails as one that the kernel does not
 * have, so that libraries go on without, and is remembered for the log: these libraries are more
 * than we know, and an agent that dies of one takes all handshakes with it. */
#include <asm/termbits.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include "sandbox/filter.h"

#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

/* ---- what it may ------------------------------------------------------------------------------
 */

static const int allowed[] = {
    /* sockets and descriptors; bind for netlink and datagrams, no listen */
    SCMP_SYS(bind),
    SCMP_SYS(close),
    SCMP_SYS(connect),
    SCMP_SYS(dup),
    SCMP_SYS(fcntl),
    SCMP_SYS(getpeername),
    SCMP_SYS(getsockname),
    SCMP_SYS(getsockopt),
    SCMP_SYS(pwritev2), /* of log lines */
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmmsg),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendmmsg),
    SCMP_SYS(sendmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(setsockopt),
    SCMP_SYS(shutdown),
    SCMP_SYS(socketpair), /* wakes libcurl */
    SCMP_SYS(write),
    SCMP_SYS(writev),
    /* files: credentials, authorities, name service */
    SCMP_SYS(access),
    SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),
    SCMP_SYS(fstat),
    SCMP_SYS(fstatfs),
    SCMP_SYS(getcwd),
    SCMP_SYS(getdents64),
    SCMP_SYS(lseek),
    SCMP_SYS(lstat),
    SCMP_SYS(newfstatat),
    SCMP_SYS(pread64),
    SCMP_SYS(readlink),
    SCMP_SYS(readlinkat),
    SCMP_SYS(stat),
    SCMP_SYS(statfs),
    SCMP_SYS(statx),
    /* waiting */
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(eventfd2),
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(pselect6),
    SCMP_SYS(select),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    /* memory, threads */
    SCMP_SYS(brk),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
    SCMP_SYS(futex),
    SCMP_SYS(futex_waitv),
    SCMP_SYS(gettid),
    SCMP_SYS(madvise),
    SCMP_SYS(membarrier),
    SCMP_SYS(mremap),
    SCMP_SYS(munmap),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(rseq),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(sched_yield),
    SCMP_SYS(set_robust_list),
    /* time, randomness, who and where */
    SCMP_SYS(clock_getres),
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_nanosleep),
    SCMP_SYS(getcpu),
    SCMP_SYS(getegid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getpgrp),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(getrandom),
    SCMP_SYS(getresgid),
    SCMP_SYS(getresuid),
    SCMP_SYS(getrusage),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(getuid),
    SCMP_SYS(nanosleep),
    SCMP_SYS(sysinfo),
    SCMP_SYS(time),
    SCMP_SYS(uname),
    /* signals */
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(sigaltstack),
};

#define ANY_BITS KILN_FILTER_ANY_BITS
#define ALLOW    SCMP_ACT_ALLOW
#define READ     SCMP_ACT_ERRNO(EACCES) /* reading it is */
#define WRITING  (O_ACCMODE | O_CREAT | O_TRUNC)
#define NEW_ROOM                                                                                   \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER |             \
	 CLONE_NEWPID | CLONE_NEWNET)
#define THREAD (CLONE_VM | CLONE_THREAD)

static const struct kiln_filter_condition conditions[] = {
    {SCMP_SYS(open), 1, WRITING, O_RDONLY, ALLOW},
    {SCMP_SYS(openat), 2, WRITING, O_RDONLY, ALLOW},
    {SCMP_SYS(clone), 0, THREAD | NEW_ROOM, THREAD, ALLOW},
    {SCMP_SYS(ioctl), 1, ANY_BITS, TCGETS, ALLOW}, /* stdio asks for a terminal */
    {SCMP_SYS(ioctl), 1, ANY_BITS, FIONBIO, ALLOW},
    {SCMP_SYS(ioctl), 1, ANY_BITS, FIONREAD, ALLOW},
    {SCMP_SYS(prctl), 0, ANY_BITS, PR_SET_NAME, ALLOW},
    {SCMP_SYS(prctl), 0, ANY_BITS, PR_SET_VMA, ALLOW}, /* malloc names its memory */
    {SCMP_SYS(prlimit64), 2, ANY_BITS, 0, ALLOW},      /* reading, not setting */
    {SCMP_SYS(mprotect), 2, PROT_EXEC, 0, ALLOW},
    {SCMP_SYS(mmap), 2, PROT_EXEC, 0, ALLOW},
};

/* Code is a file's, which nobody here can write: a module of the name service that is loaded when
 * it is first needed. */
static int allow_modules(scmp_filter_ctx filter)
{
	const struct scmp_arg_cmp compare[] = {
	    {.arg = 2,
	     .op = SCMP_CMP_MASKED_EQ,
	     .datum_a = PROT_EXEC | PROT_WRITE,
	     .datum_b = PROT_EXEC},
	    {.arg = 3, .op = SCMP_CMP_MASKED_EQ, .datum_a = MAP_ANONYMOUS, .datum_b = 0},
	};
	return seccomp_rule_add_array(filter, ALLOW, SCMP_SYS(mmap), KILN_FILTER_COUNT(compare),
				      compare);
}

/* TCP, the resolver's datagrams, the name service's sockets, and the list of our addresses. */
static int allow_sockets(scmp_filter_ctx filter)
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
	int rc = 0;
	for (size_t i = 0; rc == 0 && i < KILN_FILTER_COUNT(sockets); i++)
		rc = kiln_filter_socket(filter, SCMP_SYS(socket), sockets[i].family,
					sockets[i].type, sockets[i].protocol);
	return rc;
}

/* Refused without a word, for what they are told to do is out of a filter's sight: the C library
 * goes on with clone and openat. */
static const int unknown[] = {SCMP_SYS(clone3), SCMP_SYS(openat2)};

static int add_rules(scmp_filter_ctx filter)
{
	const struct kiln_filter_condition abort_itself = {SCMP_SYS(tgkill), 0, ANY_BITS,
							   (uint64_t)getpid(), ALLOW};
	int rc = kiln_filter_conditions(filter, &abort_itself, 1);
	if (rc == 0)
		rc = kiln_filter_calls(filter, ALLOW, allowed, KILN_FILTER_COUNT(allowed));
	if (rc == 0)
		rc = kiln_filter_calls(filter, SCMP_ACT_ERRNO(ENOSYS), unknown,
				       KILN_FILTER_COUNT(unknown));
	if (rc == 0)
		rc = kiln_filter_conditions(filter, conditions, KILN_FILTER_COUNT(conditions));
	if (rc == 0)
		rc = allow_modules(filter);
	return rc == 0 ? allow_sockets(filter) : rc;
}

/* ---- what it tried ----------------------------------------------------------------------------
 */

#define CALLS 1024u /* more than any architecture has numbers from 0 on */

static _Atomic uint64_t tried[CALLS / 64];
static uint64_t told[CALLS / 64];

/* Synchronous: the thread stands at the call, which was not made. */
static void on_refused(int number, siginfo_t *info, void *context)
{
	ucontext_t *at = context;
	const unsigned call = (unsigned)info->si_syscall;
	(void)number;
	if (call < CALLS)
		(void)atomic_fetch_or(&tried[call / 64], UINT64_C(1) << call % 64);
#if defined(__x86_64__)
	at->uc_mcontext.gregs[REG_RAX] = -ENOSYS;
#elif defined(__aarch64__)
	at->uc_mcontext.regs[0] = (unsigned long long)-ENOSYS;
#else
	(void)at;
	_exit(1); /* its caller would take what it finds for an answer */
#endif
}

bool kiln_sandbox_refused(char name[KILN_SANDBOX_CALL])
{
	for (unsigned call = 0; call < CALLS; call++) {
		const uint64_t bit = UINT64_C(1) << call % 64;
		if ((atomic_load(&tried[call / 64]) & bit) == 0 || (told[call / 64] & bit) != 0)
			continue;
		told[call / 64] |= bit;
		char *known = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, (int)call);
		(void)snprintf(name, KILN_SANDBOX_CALL, "%s", known != NULL ? known : "unknown");
		free(known);
		return true;
	}
	return false;
}

enum kiln_code kiln_sandbox_trap(enum kiln_seccomp mode, int (*add)(scmp_filter_ctx filter),
				 struct kiln_error *err)
{
	struct sigaction action = {.sa_sigaction = on_refused, .sa_flags = SA_SIGINFO | SA_RESTART};
	if (mode == KILN_SECCOMP_OFF)
		return KILN_OK;
	(void)sigemptyset(&action.sa_mask);
	if (sigaction(SIGSYS, &action, NULL) != 0)
		return kiln_fail_errno(err, KILN_E_SYSTEM, errno, "cannot watch for SIGSYS");
	scmp_filter_ctx filter =
	    kiln_filter_new(mode == KILN_SECCOMP_LOG ? SCMP_ACT_LOG : SCMP_ACT_TRAP);
	if (filter == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a seccomp filter");
	/* libcurl's threads, should there be any. */
	(void)seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
	return kiln_filter_load(filter, add(filter), err);
}

enum kiln_code kiln_sandbox_seccomp_agent(enum kiln_seccomp mode, struct kiln_error *err)
{
	return kiln_sandbox_trap(mode, add_rules, err);
}
