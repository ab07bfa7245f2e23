/* SPDX-License-Identifier: Apache-2.0
 *
 * Which upstream kernel this one is, as far as its version tells.
 */
#ifndef KILN_GATEWAY_KERNEL_H
#define KILN_GATEWAY_KERNEL_H

#include <stdbool.h>

struct kiln_kernel {
	unsigned major, minor, patch;
	bool exact; /* false: the vendor keeps the version and patches as it sees fit */
};

/* From uname's release and version. Debian puts the true version into the latter. Where the release
 * ends in ".0-something" the patch level says nothing (Ubuntu, RHEL, SUSE): not exact. */
void kiln_kernel_parse(struct kiln_kernel *kernel, const char *release, const char *version);

/* At least major.minor. */
bool kiln_kernel_is(const struct kiln_kernel *kernel, unsigned major, unsigned minor);

#endif
