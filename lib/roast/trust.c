/* SPDX-License-Identifier: Apache-2.0
 * Verifying a leaf against the CAs of a hello; see trust.h. RFC 5280 6, as far as one link goes. */
#include "roast/trust.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "roast/names.h"

struct check {
	int64_t now;
	int *x509_error;
	struct kiln_error *err;
};

static enum kiln_code refuse(const struct check *c, int x509_error, const char *which,
			     const char *why)
{
	*c->x509_error = x509_error;
	return kiln_fail(c->err, KILN_E_CERT_INVALID, "%s %s", which, why);
}

static enum kiln_code check_dates(const struct check *c, const X509 *cert, const char *which)
{
	time_t begins_by = (time_t)(c->now + KILN_ROAST_SKEW), now = (time_t)c->now;
	const int begin = X509_cmp_time(X509_get0_notBefore(cert), &begins_by);
	const int end = X509_cmp_time(X509_get0_notAfter(cert), &now);
	if (begin == 0 || end == 0)
		return refuse(c, X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD, which,
			      "has a date that cannot be read");
	if (begin > 0)
		return refuse(c, X509_V_ERR_CERT_NOT_YET_VALID, which,
			      "is not valid yet, by more than 5 minutes");
	return end < 0 ? refuse(c, X509_V_ERR_CERT_HAS_EXPIRED, which, "has expired") : KILN_OK;
}

static bool is_nist_curve(const EVP_PKEY *key)
{
	char group[32];
	size_t len;
	return EVP_PKEY_get_group_name(key, group, sizeof group, &len) == 1 &&
	       (strcmp(group, "prime256v1") == 0 || strcmp(group, "secp384r1") == 0 ||
		strcmp(group, "secp521r1") == 0);
}

/* What TLS 1.3 can sign with. Bounds what a verification costs, too. */
static bool is_strong_key(const X509 *cert)
{
	const EVP_PKEY *key = X509_get0_pubkey(cert);
	switch (key != NULL ? EVP_PKEY_get_base_id(key) : 0) {
	case EVP_PKEY_RSA: return EVP_PKEY_get_bits(key) >= 2048 && EVP_PKEY_get_bits(key) <= 4096;
	case EVP_PKEY_EC: return is_nist_curve(key);
	case EVP_PKEY_ED25519: return true;
	default: return false;
	}
}

static enum kiln_code check_both(const struct check *c, X509 *cert, const char *which)
{
	const uint32_t flags = X509_get_extension_flags(cert);
	if (flags & (EXFLAG_INVALID | EXFLAG_CRITICAL))
		return refuse(c, X509_V_ERR_UNHANDLED_CRITICAL_EXTENSION, which,
			      "has an extension that is broken, or critical and unknown");
	if (!is_strong_key(cert))
		return refuse(
		    c, X509_V_ERR_EE_KEY_TOO_SMALL, which,
		    "has a key that is not ECDSA (P-256, P-384, P-521), Ed25519, or RSA of "
		    "2048 to 4096 bits");
	return check_dates(c, cert, which);
}

static enum kiln_code check_ca(const struct check *c, X509 *ca)
{
	static const char which[] = "the CA in the hello";
	const enum kiln_code rc = check_both(c, ca, which);
	if (rc != KILN_OK)
		return rc;
	/* X509_get_key_usage gives all bits when there is no such extension. */
	if (!(X509_get_extension_flags(ca) & EXFLAG_CA) ||
	    !(X509_get_key_usage(ca) & KU_KEY_CERT_SIGN))
		return refuse(c, X509_V_ERR_INVALID_CA, which, "is no CA that may sign");
	if (X509_get_ext_by_NID(ca, NID_name_constraints, -1) >= 0 ||
	    X509_get_ext_by_NID(ca, NID_ext_key_usage, -1) >= 0)
		return refuse(c, X509_V_ERR_INVALID_CA, which,
			      "is restricted to names or purposes, which is not supported");
	return KILN_OK;
}

static bool is_named(const X509 *ca, const X509 *leaf)
{
	return X509_NAME_cmp(X509_get_issuer_name(leaf), X509_get_subject_name(ca)) == 0;
}

static bool signs(X509 *ca, X509 *leaf)
{
	int bits = 0;
	const bool strong =
	    X509_get_signature_info(leaf, NULL, NULL, &bits, NULL) == 1 && bits >= 112;
	return strong && X509_verify(leaf, X509_get0_pubkey(ca)) == 1;
}

static enum kiln_code check_leaf(const struct check *c, X509 *leaf, enum kiln_role peer)
{
	static const char which[] = "the TLS certificate";
	const enum kiln_code rc = check_both(c, leaf, which);
	if (rc != KILN_OK)
		return rc;
	if (X509_get_extension_flags(leaf) & EXFLAG_CA)
		return refuse(c, X509_V_ERR_INVALID_PURPOSE, which, "is a CA");
	if (!(X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE))
		return refuse(c, X509_V_ERR_INVALID_PURPOSE, which, "may not sign a handshake");
	const uint32_t purposes = X509_get_extended_key_usage(leaf);
	if (!(purposes & (XKU_ANYEKU | (peer == KILN_CLIENT ? XKU_SSL_CLIENT : XKU_SSL_SERVER))))
		return refuse(c, X509_V_ERR_INVALID_PURPOSE, which,
			      peer == KILN_CLIENT ? "is not for TLS clients"
						  : "is not for TLS servers");
	return KILN_OK;
}

static enum kiln_code check_issuer(const struct check *c, const struct kiln_roast_payload *peer,
				   X509 *leaf)
{
	bool refused = false;
	for (unsigned i = 0; i < peer->root_count; i++) {
		X509 *ca = peer->roots[i];
		if (!is_named(ca, leaf))
			continue;
		/* Before its key verifies anything: the peer chose what that costs. */
		if (check_ca(c, ca) != KILN_OK)
			refused = true;
		else if (signs(ca, leaf))
			return KILN_OK;
	}
	if (refused)
		return KILN_E_CERT_INVALID;
	return refuse(c, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, "the TLS certificate",
		      "is not signed by the CA in the hello: whoever holds the connection is not "
		      "who proved the role");
}

enum kiln_code kiln_roast_trust_check(const struct kiln_roast_trust *trust, X509 *leaf, int64_t now,
				      int *x509_error, struct kiln_error *err)
{
	const struct check check = {.now = now, .x509_error = x509_error, .err = err};
	enum kiln_code rc = check_leaf(&check, leaf, trust->peer->from);
	if (rc == KILN_OK)
		rc = check_issuer(&check, trust->peer, leaf);
	if (rc == KILN_OK && trust->name != NULL && !kiln_roast_name_matches(leaf, trust->name)) {
		*x509_error = X509_V_ERR_HOSTNAME_MISMATCH;
		rc = kiln_fail(err, KILN_E_NAME_MISMATCH,
			       "the TLS certificate is not for %.100s, the name in our hello",
			       trust->name);
	}
	ERR_clear_error(); /* of keys and extensions that cannot be read */
	return rc;
}
