/* SPDX-License-Identifier: Apache-2.0
 * The server's side of a login, RFC 9807 6.2.2, 6.2.4 and 6.4.4. Five multiplications in the group;
 * all that does not need the client was done before, or is hashing. */
#include <string.h>

#include <sodium.h>

#include "base/bytes.h"
#include "opaque/burn.h"
#include "opaque/declassify.h"
#include "opaque/envelope.h"
#include "opaque/evaluate.h"
#include "opaque/group.h"
#include "opaque/input.h"
#include "opaque/schedule.h"

_Static_assert(sizeof(struct kiln_opaque_ke1) == KILN_OPAQUE_KE1_SIZE, "KE1");
_Static_assert(sizeof(struct kiln_opaque_ke2) == KILN_OPAQUE_KE2_SIZE, "KE2");
_Static_assert(sizeof(struct kiln_opaque_ke3) == KILN_OPAQUE_KE3_SIZE, "KE3");

/* CreateCredentialResponse, 6.3.2.2 */
static enum kiln_code respond(const struct kiln_opaque_server *server,
			      const struct kiln_opaque_registration_record *record,
			      struct kiln_opaque_bytes credential_identifier,
			      const struct kiln_opaque_ke1 *ke1, struct kiln_opaque_ke2 *ke2,
			      struct kiln_error *err)
{
	struct kiln_opaque_response response;
	if (!kiln_opaque_evaluate(server, credential_identifier, ke1->blinded_message,
				  ke2->evaluated_message))
		return kiln_opaque_bad_element("blinded message", err);
	memcpy(response.server_public_key, server->setup.server_public_key,
	       sizeof response.server_public_key);
	response.envelope = record->envelope;
	kiln_opaque_mask(record->masking_key, ke2->masking_nonce, &response, ke2->masked_response);
	kiln_wipe(&response, sizeof response);
	KILN_DECLASSIFY(ke2->masked_response, sizeof ke2->masked_response);
	return KILN_OK;
}

/* The server's half of AuthServerRespond, 6.4.4, with the ephemeral key pair's seed. */
static enum kiln_code exchange(const struct kiln_opaque_server *server,
			       const struct kiln_opaque_registration_record *record,
			       const uint8_t seed[KILN_OPAQUE_SEED_SIZE],
			       const struct kiln_opaque_ke1 *ke1, struct kiln_opaque_ke2 *ke2,
			       struct kiln_opaque_products *products, struct kiln_error *err)
{
	uint8_t secret[KILN_OPAQUE_SCALAR_SIZE];
	enum kiln_code rc = KILN_OK;
	if (!kiln_opaque_derive_key_pair(seed, secret, ke2->server_public_keyshare))
		rc = kiln_fail(err, KILN_E_SYSTEM, "OPAQUE: the drawn key is zero");
	else if (!kiln_opaque_multiply(secret, ke1->client_public_keyshare, products->ephemeral) ||
		 !kiln_opaque_multiply(server->setup.server_private_key,
				       ke1->client_public_keyshare, products->server))
		rc = kiln_opaque_bad_element("key share", err);
	else if (!kiln_opaque_multiply(secret, record->client_public_key, products->client))
		rc = kiln_fail(err, KILN_E_OPAQUE_RECORD,
			       "OPAQUE: the public key in the registration record is no element");
	kiln_wipe(secret, sizeof secret);
	return rc;
}

static KILN_OPAQUE_BELOW enum kiln_code
generate(const struct kiln_opaque_server *server, const struct kiln_opaque_parameters *parameters,
	 const struct kiln_opaque_registration_record *record,
	 struct kiln_opaque_bytes credential_identifier, const struct kiln_opaque_ke1 *ke1,
	 const uint8_t seed[KILN_OPAQUE_SEED_SIZE], struct kiln_opaque_ke2 *ke2,
	 struct kiln_opaque_server_state *state, struct kiln_error *err)
{
	struct kiln_opaque_products products;
	struct kiln_opaque_keys keys;
	enum kiln_code rc = respond(server, record, credential_identifier, ke1, ke2, err);
	if (rc == KILN_OK)
		rc = exchange(server, record, seed, ke1, ke2, &products, err);
	if (rc == KILN_OK) {
		const struct kiln_opaque_transcript transcript = {
		    .context = parameters->context,
		    .client_identity = kiln_opaque_identity(parameters->client_identity,
							    record->client_public_key),
		    .server_identity = kiln_opaque_identity(parameters->server_identity,
							    server->setup.server_public_key),
		    .ke1 = ke1,
		    .ke2 = ke2,
		};
		kiln_opaque_schedule(&transcript, &products, &keys);
		memcpy(ke2->server_mac, keys.server_mac, sizeof ke2->server_mac);
		KILN_DECLASSIFY(ke2->server_mac, sizeof ke2->server_mac);
		memcpy(state->expected_client_mac, keys.client_mac,
		       sizeof state->expected_client_mac);
		memcpy(state->session_key, keys.session_key, sizeof state->session_key);
		kiln_wipe(&keys, sizeof keys);
	}
	kiln_wipe(&products, sizeof products);
	return rc;
}

