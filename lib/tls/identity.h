/* SPDX-License-Identifier: Apache-2.0
 *
 * Handshakes whose certificates live for one connection only: one configuration is shared, and each
 * handshake brings its own certificate, key and judgement of the peer's. For identities that are
 * proved outside of TLS; lib/ only.
 */
#ifndef KILN_TLS_IDENTITY_H
#define KILN_TLS_IDENTITY_H

#include <openssl/x509.h>

#include <kiln/tls.h>

/* A configuration for such handshakes: TLS 1.3, a certificate required on both sides, no trusted
 * roots (so a CertificateRequest names no CA), no ALPN, no tickets and no cache, no SNI.
 * cipher_suites as in struct kiln_tls_options. */
struct kiln_tls_config *kiln_tls_config_new_bare(enum kiln_role role, const char *cipher_suites,
						 struct kiln_error *err) KILN_NODISCARD;

/* Judges the certificate that the peer's CertificateVerify is checked with, at the time now.
 * KILN_OK lets it in; else *err says why not and *x509_error, an X509_V_ERR_*, which alert is sent.
 */
typedef enum kiln_code (*kiln_leaf_verify)(void *arg, X509 *leaf, int64_t now, int *x509_error,
					   struct kiln_error *err);

struct kiln_handshake_identity {
	X509 *leaf; /* sent alone; the handshake takes references of its own */
	EVP_PKEY *key;
	kiln_leaf_verify verify; /* called once, during a step */
	void *arg;
	bool skip_blanks; /* JSON's white space may come before the peer's first record */
};

/* Before the first step. A handshake of a bare configuration without an identity fails. */
enum kiln_code kiln_handshake_set_identity(struct kiln_handshake *handshake,
					   const struct kiln_handshake_identity *identity,
					   struct kiln_error *err) KILN_NODISCARD;

#endif
