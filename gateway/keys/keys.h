/* SPDX-License-Identifier: Apache-2.0
 *
 * `kiln keys`: the key server, its clients' commands, and its operator's.
 */
#ifndef KILN_KEYS_KEYS_H
#define KILN_KEYS_KEYS_H

int kiln_keys_main(int argc, char **argv);

#endif
