/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a sealed state that comes back to its server.
 * Run: fuzz_opaque_state tests/fuzz/corpus/opaque_state
 *
 * Looks for one that opens and is not what was sealed. */
#include "opaque.h"

#define NOW UINT64_C(1790000000000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct fuzz_opaque *w = fuzz_opaque();
	static const uint8_t key[KILN_OPAQUE_SEAL_KEY_SIZE] = {7};
	uint8_t seed = 9;
	const struct kiln_opaque_random random = {fuzz_draw, &seed};
	struct kiln_opaque_sealed_state genuine, sealed;
	struct kiln_opaque_server_state state;
	struct kiln_error err = {0};
	require(kiln_opaque_state_seal(key, fuzz_user, NOW, &w->state, &random, &genuine, NULL) ==
		KILN_OK);
	const bool good = fuzz_message(data, size, &genuine, &sealed, sizeof sealed);
	const enum kiln_code rc =
	    kiln_opaque_state_open(key, fuzz_user, NOW + 1, 10, &sealed, &state, &err);
	if (good) {
		require(rc == KILN_OK && memcmp(&state, &w->state, sizeof state) == 0);
		return 0;
	}
	require(rc == KILN_E_OPAQUE_STATE && err.code == rc);
	for (size_t i = 0; i < sizeof state; i++)
		require(((const uint8_t *)&state)[i] == 0);
	return 0;
}
