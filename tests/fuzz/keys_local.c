/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a local store: whole files, and contents that are sealed well and break their form.
 * Run: fuzz_keys_local tests/fuzz/corpus/keys_local */
#include "fuzz.h"

#include "base/bytes.h"
#include "keys/crypto.h"

#define HEADER 36u

static uint8_t good[HEADER], key[32];

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const struct kiln_opaque_ksf ksf = {.profile = KILN_OPAQUE_KSF_NONE};
	struct kiln_keys_local *local;
	uint8_t *file;
	size_t len;
	(void)argc;
	(void)argv;
	require(kiln_keys_local_open(NULL, 0, "pw", 2, &ksf, &local, NULL) == KILN_OK);
	require(kiln_keys_local_seal(local, &file, &len, NULL) == KILN_OK);
	memcpy(good, file, HEADER);
	memcpy(key, (const uint8_t *)local + HEADER, sizeof key); /* behind the header */
	free(file);
	kiln_keys_local_free(local);
	return 0;
}

static void read_file(const uint8_t *file, size_t len)
{
	struct kiln_keys_local *local;
	/* What is asked for in earnest may be much: not the fuzzer's to wait for. */
	if (len >= HEADER && memcmp(file + 24, good + 24, 12) != 0 &&
	    kiln_load_be32(file + 24) / 4 * kiln_load_be32(file + 28) > 4096)
		return;
	if (kiln_keys_local_open(file, len, "pw", 2, NULL, &local, NULL) == KILN_OK) {
		uint8_t *again;
		size_t again_len;
		require(kiln_keys_local_seal(local, &again, &again_len, NULL) == KILN_OK);
		require(again_len == len);
		free(again);
	}
	kiln_keys_local_free(local);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	const bool sealed = (fuzz_byte(&in) & 1) != 0;
	size_t len;
	uint8_t *bytes = fuzz_bytes(&in, 4096, &len);
	if (sealed) {
		uint8_t *file = malloc(HEADER + len + KILN_KEYS_SEAL_OVERHEAD);
		require(file != NULL);
		memcpy(file, good, HEADER);
		require(kiln_keys_seal(key, good, HEADER, bytes, len, NULL, file + HEADER));
		read_file(file, HEADER + len + KILN_KEYS_SEAL_OVERHEAD);
		free(file);
	} else if (len > 0) {
		read_file(bytes, len);
	}
	free(bytes);
	return 0;
}
