/* SPDX-License-Identifier: Apache-2.0
 * Envelopes and their mask, RFC 9807 4.1.2, 4.1.3 and 6.3.2.2. */
#include "opaque/envelope.h"

#include "base/bytes.h"
#include "opaque/group.h"
#include "opaque/hash.h"
#include "opaque/input.h"

_Static_assert(sizeof(struct kiln_opaque_response) ==
		   sizeof((struct kiln_opaque_ke2 *)0)->masked_response,
	       "masked_response has no padding");

/* Expand(randomized_password, concat(envelope_nonce, label)) */
static void expand(const uint8_t *randomized_password, const uint8_t *envelope_nonce,
		   const char *label, uint8_t *out, size_t length)
{
	kiln_opaque_expand(
	    randomized_password, out, length,
	    KILN_OPAQUE_PARTS({envelope_nonce, KILN_OPAQUE_NONCE_SIZE}, {label, strlen(label)}));
}

void kiln_opaque_masking_key(const uint8_t randomized_password[KILN_OPAQUE_HASH_SIZE],
			     uint8_t masking_key[KILN_OPAQUE_HASH_SIZE])
{
	static const char label[] = "MaskingKey";
	kiln_opaque_expand(randomized_password, masking_key, KILN_OPAQUE_HASH_SIZE,
			   KILN_OPAQUE_PARTS({label, sizeof label - 1}));
}

bool kiln_opaque_credentials(const uint8_t randomized_password[KILN_OPAQUE_HASH_SIZE],
			     const uint8_t envelope_nonce[KILN_OPAQUE_NONCE_SIZE],
			     const uint8_t server_public_key[KILN_OPAQUE_ELEMENT_SIZE],
			     const struct kiln_opaque_parameters *parameters,
			     struct kiln_opaque_credentials *out)
{
	uint8_t auth_key[KILN_OPAQUE_HASH_SIZE], seed[KILN_OPAQUE_SEED_SIZE];
	uint8_t client_length[2], server_length[2];
	expand(randomized_password, envelope_nonce, "AuthKey", auth_key, sizeof auth_key);
	expand(randomized_password, envelope_nonce, "ExportKey", out->export_key,
	       sizeof out->export_key);
	expand(randomized_password, envelope_nonce, "PrivateKey", seed, sizeof seed);
	const bool ok =
	    kiln_opaque_derive_key_pair(seed, out->client_private_key, out->client_public_key);

	const struct kiln_opaque_bytes client =
	    kiln_opaque_identity(parameters->client_identity, out->client_public_key);
	const struct kiln_opaque_bytes server =
	    kiln_opaque_identity(parameters->server_identity, server_public_key);
	kiln_store_be16(client_length, (uint16_t)client.length);
	kiln_store_be16(server_length, (uint16_t)server.length);
	kiln_opaque_hmac(auth_key, sizeof auth_key, out->auth_tag,
			 KILN_OPAQUE_PARTS({envelope_nonce, KILN_OPAQUE_NONCE_SIZE},
					   {server_public_key, KILN_OPAQUE_ELEMENT_SIZE},
					   {server_length, sizeof server_length}, server,
					   {client_length, sizeof client_length}, client));
	kiln_wipe(auth_key, sizeof auth_key);
	kiln_wipe(seed, sizeof seed);
	return ok;
}

void kiln_opaque_mask(const uint8_t masking_key[KILN_OPAQUE_HASH_SIZE],
		      const uint8_t masking_nonce[KILN_OPAQUE_NONCE_SIZE], const void *in,
		      void *out)
{
	static const char label[] = "CredentialResponsePad";
	uint8_t pad[sizeof(struct kiln_opaque_response)];
	kiln_opaque_expand(
	    masking_key, pad, sizeof pad,
	    KILN_OPAQUE_PARTS({masking_nonce, KILN_OPAQUE_NONCE_SIZE}, {label, sizeof label - 1}));
	for (size_t i = 0; i < sizeof pad; i++)
		((uint8_t *)out)[i] = ((const uint8_t *)in)[i] ^ pad[i];
	kiln_wipe(pad, sizeof pad);
}
