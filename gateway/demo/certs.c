/* SPDX-License-Identifier: Apache-2.0
 * X.509 certificates for tests. RFC 5280. */
#include "demo/certs.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/bytes.h"

#define DAY 86400

struct kiln_authority {
	X509 *cert;
	EVP_PKEY *key;
	int64_t from, until;
};

static enum kiln_code fail_openssl(struct kiln_error *err, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());
	ERR_clear_error();
	return kiln_fail(err, KILN_E_SYSTEM, "cannot make %s: %s", what,
			 reason != NULL ? reason : "OpenSSL gives no reason");
}

void kiln_pem_clear(struct kiln_pem *pem)
{
	if (pem->data != NULL)
		kiln_wipe(pem->data, pem->len);
	free(pem->data);
	*pem = (struct kiln_pem){0};
}

void kiln_pair_clear(struct kiln_pair *pair)
{
	kiln_pem_clear(&pair->cert);
	kiln_pem_clear(&pair->key);
}

/* Takes what was written to bio; OpenSSL wipes its own copy. */
static bool pem_from_bio(BIO *bio, struct kiln_pem *pem)
{
	char *data = NULL;
	long len = BIO_get_mem_data(bio, &data);
	if (len <= 0)
		return false;
	pem->data = malloc((size_t)len + 1);
	if (pem->data == NULL)
		return false;
	memcpy(pem->data, data, (size_t)len);
	pem->data[len] = '\0';
	pem->len = (size_t)len;
	return true;
}

static bool cert_to_pem(X509 *cert, struct kiln_pem *pem)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool ok = bio != NULL && PEM_write_bio_X509(bio, cert) == 1 && pem_from_bio(bio, pem);
	BIO_free(bio);
	return ok;
}

static bool key_to_pem(EVP_PKEY *key, struct kiln_pem *pem)
{
	BIO *bio = BIO_new(BIO_s_mem());
	bool ok = bio != NULL &&
		  PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1 &&
		  pem_from_bio(bio, pem);
	BIO_free(bio);
	return ok;
}

static EVP_PKEY *new_key(enum kiln_key_kind kind)
{
	switch (kind) {
	case KILN_KEY_RSA: return EVP_RSA_gen(2048);
	case KILN_KEY_ED25519: return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	case KILN_KEY_EC: break;
	}
	return EVP_EC_gen("P-256");
}

/* ------------------------------------------------------------------ extensions */

/* value is one of our own constants in OpenSSL's notation, never an operator's text. */
static bool add_extension(X509 *cert, X509V3_CTX *ctx, int nid, const char *value)
{
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, ctx, nid, value);
	bool ok = extension != NULL && X509_add_ext(cert, extension, -1) == 1;
	X509_EXTENSION_free(extension);
	return ok;
}

static bool push_name(GENERAL_NAMES *names, int type, const void *data, size_t len)
{
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_STRING *string = type == GEN_IPADD ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
	if (name == NULL || string == NULL || ASN1_STRING_set(string, data, (int)len) != 1) {
		ASN1_STRING_free(string);
		GENERAL_NAME_free(name);
		return false;
	}
	GENERAL_NAME_set0_value(name, type, string);
	if (sk_GENERAL_NAME_push(names, name) > 0)
		return true;
	GENERAL_NAME_free(name);
	return false;
}

/* IA5String, RFC 5280 4.2.1.6; a space or a control would only be there by mistake. */
static bool is_printable(const char *text)
{
	return text[0] != '\0' && kiln_ascii_is_visible(text, strlen(text));
}

static enum kiln_code push_texts(GENERAL_NAMES *names, int type, const char *const *list,
				 struct kiln_error *err)
{
	for (; list != NULL && *list != NULL; list++) {
		if (!is_printable(*list))
			return kiln_fail(
			    err, KILN_E_CONFIG,
			    "'%.80s' cannot stand in a certificate: printable ASCII only", *list);
		if (!push_name(names, type, *list, strlen(*list)))
			return fail_openssl(err, "a subject alternative name");
	}
	return KILN_OK;
}

static enum kiln_code push_addresses(GENERAL_NAMES *names, const char *const *list,
				     struct kiln_error *err)
{
	for (; list != NULL && *list != NULL; list++) {
		uint8_t address[16];
		size_t len = 0;
		if (inet_pton(AF_INET, *list, address) == 1)
			len = 4;
		else if (inet_pton(AF_INET6, *list, address) == 1)
			len = 16;
		else
			return kiln_fail(err, KILN_E_CONFIG, "'%.60s' is no IP address", *list);
		if (!push_name(names, GEN_IPADD, address, len))
			return fail_openssl(err, "a subject alternative name");
	}
	return KILN_OK;
}

static enum kiln_code add_names(X509 *cert, const struct kiln_leaf *leaf, struct kiln_error *err)
{
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	if (names == NULL)
		return fail_openssl(err, "a list of names");
	enum kiln_code code = push_texts(names, GEN_DNS, leaf->dns, err);
	if (code == KILN_OK)
		code = push_addresses(names, leaf->ip, err);
	if (code == KILN_OK)
		code = push_texts(names, GEN_URI, leaf->uri, err);
	if (code == KILN_OK && sk_GENERAL_NAME_num(names) > 0 &&
	    X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0) != 1)
		code = fail_openssl(err, "the subject alternative names");
	GENERAL_NAMES_free(names);
	return code;
}

/* ------------------------------------------------------------------ certificates */

