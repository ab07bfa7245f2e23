/* SPDX-License-Identifier: Apache-2.0
 *
 * Throw-away certificates, made in memory, for the tests that need some.
 */
#ifndef KILN_TESTS_TLS_CERTS_H
#define KILN_TESTS_TLS_CERTS_H

#include <openssl/x509v3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The moment that certificates are valid around: 2026-01-01. Tests pass it as their "now". */
#define CERT_NOW INT64_C(1767225600)
#define CERT_DAY INT64_C(86400)

struct cert_spec {
	const char *cn;
	size_t cn_len;   /* 0: strlen; for names with a NUL inside */
	const char *ou;  /* NULL: none */
	const char *san; /* as in OpenSSL's configuration: "DNS:a.example,IP:127.0.0.1", or NULL */
	/* One subject alternative name of any bytes; a GEN_* type, 0 for none. */
	int raw_san_type;
	const char *raw_san;
	size_t raw_san_len;
	bool ca;
	int64_t from, to; /* seconds; 0: a day before and a year after CERT_NOW */
};

struct identity {
	X509 *cert;
	EVP_PKEY *key;
	char *cert_pem, *key_pem;
	size_t cert_len, key_len;
};

/* issuer NULL: signed by itself. */
struct identity *identity_new(const struct cert_spec *spec, const struct identity *issuer);
void identity_free(struct identity *id);

/* The key under a passphrase, PEM; to be freed. */
char *identity_encrypted_key(const struct identity *id, const char *passphrase, size_t *len);

/* SHA-256 of the SubjectPublicKeyInfo, hexadecimal. */
void identity_spki(const struct identity *id, char hex[65]);

#endif
