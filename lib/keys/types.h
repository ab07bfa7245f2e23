/* SPDX-License-Identifier: Apache-2.0
 *
 * The lengths and the names of things in kiln-keys/1 (docs/keys.md) that more than one part of
 * lib/keys, and the stores, need.
 */
#ifndef KILN_KEYS_TYPES_H
#define KILN_KEYS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kiln/keys.h>

#define KILN_KEYS_PROTOCOL KILN_KEYS_ALPN

enum {
	KILN_KEYS_SESSION_ID_LEN = 16,
	KILN_KEYS_EXPORTER_LEN = 32,                          /* of the TLS exporter's value */
	KILN_KEYS_RECORD_LEN = 192,                           /* OPAQUE's registration record */
	KILN_KEYS_SEAL_OVERHEAD = 28,                         /* nonce 12, tag 16 */
	KILN_KEYS_WRAPPED_LEN = 32 + KILN_KEYS_SEAL_OVERHEAD, /* the storage key, wrapped */
	/* A secret as the client seals it: one byte of length, the secret. */
	KILN_KEYS_SEALED_MAX = 1 + KILN_KEYS_SECRET_MAX + KILN_KEYS_SEAL_OVERHEAD,
	KILN_KEYS_HASH_LEN = 32, /* SHA3-256, SHA-256 */
};

#endif
