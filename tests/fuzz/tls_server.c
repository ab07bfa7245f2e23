/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a client of Kiln's server handshaker. Run: fuzz_tls_server
 * tests/fuzz/corpus/tls_server
 *
 * The first byte says in what pieces the rest is fed. Beyond memory errors it looks for: more bytes
 * consumed than given, fewer although more are wanted, a peer without keys that gets in, and output
 * to somebody who does not speak TLS. */
#include "fuzz.h"

#include <kiln/tls.h>

#include "tls_certs.h"

static struct kiln_tls_config *config;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	struct identity *ca = identity_new(&(struct cert_spec){.cn = "CA", .ca = true}, NULL);
	struct identity *id = identity_new(&(struct cert_spec){.cn = "server"}, ca);
	const struct kiln_tls_options options = {
	    .role = KILN_SERVER,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .allow_any = true,
	    .cert_pem = id->cert_pem,
	    .cert_len = id->cert_len,
	    .key_pem = id->key_pem,
	    .key_len = id->key_len,
	    .ca_pem = ca->cert_pem,
	    .ca_len = ca->cert_len,
	    .alpn = "h2,http/1.1",
	};
	config = kiln_tls_config_new(&options, NULL);
	require(config != NULL);
	identity_free(id);
	identity_free(ca);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct kiln_error err = {0};
	struct kiln_handshake *hs = kiln_handshake_new(config, CERT_NOW, &err);
	require(hs != NULL);
	const size_t piece = fuzz_byte(&in) * 4u + 1;
	enum kiln_step step = KILN_STEP_NEED_INPUT;
	bool hello = false;
	while (in.left > 0 && step == KILN_STEP_NEED_INPUT) {
		size_t len, consumed, out_len;
		uint8_t *bytes = fuzz_bytes(&in, piece, &len);
		step = kiln_handshake_step(hs, bytes, len, &consumed, &err);
		free(bytes);
		require(consumed <= len);
		require(step != KILN_STEP_DONE); /* nobody knows the keys */
		require(step != KILN_STEP_NEED_INPUT || consumed == len);
		const uint8_t *out = kiln_handshake_output(hs, &out_len);
		/* An alert, a hello, or an alert behind one: that is encrypted already. */
		require(out_len == 0 || out[0] == 21 || out[0] == 22 || (hello && out[0] == 23));
		hello |= out_len > 0 && out[0] == 22;
		if (step == KILN_STEP_FAILED) {
			require(err.code != KILN_OK && err.message[0] != '\0');
			require(err.code != KILN_E_NOT_TLS || out_len == 0 || err.alert != 0);
		}
		kiln_handshake_sent(hs, out_len);
	}
	kiln_handshake_free(hs);
	return 0;
}
