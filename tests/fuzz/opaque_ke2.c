/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as KE2, to a client.
 * Run: fuzz_opaque_ke2 tests/fuzz/corpus/opaque_ke2
 *
 * Looks for a client that goes on with anything but what the server said, or leaves keys behind. */
#include "opaque.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fuzz_opaque *w = fuzz_opaque();
	struct kiln_opaque_ke2 ke2;
	struct kiln_opaque_ke3 ke3;
	struct kiln_opaque_login login;
	struct kiln_opaque_client_state client = w->client;
	struct kiln_error err = {0};
	const bool good = fuzz_message(data, size, &w->ke2, &ke2, sizeof ke2);
	const enum kiln_code rc = kiln_opaque_generate_ke3(&client, fuzz_password, &fuzz_ksf, NULL,
							   &ke2, &ke3, &login, &err);
	require(good == (rc == KILN_OK));
	if (rc != KILN_OK) {
		fuzz_failed(rc, &err, &ke3, sizeof ke3);
		fuzz_failed(rc, &err, &login, sizeof login);
		return 0;
	}
	require(memcmp(&ke3, &w->ke3, sizeof ke3) == 0);
	require(memcmp(&login, &w->login, sizeof login) == 0);
	return 0;
}
