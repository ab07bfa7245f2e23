/* SPDX-License-Identifier: Apache-2.0
 *
 * The system calls whose failures matter to the logic above them, behind a table, so that a test
 * can play EAGAIN, short writes, ENOMEM, EBUSY, EIO and EINVAL on any kernel. Production code uses
 * &kiln_sys_linux; nobody else fills one in outside tests/.
 */
#ifndef KILN_BASE_SYS_H
#define KILN_BASE_SYS_H

#include <sys/socket.h>
#include <sys/types.h>

struct kiln_sys {
	int (*setsockopt)(int fd, int level, int name, const void *value, socklen_t len);
	ssize_t (*sendmsg)(int fd, const struct msghdr *msg, int flags);
	ssize_t (*recvmsg)(int fd, struct msghdr *msg, int flags);
	ssize_t (*send)(int fd, const void *data, size_t len, int flags);
	ssize_t (*recv)(int fd, void *data, size_t len, int flags);
};

extern const struct kiln_sys kiln_sys_linux;

#endif
