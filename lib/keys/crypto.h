/* SPDX-License-Identifier: Apache-2.0
 *
 * The cryptography of keys: sealing, hashing, derivation, and ECDSA on secp256k1. docs/keys.md,
 * "Cryptography". What returns bool returns false when memory or randomness is short, and where it
 * says so.
 */
#ifndef KILN_KEYS_CRYPTO_H
#define KILN_KEYS_CRYPTO_H

#include <kiln/opaque.h>

#include "keys/types.h"

/* ---- randomness: NULL is the system's */
bool kiln_keys_random(const struct kiln_opaque_random *random, void *out,
		      size_t len) KILN_NODISCARD;

/* ---- ChaCha20-Poly1305 (RFC 8439): nonce, ciphertext, tag; out has len + KILN_KEYS_SEAL_OVERHEAD
 * bytes, which may not overlap plain. */
bool kiln_keys_seal(const uint8_t key[32], const void *ad, size_t ad_len, const void *plain,
		    size_t len, const struct kiln_opaque_random *random,
		    uint8_t *out) KILN_NODISCARD;

/* out has len - KILN_KEYS_SEAL_OVERHEAD bytes. False, with out wiped, when it is not what was
 * sealed. */
bool kiln_keys_unseal(const uint8_t key[32], const void *ad, size_t ad_len, const uint8_t *sealed,
		      size_t len, uint8_t *out) KILN_NODISCARD;

/* ---- hashes and derivation */
bool kiln_keys_sha3_256(const void *data, size_t len,
			uint8_t out[KILN_KEYS_HASH_LEN]) KILN_NODISCARD;

/* HKDF-SHA-256 (RFC 5869), of at most 8160 bytes; cannot fail. */
void kiln_keys_hkdf_extract(const void *ikm, size_t ikm_len, const void *salt, size_t salt_len,
			    uint8_t prk[32]);
void kiln_keys_hkdf_expand(const uint8_t prk[32], const void *info, size_t info_len, uint8_t *out,
			   size_t out_len);

/* The master key: HKDF-SHA3-256 of OPAQUE's export key. */
bool kiln_keys_master_key(const uint8_t export_key[64], uint8_t master_key[32]) KILN_NODISCARD;

bool kiln_keys_make_id(const uint8_t user_id[KILN_KEYS_USER_ID_LEN], const uint8_t random[32],
		       uint8_t key_id[KILN_KEYS_KEY_ID_LEN]) KILN_NODISCARD;

/* Constant time. */
bool kiln_keys_equal(const void *a, const void *b, size_t len) KILN_NODISCARD;

/* What a device is known by at one account of one server (its name: at most KILN_KEYS_NAME_MAX
 * bytes, in any case, "" is none): of no use for another one, and no way back to what the device
 * keeps. */
void kiln_keys_device(const uint8_t kept[KILN_KEYS_DEVICE_LEN], const char *server,
		      const uint8_t *name, size_t name_len, uint8_t device[KILN_KEYS_DEVICE_LEN]);

/* ---- what clients seal */

/* user_id, key_id, the text of the context. */
#define KILN_KEYS_AD_MAX (KILN_KEYS_USER_ID_LEN + KILN_KEYS_KEY_ID_LEN + 16)
size_t kiln_keys_backup_ad(const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
			   const uint8_t key_id[KILN_KEYS_KEY_ID_LEN], uint8_t context,
			   uint8_t ad[KILN_KEYS_AD_MAX]);

bool kiln_keys_wrap(const uint8_t master_key[32], const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
		    const uint8_t storage_key[32], const struct kiln_opaque_random *random,
		    uint8_t wrapped[KILN_KEYS_WRAPPED_LEN]) KILN_NODISCARD;
bool kiln_keys_unwrap(const uint8_t master_key[32], const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
		      const uint8_t wrapped[KILN_KEYS_WRAPPED_LEN],
		      uint8_t storage_key[32]) KILN_NODISCARD;

/* ---- secp256k1 */

/* In [1, n-1]? Constant time: what the number is does not show. */
bool kiln_keys_scalar_valid(const uint8_t scalar[KILN_KEYS_SCALAR_LEN]) KILN_NODISCARD;

bool kiln_keys_scalar_generate(const struct kiln_opaque_random *random,
			       uint8_t scalar[KILN_KEYS_SCALAR_LEN]) KILN_NODISCARD;

bool kiln_keys_ec_public(const uint8_t scalar[KILN_KEYS_SCALAR_LEN],
			 uint8_t public_key[KILN_KEYS_PUBLIC_LEN]) KILN_NODISCARD;

bool kiln_keys_sha256(const void *data, size_t len, uint8_t out[KILN_KEYS_HASH_LEN]) KILN_NODISCARD;

/* r, s; s in the lower half. The nonce is RFC 6979's where OpenSSL can (3.2), otherwise random. */
bool kiln_keys_ec_sign(const uint8_t scalar[KILN_KEYS_SCALAR_LEN],
		       const uint8_t digest[KILN_KEYS_HASH_LEN],
		       uint8_t signature[KILN_KEYS_SIGNATURE_LEN]) KILN_NODISCARD;

/* False when it does not hold, too. */
bool kiln_keys_ec_verify(const uint8_t public_key[KILN_KEYS_PUBLIC_LEN],
			 const uint8_t digest[KILN_KEYS_HASH_LEN],
			 const uint8_t signature[KILN_KEYS_SIGNATURE_LEN]) KILN_NODISCARD;

#endif
