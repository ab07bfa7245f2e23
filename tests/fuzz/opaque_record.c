/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a registration record, uploaded to a server and then used in a login.
 * Run: fuzz_opaque_record tests/fuzz/corpus/opaque_record
 *
 * Looks for a record that passes the check and cannot be used, and for one that was altered and
 * lets its user in. */
#include "opaque.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fuzz_opaque *w = fuzz_opaque();
	struct kiln_opaque_registration_record record;
	struct kiln_opaque_ke2 ke2;
	struct kiln_opaque_server_state state;
	struct kiln_opaque_ke3 ke3;
	struct kiln_opaque_login login;
	struct kiln_opaque_client_state client = w->client;
	struct kiln_error err = {0};
	const bool good = fuzz_message(data, size, &w->record, &record, sizeof record);
	const enum kiln_code checked = kiln_opaque_check_record(&record, &err);
	enum kiln_code rc = kiln_opaque_generate_ke2(&w->server, NULL, &record, fuzz_user, &w->ke1,
						     NULL, &ke2, &state, NULL);
	if (checked != KILN_OK) {
		require(!good && checked == KILN_E_OPAQUE_MESSAGE && err.code == checked);
		require(rc == KILN_E_OPAQUE_RECORD);
		return 0;
	}
	require(rc == KILN_OK);
	rc = kiln_opaque_generate_ke3(&client, fuzz_password, &fuzz_ksf, NULL, &ke2, &ke3, &login,
				      &err);
	require(good == (rc == KILN_OK));
	if (rc != KILN_OK)
		fuzz_failed(rc, &err, &login, sizeof login);
	return 0;
}
