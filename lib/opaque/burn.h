/* SPDX-License-Identifier: Apache-2.0
 *
 * The stack below a call. Our own functions wipe what they name; libsodium's multiplications leave
 * their tables of multiples behind, and a compiler may have put a copy anywhere. So each call of
 * kiln/opaque.h that touches a secret ends in this.
 */
#ifndef KILN_OPAQUE_BURN_H
#define KILN_OPAQUE_BURN_H

/* More than anything below a call of ours goes down: Argon2id 6 KiB, the group 5 KiB. */
#define KILN_OPAQUE_BURN_SIZE 16384u

/* For a function whose frame must lie below the one that burns. */
#define KILN_OPAQUE_BELOW __attribute__((noinline))

/* Overwrites the stack below the frame of the function that calls it. */
void kiln_opaque_burn(void);

#endif
