/* SPDX-License-Identifier: Apache-2.0
 *
 * --local FILE: secrets on this device, sealed under the password, readable without the server.
 */
#ifndef KILN_KEYS_CLIENT_LOCAL_H
#define KILN_KEYS_CLIENT_LOCAL_H

#include "keys/client/options.h"
#include "keys/client/secret.h"

/* Adds the secret to the file, which is made if there is none, and replaced whole. Another
 * password than the file's is KILN_E_KEYS_PASSWORD. */
enum kiln_code kiln_keycli_local_add(const struct kiln_keycli_options *o,
				     const struct kiln_keycli_secret *password,
				     const struct kiln_keys_secret *secret,
				     struct kiln_error *err) KILN_NODISCARD;

/* The secret of that key_id out of the file, into *secret (the caller wipes it). KILN_E_KEYS_KEY:
 * it is not there. */
enum kiln_code kiln_keycli_local_get(const struct kiln_keycli_options *o,
				     const struct kiln_keycli_secret *password,
				     const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
				     struct kiln_keys_secret *secret,
				     struct kiln_error *err) KILN_NODISCARD;

/* Can the file be written, with that password? So that nothing is made at the server that would
 * then not get into it. */
enum kiln_code kiln_keycli_local_check(const struct kiln_keycli_options *o,
				       const struct kiln_keycli_secret *password,
				       struct kiln_error *err) KILN_NODISCARD;

#endif
