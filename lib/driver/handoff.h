/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of receiving handed-off connections; for lib/driver only. handoff.c listens and takes
 * messages; handoff_open.c makes connections of them; relayed.c is reading and writing where the
 * gateway relays.
 */
#ifndef KILN_DRIVER_HANDOFF_H
#define KILN_DRIVER_HANDOFF_H

#include "driver/driver.h"
#include "handoff/message.h"

/* The descriptors beside a connection's message: its stream, and where the gateway relays it, what
 * carries the alerts. */
#define KILN_HANDOFF_FDS_MAX 2u

/* Makes a connection of a message; on success the fds are its own. */
enum kiln_code kiln_driver_handoff_open(const struct kiln_handoff_message *message, const int *fds,
					size_t fd_count, bool nonblocking, struct kiln_conn **conn,
					struct kiln_error *err) KILN_NODISCARD;

#endif
