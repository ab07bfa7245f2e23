/* SPDX-License-Identifier: Apache-2.0
 * The parts of kiln_sandbox_worker, for it and for tests. */
#ifndef KILN_GATEWAY_SANDBOX_PARTS_H
#define KILN_GATEWAY_SANDBOX_PARTS_H

#include "sandbox/sandbox.h"

/* Denies the file system, binding TCP ports, connecting to other TCP ports than port (0: to any)
 * and signals to others, as far as the kernel knows how. *abi is Landlock's version, 0 when it is
 * not there. */
enum kiln_code kiln_sandbox_landlock(uint16_t port, int *abi, struct kiln_error *err);

/* Denies writing to files, binding TCP ports, and signals to others. */
enum kiln_code kiln_sandbox_landlock_readonly(int *abi, struct kiln_error *err);

/* The same, but for programs, which may be run, and the folders that writable names (it ends with
 * NULL). */
enum kiln_code kiln_sandbox_landlock_programs(const char *const *writable, int *abi,
					      struct kiln_error *err);

/* Denies the file system but for reading it, for the folders that writable names, and for removing
 * files from the folder removable (NULL: none); binding TCP ports; signals to others; and, without
 * network, connecting. */
enum kiln_code kiln_sandbox_landlock_keys(const struct kiln_sandbox_keys *keys, int *abi,
					  struct kiln_error *err);

enum kiln_seccomp {
	KILN_SECCOMP_ON,
	KILN_SECCOMP_LOG, /* violations are allowed, and logged by the kernel */
	KILN_SECCOMP_OFF,
};

/* KILN_E_UNSUPPORTED: this kernel has no seccomp filters. */
enum kiln_code kiln_sandbox_seccomp(enum kiln_seccomp mode, bool handoff, struct kiln_error *err);
enum kiln_code kiln_sandbox_seccomp_agent(enum kiln_seccomp mode, struct kiln_error *err);
enum kiln_code kiln_sandbox_seccomp_keys(enum kiln_seccomp mode, bool network,
					 struct kiln_error *err);
enum kiln_code kiln_sandbox_seccomp_programs(enum kiln_seccomp mode, struct kiln_error *err);

#endif
