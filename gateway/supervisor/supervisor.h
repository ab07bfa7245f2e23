/* SPDX-License-Identifier: Apache-2.0
 *
 * The supervisor: reads the configuration, opens the sockets, starts the workers, starts them again
 * when they die, passes on new certificates, and stops them in order. It never sees a peer's byte.
 */
#ifndef KILN_SUPERVISOR_SUPERVISOR_H
#define KILN_SUPERVISOR_SUPERVISOR_H

#include "cli/options.h"

/* `kiln server` and `kiln client`; returns the exit status. */
int kiln_supervisor_main(enum kiln_gateway_mode mode, int argc, char **argv);

#endif
