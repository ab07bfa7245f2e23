/* SPDX-License-Identifier: Apache-2.0
 *
 * A throw-away authority and the certificates it signs, in memory: for `kiln demo`, `kiln certs`,
 * tests and benchmarks. Not for production: the authority's key lives as long as the object and is
 * never written anywhere.
 */
#ifndef KILN_DEMO_CERTS_H
#define KILN_DEMO_CERTS_H

#include <kiln/tls.h>

enum kiln_key_kind {
	KILN_KEY_EC,  /* ECDSA P-256 */
	KILN_KEY_RSA, /* 2048 bits */
	KILN_KEY_ED25519,
};

/* PEM text on the heap, with a NUL behind its len bytes. */
struct kiln_pem {
	char *data;
	size_t len;
};

/* A certificate, its private key (PKCS #8) and the hash that --allow-spki takes. */
struct kiln_pair {
	struct kiln_pem cert, key;
	uint8_t spki[KILN_SPKI_HASH];
};

/* What a leaf certificate is to say. Lists end with NULL; a NULL list is empty. */
struct kiln_leaf {
	const char *common_name; /* at most 64 characters */
	const char *const *dns, *const *ip, *const *uri;
	bool for_server, for_client; /* extended key usage */
	enum kiln_key_kind key;
};

struct kiln_authority;

/* An authority with a P-256 key. It and everything it issues is valid from one day before now (for
 * clocks that are slow) until days after it. NULL with *err filled on failure. */
struct kiln_authority *kiln_authority_new(const char *common_name, int64_t now, unsigned days,
					  struct kiln_error *err) KILN_NODISCARD;
void kiln_authority_free(struct kiln_authority *authority);

/* Its certificate, to be freed by the caller (kiln_pem_clear). */
enum kiln_code kiln_authority_cert(const struct kiln_authority *authority, struct kiln_pem *pem,
				   struct kiln_error *err) KILN_NODISCARD;

/* Makes a key and signs a certificate for it. On failure *pair is empty. */
enum kiln_code kiln_authority_issue(const struct kiln_authority *authority,
				    const struct kiln_leaf *leaf, struct kiln_pair *pair,
				    struct kiln_error *err) KILN_NODISCARD;

/* Wipe and free; harmless on zeroed ones. */
void kiln_pem_clear(struct kiln_pem *pem);
void kiln_pair_clear(struct kiln_pair *pair);

#endif
