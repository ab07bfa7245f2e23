/* SPDX-License-Identifier: Apache-2.0
 *
 * The keys file of the development STS:
 *
 *   {"identities": [{"name": "Gateway",
 *                    "access_key_id": "ASIA...", "secret_access_key": "...",
 *                    "session_token": "...",             (a user's keys have none)
 *                    "arn": "arn:aws:sts::123456789012:assumed-role/Gateway/session",
 *                    "expires": "2027-01-01T00:00:00Z",  (default: never)
 *                    "container_token": "..."}],         (opens /_kiln/credentials/Gateway)
 *    "roles": [{"arn": "arn:aws:iam::123456789012:role/Gateway", "external_id": "..."}],
 *    "web_identities": [{"token": "...", "role": "arn:aws:iam::...", "subject": "..."}]}
 */
#ifndef KILN_STS_KEYS_FILE_H
#define KILN_STS_KEYS_FILE_H

#include "sts/store.h"

/* Adds what the file says to an initialised store. KILN_E_CONFIG with the reason: no such file,
 * others may read it, no JSON, a member missing, unknown or wrong, a name or key twice. */
KILN_NODISCARD enum kiln_code kiln_stsd_keys_load(struct kiln_stsd_store *store, const char *path,
						  struct kiln_error *err);

/* The same for the text, named path in messages. */
KILN_NODISCARD enum kiln_code kiln_stsd_keys_read(struct kiln_stsd_store *store, const char *path,
						  const uint8_t *text, size_t len,
						  struct kiln_error *err);

#endif
