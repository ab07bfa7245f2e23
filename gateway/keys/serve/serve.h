/* SPDX-License-Identifier: Apache-2.0
 * `kiln keys serve`: the key server's process. */
#ifndef KILN_KEYS_SERVE_SERVE_H
#define KILN_KEYS_SERVE_SERVE_H

int kiln_keys_serve_main(int argc, char **argv);

#endif
