/* SPDX-License-Identifier: Apache-2.0
 * The client's commands: kiln keys register, store, retrieve and so on. */
#ifndef KILN_KEYS_CLIENT_CLIENT_H
#define KILN_KEYS_CLIENT_CLIENT_H

/* False when argv[0] is none of them; otherwise *status is the exit status. */
#include <stdbool.h>

bool kiln_keycli_main(int argc, char **argv, int *status);

#endif
