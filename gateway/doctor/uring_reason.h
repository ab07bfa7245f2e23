/* SPDX-License-Identifier: Apache-2.0
 *
 * Why io_uring_setup was refused: many different walls answer with the same EPERM.
 */
#ifndef KILN_GATEWAY_URING_REASON_H
#define KILN_GATEWAY_URING_REASON_H

#include "doctor/probe.h"

struct kiln_uring_walls {
	int disabled; /* sysctl kernel.io_uring_disabled; -1: this kernel has no such sysctl */
	bool seccomp; /* this process is under a seccomp filter */
	bool admin;   /* CAP_SYS_ADMIN, which passes the sysctl's 1 */
};

void kiln_uring_walls_look(struct kiln_uring_walls *walls);

void kiln_uring_reason(int sys_errno, const struct kiln_uring_walls *walls,
		       char reason[KILN_PROBE_TEXT], char fix[KILN_PROBE_TEXT]);

#endif
