/* SPDX-License-Identifier: Apache-2.0
 *
 * The gateway's listening sockets. The supervisor opens and keeps them, so that what waits in an
 * accept queue outlives the worker that was to take it.
 */
#ifndef KILN_SUPERVISOR_LISTENERS_H
#define KILN_SUPERVISOR_LISTENERS_H

#include "cli/options.h"
#include "steer/steer.h"

#define KILN_WORKERS_MAX 256u

/* One address: a socket per worker for TCP (SO_REUSEPORT), one for all on a Unix socket. */
struct kiln_listen_group {
	int fds[KILN_WORKERS_MAX];
	bool shared;
	bool beside;              /* another gateway may have the port: listen beside it */
	struct kiln_steer *steer; /* NULL: the kernel's own hash, or a shared socket */
	struct kiln_endpoint endpoint;
	char text[KILN_ADDRESS_TEXT];
	char unlink_path[KILN_UNIX_PATH_MAX + 1]; /* removed at the end; "" for none */
};

struct kiln_listeners {
	struct kiln_listen_group groups[KILN_OPTION_LISTEN_MAX];
	unsigned group_count, workers;
	struct kiln_board board;       /* the workers', for the steering of all groups */
	char steering[KILN_ERROR_MAX]; /* why connections are not steered; "" when they are */
};

/* Opens everything, or nothing. cpu_of_worker as in steer.h. */
enum kiln_code kiln_listeners_open(struct kiln_listeners *listeners,
				   const struct kiln_gateway_options *options, unsigned workers,
				   const unsigned *cpu_of_worker,
				   struct kiln_error *err) KILN_NODISCARD;

/* Tells the steering whether a worker takes new connections. */
void kiln_listeners_set_ready(struct kiln_listeners *listeners, unsigned worker, bool ready);

/* Stops new connections while those whose handshake with the kernel is under way still arrive:
 * first packets (SYN) are dropped, so a client tries again and finds a successor or nobody. The
 * path of a Unix socket goes. */
void kiln_listeners_refuse_new(struct kiln_listeners *listeners);

void kiln_listeners_close(struct kiln_listeners *listeners);

#endif
