/* SPDX-License-Identifier: Apache-2.0
 * `kiln keys …`: the key server, its store, and its users' side. */
#ifndef KILN_KEYS_KEYS_H
#define KILN_KEYS_KEYS_H

int kiln_keys_main(int argc, char **argv);

#endif
