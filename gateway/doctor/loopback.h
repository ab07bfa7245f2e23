/* SPDX-License-Identifier: Apache-2.0
 * A connected pair of TCP sockets on the loopback interface: kernel TLS takes no other kind. */
#ifndef KILN_GATEWAY_LOOPBACK_H
#define KILN_GATEWAY_LOOPBACK_H

#include <stdbool.h>
#include <stddef.h>

#define KILN_LOOPBACK_WAIT_MS 2000

/* A TCP listener on a free port of 127.0.0.1, or of ::1 where there is no IPv4; -1 with errno. */
int kiln_loopback_listen(void);

/* A new connection to that listener; -1 with errno. */
int kiln_loopback_connect(int listener);

/* 0, or -1 with errno. Both ends are closed on exec; the caller closes them. */
int kiln_loopback_pair(int fds[2]);

/* True once fd is readable. Nothing on loopback takes long; the wait is for a crowded machine. */
bool kiln_loopback_readable(int fd);

#endif
