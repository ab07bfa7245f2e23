/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a server for Kiln's client handshaker. Run: fuzz_tls_client
 * tests/fuzz/corpus/tls_client
 *
 * The first byte says in what pieces the rest is fed; where it holds the ClientHello's session id,
 * the fuzzer cannot guess it: 32 bytes of 0xaa in the input stand for it. */
#include "fuzz.h"

#include <kiln/tls.h>

#include "tls_certs.h"

static struct kiln_tls_config *config;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc, (void)argv;
	struct identity *ca = identity_new(&(struct cert_spec){.cn = "CA", .ca = true}, NULL);
	const struct kiln_tls_options options = {
	    .role = KILN_CLIENT,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .ca_pem = ca->cert_pem,
	    .ca_len = ca->cert_len,
	    .server_name = "server.example",
	    .verify_name = "server.example",
	    .alpn = "h2",
	};
	config = kiln_tls_config_new(&options, NULL);
	require(config != NULL);
	identity_free(ca);
	return 0;
}

/* The session id is behind record header (5), message header (4), version (2), random (32). */
static void put_session_id(uint8_t *bytes, size_t len, const uint8_t *hello, size_t hello_len)
{
	uint8_t mark[32];
	memset(mark, 0xaa, sizeof mark);
	if (hello_len < 44 + 32 || hello[43] != 32)
		return;
	uint8_t *at = memmem(bytes, len, mark, sizeof mark);
	if (at != NULL)
		memcpy(at, hello + 44, 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct kiln_error err = {0};
	struct kiln_handshake *hs = kiln_handshake_new(config, CERT_NOW, &err);
	require(hs != NULL);
	size_t consumed, hello_len, len;
	require(kiln_handshake_step(hs, NULL, 0, &consumed, &err) == KILN_STEP_NEED_INPUT);
	const uint8_t *hello = kiln_handshake_output(hs, &hello_len);
	const size_t piece = fuzz_byte(&in) * 4u + 1;
	uint8_t *bytes = fuzz_bytes(&in, SIZE_MAX, &len);
	put_session_id(bytes, len, hello, hello_len);
	kiln_handshake_sent(hs, hello_len);
	enum kiln_step step = KILN_STEP_NEED_INPUT;
	for (size_t at = 0; at < len && step == KILN_STEP_NEED_INPUT;) {
		struct fuzz_input rest = {bytes + at, len - at};
		size_t n, out_len;
		uint8_t *part = fuzz_bytes(&rest, piece, &n);
		step = kiln_handshake_step(hs, part, n, &consumed, &err);
		free(part);
		require(consumed <= n);
		require(step != KILN_STEP_DONE);
		require(step != KILN_STEP_NEED_INPUT || consumed == n);
		(void)kiln_handshake_output(hs, &out_len);
		kiln_handshake_sent(hs, out_len);
		at += n;
	}
	require(step != KILN_STEP_FAILED || err.code != KILN_OK);
	free(bytes);
	kiln_handshake_free(hs);
	return 0;
}
