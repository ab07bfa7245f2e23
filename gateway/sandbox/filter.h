/* SPDX-License-Identifier: Apache-2.0
 * Seccomp filters out of tables; for gateway/sandbox only. */
#ifndef KILN_SANDBOX_FILTER_H
#define KILN_SANDBOX_FILTER_H

#include <seccomp.h>

#include "sandbox/parts.h"

#define KILN_FILTER_COUNT(a) (sizeof(a) / sizeof(a)[0])
#define KILN_FILTER_ANY_BITS UINT64_MAX

/* A call with a condition on one argument: (argument n & mask) == value. */
struct kiln_filter_condition {
	int call;
	unsigned n;
	uint64_t mask, value;
	uint32_t action;
};

/* The same action for many calls: __NR_* of this architecture; a negative number is a call that it
 * does not have. */
int kiln_filter_calls(scmp_filter_ctx filter, uint32_t action, const int *calls, size_t count);
int kiln_filter_conditions(scmp_filter_ctx filter, const struct kiln_filter_condition *conditions,
			   size_t count);
/* socket(family, type, protocol), or socketpair: with whatever flags in the type. */
int kiln_filter_socket(scmp_filter_ctx filter, int call, int family, int type, int protocol);

/* NULL: no memory. */
scmp_filter_ctx kiln_filter_new(uint32_t otherwise);
/* Loads it when rc, what its rules came to, is 0, and frees it. */
enum kiln_code kiln_filter_load(scmp_filter_ctx filter, int rc, struct kiln_error *err);

/* A filter that refuses what its rules do not allow as a kernel would that does not have it, and
 * remembers it for kiln_sandbox_refused. */
enum kiln_code kiln_sandbox_trap(enum kiln_seccomp mode, int (*add)(scmp_filter_ctx filter),
				 struct kiln_error *err);

#endif
