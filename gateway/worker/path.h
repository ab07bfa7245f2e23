/* SPDX-License-Identifier: Apache-2.0
 * Names of the paths a connection can take, for logs and counters. */
#ifndef KILN_WORKER_PATH_H
#define KILN_WORKER_PATH_H

#include "worker/settings.h"

/* "ktls", or the reason for user space: "off", "no_kernel_support", ... */
const char *kiln_path_name(enum kiln_path_reason reason);

#endif
