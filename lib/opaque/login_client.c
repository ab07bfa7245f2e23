/* SPDX-License-Identifier: Apache-2.0
 * The client's side of a login, RFC 9807 6.2.1, 6.2.3 and 6.4.3. */
#include <string.h>

#include <sodium.h>

#include "base/bytes.h"
#include "opaque/burn.h"
#include "opaque/declassify.h"
#include "opaque/envelope.h"
#include "opaque/group.h"
#include "opaque/input.h"
#include "opaque/ksf.h"
#include "opaque/schedule.h"

enum kiln_code kiln_opaque_generate_ke1(struct kiln_opaque_bytes password,
					const struct kiln_opaque_random *random,
					struct kiln_opaque_ke1 *ke1,
					struct kiln_opaque_client_state *state,
					struct kiln_error *err)
{
	uint8_t seed[KILN_OPAQUE_SEED_SIZE];
	enum kiln_code rc;
	memset(ke1, 0, sizeof *ke1);
	memset(state, 0, sizeof *state);
	if ((rc = kiln_opaque_check_password(password, err)) ||
	    (rc = kiln_opaque_draw_scalar(random, state->blind, err)) ||
	    (rc = kiln_opaque_draw(random, ke1->client_nonce, sizeof ke1->client_nonce, err)) ||
	    (rc = kiln_opaque_draw(random, seed, sizeof seed, err)))
		goto out;
	if (!kiln_opaque_blind(password, state->blind, ke1->blinded_message) ||
	    !kiln_opaque_derive_key_pair(seed, state->client_secret, ke1->client_public_keyshare)) {
		rc = kiln_fail(err, KILN_E_SYSTEM, "OPAQUE: a drawn scalar is zero");
		goto out;
	}
	KILN_DECLASSIFY(ke1, sizeof *ke1);
	state->ke1 = *ke1;
out:
	kiln_wipe(seed, sizeof seed);
	if (rc != KILN_OK) {
		kiln_wipe(ke1, sizeof *ke1);
		kiln_wipe(state, sizeof *state);
	}
	kiln_opaque_burn();
	return rc;
}

static enum kiln_code refuse(struct kiln_error *err)
{
	return kiln_fail(err, KILN_E_OPAQUE_AUTH,
			 "OPAQUE: wrong password, or no such user, or not the server of the "
			 "registration");
}

/* Equal or not, and that alone becomes known. */
static bool same(const uint8_t a[KILN_OPAQUE_HASH_SIZE], const uint8_t b[KILN_OPAQUE_HASH_SIZE])
{
	int differs = sodium_memcmp(a, b, KILN_OPAQUE_HASH_SIZE);
	KILN_DECLASSIFY(&differs, sizeof differs);
	return differs == 0;
}

/* RecoverCredentials, 6.3.2.3. What was unmasked says something about the password until its tag is
 * found good; then it is what the server sends to anybody who knows the password. */
static enum kiln_code recover(const uint8_t randomized_password[KILN_OPAQUE_HASH_SIZE],
			      const struct kiln_opaque_parameters *parameters,
			      const struct kiln_opaque_ke2 *ke2,
			      struct kiln_opaque_credentials *credentials,
			      uint8_t server_public_key[KILN_OPAQUE_ELEMENT_SIZE],
			      struct kiln_error *err)
{
	uint8_t masking_key[KILN_OPAQUE_HASH_SIZE];
	struct kiln_opaque_response response;
	kiln_opaque_masking_key(randomized_password, masking_key);
	kiln_opaque_mask(masking_key, ke2->masking_nonce, ke2->masked_response, &response);
	const bool ok =
	    kiln_opaque_credentials(randomized_password, response.envelope.envelope_nonce,
				    response.server_public_key, parameters, credentials) &&
	    same(credentials->auth_tag, response.envelope.auth_tag);
	memcpy(server_public_key, response.server_public_key, KILN_OPAQUE_ELEMENT_SIZE);
	kiln_wipe(masking_key, sizeof masking_key);
	kiln_wipe(&response, sizeof response);
	if (!ok)
		return refuse(err);
	KILN_DECLASSIFY(server_public_key, KILN_OPAQUE_ELEMENT_SIZE);
	return KILN_OK;
}

