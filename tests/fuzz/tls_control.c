/* SPDX-License-Identifier: Apache-2.0
 * Any sequence of control records. Run: fuzz_tls_control tests/fuzz/corpus/tls_control
 *
 * Input: type, length (two bytes), content, and so on. Looks for verdicts that depend on how a
 * handshake message was cut into records, and for refusals without a reason. */
#include "fuzz.h"

#include <kiln/tls.h>

/* The same content in records of one byte must be judged alike, but for what a cut forbids. */
static void check_cut(const struct kiln_traffic *before, const uint8_t *data, size_t len,
		      enum kiln_code rc, const struct kiln_control *whole)
{
	struct kiln_traffic traffic = *before;
	struct kiln_control sum = {0};
	enum kiln_code cut = KILN_OK;
	for (size_t i = 0; i < len && cut == KILN_OK; i++) {
		struct kiln_control control;
		traffic.useless = 0; /* of this, a cut makes more */
		cut = kiln_traffic_control(&traffic, KILN_RECORD_HANDSHAKE, data + i, 1, &control,
					   NULL);
		sum.tickets += control.tickets;
		sum.key_update |= control.key_update;
		sum.update_requested |= control.update_requested;
	}
	if (rc == KILN_OK) {
		require(cut == KILN_OK);
		require(sum.tickets == whole->tickets);
		require(sum.key_update == whole->key_update);
		require(sum.update_requested == whole->update_requested);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct kiln_traffic traffic = {.takes_tickets = true};
	while (in.left > 0) {
		struct kiln_control control;
		struct kiln_error err = {0};
		const uint8_t type = fuzz_byte(&in);
		size_t len;
		uint8_t *content = fuzz_bytes(&in, fuzz_short(&in), &len);
		const struct kiln_traffic before = traffic;
		const enum kiln_code rc =
		    kiln_traffic_control(&traffic, type, content, len, &control, &err);
		require(rc == err.code);
		require(rc == KILN_OK || err.alert != 0);
		require(err.alert_received == (rc == KILN_E_TLS_ALERT));
		require(traffic.message_have <= 4);
		require(!control.update_requested || control.key_update);
		if (type == KILN_RECORD_HANDSHAKE && len > 0 && len < 4096)
			check_cut(&before, content, len, rc, &control);
		free(content);
		if (rc != KILN_OK)
			break;
	}
	return 0;
}
