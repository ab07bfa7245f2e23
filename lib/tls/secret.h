/* SPDX-License-Identifier: Apache-2.0
 * Key schedule pieces that come after the handshake: RFC 8446 7.1, 7.2 and 7.3. */
#ifndef KILN_TLS_SECRET_H
#define KILN_TLS_SECRET_H

#include "tls/suite.h"

/* HKDF-Expand-Label(secret, label, "", out_len) of RFC 8446 7.1; out_len <= suite's hash length. */
enum kiln_code kiln_expand_label(const struct kiln_suite *suite, const uint8_t *secret,
				 const char *label, uint8_t *out, size_t out_len,
				 struct kiln_error *err) KILN_NODISCARD;

struct kiln_traffic_keys {
	uint8_t key[32];
	uint8_t iv[12];
};

/* Traffic keys of one direction, RFC 8446 7.3. The caller wipes them. */
enum kiln_code kiln_derive_keys(const struct kiln_suite *suite, const uint8_t *secret,
				struct kiln_traffic_keys *keys,
				struct kiln_error *err) KILN_NODISCARD;

#endif
