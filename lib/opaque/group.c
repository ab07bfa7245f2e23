/* SPDX-License-Identifier: Apache-2.0
 * ristretto255 by libsodium, and the OPRF of RFC 9497 on it (4.1, ristretto255-SHA512, base mode).
 * libsodium refuses what is no element, and products that are the identity. */
#include "opaque/group.h"

#include <sodium.h>

#include "base/bytes.h"
#include "opaque/declassify.h"
#include "opaque/hash.h"

_Static_assert(crypto_scalarmult_ristretto255_BYTES == KILN_OPAQUE_ELEMENT_SIZE, "element");
_Static_assert(crypto_scalarmult_ristretto255_SCALARBYTES == KILN_OPAQUE_SCALAR_SIZE, "scalar");
_Static_assert(crypto_core_ristretto255_HASHBYTES == KILN_OPAQUE_XMD_SIZE, "hash to group");
_Static_assert(crypto_core_ristretto255_NONREDUCEDSCALARBYTES == KILN_OPAQUE_XMD_SIZE, "reduce");

/* contextString of RFC 9497 3.1: the mode is a zero byte in the middle. */
#define CONTEXT "OPRFV1-\0-ristretto255-SHA512"

static const char dst_group[] = "HashToGroup-" CONTEXT;
static const char dst_key_pair[] = "DeriveKeyPair" CONTEXT;

/* RFC 9496 4.3.1 wants elements below 2^255 - 19; libsodium 1.0.18 looks over the highest bit. */
static bool is_short(const uint8_t element[KILN_OPAQUE_ELEMENT_SIZE])
{
	return (element[KILN_OPAQUE_ELEMENT_SIZE - 1] & 0x80) == 0;
}

bool kiln_opaque_element_valid(const uint8_t element[KILN_OPAQUE_ELEMENT_SIZE])
{
	/* The identity, which is all zero, is a point for libsodium. */
	return is_short(element) && crypto_core_ristretto255_is_valid_point(element) == 1 &&
	       sodium_is_zero(element, KILN_OPAQUE_ELEMENT_SIZE) == 0;
}

bool kiln_opaque_multiply(const uint8_t scalar[KILN_OPAQUE_SCALAR_SIZE],
			  const uint8_t element[KILN_OPAQUE_ELEMENT_SIZE],
			  uint8_t out[KILN_OPAQUE_ELEMENT_SIZE])
{
	if (!is_short(element))
		return false;
	int refused = crypto_scalarmult_ristretto255(out, scalar, element);
	KILN_DECLASSIFY(&refused, sizeof refused);
	return refused == 0;
}

bool kiln_opaque_multiply_base(const uint8_t scalar[KILN_OPAQUE_SCALAR_SIZE],
			       uint8_t out[KILN_OPAQUE_ELEMENT_SIZE])
{
	int zero = crypto_scalarmult_ristretto255_base(out, scalar);
	KILN_DECLASSIFY(&zero, sizeof zero);
	return zero == 0;
}

bool kiln_opaque_blind(struct kiln_opaque_bytes password,
		       const uint8_t blind[KILN_OPAQUE_SCALAR_SIZE],
		       uint8_t blinded[KILN_OPAQUE_ELEMENT_SIZE])
{
	uint8_t uniform[KILN_OPAQUE_XMD_SIZE], element[KILN_OPAQUE_ELEMENT_SIZE];
	kiln_opaque_expand_message((struct kiln_opaque_bytes){dst_group, sizeof dst_group - 1},
				   uniform, &password, 1);
	/* By itself, not by the call above: this element is a secret, and always good. */
	int refused = crypto_core_ristretto255_from_hash(element, uniform);
	refused |= crypto_scalarmult_ristretto255(blinded, blind, element);
	KILN_DECLASSIFY(&refused, sizeof refused);
	kiln_wipe(uniform, sizeof uniform);
	kiln_wipe(element, sizeof element);
	return refused == 0;
}

bool kiln_opaque_unblind(struct kiln_opaque_bytes password,
			 const uint8_t blind[KILN_OPAQUE_SCALAR_SIZE],
			 const uint8_t evaluated[KILN_OPAQUE_ELEMENT_SIZE],
			 uint8_t out[KILN_OPAQUE_HASH_SIZE])
{
	static const char suffix[] = "Finalize";
	static const uint8_t element_length[] = {0, KILN_OPAQUE_ELEMENT_SIZE};
	uint8_t inverse[KILN_OPAQUE_SCALAR_SIZE], element[KILN_OPAQUE_ELEMENT_SIZE], length[2];
	/* Fails for zero only: a blind that was never drawn, and that multiplies to nothing. */
	int zero = crypto_core_ristretto255_scalar_invert(inverse, blind);
	KILN_DECLASSIFY(&zero, sizeof zero);
	const bool ok = zero == 0 && kiln_opaque_multiply(inverse, evaluated, element);
	kiln_store_be16(length, (uint16_t)password.length);
	if (ok)
		kiln_opaque_hash(out, KILN_OPAQUE_PARTS({length, sizeof length}, password,
							{element_length, sizeof element_length},
							{element, sizeof element},
							{suffix, sizeof suffix - 1}));
	kiln_wipe(inverse, sizeof inverse);
	kiln_wipe(element, sizeof element);
	return ok;
}

void kiln_opaque_derive_scalar(const uint8_t seed[KILN_OPAQUE_SEED_SIZE],
			       struct kiln_opaque_bytes info,
			       uint8_t scalar[KILN_OPAQUE_SCALAR_SIZE])
{
	static const uint8_t counter = 0;
	uint8_t uniform[KILN_OPAQUE_XMD_SIZE], length[2];
	kiln_store_be16(length, (uint16_t)info.length);
	kiln_opaque_expand_message(
	    (struct kiln_opaque_bytes){dst_key_pair, sizeof dst_key_pair - 1}, uniform,
	    KILN_OPAQUE_PARTS({seed, KILN_OPAQUE_SEED_SIZE}, {length, sizeof length}, info,
			      {&counter, 1}));
	crypto_core_ristretto255_scalar_reduce(scalar, uniform);
	kiln_wipe(uniform, sizeof uniform);
}

bool kiln_opaque_derive_key_pair(const uint8_t seed[KILN_OPAQUE_SEED_SIZE],
				 uint8_t private_key[KILN_OPAQUE_SCALAR_SIZE],
				 uint8_t public_key[KILN_OPAQUE_ELEMENT_SIZE])
{
	static const char info[] = "OPAQUE-DeriveDiffieHellmanKeyPair";
	kiln_opaque_derive_scalar(seed, (struct kiln_opaque_bytes){info, sizeof info - 1},
				  private_key);
	const bool ok = kiln_opaque_multiply_base(private_key, public_key);
	if (ok)
		KILN_DECLASSIFY(public_key, KILN_OPAQUE_ELEMENT_SIZE);
	return ok;
}