/* AuthClientFinalize, 6.4.3 */
static enum kiln_code authenticate(const struct kiln_opaque_client_state *state,
				   const struct kiln_opaque_parameters *parameters,
				   const struct kiln_opaque_credentials *credentials,
				   const struct kiln_opaque_ke2 *ke2, struct kiln_opaque_ke3 *ke3,
				   struct kiln_opaque_login *login, struct kiln_error *err)
{
	struct kiln_opaque_products products;
	struct kiln_opaque_keys keys;
	const struct kiln_opaque_transcript transcript = {
	    .context = parameters->context,
	    .client_identity =
		kiln_opaque_identity(parameters->client_identity, credentials->client_public_key),
	    .server_identity =
		kiln_opaque_identity(parameters->server_identity, login->server_public_key),
	    .ke1 = &state->ke1,
	    .ke2 = ke2,
	};
	bool ok =
	    kiln_opaque_multiply(state->client_secret, ke2->server_public_keyshare,
				 products.ephemeral) &&
	    kiln_opaque_multiply(state->client_secret, login->server_public_key, products.server) &&
	    kiln_opaque_multiply(credentials->client_private_key, ke2->server_public_keyshare,
				 products.client);
	if (ok) {
		kiln_opaque_schedule(&transcript, &products, &keys);
		ok = same(keys.server_mac, ke2->server_mac);
		memcpy(ke3->client_mac, keys.client_mac, sizeof ke3->client_mac);
		memcpy(login->session_key, keys.session_key, sizeof login->session_key);
		kiln_wipe(&keys, sizeof keys);
	}
	kiln_wipe(&products, sizeof products);
	if (!ok)
		return refuse(err);
	KILN_DECLASSIFY(ke3, sizeof *ke3);
	memcpy(login->export_key, credentials->export_key, sizeof login->export_key);
	return KILN_OK;
}

static enum kiln_code check_state(const struct kiln_opaque_client_state *state,
				  struct kiln_error *err)
{
	if (kiln_opaque_is_empty(state->blind, sizeof state->blind) ||
	    kiln_opaque_is_empty(state->client_secret, sizeof state->client_secret))
		return kiln_fail(err, KILN_E_USAGE,
				 "OPAQUE: the client's state was used, or never made");
	return KILN_OK;
}

/* What needs no secret and no stretching comes first. */
static enum kiln_code check_ke2(const struct kiln_opaque_ke2 *ke2, struct kiln_error *err)
{
	if (!kiln_opaque_element_valid(ke2->evaluated_message))
		return kiln_opaque_bad_element("evaluated message", err);
	if (!kiln_opaque_element_valid(ke2->server_public_keyshare))
		return kiln_opaque_bad_element("key share", err);
	return KILN_OK;
}

static KILN_OPAQUE_BELOW enum kiln_code
finish(const struct kiln_opaque_client_state *state, struct kiln_opaque_bytes password,
       const struct kiln_opaque_ksf *ksf, const struct kiln_opaque_parameters *parameters,
       const struct kiln_opaque_ke2 *ke2, struct kiln_opaque_ke3 *ke3,
       struct kiln_opaque_login *login, struct kiln_error *err)
{
	struct kiln_opaque_parameters agreed;
	struct kiln_opaque_ksf stretching;
	struct kiln_opaque_credentials credentials;
	uint8_t oprf_output[KILN_OPAQUE_HASH_SIZE], randomized_password[KILN_OPAQUE_HASH_SIZE];
	enum kiln_code rc;
	memset(ke3, 0, sizeof *ke3);
	memset(login, 0, sizeof *login);
	if ((rc = kiln_opaque_check_password(password, err)) ||
	    (rc = kiln_opaque_ksf_resolve(ksf, &stretching, err)) ||
	    (rc = kiln_opaque_take_parameters(parameters, &agreed, err)) ||
	    (rc = check_state(state, err)) || (rc = check_ke2(ke2, err)))
		return rc;
	if (!kiln_opaque_unblind(password, state->blind, ke2->evaluated_message, oprf_output))
		return kiln_fail(err, KILN_E_USAGE, "OPAQUE: the client's state has no blind");
	rc = kiln_opaque_randomize_password(&stretching, oprf_output, randomized_password, err);
	if (rc == KILN_OK)
		rc = recover(randomized_password, &agreed, ke2, &credentials,
			     login->server_public_key, err);
	if (rc == KILN_OK)
		rc = authenticate(state, &agreed, &credentials, ke2, ke3, login, err);
	kiln_wipe(&credentials, sizeof credentials);
	kiln_wipe(oprf_output, sizeof oprf_output);
	kiln_wipe(randomized_password, sizeof randomized_password);
	if (rc != KILN_OK) {
		kiln_wipe(ke3, sizeof *ke3);
		kiln_wipe(login, sizeof *login);
	}
	return rc;
}

enum kiln_code kiln_opaque_generate_ke3(struct kiln_opaque_client_state *state,
					struct kiln_opaque_bytes password,
					const struct kiln_opaque_ksf *ksf,
					const struct kiln_opaque_parameters *parameters,
					const struct kiln_opaque_ke2 *ke2,
					struct kiln_opaque_ke3 *ke3,
					struct kiln_opaque_login *login, struct kiln_error *err)
{
	const enum kiln_code rc = finish(state, password, ksf, parameters, ke2, ke3, login, err);
	kiln_wipe(state, sizeof *state);
	kiln_opaque_burn();
	return rc;
}