struct draws {
	uint8_t masking_nonce[KILN_OPAQUE_NONCE_SIZE], server_nonce[KILN_OPAQUE_NONCE_SIZE];
	uint8_t seed[KILN_OPAQUE_SEED_SIZE];
};

/* The generator is asked once: that costs it as much as the bytes. */
static enum kiln_code draw(const struct kiln_opaque_random *random, struct draws *out,
			   struct kiln_error *err)
{
	enum kiln_code rc;
	if (random == NULL)
		return kiln_opaque_draw(NULL, out, sizeof *out, err);
	if ((rc = kiln_opaque_draw(random, out->masking_nonce, sizeof out->masking_nonce, err)) ||
	    (rc = kiln_opaque_draw(random, out->server_nonce, sizeof out->server_nonce, err)))
		return rc;
	return kiln_opaque_draw(random, out->seed, sizeof out->seed, err);
}

enum kiln_code kiln_opaque_generate_ke2(
    const struct kiln_opaque_server *server, const struct kiln_opaque_parameters *parameters,
    const struct kiln_opaque_registration_record *record,
    struct kiln_opaque_bytes credential_identifier, const struct kiln_opaque_ke1 *ke1,
    const struct kiln_opaque_random *random, struct kiln_opaque_ke2 *ke2,
    struct kiln_opaque_server_state *state, struct kiln_error *err)
{
	struct kiln_opaque_parameters agreed;
	struct draws draws;
	enum kiln_code rc;
	memset(ke2, 0, sizeof *ke2);
	memset(state, 0, sizeof *state);
	if ((rc = kiln_opaque_check_credential(credential_identifier, err)) ||
	    (rc = kiln_opaque_take_parameters(parameters, &agreed, err)) ||
	    (rc = draw(random, &draws, err)))
		goto out;
	memcpy(ke2->masking_nonce, draws.masking_nonce, sizeof ke2->masking_nonce);
	memcpy(ke2->server_nonce, draws.server_nonce, sizeof ke2->server_nonce);
	/* From here on nothing knows whether there is such a user. */
	if (record == NULL)
		record = &server->unknown;
	rc = generate(server, &agreed, record, credential_identifier, ke1, draws.seed, ke2, state,
		      err);
out:
	kiln_wipe(&draws, sizeof draws);
	if (rc != KILN_OK) {
		kiln_wipe(ke2, sizeof *ke2);
		kiln_wipe(state, sizeof *state);
	}
	kiln_opaque_burn();
	return rc;
}

/* A state that was used, or never made, is all zero, and so is the key in it: whoever sends a KE3
 * of zeros must not be let in with it. */
enum kiln_code kiln_opaque_server_finish(struct kiln_opaque_server_state *state,
					 const struct kiln_opaque_ke3 *ke3,
					 uint8_t session_key[KILN_OPAQUE_SESSION_KEY_SIZE],
					 struct kiln_error *err)
{
	memset(session_key, 0, KILN_OPAQUE_SESSION_KEY_SIZE);
	int refused = sodium_memcmp(state->expected_client_mac, ke3->client_mac,
				    sizeof state->expected_client_mac);
	refused |= sodium_is_zero(state->expected_client_mac, sizeof state->expected_client_mac);
	KILN_DECLASSIFY(&refused, sizeof refused);
	if (refused == 0)
		memcpy(session_key, state->session_key, KILN_OPAQUE_SESSION_KEY_SIZE);
	kiln_wipe(state, sizeof *state);
	if (refused != 0)
		return kiln_fail(err, KILN_E_OPAQUE_AUTH,
				 "OPAQUE: the client does not know the password, or a message was "
				 "altered");
	return KILN_OK;
}
