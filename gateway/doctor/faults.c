/* SPDX-License-Identifier: Apache-2.0
 * The table of known kernel faults. */
#include "doctor/faults.h"

static const struct kiln_fault faults[KILN_FAULTS] =
    {
	[KILN_FAULT_SPLICE] =
	    {
		.key = "cve_2024_0646",
		.name = "CVE-2024-0646",
		.title = "splice into kTLS writes out of bounds",
		.kiln = "Kiln never splices into a TLS socket",
		.since = {4, 20, 0},
		.fixed = {{5, 4, 267}, {5, 10, 208}, {5, 15, 147}, {6, 1, 69}, {6, 6, 7}},
		.mainline = {6, 7, 0},
	    },
	[KILN_FAULT_ZERO_LENGTH] =
	    {
		.key = "cve_2025_39682",
		.name = "CVE-2025-39682",
		.title = "empty records corrupt the receive list",
		.kiln = "only zero-copy receive is hit; Kiln leaves it off (TLS 1.3 without "
			"TLS_RX_EXPECT_NO_PAD)",
		.since = {6, 0, 0},
		.fixed = {{6, 1, 149}, {6, 6, 103}, {6, 12, 44}, {6, 16, 4}},
		.mainline = {6, 17, 0},
	    },
	[KILN_FAULT_NO_PAD] =
	    {
		.key = "cve_2026_74611",
		.name = "CVE-2026-74611",
		.title = "TLS_RX_EXPECT_NO_PAD writes past the buffer",
		.kiln = "Kiln leaves TLS_RX_EXPECT_NO_PAD off",
		.since = {6, 0, 0},
		.fixed = {{6, 18, 45}, {7, 1, 9}},
		.mainline = {7, 2, 0},
	    },
	[KILN_FAULT_SOCKMAP] =
	    {
		.key = "cve_2026_93824",
		.name = "CVE-2026-93824",
		.title = "sockmap and kTLS on one socket",
		.kiln = "Kiln puts listeners into maps, never connections",
		.since = {4, 17, 0},
		.fixed = {{6, 1, 190}, {6, 12, 111}, {6, 18, 53}},
		.mainline = {7, 2, 0},
	    },
	[KILN_FAULT_SEND_ORDER] =
	    {
		.key = "send_order",
		.name = "order of sends",
		.title = "sends queued together on kTLS can change their order",
		.kiln = "Kiln keeps one send in flight per direction",
		.since = {4, 17, 0},
	    },
	[KILN_FAULT_SEND_ZC] =
	    {
		.key = "send_zc",
		.name = "zero-copy sends",
		.title = "kTLS refuses zero-copy sends",
		.kiln = "Kiln copies on TLS sockets",
		.since = {4, 17, 0},
	    },
};

const struct kiln_fault *kiln_fault(enum kiln_fault_id id)
{
	return &faults[id];
}

static bool not_before(const struct kiln_kernel *kernel, const struct kiln_fault_release *release)
{
	if (kernel->major != release->major)
		return kernel->major > release->major;
	if (kernel->minor != release->minor)
		return kernel->minor > release->minor;
	return kernel->patch >= release->patch;
}

const struct kiln_fault_release *kiln_fault_fix(const struct kiln_fault *fault,
						const struct kiln_kernel *kernel)
{
	for (size_t i = 0; i < 5 && fault->fixed[i].major != 0; i++)
		if (kernel->major == fault->fixed[i].major &&
		    kernel->minor == fault->fixed[i].minor)
			return &fault->fixed[i];
	return NULL;
}

enum kiln_fault_status kiln_fault_status(const struct kiln_fault *fault,
					 const struct kiln_kernel *kernel)
{
	if (!not_before(kernel, &fault->since))
		return KILN_FAULT_FIXED;
	if (fault->mainline.major == 0)
		return KILN_FAULT_APPLIES; /* nobody has patched it: it is how kTLS works */
	if (not_before(kernel, &fault->mainline))
		return KILN_FAULT_FIXED;
	const struct kiln_fault_release *fix = kiln_fault_fix(fault, kernel);
	if (fix != NULL && not_before(kernel, fix))
		return KILN_FAULT_FIXED;
	return kernel->exact ? KILN_FAULT_APPLIES : KILN_FAULT_UNKNOWN;
}

const char *kiln_fault_status_name(enum kiln_fault_status status)
{
	switch (status) {
	case KILN_FAULT_FIXED: return "fixed";
	case KILN_FAULT_APPLIES: return "applies";
	case KILN_FAULT_UNKNOWN: return "unknown";
	}
	return "unknown";
}
