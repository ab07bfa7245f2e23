/* SPDX-License-Identifier: Apache-2.0
 * The cipher suite table. RFC 8446 appendix B.4 and section 5.5. */
#include "tls/suite.h"

#include <linux/tls.h>

/* RFC 8446 5.5: AES-GCM keys may protect 2^24.5 full-size records. ChaCha20-Poly1305 wraps its
 * 64-bit sequence number first; 2^62 stands for "never in practice". */
#define AES_GCM_RECORD_LIMIT UINT64_C(23726566)
#define CHACHA_RECORD_LIMIT  (UINT64_C(1) << 62)

static const struct kiln_suite suites[] = {
    {
	.id = 0x1301,
	.name = "TLS_AES_128_GCM_SHA256",
	.evp_name = "AES-128-GCM",
	.hash = "SHA256",
	.key_len = 16,
	.hash_len = 32,
	.ktls_cipher = TLS_CIPHER_AES_GCM_128,
	.record_limit = AES_GCM_RECORD_LIMIT,
    },
    {
	.id = 0x1302,
	.name = "TLS_AES_256_GCM_SHA384",
	.evp_name = "AES-256-GCM",
	.hash = "SHA384",
	.key_len = 32,
	.hash_len = 48,
	.ktls_cipher = TLS_CIPHER_AES_GCM_256,
	.record_limit = AES_GCM_RECORD_LIMIT,
    },
    {
	.id = 0x1303,
	.name = "TLS_CHACHA20_POLY1305_SHA256",
	.evp_name = "ChaCha20-Poly1305",
	.hash = "SHA256",
	.key_len = 32,
	.hash_len = 32,
	.ktls_cipher = TLS_CIPHER_CHACHA20_POLY1305,
	.record_limit = CHACHA_RECORD_LIMIT,
    },
};

const struct kiln_suite *kiln_suite_find(uint16_t id)
{
	for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++)
		if (suites[i].id == id)
			return &suites[i];
	return NULL;
}

const struct kiln_suite *kiln_suites(size_t *count)
{
	*count = sizeof suites / sizeof suites[0];
	return suites;
}

const char *kiln_suite_name(uint16_t id)
{
	const struct kiln_suite *suite = kiln_suite_find(id);
	return suite != NULL ? suite->name : "unknown";
}
