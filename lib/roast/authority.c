/* SPDX-License-Identifier: Apache-2.0
 * Making the certificates of one connection; see authority.h. RFC 5280 4. */
#include "roast/authority.h"

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/openssl_memory.h"
#include "roast/names.h"

/* 127 random bits, positive and not zero. */
static bool set_serial(X509 *cert)
{
	uint8_t bytes[16];
	if (RAND_bytes(bytes, sizeof bytes) != 1)
		return false;
	bytes[0] = (bytes[0] & 0x7f) | 0x40;
	BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
	const bool ok =
	    number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
	BN_free(number);
	return ok;
}

static bool add(X509 *cert, int nid, void *value, bool critical)
{
	return value != NULL && X509_add1_ext_i2d(cert, nid, value, critical, 0) == 1;
}

static bool add_key_usage(X509 *cert, const int *bits, size_t count)
{
	ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
	bool ok = usage != NULL;
	for (size_t i = 0; i < count && ok; i++)
		ok = ASN1_BIT_STRING_set_bit(usage, bits[i], 1) == 1;
	ok = ok && add(cert, NID_key_usage, usage, true);
	ASN1_BIT_STRING_free(usage);
	return ok;
}

static bool add_ca_extensions(X509 *cert)
{
	static const int cert_sign[] = {5};
	BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();
	ASN1_OCTET_STRING *id = ASN1_OCTET_STRING_new();
	uint8_t hash[EVP_MAX_MD_SIZE];
	unsigned len = 0;
	bool ok = constraints != NULL && id != NULL && add_key_usage(cert, cert_sign, 1);
	if (ok) {
		/* OpenSSL writes this byte as it is, and reads any; DER has one TRUE (X.690 11.1),
		 * and Go's library refuses a certificate with another. */
		constraints->ca = 0xff;
		ok = add(cert, NID_basic_constraints, constraints, true) &&
		     X509_pubkey_digest(cert, EVP_sha1(), hash, &len) == 1 &&
		     ASN1_OCTET_STRING_set(id, hash, (int)len) == 1 &&
		     add(cert, NID_subject_key_identifier, id, false);
	}
	BASIC_CONSTRAINTS_free(constraints);
	ASN1_OCTET_STRING_free(id);
	return ok;
}

static bool add_purpose(X509 *cert, enum kiln_role role)
{
	EXTENDED_KEY_USAGE *usage = EXTENDED_KEY_USAGE_new();
	ASN1_OBJECT *purpose = OBJ_nid2obj(role == KILN_CLIENT ? NID_client_auth : NID_server_auth);
	const bool ok = usage != NULL && sk_ASN1_OBJECT_push(usage, purpose) > 0 &&
			add(cert, NID_ext_key_usage, usage, false);
	EXTENDED_KEY_USAGE_free(usage); /* the object is static */
	return ok;
}

static bool add_names(X509 *cert, const struct kiln_roast_payload *client)
{
	if (client == NULL || client->name_count == 0)
		return true;
	GENERAL_NAMES *names = GENERAL_NAMES_new();
	bool ok = names != NULL;
	for (unsigned i = 0; i < client->name_count && ok; i++) {
		GENERAL_NAME *san = kiln_roast_name_to_san(client->names[i]);
		ok = san != NULL && sk_GENERAL_NAME_push(names, san) > 0;
		if (!ok)
			GENERAL_NAME_free(san);
	}
	/* Critical, because the subject is empty: RFC 5280 4.2.1.6. */
	ok = ok && add(cert, NID_subject_alt_name, names, true);
	GENERAL_NAMES_free(names);
	return ok;
}

/* Version, serial, dates and key. Subject and issuer stay empty. */
static X509 *begin(EVP_PKEY *key, int64_t now)
{
	X509 *cert = X509_new();
	if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 && set_serial(cert) &&
	    ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)(now - KILN_ROAST_CERT_BACK)) !=
		NULL &&
	    ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)(now + KILN_ROAST_CERT_LIFE)) != NULL &&
	    X509_set_pubkey(cert, key) == 1)
		return cert;
	X509_free(cert);
	return NULL;
}

static bool make_ca(struct kiln_roast_authority *a, int64_t now)
{
	a->ca_key = EVP_EC_gen("P-256");
	a->ca = a->ca_key != NULL ? begin(a->ca_key, now) : NULL;
	return a->ca != NULL && add_ca_extensions(a->ca) &&
	       X509_sign(a->ca, a->ca_key, EVP_sha256()) > 0;
}

static bool make_leaf(struct kiln_roast_authority *a, enum kiln_role role,
		      const struct kiln_roast_payload *client, int64_t now)
{
	static const int usage[] = {0, 2}; /* digitalSignature, keyEncipherment */
	a->leaf_key = EVP_EC_gen("P-256");
	a->leaf = a->leaf_key != NULL ? begin(a->leaf_key, now) : NULL;
	return a->leaf != NULL && add_key_usage(a->leaf, usage, 2) && add_purpose(a->leaf, role) &&
	       (role == KILN_CLIENT || add_names(a->leaf, client)) &&
	       X509_sign(a->leaf, a->ca_key, EVP_sha256()) > 0;
}

enum kiln_code kiln_roast_authority_make(struct kiln_roast_authority *authority, int64_t now,
					 struct kiln_error *err)
{
	memset(authority, 0, sizeof *authority);
	kiln_openssl_wipe_begin();
	const bool ok = make_ca(authority, now);
	kiln_openssl_wipe_end();
	if (ok)
		return KILN_OK;
	ERR_clear_error();
	kiln_roast_authority_clear(authority);
	return kiln_fail(err, KILN_E_NO_MEMORY, "OpenSSL could not make a CA for the connection");
}

enum kiln_code kiln_roast_authority_issue(struct kiln_roast_authority *authority,
					  enum kiln_role role,
					  const struct kiln_roast_payload *client, int64_t now,
					  struct kiln_error *err)
{
	kiln_openssl_wipe_begin();
	const bool ok = make_leaf(authority, role, client, now);
	EVP_PKEY_free(authority->ca_key);
	authority->ca_key = NULL;
	kiln_openssl_wipe_end();
	if (ok)
		return KILN_OK;
	ERR_clear_error();
	return kiln_fail(err, KILN_E_NO_MEMORY,
			 "OpenSSL could not make a certificate for the connection");
}

void kiln_roast_authority_clear(struct kiln_roast_authority *authority)
{
	kiln_openssl_wipe_begin();
	X509_free(authority->ca);
	X509_free(authority->leaf);
	EVP_PKEY_free(authority->ca_key);
	EVP_PKEY_free(authority->leaf_key);
	kiln_openssl_wipe_end();
	memset(authority, 0, sizeof *authority);
}
