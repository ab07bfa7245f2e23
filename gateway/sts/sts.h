/* SPDX-License-Identifier: Apache-2.0
 *
 * `kiln sts`: the development STS.
 */
#ifndef KILN_STS_STS_H
#define KILN_STS_STS_H

/* argv[0] is "sts". The exit status: 0, 1 when something failed, 2 for wrong usage. */
int kiln_sts_main(int argc, char **argv);

#endif
