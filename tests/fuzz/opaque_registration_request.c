/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a registration request, to a server.
 * Run: fuzz_opaque_registration_request tests/fuzz/corpus/opaque_registration_request
 *
 * Looks for an answer to what is no element, and for one that is no element or not always the
 * same. */
#include "opaque.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fuzz_opaque *w = fuzz_opaque();
	struct kiln_opaque_registration_request request;
	struct kiln_opaque_registration_response response, again;
	struct kiln_opaque_registration_record record;
	struct kiln_error err = {0};
	const bool good = fuzz_message(data, size, &w->request, &request, sizeof request);
	const enum kiln_code rc = kiln_opaque_create_registration_response(
	    &w->server, fuzz_user, &request, &response, &err);
	if (rc != KILN_OK) {
		require(!good && rc == KILN_E_OPAQUE_MESSAGE);
		fuzz_failed(rc, &err, &response, sizeof response);
		return 0;
	}
	require(good == (memcmp(&response, &w->response, sizeof response) == 0));
	require((request.blinded_message[31] & 0x80) == 0);
	memset(&record, 0, sizeof record);
	memcpy(record.client_public_key, response.evaluated_message, 32);
	require(kiln_opaque_check_record(&record, NULL) == KILN_OK);
	require(kiln_opaque_create_registration_response(&w->server, fuzz_user, &request, &again,
							 NULL) == KILN_OK);
	require(memcmp(&response, &again, sizeof again) == 0);
	return 0;
}
