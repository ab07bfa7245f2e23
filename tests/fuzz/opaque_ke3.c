/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as KE3, to a server that waits for it.
 * Run: fuzz_opaque_ke3 tests/fuzz/corpus/opaque_ke3
 *
 * Looks for one that lets somebody in and is not the client's. */
#include "opaque.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fuzz_opaque *w = fuzz_opaque();
	struct kiln_opaque_ke3 ke3;
	uint8_t session_key[KILN_OPAQUE_SESSION_KEY_SIZE];
	struct kiln_opaque_server_state state = w->state;
	struct kiln_error err = {0};
	const bool good = fuzz_message(data, size, &w->ke3, &ke3, sizeof ke3);
	const enum kiln_code rc = kiln_opaque_server_finish(&state, &ke3, session_key, &err);
	require(good == (rc == KILN_OK));
	if (rc != KILN_OK)
		fuzz_failed(rc, &err, session_key, sizeof session_key);
	else
		require(memcmp(session_key, w->login.session_key, sizeof session_key) == 0);
	return 0;
}
