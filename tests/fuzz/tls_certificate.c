/* SPDX-License-Identifier: Apache-2.0
 * Any DER as a peer's certificate, and access rules over it.
 * Run: fuzz_tls_certificate tests/fuzz/corpus/tls_certificate
 *
 * Looks for text that is not bounded and printable, and for rules that match a name which the
 * certificate does not hold. */
#include "fuzz.h"

#include <openssl/err.h>

#include "tls/config.h"

static const struct kiln_access_rule rules[] = {
    {KILN_ACCESS_CN, "client"},
    {KILN_ACCESS_OU, "unit"},
    {KILN_ACCESS_DNS, "server.example"},
    {KILN_ACCESS_URI, "spiffe://example/*/api/**"},
    {KILN_ACCESS_IP, "192.0.2.1"},
    {KILN_ACCESS_IP, "2001:db8::1"},
    {KILN_ACCESS_SPKI, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"},
};

static void require_printable(const char *text, size_t cap)
{
	const size_t len = strnlen(text, cap);
	require(len < cap);
	for (size_t i = 0; i < len; i++)
		require(text[i] >= 0x20 && text[i] <= 0x7e);
}

static void check_rule(const X509 *cert, const struct kiln_access_rule *rule, const uint8_t *data,
		       size_t size)
{
	struct kiln_access_list list = {0};
	struct kiln_error err = {0};
	const struct kiln_tls_options options = {.rules = rule, .rule_count = 1};
	require(kiln_access_copy(&list, &options, &err) == KILN_OK);
	const enum kiln_code rc = kiln_access_check(&list, cert, &err);
	require(rc == KILN_OK || rc == KILN_E_ACCESS_DENIED);
	require(rc == err.code);
	/* What matched is somewhere in the certificate, byte for byte. */
	if (rc == KILN_OK && (rule->kind == KILN_ACCESS_CN || rule->kind == KILN_ACCESS_OU))
		require(memmem(data, size, rule->value, strlen(rule->value)) != NULL);
	if (rc == KILN_OK && rule->kind == KILN_ACCESS_URI)
		require(memmem(data, size, "spiffe://example/", 17) != NULL);
	if (rc == KILN_OK && rule->kind == KILN_ACCESS_IP)
		require(memmem(data, size,
			       rule->value[0] == '1' ? "\xc0\x00\x02\x01" : "\x20\x01\x0d\xb8",
			       4) != NULL);
	kiln_access_clear(&list);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *at = data;
	X509 *cert = d2i_X509(NULL, &at, (long)size);
	if (cert != NULL) {
		struct kiln_peer peer;
		memset(&peer, 0, sizeof peer);
		if (kiln_peer_describe(cert, &peer)) {
			require_printable(peer.subject, sizeof peer.subject);
			require_printable(peer.common_name, sizeof peer.common_name);
			require_printable(peer.name, sizeof peer.name);
		}
		for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++)
			check_rule(cert, &rules[i], data, size);
		X509_free(cert);
	}
	ERR_clear_error();
	return 0;
}
