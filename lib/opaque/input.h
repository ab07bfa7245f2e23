/* SPDX-License-Identifier: Apache-2.0
 *
 * What every call of kiln/opaque.h does with its inputs first: bounds, defaults, randomness.
 */
#ifndef KILN_OPAQUE_INPUT_H
#define KILN_OPAQUE_INPUT_H

#include <kiln/opaque.h>

enum kiln_code kiln_opaque_check_password(struct kiln_opaque_bytes password,
					  struct kiln_error *err) KILN_NODISCARD;

enum kiln_code kiln_opaque_check_credential(struct kiln_opaque_bytes credential_identifier,
					    struct kiln_error *err) KILN_NODISCARD;

/* A copy into *out; of NULL, none of anything. */
enum kiln_code kiln_opaque_take_parameters(const struct kiln_opaque_parameters *parameters,
					   struct kiln_opaque_parameters *out,
					   struct kiln_error *err) KILN_NODISCARD;

/* An identity, or the public key where there is none. */
static inline struct kiln_opaque_bytes
kiln_opaque_identity(struct kiln_opaque_bytes identity,
		     const uint8_t public_key[KILN_OPAQUE_ELEMENT_SIZE])
{
	return identity.length > 0
		   ? identity
		   : (struct kiln_opaque_bytes){public_key, KILN_OPAQUE_ELEMENT_SIZE};
}

enum kiln_code kiln_opaque_draw(const struct kiln_opaque_random *random, void *out, size_t length,
				struct kiln_error *err) KILN_NODISCARD;

/* 64 bytes, reduced: as good as uniform, and without a loop that depends on what is drawn. */
enum kiln_code kiln_opaque_draw_scalar(const struct kiln_opaque_random *random,
				       uint8_t scalar[KILN_OPAQUE_SCALAR_SIZE],
				       struct kiln_error *err) KILN_NODISCARD;

/* All zero: a secret that was never made, or was used and wiped. Only that becomes known. */
bool kiln_opaque_is_empty(const uint8_t *secret, size_t length) KILN_NODISCARD;

/* An element that a peer sent, and what to call it. */
enum kiln_code kiln_opaque_bad_element(const char *name, struct kiln_error *err);

#endif
