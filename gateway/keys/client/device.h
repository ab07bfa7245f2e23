/* SPDX-License-Identifier: Apache-2.0
 *
 * What this device is known by at key servers: 32 random bytes in a file of the user's, drawn once.
 */
#ifndef KILN_KEYS_CLIENT_DEVICE_H
#define KILN_KEYS_CLIENT_DEVICE_H

#include "keys/client/options.h"

/* Reads --device-file, or device in the state folder ($XDG_STATE_HOME/kiln, ~/.local/state/kiln),
 * and makes it, mode 0600, where there is none. False with *err: there is none to be had, without
 * which everything works but that strangers may make us wait. */
bool kiln_keycli_device(const struct kiln_keycli_options *options,
			uint8_t device[KILN_KEYS_DEVICE_LEN], struct kiln_error *err);

#endif
