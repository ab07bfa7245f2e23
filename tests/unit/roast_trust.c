/* SPDX-License-Identifier: Apache-2.0
 * The certificates of one connection: what Kiln makes, and what it lets pass of others' making. */
#include "wire.h"

#include <openssl/x509v3.h>

#include "roast/authority.h"
#include "roast/names.h"
#include "roast/trust.h"

#define NOW INT64_C(1767225600)

/* ------------------------------------------------------------------ certificates by recipe */

struct recipe {
	const char *key;        /* "P-256" if NULL; else a curve, "RSA:2048" or "ED25519" */
	const char *subject;    /* CN; NULL: empty */
	const char *extensions; /* "basicConstraints=CA:TRUE|keyUsage=..." */
	int64_t from, to;       /* from now */
	const EVP_MD *hash;
};

struct made {
	X509 *cert;
	EVP_PKEY *key;
};

static EVP_PKEY *make_key(const char *kind)
{
	if (kind == NULL)
		return EVP_EC_gen("P-256");
	if (strncmp(kind, "RSA:", 4) == 0)
		return EVP_RSA_gen((unsigned)atoi(kind + 4));
	if (strcmp(kind, "ED25519") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	return EVP_EC_gen(kind);
}

static void add_extensions(X509 *cert, const char *list)
{
	char *copy = strdup(list != NULL ? list : ""), *rest = copy;
	for (char *one; (one = strsep(&rest, "|")) != NULL;) {
		char *value = strchr(one, '=');
		if (value == NULL)
			continue;
		*value++ = '\0';
		X509_EXTENSION *ext = X509V3_EXT_nconf(NULL, NULL, one, value);
		assert_non_null(ext);
		assert_int_equal(X509_add_ext(cert, ext, -1), 1);
		X509_EXTENSION_free(ext);
	}
	free(copy);
}

static struct made make(const struct recipe *r, const struct made *issuer)
{
	struct made made = {.cert = X509_new(), .key = make_key(r->key)};
	assert_non_null(made.key);
	X509_set_version(made.cert, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(made.cert), 7);
	ASN1_TIME_set(X509_getm_notBefore(made.cert), NOW + r->from);
	ASN1_TIME_set(X509_getm_notAfter(made.cert), NOW + (r->to != 0 ? r->to : 900));
	if (r->subject != NULL)
		X509_NAME_add_entry_by_txt(X509_get_subject_name(made.cert), "CN", MBSTRING_ASC,
					   (const uint8_t *)r->subject, -1, -1, 0);
	X509_set_issuer_name(made.cert,
			     X509_get_subject_name(issuer != NULL ? issuer->cert : made.cert));
	X509_set_pubkey(made.cert, made.key);
	add_extensions(made.cert, r->extensions);
	EVP_PKEY *key = issuer != NULL ? issuer->key : made.key;
	const bool ed = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
	const EVP_MD *hash = r->hash != NULL ? r->hash : EVP_sha256();
	assert_true(X509_sign(made.cert, key, ed ? NULL : hash) > 0);
	return made;
}

static void drop(struct made *made)
{
	X509_free(made->cert);
	EVP_PKEY_free(made->key);
}

#define CA_EXT     "basicConstraints=critical,CA:TRUE|keyUsage=critical,keyCertSign"
#define LEAF_KU    "keyUsage=critical,digitalSignature"
#define CLIENT_EXT LEAF_KU "|extendedKeyUsage=clientAuth"

static enum kiln_code check(X509 *ca, X509 *leaf, enum kiln_role from, const char *name,
			    int *x509_error, struct kiln_error *err)
{
	struct kiln_roast_payload payload = {.from = from, .root_count = 1, .roots = {ca}};
	const struct kiln_roast_trust trust = {.peer = &payload, .name = name};
	*x509_error = 0;
	return kiln_roast_trust_check(&trust, leaf, NOW, x509_error, err);
}

/* A client's leaf by one recipe under a CA by another. words NULL: it passes. */
static void expect(const struct recipe *ca_recipe, const struct recipe *leaf_recipe,
		   const char *words)
{
	struct made ca = make(ca_recipe, NULL), leaf = make(leaf_recipe, &ca);
	struct kiln_error err = {0};
	int x509_error;
	const enum kiln_code rc = check(ca.cert, leaf.cert, KILN_CLIENT, NULL, &x509_error, &err);
	if (words == NULL && rc != KILN_OK)
		fail_msg("%s", err.message);
	if (words != NULL) {
		if (rc != KILN_E_CERT_INVALID || strstr(err.message, words) == NULL)
			fail_msg("%d %s, not '%s'", rc, err.message, words);
		assert_int_not_equal(x509_error, 0);
	}
	drop(&leaf);
	drop(&ca);
}

static const struct recipe good_ca = {.extensions = CA_EXT};
static const struct recipe good_leaf = {.extensions = CLIENT_EXT};

/* What Go takes from a peer of another making, and so does Kiln. */
static void test_accepted(void **state)
{
	static const char *const keys[] = {NULL, "RSA:2048", "P-384", "P-521", "ED25519"};
	(void)state;
	for (size_t i = 0; i < 5; i++)
		expect(&(struct recipe){.key = keys[i], .extensions = CA_EXT, .subject = "CA"},
		       &(struct recipe){.key = keys[i], .extensions = CLIENT_EXT, .subject = "x"},
		       NULL);
	expect(&good_ca, &(struct recipe){.extensions = LEAF_KU}, NULL);
	expect(&good_ca, &(struct recipe){.extensions = "extendedKeyUsage=clientAuth"}, NULL);
	expect(&good_ca, &(struct recipe){0}, NULL);
	expect(&good_ca,
	       &(struct recipe){.extensions = LEAF_KU "|extendedKeyUsage=serverAuth,clientAuth"},
	       NULL);
	expect(&good_ca, &(struct recipe){.extensions = CLIENT_EXT, .to = 86400 * 3650L}, NULL);
	expect(&good_ca, &(struct recipe){.extensions = CLIENT_EXT, .from = 299}, NULL);
	expect(&(struct recipe){.extensions = "basicConstraints=CA:TRUE"}, &good_leaf, NULL);
}

static void test_leaf_refused(void **state)
{
	(void)state;
	expect(&good_ca, &(struct recipe){.extensions = LEAF_KU "|extendedKeyUsage=serverAuth"},
	       "not for TLS clients");
	expect(&good_ca, &(struct recipe){.extensions = CLIENT_EXT, .from = -900, .to = -1},
	       "has expired");
	expect(&good_ca, &(struct recipe){.extensions = CLIENT_EXT, .from = 302}, "not valid yet");
	expect(&good_ca, &(struct recipe){.extensions = "keyUsage=keyEncipherment"},
	       "may not sign a handshake");
	expect(&good_ca, &(struct recipe){.extensions = CLIENT_EXT "|basicConstraints=CA:TRUE"},
	       "is a CA");
	expect(&good_ca, &(struct recipe){.extensions = CLIENT_EXT "|1.2.3.4=critical,DER:05:00"},
	       "critical and unknown");
	expect(&good_ca, &(struct recipe){.extensions = CLIENT_EXT, .key = "RSA:1024"},
	       "has a key");
	expect(&good_ca, &(struct recipe){.extensions = CLIENT_EXT, .key = "secp256k1"},
	       "has a key");
	expect(&good_ca, &(struct recipe){.extensions = CLIENT_EXT, .hash = EVP_sha1()},
	       "not signed by the CA");
}

static void test_ca_refused(void **state)
{
	(void)state;
	expect(&(struct recipe){.extensions = CA_EXT, .from = -900, .to = -1}, &good_leaf,
	       "the CA in the hello has expired");
	expect(&(struct recipe){.extensions = CA_EXT, .from = 302}, &good_leaf,
	       "the CA in the hello is not valid yet");
	expect(&(struct recipe){.extensions = "keyUsage=keyCertSign"}, &good_leaf,
	       "no CA that may");
	expect(&(struct recipe){.extensions = "basicConstraints=CA:FALSE"}, &good_leaf,
	       "no CA that may");
	expect(&(struct recipe){.extensions = "basicConstraints=CA:TRUE|keyUsage=cRLSign"},
	       &good_leaf, "no CA that may");
	expect(&(struct recipe){.extensions = CA_EXT "|nameConstraints=permitted;DNS:x"},
	       &good_leaf, "restricted");
	expect(&(struct recipe){.extensions = CA_EXT "|extendedKeyUsage=clientAuth"}, &good_leaf,
	       "restricted");
	expect(&(struct recipe){.extensions = CA_EXT, .key = "RSA:1024"}, &good_leaf, "has a key");
}

/* Signed by somebody else; the CA itself; a certificate that is its own CA. */
static void test_other_issuers(void **state)
{
	struct made ca = make(&good_ca, NULL), other = make(&good_ca, NULL);
	struct made named = make(&(struct recipe){.extensions = CA_EXT, .subject = "CA"}, NULL);
	struct made leaf = make(&good_leaf, &other), self = make(&good_leaf, NULL);
	struct made of_named = make(&good_leaf, &named);
	struct kiln_error err = {0};
	int x509_error;
	(void)state;
	assert_int_equal(check(ca.cert, leaf.cert, KILN_CLIENT, NULL, &x509_error, &err),
			 KILN_E_CERT_INVALID);
	assert_int_equal(x509_error, X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY);
	assert_int_equal(check(ca.cert, ca.cert, KILN_CLIENT, NULL, &x509_error, &err),
			 KILN_E_CERT_INVALID);
	assert_int_equal(check(self.cert, self.cert, KILN_CLIENT, NULL, &x509_error, &err),
			 KILN_E_CERT_INVALID);
	assert_non_null(strstr(err.message, "no CA that may sign"));
	/* The right key under another name is another issuer. */
	struct made renamed = {.cert = X509_dup(named.cert)};
	X509_set_subject_name(renamed.cert, X509_get_subject_name(ca.cert));
	assert_int_equal(check(named.cert, of_named.cert, KILN_CLIENT, NULL, &x509_error, &err),
			 KILN_OK);
	assert_int_equal(check(renamed.cert, of_named.cert, KILN_CLIENT, NULL, &x509_error, &err),
			 KILN_E_CERT_INVALID);
	/* Of several, the second will do. */
	struct kiln_roast_payload both = {
	    .from = KILN_CLIENT, .root_count = 2, .roots = {ca.cert, other.cert}};
	const struct kiln_roast_trust trust = {.peer = &both};
	assert_int_equal(kiln_roast_trust_check(&trust, leaf.cert, NOW, &x509_error, &err),
			 KILN_OK);
	drop(&ca);
	drop(&other);
	drop(&named);
	drop(&leaf);
	drop(&self);
	drop(&of_named);
	drop(&renamed);
}

/* The key is judged before it judges anything: this CA has signed nothing, and is refused for its
 * key and not for that. */
static void test_ca_key_comes_first(void **state)
{
	const struct recipe costly = {.extensions = CA_EXT, .key = "RSA:4104"};
	struct made ca = make(&costly, NULL), other = make(&good_ca, NULL);
	struct made leaf = make(&good_leaf, &other);
	struct kiln_error err = {0};
	int x509_error;
	(void)state;
	assert_int_equal(check(ca.cert, leaf.cert, KILN_CLIENT, NULL, &x509_error, &err),
			 KILN_E_CERT_INVALID);
	assert_int_equal(x509_error, X509_V_ERR_EE_KEY_TOO_SMALL);
	assert_non_null(strstr(err.message, "the CA in the hello has a key"));
	/* And beside a good one it does no harm. */
	struct kiln_roast_payload both = {
	    .from = KILN_CLIENT, .root_count = 2, .roots = {ca.cert, other.cert}};
	const struct kiln_roast_trust trust = {.peer = &both};
	assert_int_equal(kiln_roast_trust_check(&trust, leaf.cert, NOW, &x509_error, &err),
			 KILN_OK);
	drop(&ca);
	drop(&other);
	drop(&leaf);
}

static void expect_name(const char *san, const char *name, bool matches)
{
	char extensions[256];
	struct kiln_error err = {0};
	int x509_error;
	(void)snprintf(extensions, sizeof extensions, LEAF_KU "|extendedKeyUsage=serverAuth|%s",
		       san);
	struct made ca = make(&good_ca, NULL);
	struct made leaf =
	    make(&(struct recipe){.extensions = extensions, .subject = "192.0.2.1"}, &ca);
	const enum kiln_code rc = check(ca.cert, leaf.cert, KILN_SERVER, name, &x509_error, &err);
	assert_int_equal(rc, matches ? KILN_OK : KILN_E_NAME_MISMATCH);
	if (!matches)
		assert_int_equal(x509_error, X509_V_ERR_HOSTNAME_MISMATCH);
	drop(&leaf);
	drop(&ca);
}

static void test_names(void **state)
{
	(void)state;
	expect_name("subjectAltName=IP:192.0.2.1", "192.0.2.1", true);
	expect_name("subjectAltName=IP:192.0.2.2", "192.0.2.1", false);
	expect_name("subjectAltName=DNS:192.0.2.1", "192.0.2.1", false);
	expect_name("", "192.0.2.1", false); /* the CN is no name */
	expect_name("subjectAltName=DNS:a.example,IP:2001:db8::1", "2001:db8::1", true);
	expect_name("subjectAltName=IP:::1", "::1", true);
	expect_name("subjectAltName=DNS:[", "::1", false);
	expect_name("subjectAltName=DNS:[", "[", true);
	expect_name("subjectAltName=DNS:Server.Example", "server.example", true);
	expect_name("subjectAltName=DNS:*.example", "server.example", false);
	/* IPv4 inside IPv6 is IPv4 to Go. */
	expect_name("subjectAltName=IP:192.0.2.1", "::ffff:192.0.2.1", true);
}

/* What a client writes into its hello. */
static void test_name_from(void **state)
{
	static const char *const pairs[][2] = {
	    {"192.0.2.1", "192.0.2.1"},           {"::1", "::1"},
	    {"[2001:DB8:0::1]", "2001:db8::1"},   {"fe80::1%eth0", "fe80::1"},
	    {"[fe80::1%eth0]", "fe80::1"},        {"::ffff:192.0.2.1", "192.0.2.1"},
	    {"Server.example", "Server.example"},
	};
	static const char *const bad[] = {"",
					  "[",
					  "[]",
					  "a b",
					  "a\n",
					  "b\xc3\xbc"
					  "cher",
					  "a,b",
					  "<a>"};
	char name[KILN_ROAST_NAME_MAX + 1], many[300];
	struct kiln_error err = {0};
	(void)state;
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		assert_int_equal(kiln_roast_name_from(pairs[i][0], name, &err), KILN_OK);
		assert_string_equal(name, pairs[i][1]);
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_int_equal(kiln_roast_name_from(bad[i], name, &err), KILN_E_USAGE);
	memset(many, 'a', sizeof many);
	many[253] = '\0';
	assert_int_equal(kiln_roast_name_from(many, name, &err), KILN_OK);
	many[253] = 'a';
	many[254] = '\0';
	assert_int_equal(kiln_roast_name_from(many, name, &err), KILN_E_USAGE);
}

/* ------------------------------------------------------------------ what Kiln makes */

/* OpenSSL takes any byte for TRUE; a stricter peer (Go) takes DER's only, and refuses the CA. */
static void assert_der_of_ca(const X509 *cert)
{
	static const uint8_t der[] = {0x30, 0x03, 0x01, 0x01, 0xff};
	const int at = X509_get_ext_by_NID(cert, NID_basic_constraints, -1);
	assert_true(at >= 0);
	const ASN1_OCTET_STRING *value = X509_EXTENSION_get_data(X509_get_ext(cert, at));
	assert_int_equal(ASN1_STRING_length(value), sizeof der);
	assert_memory_equal(ASN1_STRING_get0_data(value), der, sizeof der);
}

static void test_own(void **state)
{
	const struct kiln_roast_payload names = {
	    .from = KILN_CLIENT, .name_count = 4, .names = {"192.0.2.1", "::1", "[", "a.example"}};
	struct kiln_roast_authority a, b;
	struct kiln_error err = {0};
	int x509_error;
	(void)state;
	assert_int_equal(kiln_roast_authority_make(&a, NOW, &err), KILN_OK);
	assert_int_equal(kiln_roast_authority_issue(&a, KILN_SERVER, &names, NOW, &err), KILN_OK);
	assert_null(a.ca_key);
	assert_der_of_ca(a.ca);
	for (unsigned i = 0; i < names.name_count; i++)
		assert_int_equal(
		    check(a.ca, a.leaf, KILN_SERVER, names.names[i], &x509_error, &err), KILN_OK);
	assert_int_equal(check(a.ca, a.leaf, KILN_SERVER, "::2", &x509_error, &err),
			 KILN_E_NAME_MISMATCH);
	assert_int_equal(check(a.ca, a.leaf, KILN_CLIENT, NULL, &x509_error, &err),
			 KILN_E_CERT_INVALID);
	/* No two connections have anything in common. */
	assert_int_equal(kiln_roast_authority_make(&b, NOW, &err), KILN_OK);
	assert_int_not_equal(
	    ASN1_INTEGER_cmp(X509_get0_serialNumber(a.ca), X509_get0_serialNumber(b.ca)), 0);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(a.ca), X509_get0_pubkey(b.ca)), 0);
	assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(a.ca), X509_get0_pubkey(a.leaf)), 0);
	/* Backdated, and dead after a quarter of an hour. */
	time_t at = (time_t)(NOW - 299), end = (time_t)(NOW + 901);
	assert_int_equal(X509_cmp_time(X509_get0_notBefore(a.leaf), &at), -1);
	assert_int_equal(X509_cmp_time(X509_get0_notAfter(a.leaf), &end), -1);
	assert_int_equal(X509_NAME_entry_count(X509_get_subject_name(a.leaf)), 0);
	assert_int_equal(X509_NAME_entry_count(X509_get_issuer_name(a.leaf)), 0);
	kiln_roast_authority_clear(&a);
	kiln_roast_authority_clear(&b);
	kiln_roast_authority_clear(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_accepted),           cmocka_unit_test(test_leaf_refused),
	    cmocka_unit_test(test_ca_refused),         cmocka_unit_test(test_other_issuers),
	    cmocka_unit_test(test_ca_key_comes_first), cmocka_unit_test(test_names),
	    cmocka_unit_test(test_name_from),          cmocka_unit_test(test_own),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
