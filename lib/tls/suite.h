/* SPDX-License-Identifier: Apache-2.0
 *
 * The TLS 1.3 cipher suites that Kiln speaks (RFC 8446 B.4), with everything that differs between
 * them in one row each.
 */
#ifndef KILN_TLS_SUITE_H
#define KILN_TLS_SUITE_H

#include <stdint.h>

#include <kiln/tls.h>

struct kiln_suite {
	uint16_t id;           /* code point */
	const char *name;      /* IANA name */
	const char *evp_name;  /* for EVP_CIPHER_fetch */
	const char *hash;      /* for EVP_MD_fetch */
	uint8_t key_len;       /* bytes */
	uint8_t hash_len;      /* bytes; also the length of a traffic secret */
	uint16_t ktls_cipher;  /* TLS_CIPHER_* of linux/tls.h */
	uint64_t record_limit; /* records that one key may protect; RFC 8446 5.5 */
};

/* NULL for a suite that Kiln does not speak. */
const struct kiln_suite *kiln_suite_find(uint16_t id);

/* All suites, in order of preference; *count gets their number. */
const struct kiln_suite *kiln_suites(size_t *count);

#endif
