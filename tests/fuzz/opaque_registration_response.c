/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a registration response, to a client.
 * Run: fuzz_opaque_registration_response tests/fuzz/corpus/opaque_registration_response
 *
 * Looks for a record that is none, and for a registration that was altered and leads to the same
 * keys. */
#include "opaque.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fuzz_opaque *w = fuzz_opaque();
	struct kiln_opaque_registration_response response;
	struct kiln_opaque_registration_record record;
	uint8_t export_key[KILN_OPAQUE_EXPORT_KEY_SIZE];
	struct kiln_opaque_registration_state state = w->registration_state;
	struct kiln_error err = {0};
	const bool good = fuzz_message(data, size, &w->response, &response, sizeof response);
	const enum kiln_code rc = kiln_opaque_finalize_registration_request(
	    &state, fuzz_password, &fuzz_ksf, NULL, &response, NULL, &record, export_key, &err);
	if (rc != KILN_OK) {
		require(!good && rc == KILN_E_OPAQUE_MESSAGE);
		fuzz_failed(rc, &err, &record, sizeof record);
		fuzz_failed(rc, &err, export_key, sizeof export_key);
		return 0;
	}
	require(kiln_opaque_check_record(&record, NULL) == KILN_OK);
	/* The masking key is the password's under this server, whatever the nonce. */
	const bool same_password =
	    memcmp(record.masking_key, w->record.masking_key, sizeof record.masking_key) == 0;
	const bool same_answer =
	    memcmp(response.evaluated_message, w->response.evaluated_message, 32) == 0;
	require(same_password == same_answer);
	return 0;
}
