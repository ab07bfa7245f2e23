/* SPDX-License-Identifier: Apache-2.0
 *
 * SHA-512, HMAC and HKDF over inputs in parts (RFC 2104, RFC 5869), and what RFC 9380 and RFC 9807
 * build of them. No call here can fail. Lengths are public, everything else may be secret.
 */
#ifndef KILN_OPAQUE_HASH_H
#define KILN_OPAQUE_HASH_H

#include <kiln/opaque.h>

#define KILN_OPAQUE_XMD_SIZE 64u

/* Parts as the last arguments of the calls below: PARTS({a, 32}, {b, 64}). */
#define KILN_OPAQUE_PARTS(...)                                                                     \
	(const struct kiln_opaque_bytes[]){__VA_ARGS__},                                           \
	    sizeof((const struct kiln_opaque_bytes[]){__VA_ARGS__}) /                              \
		sizeof(struct kiln_opaque_bytes)

void kiln_opaque_hash(uint8_t out[KILN_OPAQUE_HASH_SIZE], const struct kiln_opaque_bytes *parts,
		      size_t count);

/* key_length is at most 128. */
void kiln_opaque_hmac(const uint8_t *key, size_t key_length, uint8_t out[KILN_OPAQUE_HASH_SIZE],
		      const struct kiln_opaque_bytes *parts, size_t count);

/* HKDF-Extract with an empty salt. */
void kiln_opaque_extract(uint8_t out[KILN_OPAQUE_HASH_SIZE], const struct kiln_opaque_bytes *parts,
			 size_t count);

/* HKDF-Expand: at most two hashes long. parts are the info. */
void kiln_opaque_expand(const uint8_t prk[KILN_OPAQUE_HASH_SIZE], uint8_t *out, size_t length,
			const struct kiln_opaque_bytes *parts, size_t count);

/* RFC 9807 6.4.2.1, Derive-Secret and Expand-Label at once; context_length is 0 or a hash's. */
void kiln_opaque_derive_secret(const uint8_t secret[KILN_OPAQUE_HASH_SIZE], const char *label,
			       const uint8_t *context, size_t context_length,
			       uint8_t out[KILN_OPAQUE_HASH_SIZE]);

/* expand_message_xmd of RFC 9380 5.3.1 to 64 bytes, which is one block of it. */
void kiln_opaque_expand_message(struct kiln_opaque_bytes dst, uint8_t out[KILN_OPAQUE_XMD_SIZE],
				const struct kiln_opaque_bytes *parts, size_t count);

#endif
