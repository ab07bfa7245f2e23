/* SPDX-License-Identifier: Apache-2.0
 * Throw-away certificates; see tls_certs.h. */
#include "tls_certs.h"

#include <openssl/pem.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void add_name(X509_NAME *name, int nid, const char *text, size_t len)
{
	if (text == NULL)
		return;
	if (len == 0)
		len = strlen(text);
	assert_int_equal(X509_NAME_add_entry_by_NID(name, nid, V_ASN1_UTF8STRING,
						    (const uint8_t *)text, (int)len, -1, 0),
			 1);
}

static void add_extension(X509 *cert, int nid, const char *value)
{
	if (value == NULL)
		return;
	X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
	assert_non_null(extension);
	assert_int_equal(X509_add_ext(cert, extension, -1), 1);
	X509_EXTENSION_free(extension);
}

static void add_raw_san(X509 *cert, const struct cert_spec *spec)
{
	if (spec->raw_san_type == 0)
		return;
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();
	GENERAL_NAME *name = GENERAL_NAME_new();
	ASN1_IA5STRING *value = ASN1_IA5STRING_new();
	assert_true(names != NULL && name != NULL && value != NULL);
	assert_int_equal(ASN1_STRING_set(value, spec->raw_san, (int)spec->raw_san_len), 1);
	GENERAL_NAME_set0_value(name, spec->raw_san_type, value);
	assert_true(sk_GENERAL_NAME_push(names, name) > 0);
	assert_int_equal(X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, 0), 1);
	GENERAL_NAMES_free(names);
}

static void set_dates(X509 *cert, const struct cert_spec *spec)
{
	const int64_t from = spec->from != 0 ? spec->from : CERT_NOW - CERT_DAY;
	const int64_t to = spec->to != 0 ? spec->to : CERT_NOW + 365 * CERT_DAY;
	assert_non_null(ASN1_TIME_set(X509_getm_notBefore(cert), (time_t)from));
	assert_non_null(ASN1_TIME_set(X509_getm_notAfter(cert), (time_t)to));
}

static char *take_pem(BIO *bio, size_t *len)
{
	char *data;
	const long n = BIO_get_mem_data(bio, &data);
	assert_true(n > 0);
	char *copy = malloc((size_t)n + 1);
	assert_non_null(copy);
	memcpy(copy, data, (size_t)n);
	copy[n] = '\0';
	*len = (size_t)n;
	BIO_free(bio);
	return copy;
}

struct identity *identity_new(const struct cert_spec *spec, const struct identity *issuer)
{
	static long serial;
	struct identity *id = calloc(1, sizeof *id);
	assert_non_null(id);
	X509 *cert = id->cert = X509_new();
	id->key = EVP_EC_gen("P-256");
	assert_true(cert != NULL && id->key != NULL);
	assert_int_equal(X509_set_version(cert, X509_VERSION_3), 1);
	assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(cert), ++serial), 1);
	add_name(X509_get_subject_name(cert), NID_organizationalUnitName, spec->ou, 0);
	add_name(X509_get_subject_name(cert), NID_commonName, spec->cn, spec->cn_len);
	X509_set_issuer_name(cert, X509_get_subject_name(issuer != NULL ? issuer->cert : cert));
	X509_set_pubkey(cert, id->key);
	set_dates(cert, spec);
	add_extension(cert, NID_basic_constraints, spec->ca ? "critical,CA:TRUE" : "CA:FALSE");
	add_extension(cert, NID_subject_alt_name, spec->san);
	add_raw_san(cert, spec);
	assert_true(X509_sign(cert, issuer != NULL ? issuer->key : id->key, EVP_sha256()) > 0);

	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_X509(bio, cert), 1);
	id->cert_pem = take_pem(bio, &id->cert_len);
	bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(bio, id->key, NULL, NULL, 0, NULL, NULL), 1);
	id->key_pem = take_pem(bio, &id->key_len);
	return id;
}

void identity_free(struct identity *id)
{
	if (id == NULL)
		return;
	X509_free(id->cert);
	EVP_PKEY_free(id->key);
	free(id->cert_pem);
	free(id->key_pem);
	free(id);
}

char *identity_encrypted_key(const struct identity *id, const char *passphrase, size_t *len)
{
	BIO *bio = BIO_new(BIO_s_mem());
	assert_int_equal(PEM_write_bio_PrivateKey(bio, id->key, EVP_aes_128_cbc(),
						  (const uint8_t *)passphrase,
						  (int)strlen(passphrase), NULL, NULL),
			 1);
	return take_pem(bio, len);
}

void identity_spki(const struct identity *id, char hex[65])
{
	uint8_t *der = NULL, hash[32];
	const int len = i2d_PUBKEY(id->key, &der);
	assert_true(len > 0);
	assert_int_equal(EVP_Q_digest(NULL, "SHA256", NULL, der, (size_t)len, hash, NULL), 1);
	for (size_t i = 0; i < sizeof hash; i++)
		(void)snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	OPENSSL_free(der);
}
