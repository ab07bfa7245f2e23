/* SPDX-License-Identifier: Apache-2.0
 * The real system calls for the table in sys.h. */
#include "base/sys.h"

const struct kiln_sys kiln_sys_linux = {
    .setsockopt = setsockopt,
    .sendmsg = sendmsg,
    .recvmsg = recvmsg,
    .send = send,
    .recv = recv,
};
