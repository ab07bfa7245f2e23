/* SPDX-License-Identifier: Apache-2.0
 *
 * `kiln certs`: certificates for a try.
 */
#ifndef KILN_DEMO_CERTS_CMD_H
#define KILN_DEMO_CERTS_CMD_H

#include <stdio.h>

/* The command; argv[0] is "certs". Returns the exit status: 0, 1 when something failed, 2 when the
 * arguments are refused. */
int kiln_certs_main(int argc, char **argv);

/* The same, telling what it did on out and what went wrong on complaints. */
int kiln_certs_run(int argc, char *const argv[], FILE *out, FILE *complaints);

#endif
