/* SPDX-License-Identifier: Apache-2.0
 *
 * Faults of kernels that matter to Kiln, and whether a kernel has them. The versions are those of
 * the kernel's own CVE records.
 */
#ifndef KILN_GATEWAY_FAULTS_H
#define KILN_GATEWAY_FAULTS_H

#include <stddef.h>

#include "doctor/kernel.h"

enum kiln_fault_id {
	KILN_FAULT_SPLICE,      /* CVE-2024-0646 */
	KILN_FAULT_ZERO_LENGTH, /* CVE-2025-39682 */
	KILN_FAULT_NO_PAD,      /* CVE-2026-74611 */
	KILN_FAULT_SOCKMAP,     /* CVE-2026-93824 */
	KILN_FAULT_SEND_ORDER,
	KILN_FAULT_SEND_ZC,
	KILN_FAULTS,
};

enum kiln_fault_status {
	KILN_FAULT_FIXED, /* or never there */
	KILN_FAULT_APPLIES,
	KILN_FAULT_UNKNOWN, /* the version is affected, but the vendor may have patched it */
};

struct kiln_fault_release {
	unsigned short major, minor, patch;
};

struct kiln_fault {
	const char *key;                    /* stable, for programs */
	const char *name;                   /* short */
	const char *title;                  /* what it is */
	const char *kiln;                   /* what Kiln does about it */
	struct kiln_fault_release since;    /* first affected */
	struct kiln_fault_release fixed[5]; /* in its own branch; zeros end the list */
	struct kiln_fault_release mainline; /* fixed here and in all that follow; zeros: never */
};

const struct kiln_fault *kiln_fault(enum kiln_fault_id id);
enum kiln_fault_status kiln_fault_status(const struct kiln_fault *fault,
					 const struct kiln_kernel *kernel);

/* The release of the kernel's own branch that has the fix; NULL when there is none. */
const struct kiln_fault_release *kiln_fault_fix(const struct kiln_fault *fault,
						const struct kiln_kernel *kernel);

const char *kiln_fault_status_name(enum kiln_fault_status status);

#endif
