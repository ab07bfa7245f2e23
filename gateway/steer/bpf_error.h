/* SPDX-License-Identifier: Apache-2.0
 *
 * What the BPF library would print goes into the error instead: an operator gets one sentence with
 * the way out, and stderr stays the log's.
 */
#ifndef KILN_GATEWAY_STEER_BPF_ERROR_H
#define KILN_GATEWAY_STEER_BPF_ERROR_H

#include <kiln/error.h>

/* Between start and end nothing is printed, and the library's last telling line is kept. */
void kiln_bpf_capture_start(void);
void kiln_bpf_capture_end(void);

/* Fills the error for a failed load; what names the thing that is not available then. Looks at the
 * capabilities of this process to tell a missing right from a kernel that refuses. */
enum kiln_code kiln_bpf_fail(struct kiln_error *err, int sys_errno, const char *what);

#endif
