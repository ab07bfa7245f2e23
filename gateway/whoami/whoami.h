/* SPDX-License-Identifier: Apache-2.0
 * `kiln whoami`: the AWS identity that a gateway started here, like this, would present. */
#ifndef KILN_WHOAMI_WHOAMI_H
#define KILN_WHOAMI_WHOAMI_H

/* The subcommand; returns the exit status: 0 there is one, 1 there is none, 2 wrong usage. */
int kiln_whoami_main(int argc, char **argv);

#endif
