/* SPDX-License-Identifier: Apache-2.0
 *
 * The operator's commands on a key server's store: init, check, backup, restore, rotate-key,
 * anchor.
 */
#ifndef KILN_KEYS_ADMIN_ADMIN_H
#define KILN_KEYS_ADMIN_ADMIN_H

/* argv[0] says which. 0 done, 1 not done (and why), 2 wrong usage. check: 3 the store is damaged.
 */
int kiln_keys_admin_main(int argc, char **argv);

#endif
