/* SPDX-License-Identifier: Apache-2.0
 *
 * The parts of receiving handed-off connections; for lib/driver only. listener.c opens and closes
 * the listening socket; handoff.c takes channels and messages; handoff_open.c makes connections of
 * them; relayed.c is reading and writing where the gateway relays.
 */
#ifndef KILN_DRIVER_HANDOFF_H
#define KILN_DRIVER_HANDOFF_H

#include <sys/stat.h>
#include <sys/un.h>

#include "driver/driver.h"
#include "handoff/message.h"

#define KILN_HANDOFF_CHANNELS_MAX 256u

struct kiln_handoff {
	int epoll, fd;
	int pause; /* a timer, which runs while nothing is taken from fd */
	struct sockaddr_un address;
	bool has_file;
	struct stat file; /* ours, as long as it is this one */
	uid_t user;       /* whose processes may come, */
	bool own_or_root; /* or these */
	bool nonblocking;
	uint64_t rekey_records;
	int channels[KILN_HANDOFF_CHANNELS_MAX];
	unsigned channel_count, channels_max;
	uint8_t message[KILN_HANDOFF_MESSAGE_MAX];
};

/* The descriptors beside a connection's message: its stream, and where the gateway relays it, what
 * carries the alerts. */
#define KILN_HANDOFF_FDS_MAX 2u

/* From now on an event of fd is one of the listener's. */
bool kiln_handoff_watch(const struct kiln_handoff *listener, int fd);

/* Makes a connection of a message; on success the fds are its own. */
enum kiln_code kiln_driver_handoff_open(const struct kiln_handoff_message *message, const int *fds,
					size_t fd_count, bool nonblocking, struct kiln_conn **conn,
					struct kiln_error *err) KILN_NODISCARD;

#endif
