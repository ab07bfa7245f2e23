/* SPDX-License-Identifier: Apache-2.0
 *
 * What a worker gives up once it has what it needs: its user, the file system, and the system calls
 * that are not its job. A break-in then finds the worker's own sockets, and nothing to open, run or
 * signal, and nowhere to connect to but the target's port. In this order:
 *
 *   kiln_sandbox_drop_user   when whatever needs rights is open (rings, epoll, listeners)
 *   kiln_sandbox_worker      last, when files are no longer needed
 *
 * and when the worker's ring is set up, kiln_sandbox_ring: what goes through a ring is not seen by
 * seccomp. All of it is for one single-threaded process, and none of it can be undone.
 */
#ifndef KILN_GATEWAY_SANDBOX_H
#define KILN_GATEWAY_SANDBOX_H

#include <stdbool.h>
#include <sys/types.h>

#include <kiln/error.h>

struct io_uring;

/* KILN_E_CONFIG when there is no such user; so that a start fails before its workers do. */
enum kiln_code kiln_sandbox_check_user(const char *user, struct kiln_error *err) KILN_NODISCARD;
/* The number of a user, for the value of that flag. */
enum kiln_code kiln_sandbox_find_user(const char *flag, const char *user, uid_t *number,
				      struct kiln_error *err) KILN_NODISCARD;

/* Becomes user (a name), with the user's own group and no other; NULL stays who we are. Then gives
 * up every capability, the right to gain any, core dumps and being traced. Clears the signal that
 * PR_SET_PDEATHSIG set: set it again afterwards. */
enum kiln_code kiln_sandbox_drop_user(const char *user, struct kiln_error *err) KILN_NODISCARD;

#define KILN_SANDBOX_TEXT 128u

/* Landlock and seccomp. TCP connections may go to port alone, on any address; with 0 to none at
 * all. With handoff, packets on Unix sockets may be had as well, and pairs of those. A kernel that
 * lacks one is no error, but in_force says so, in a form for the log: "user=nobody landlock=v3
 * seccomp=on". The variable KILN_SECCOMP of the environment makes violations be logged by the
 * kernel ("log") instead of killing the process, or allows all ("off").
 *
 * From then on opening a file fails with EACCES, and a call that no worker needs ends the process
 * with SIGSYS. Built with sanitizers, which need files and calls of their own, neither is set. */
enum kiln_code kiln_sandbox_worker(uint16_t port, bool handoff, char in_force[KILN_SANDBOX_TEXT],
				   struct kiln_error *err) KILN_NODISCARD;

/* For the identity agent, which reads credentials and talks to AWS: it writes no file, runs no
 * program, listens at no port and signals nobody. Its seccomp filter refuses what it does not need
 * as a kernel would that does not have it ("seccomp=on"), and kiln_sandbox_refused tells. With
 * programs, for a credential_process: they are run, and beneath /dev, /tmp and the user's ~/.aws
 * files are written; the filter, which those programs inherit, takes away only what no program
 * needs ("seccomp=programs"). */
enum kiln_code kiln_sandbox_agent(bool programs, char in_force[KILN_SANDBOX_TEXT],
				  struct kiln_error *err) KILN_NODISCARD;

/* For the key server: it reads files, writes beneath the folders of its store, takes descriptors
 * from the gateway's workers, and with network (PostgreSQL) opens connections. What it does not
 * need is refused as in kiln_sandbox_agent. */
struct kiln_sandbox_keys {
	const char *const *writable; /* folders, ended by NULL */
	const char *removable;       /* the folder that our socket is in, or NULL */
	bool network;
};
enum kiln_code kiln_sandbox_keys(const struct kiln_sandbox_keys *keys,
				 char in_force[KILN_SANDBOX_TEXT],
				 struct kiln_error *err) KILN_NODISCARD;

/* A call that the agent's filter has refused since it was set, each once; false: no more. */
#define KILN_SANDBOX_CALL 40u
bool kiln_sandbox_refused(char name[KILN_SANDBOX_CALL]);

/* Limits a ring to the operations of the relay, none of which can name a file or make a socket. For
 * a ring that was set up with IORING_SETUP_R_DISABLED, which this call enables. */
enum kiln_code kiln_sandbox_ring(struct io_uring *ring, struct kiln_error *err) KILN_NODISCARD;

#endif
