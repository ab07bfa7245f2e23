/* SPDX-License-Identifier: Apache-2.0
 * Kernel flags that Debian 12's headers do not have yet; values from Linux' uapi headers. */
#ifndef KILN_IO_KERNEL_FLAGS_H
#define KILN_IO_KERNEL_FLAGS_H

#include <poll.h>

#define KILN_SETUP_DEFER_TASKRUN (1u << 13) /* Linux 6.1 */
#define KILN_POLLIN              ((unsigned)POLLIN)
#define KILN_POLLOUT             ((unsigned)POLLOUT)

#ifndef SOL_TLS
#define SOL_TLS 282
#endif

#endif
