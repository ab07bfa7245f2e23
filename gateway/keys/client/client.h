/* SPDX-License-Identifier: Apache-2.0
 * The client's commands: kiln keys register, store, retrieve and so on. */
#ifndef KILN_KEYS_CLIENT_CLIENT_H
#define KILN_KEYS_CLIENT_CLIENT_H

/* argv[0] is the command's name: one of kiln_keycli_names. The exit status. */
int kiln_keycli_main(int argc, char **argv);

#endif
