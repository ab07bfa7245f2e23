/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as certificate, key, roots and lists of a configuration.
 * Run: fuzz_tls_config tests/fuzz/corpus/tls_config
 *
 * Input: a byte of options, then three PEM texts and two lists, each behind its length. */
#include "fuzz.h"

#include <kiln/tls.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct kiln_error err = {0};
	const uint8_t bits = fuzz_byte(&in);
	uint8_t *texts[5];
	size_t lens[5];
	char *lists[2];
	for (int i = 0; i < 5; i++)
		texts[i] = fuzz_bytes(&in, fuzz_short(&in), &lens[i]);
	for (int i = 0; i < 2; i++) {
		lists[i] = strndup((const char *)texts[3 + i], lens[3 + i]);
		require(lists[i] != NULL);
	}
	const struct kiln_access_rule rule = {(enum kiln_access_kind)(bits >> 5) % 6, lists[1]};
	const struct kiln_tls_options options = {
	    .role = bits & 1 ? KILN_SERVER : KILN_CLIENT,
	    .peer_auth = (enum kiln_peer_auth)((bits >> 1) % 3),
	    .cert_pem = texts[0],
	    .cert_len = lens[0],
	    .key_pem = texts[1],
	    .key_len = lens[1],
	    .ca_pem = texts[2],
	    .ca_len = lens[2],
	    .alpn = bits & 8 ? lists[0] : NULL,
	    .cipher_suites = bits & 16 ? lists[1] : NULL,
	    .rules = &rule,
	    .rule_count = lens[4] > 0,
	    .allow_any = lens[4] == 0,
	};
	struct kiln_tls_config *config = kiln_tls_config_new(&options, &err);
	if (config == NULL)
		require(err.code == KILN_E_CONFIG && err.message[0] != '\0');
	kiln_tls_config_unref(config);
	for (int i = 0; i < 5; i++)
		free(texts[i]);
	free(lists[0]);
	free(lists[1]);
	return 0;
}
