/* SPDX-License-Identifier: Apache-2.0
 *
 * The group ristretto255 (RFC 9496) and the OPRF on it, ristretto255-SHA512 of RFC 9497 in base
 * mode. false always means an element that is invalid or the identity, or a scalar that is zero,
 * which is as likely as guessing a key; outputs are then to be thrown away.
 */
#ifndef KILN_OPAQUE_GROUP_H
#define KILN_OPAQUE_GROUP_H

#include <kiln/opaque.h>

/* A good encoding of an element that is not the identity. */
bool kiln_opaque_element_valid(const uint8_t element[KILN_OPAQUE_ELEMENT_SIZE]) KILN_NODISCARD;

/* out = scalar * element, which is checked. */
bool kiln_opaque_multiply(const uint8_t scalar[KILN_OPAQUE_SCALAR_SIZE],
			  const uint8_t element[KILN_OPAQUE_ELEMENT_SIZE],
			  uint8_t out[KILN_OPAQUE_ELEMENT_SIZE]) KILN_NODISCARD;

/* out = scalar * base */
bool kiln_opaque_multiply_base(const uint8_t scalar[KILN_OPAQUE_SCALAR_SIZE],
			       uint8_t out[KILN_OPAQUE_ELEMENT_SIZE]) KILN_NODISCARD;

/* Blind: the password's element times blind. */
bool kiln_opaque_blind(struct kiln_opaque_bytes password,
		       const uint8_t blind[KILN_OPAQUE_SCALAR_SIZE],
		       uint8_t blinded[KILN_OPAQUE_ELEMENT_SIZE]) KILN_NODISCARD;

/* Finalize: takes the blind off again and hashes. */
bool kiln_opaque_unblind(struct kiln_opaque_bytes password,
			 const uint8_t blind[KILN_OPAQUE_SCALAR_SIZE],
			 const uint8_t evaluated[KILN_OPAQUE_ELEMENT_SIZE],
			 uint8_t out[KILN_OPAQUE_HASH_SIZE]) KILN_NODISCARD;

/* The private half of RFC 9497's DeriveKeyPair; a zero, which it would try again for, shows when
 * something is multiplied by it. */
void kiln_opaque_derive_scalar(const uint8_t seed[KILN_OPAQUE_SEED_SIZE],
			       struct kiln_opaque_bytes info,
			       uint8_t scalar[KILN_OPAQUE_SCALAR_SIZE]);

/* DeriveDiffieHellmanKeyPair of RFC 9807 2.1. */
bool kiln_opaque_derive_key_pair(const uint8_t seed[KILN_OPAQUE_SEED_SIZE],
				 uint8_t private_key[KILN_OPAQUE_SCALAR_SIZE],
				 uint8_t public_key[KILN_OPAQUE_ELEMENT_SIZE]) KILN_NODISCARD;

#endif
