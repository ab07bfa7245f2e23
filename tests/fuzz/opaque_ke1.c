/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as KE1, to a server: for a user whom it knows, and for one whom it does not.
 * Run: fuzz_opaque_ke1 tests/fuzz/corpus/opaque_ke1
 *
 * Looks for a difference between the two, and for a KE1 that was altered and nobody notices. */
#include "opaque.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fuzz_opaque *w = fuzz_opaque();
	struct kiln_opaque_ke1 ke1;
	struct kiln_opaque_ke2 ke2, nobody;
	struct kiln_opaque_server_state state, nobodys;
	struct kiln_opaque_ke3 ke3;
	struct kiln_opaque_login login;
	struct kiln_opaque_client_state client = w->client;
	struct kiln_error err = {0}, nobodys_err = {0};
	const bool good = fuzz_message(data, size, &w->ke1, &ke1, sizeof ke1);
	enum kiln_code rc = kiln_opaque_generate_ke2(&w->server, NULL, &w->record, fuzz_user, &ke1,
						     NULL, &ke2, &state, &err);
	require(kiln_opaque_generate_ke2(&w->server, NULL, NULL, fuzz_user, &ke1, NULL, &nobody,
					 &nobodys, &nobodys_err) == rc);
	require(memcmp(&err, &nobodys_err, sizeof err) == 0);
	require(memcmp(ke2.evaluated_message, nobody.evaluated_message, 32) == 0);
	if (rc != KILN_OK) {
		require(!good && rc == KILN_E_OPAQUE_MESSAGE);
		fuzz_failed(rc, &err, &ke2, sizeof ke2);
		fuzz_failed(rc, &err, &state, sizeof state);
		return 0;
	}
	rc = kiln_opaque_generate_ke3(&client, fuzz_password, &fuzz_ksf, NULL, &ke2, &ke3, &login,
				      &err);
	require(good == (rc == KILN_OK));
	if (rc != KILN_OK)
		fuzz_failed(rc, &err, &login, sizeof login);
	return 0;
}
