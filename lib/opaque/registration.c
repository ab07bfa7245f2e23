/* SPDX-License-Identifier: Apache-2.0
 * Registration, RFC 9807 5: both sides. */
#include <string.h>

#include <sodium.h>

#include "base/bytes.h"
#include "opaque/burn.h"
#include "opaque/declassify.h"
#include "opaque/envelope.h"
#include "opaque/evaluate.h"
#include "opaque/group.h"
#include "opaque/input.h"
#include "opaque/ksf.h"

_Static_assert(sizeof(struct kiln_opaque_registration_request) ==
		   KILN_OPAQUE_REGISTRATION_REQUEST_SIZE,
	       "registration_request");
_Static_assert(sizeof(struct kiln_opaque_registration_response) ==
		   KILN_OPAQUE_REGISTRATION_RESPONSE_SIZE,
	       "registration_response");
_Static_assert(sizeof(struct kiln_opaque_registration_record) ==
		   KILN_OPAQUE_REGISTRATION_RECORD_SIZE,
	       "registration_record");

enum kiln_code kiln_opaque_create_registration_request(
    struct kiln_opaque_bytes password, const struct kiln_opaque_random *random,
    struct kiln_opaque_registration_request *request, struct kiln_opaque_registration_state *state,
    struct kiln_error *err)
{
	memset(request, 0, sizeof *request);
	memset(state, 0, sizeof *state);
	enum kiln_code rc = kiln_opaque_check_password(password, err);
	if (rc == KILN_OK)
		rc = kiln_opaque_draw_scalar(random, state->blind, err);
	if (rc == KILN_OK && !kiln_opaque_blind(password, state->blind, request->blinded_message))
		rc = kiln_fail(err, KILN_E_SYSTEM, "OPAQUE: the drawn blind is zero");
	kiln_opaque_burn();
	if (rc != KILN_OK) {
		kiln_wipe(request, sizeof *request);
		kiln_wipe(state, sizeof *state);
		return rc;
	}
	KILN_DECLASSIFY(request, sizeof *request);
	return KILN_OK;
}

enum kiln_code kiln_opaque_create_registration_response(
    const struct kiln_opaque_server *server, struct kiln_opaque_bytes credential_identifier,
    const struct kiln_opaque_registration_request *request,
    struct kiln_opaque_registration_response *response, struct kiln_error *err)
{
	memset(response, 0, sizeof *response);
	const enum kiln_code rc = kiln_opaque_check_credential(credential_identifier, err);
	if (rc != KILN_OK)
		return rc;
	const bool ok = kiln_opaque_evaluate(server, credential_identifier,
					     request->blinded_message, response->evaluated_message);
	kiln_opaque_burn();
	if (!ok) {
		memset(response, 0, sizeof *response);
		return kiln_opaque_bad_element("blinded message", err);
	}
	memcpy(response->server_public_key, server->setup.server_public_key,
	       sizeof response->server_public_key);
	return KILN_OK;
}

/* The RFC's Store, with a randomized password. */
static enum kiln_code store(const uint8_t randomized_password[KILN_OPAQUE_HASH_SIZE],
			    const struct kiln_opaque_parameters *parameters,
			    const uint8_t server_public_key[KILN_OPAQUE_ELEMENT_SIZE],
			    struct kiln_opaque_registration_record *record, uint8_t *export_key,
			    struct kiln_error *err)
{
	struct kiln_opaque_credentials credentials;
	kiln_opaque_masking_key(randomized_password, record->masking_key);
	const bool ok =
	    kiln_opaque_credentials(randomized_password, record->envelope.envelope_nonce,
				    server_public_key, parameters, &credentials);
	memcpy(record->client_public_key, credentials.client_public_key,
	       sizeof record->client_public_key);
	memcpy(record->envelope.auth_tag, credentials.auth_tag, sizeof record->envelope.auth_tag);
	memcpy(export_key, credentials.export_key, KILN_OPAQUE_EXPORT_KEY_SIZE);
	kiln_wipe(&credentials, sizeof credentials);
	if (!ok)
		return kiln_fail(err, KILN_E_SYSTEM, "OPAQUE: the derived key is zero");
	return KILN_OK;
}

static KILN_OPAQUE_BELOW enum kiln_code
finalize(const struct kiln_opaque_registration_state *state, struct kiln_opaque_bytes password,
	 const struct kiln_opaque_ksf *ksf, const struct kiln_opaque_parameters *parameters,
	 const struct kiln_opaque_registration_response *response,
	 const struct kiln_opaque_random *random, struct kiln_opaque_registration_record *record,
	 uint8_t export_key[KILN_OPAQUE_EXPORT_KEY_SIZE], struct kiln_error *err)
{
	struct kiln_opaque_parameters agreed;
	struct kiln_opaque_ksf stretching;
	uint8_t oprf_output[KILN_OPAQUE_HASH_SIZE], randomized_password[KILN_OPAQUE_HASH_SIZE];
	enum kiln_code rc;
	memset(record, 0, sizeof *record);
	memset(export_key, 0, KILN_OPAQUE_EXPORT_KEY_SIZE);
	if ((rc = kiln_opaque_check_password(password, err)) ||
	    (rc = kiln_opaque_ksf_resolve(ksf, &stretching, err)) ||
	    (rc = kiln_opaque_take_parameters(parameters, &agreed, err)))
		return rc;
	if (kiln_opaque_is_empty(state->blind, sizeof state->blind))
		return kiln_fail(err, KILN_E_USAGE, "OPAQUE: the client's state has no blind");
	if (!kiln_opaque_element_valid(response->server_public_key))
		return kiln_opaque_bad_element("public key", err);
	if (!kiln_opaque_unblind(password, state->blind, response->evaluated_message, oprf_output))
		return kiln_opaque_bad_element("evaluated message", err);
	rc = kiln_opaque_randomize_password(&stretching, oprf_output, randomized_password, err);
	if (rc == KILN_OK)
		rc = kiln_opaque_draw(random, record->envelope.envelope_nonce,
				      sizeof record->envelope.envelope_nonce, err);
	if (rc == KILN_OK)
		rc = store(randomized_password, &agreed, response->server_public_key, record,
			   export_key, err);
	kiln_wipe(oprf_output, sizeof oprf_output);
	kiln_wipe(randomized_password, sizeof randomized_password);
	if (rc != KILN_OK) {
		kiln_wipe(record, sizeof *record);
		kiln_wipe(export_key, KILN_OPAQUE_EXPORT_KEY_SIZE);
	}
	return rc;
}

enum kiln_code kiln_opaque_finalize_registration_request(
    struct kiln_opaque_registration_state *state, struct kiln_opaque_bytes password,
    const struct kiln_opaque_ksf *ksf, const struct kiln_opaque_parameters *parameters,
    const struct kiln_opaque_registration_response *response,
    const struct kiln_opaque_random *random, struct kiln_opaque_registration_record *record,
    uint8_t export_key[KILN_OPAQUE_EXPORT_KEY_SIZE], struct kiln_error *err)
{
	const enum kiln_code rc =
	    finalize(state, password, ksf, parameters, response, random, record, export_key, err);
	kiln_wipe(state, sizeof *state);
	kiln_opaque_burn();
	return rc;
}

enum kiln_code kiln_opaque_check_record(const struct kiln_opaque_registration_record *record,
					struct kiln_error *err)
{
	if (!kiln_opaque_element_valid(record->client_public_key))
		return kiln_opaque_bad_element("registration record's public key", err);
	return KILN_OK;
}
