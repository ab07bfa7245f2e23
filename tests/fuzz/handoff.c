/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a hand-off message. Run: fuzz_handoff tests/fuzz/corpus/handoff
 *
 * What is let through is written again, and must then be read as the same. */
#include "fuzz.h"

#include "handoff/message.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t again[KILN_HANDOFF_MESSAGE_MAX];
	struct kiln_handoff_message first, second;
	struct kiln_error err = {0};
	const enum kiln_code rc = kiln_handoff_decode(data, size, &first, &err);
	require(rc == err.code);
	if (rc != KILN_OK)
		return 0;
	require(first.early_len <= KILN_HANDOFF_EARLY_MAX);
	require(first.kind != KILN_HANDOFF_CONNECTION || kiln_suite_name(first.suite)[0] == 'T');
	const size_t len = kiln_handoff_encode(&first, again, sizeof again);
	require(len >= KILN_HANDOFF_HEADER && len <= sizeof again);
	require(kiln_handoff_decode(again, len, &second, NULL) == KILN_OK);
	require(second.kind == first.kind && second.number == first.number);
	if (first.kind != KILN_HANDOFF_CONNECTION)
		return 0;
	require(second.early_len == first.early_len);
	if (first.early_len > 0)
		require(memcmp(second.early, first.early, first.early_len) == 0);
	require(second.info.proof == first.info.proof && second.suite == first.suite);
	require(strcmp(second.alpn, first.alpn) == 0);
	require(memcmp(second.exporter, first.exporter, sizeof first.exporter) == 0);
	return 0;
}
