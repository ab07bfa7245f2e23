/* SPDX-License-Identifier: Apache-2.0
 *
 * What a randomized password gives with the nonce of an envelope (RFC 9807 4.1): the client's keys,
 * and the tag that the envelope must have. The same at registration (Store) and login (Recover).
 */
#ifndef KILN_OPAQUE_ENVELOPE_H
#define KILN_OPAQUE_ENVELOPE_H

#include <kiln/opaque.h>

/* Secret; the caller wipes it. */
struct kiln_opaque_credentials {
	uint8_t client_private_key[KILN_OPAQUE_SCALAR_SIZE];
	uint8_t client_public_key[KILN_OPAQUE_ELEMENT_SIZE];
	uint8_t auth_tag[KILN_OPAQUE_HASH_SIZE];
	uint8_t export_key[KILN_OPAQUE_EXPORT_KEY_SIZE];
};

void kiln_opaque_masking_key(const uint8_t randomized_password[KILN_OPAQUE_HASH_SIZE],
			     uint8_t masking_key[KILN_OPAQUE_HASH_SIZE]);

/* false: the derived key is zero, which does not happen. */
bool kiln_opaque_credentials(const uint8_t randomized_password[KILN_OPAQUE_HASH_SIZE],
			     const uint8_t envelope_nonce[KILN_OPAQUE_NONCE_SIZE],
			     const uint8_t server_public_key[KILN_OPAQUE_ELEMENT_SIZE],
			     const struct kiln_opaque_parameters *parameters,
			     struct kiln_opaque_credentials *out) KILN_NODISCARD;

/* What is sent of a record in KE2, and masked there (RFC 9807 6.3.2.2). */
struct kiln_opaque_response {
	uint8_t server_public_key[KILN_OPAQUE_ELEMENT_SIZE];
	struct kiln_opaque_envelope envelope;
};

/* out = in XOR what masking_key and masking_nonce give; its own inverse. */
void kiln_opaque_mask(const uint8_t masking_key[KILN_OPAQUE_HASH_SIZE],
		      const uint8_t masking_nonce[KILN_OPAQUE_NONCE_SIZE], const void *in,
		      void *out);

#endif