static bool set_serial(X509 *cert)
{
	uint8_t bytes[16];
	if (RAND_bytes(bytes, sizeof bytes) != 1)
		return false;
	bytes[0] = (uint8_t)((bytes[0] & 0x7f) | 0x40); /* positive, and of one length */
	BIGNUM *number = BN_bin2bn(bytes, sizeof bytes, NULL);
	bool ok = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
	BN_free(number);
	return ok;
}

/* Everything but extensions and signature. The subject of issuer, or the own one, is the issuer. */
static X509 *new_cert(const char *common_name, EVP_PKEY *key, const X509 *issuer, int64_t from,
		      int64_t until)
{
	X509 *cert = X509_new();
	X509_NAME *subject = X509_NAME_new();
	bool ok = cert != NULL && subject != NULL && X509_set_version(cert, X509_VERSION_3) == 1 &&
		  set_serial(cert) &&
		  X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_UTF8,
					     (const unsigned char *)"Kiln test", -1, -1, 0) == 1 &&
		  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8,
					     (const unsigned char *)common_name, -1, -1, 0) == 1 &&
		  X509_set_subject_name(cert, subject) == 1 &&
		  X509_set_issuer_name(cert, issuer == NULL ? subject
							    : X509_get_subject_name(issuer)) == 1 &&
		  ASN1_TIME_set(X509_getm_notBefore(cert), from) != NULL &&
		  ASN1_TIME_set(X509_getm_notAfter(cert), until) != NULL &&
		  X509_set_pubkey(cert, key) == 1;
	X509_NAME_free(subject);
	if (ok)
		return cert;
	X509_free(cert);
	return NULL;
}

static bool finish_authority(struct kiln_authority *a)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, a->cert, a->cert, NULL, NULL, 0);
	return add_extension(a->cert, &ctx, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
	       add_extension(a->cert, &ctx, NID_key_usage, "critical,keyCertSign,cRLSign") &&
	       add_extension(a->cert, &ctx, NID_subject_key_identifier, "hash") &&
	       X509_sign(a->cert, a->key, EVP_sha256()) > 0;
}

struct kiln_authority *kiln_authority_new(const char *common_name, int64_t now, unsigned days,
					  struct kiln_error *err)
{
	struct kiln_authority *a = calloc(1, sizeof *a);
	if (a == NULL) {
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for an authority");
		return NULL;
	}
	a->from = now - DAY;
	a->until = now + (int64_t)days * DAY;
	a->key = new_key(KILN_KEY_EC);
	if (a->key != NULL)
		a->cert = new_cert(common_name, a->key, NULL, a->from, a->until);
	if (a->cert != NULL && finish_authority(a))
		return a;
	(void)fail_openssl(err, "an authority");
	kiln_authority_free(a);
	return NULL;
}

void kiln_authority_free(struct kiln_authority *authority)
{
	if (authority == NULL)
		return;
	X509_free(authority->cert);
	EVP_PKEY_free(authority->key);
	free(authority);
}

enum kiln_code kiln_authority_cert(const struct kiln_authority *authority, struct kiln_pem *pem,
				   struct kiln_error *err)
{
	*pem = (struct kiln_pem){0};
	return cert_to_pem(authority->cert, pem) ? KILN_OK : fail_openssl(err, "a PEM file");
}

static const char *key_usage(const struct kiln_leaf *leaf)
{
	if (leaf->for_server && leaf->for_client)
		return "serverAuth,clientAuth";
	return leaf->for_server ? "serverAuth" : "clientAuth";
}

static bool finish_leaf(const struct kiln_authority *a, const struct kiln_leaf *leaf, X509 *cert)
{
	X509V3_CTX ctx;
	X509V3_set_ctx(&ctx, a->cert, cert, NULL, NULL, 0);
	bool usage = leaf->for_server || leaf->for_client;
	return add_extension(cert, &ctx, NID_basic_constraints, "critical,CA:FALSE") &&
	       add_extension(cert, &ctx, NID_key_usage, "critical,digitalSignature") &&
	       (!usage || add_extension(cert, &ctx, NID_ext_key_usage, key_usage(leaf))) &&
	       add_extension(cert, &ctx, NID_subject_key_identifier, "hash") &&
	       add_extension(cert, &ctx, NID_authority_key_identifier, "keyid:always") &&
	       X509_sign(cert, a->key, EVP_sha256()) > 0;
}

static bool hash_spki(const X509 *cert, uint8_t hash[KILN_SPKI_HASH])
{
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);
	bool ok = len > 0 && EVP_Digest(der, (size_t)len, hash, NULL, EVP_sha256(), NULL) == 1;
	OPENSSL_free(der);
	return ok;
}

enum kiln_code kiln_authority_issue(const struct kiln_authority *authority,
				    const struct kiln_leaf *leaf, struct kiln_pair *pair,
				    struct kiln_error *err)
{
	*pair = (struct kiln_pair){0};
	EVP_PKEY *key = new_key(leaf->key);
	X509 *cert = NULL;
	enum kiln_code code = KILN_OK;
	if (key != NULL)
		cert = new_cert(leaf->common_name, key, authority->cert, authority->from,
				authority->until);
	if (cert == NULL)
		code = fail_openssl(err, "a certificate");
	else
		code = add_names(cert, leaf, err);
	if (code == KILN_OK &&
	    !(finish_leaf(authority, leaf, cert) && hash_spki(cert, pair->spki) &&
	      cert_to_pem(cert, &pair->cert) && key_to_pem(key, &pair->key)))
		code = fail_openssl(err, "a certificate");
	X509_free(cert);
	EVP_PKEY_free(key);
	if (code != KILN_OK)
		kiln_pair_clear(pair);
	return code;
}
