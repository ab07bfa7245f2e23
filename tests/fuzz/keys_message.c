/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a frame's body, of any type, and as a frame, an export and a local store.
 * Run: fuzz_keys_message tests/fuzz/corpus/keys_message
 *
 * What is read is written as it was. */
#include "fuzz.h"

#include "keys/export.h"
#include "keys/frame.h"
#include "keys/name.h"

static void one_message(uint8_t type, const uint8_t *body, size_t len)
{
	static uint8_t again[KILN_KEYS_FRAME_MAX];
	struct kiln_keys_message m;
	bool fits;
	if (!kiln_keys_message_read(type, body, len, &m) || len > sizeof again)
		return;
	require(kiln_keys_message_write(type, &m, again, sizeof again, &fits) == len && fits);
	require(memcmp(again, body, len) == 0);
}

static void one_name(const uint8_t *name, size_t len)
{
	uint8_t out[KILN_KEYS_NAME_MAX];
	size_t out_len;
	if (kiln_keys_name_normalise(name, len, out, &out_len) == KILN_KEYS_NAME_GOOD)
		require(out_len >= 1 && out_len <= sizeof out &&
			kiln_keys_name_check(out, out_len) == KILN_KEYS_NAME_GOOD);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	const uint8_t type = fuzz_byte(&in);
	size_t len;
	uint8_t *body = fuzz_bytes(&in, SIZE_MAX, &len);
	struct kiln_keys_exported exported;
	one_message(type, body, len);
	one_name(body, len);
	if (kiln_keys_export_read(body, len, &exported))
		require(exported.secret_len + exported.bound_to_len + 2 == len);
	free(body);
	return 0;
}
