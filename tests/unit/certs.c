/* SPDX-License-Identifier: Apache-2.0
 * The throw-away authority: what its certificates say, and that OpenSSL believes them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "demo/certs.h"
#include "demo/files.h"

#define DAY INT64_C(86400)

static X509 *read_cert(const struct kiln_pem *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(cert);
	return cert;
}

static EVP_PKEY *read_key(const struct kiln_pem *pem)
{
	BIO *bio = BIO_new_mem_buf(pem->data, (int)pem->len);
	EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL);
	BIO_free(bio);
	assert_non_null(key);
	return key;
}

/* Verifies at a point in time, and returns OpenSSL's verdict. */
static int verify(X509 *ca, X509 *cert, int purpose, int64_t at)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	assert_int_equal(X509_STORE_add_cert(store, ca), 1);
	assert_int_equal(X509_STORE_CTX_init(ctx, store, cert, NULL), 1);
	X509_VERIFY_PARAM *param = X509_STORE_CTX_get0_param(ctx);
	X509_VERIFY_PARAM_set_time(param, at);
	assert_int_equal(X509_VERIFY_PARAM_set_purpose(param, purpose), 1);
	assert_int_equal(X509_VERIFY_PARAM_set_flags(param, X509_V_FLAG_X509_STRICT), 1);
	int verdict = X509_verify_cert(ctx) == 1 ? X509_V_OK : X509_STORE_CTX_get_error(ctx);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	return verdict;
}

static struct kiln_authority *authority;
static X509 *ca;
static int64_t now;

static int set_up(void **state)
{
	(void)state;
	struct kiln_error err = {0};
	struct kiln_pem pem;
	now = (int64_t)time(NULL);
	authority = kiln_authority_new("Test CA", now, 2, &err);
	if (authority == NULL || kiln_authority_cert(authority, &pem, &err) != KILN_OK)
		return -1;
	ca = read_cert(&pem);
	kiln_pem_clear(&pem);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	X509_free(ca);
	kiln_authority_free(authority);
	return 0;
}

static const char *const dns[] = {"svc.example", "*.example", NULL};
static const char *const ip[] = {"192.0.2.1", "2001:db8::1", NULL};
static const char *const uri[] = {"spiffe://test/a,b", NULL};

static void leaves_verify(void **state)
{
	(void)state;
	static const int types[] = {EVP_PKEY_EC, EVP_PKEY_RSA, EVP_PKEY_ED25519};
	for (int kind = KILN_KEY_EC; kind <= (int)KILN_KEY_ED25519; kind++) {
		const struct kiln_leaf leaf = {.common_name = "svc",
					       .dns = dns,
					       .for_server = true,
					       .key = (enum kiln_key_kind)kind};
		struct kiln_pair pair;
		assert_int_equal(kiln_authority_issue(authority, &leaf, &pair, NULL), KILN_OK);
		X509 *cert = read_cert(&pair.cert);
		EVP_PKEY *key = read_key(&pair.key);
		assert_int_equal(X509_check_private_key(cert, key), 1);
		assert_int_equal(EVP_PKEY_get_base_id(key), types[kind]);
		assert_int_equal(verify(ca, cert, X509_PURPOSE_SSL_SERVER, now), X509_V_OK);
		assert_int_equal(verify(ca, cert, X509_PURPOSE_SSL_CLIENT, now),
				 X509_V_ERR_INVALID_PURPOSE);
		EVP_PKEY_free(key);
		X509_free(cert);
		kiln_pair_clear(&pair);
		assert_null(pair.key.data);
	}
}

static void names_are_in(void **state)
{
	(void)state;
	const struct kiln_leaf leaf = {
	    .common_name = "the client", .dns = dns, .ip = ip, .uri = uri, .for_client = true};
	struct kiln_pair pair;
	assert_int_equal(kiln_authority_issue(authority, &leaf, &pair, NULL), KILN_OK);
	X509 *cert = read_cert(&pair.cert);
	assert_int_equal(verify(ca, cert, X509_PURPOSE_SSL_CLIENT, now), X509_V_OK);
	assert_int_equal(X509_check_host(cert, "svc.example", 0, 0, NULL), 1);
	assert_int_equal(X509_check_host(cert, "other.test", 0, 0, NULL), 0);
	assert_int_equal(X509_check_ip_asc(cert, "192.0.2.1", 0), 1);
	assert_int_equal(X509_check_ip_asc(cert, "2001:db8::1", 0), 1);
	assert_int_equal(X509_check_ip_asc(cert, "192.0.2.2", 0), 0);

	GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	assert_int_equal(sk_GENERAL_NAME_num(names), 5);
	int type;
	const ASN1_STRING *last = GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(names, 4), &type);
	assert_int_equal(type, GEN_URI);
	assert_int_equal(ASN1_STRING_length(last), strlen(uri[0]));
	assert_memory_equal(ASN1_STRING_get0_data(last), uri[0], strlen(uri[0]));
	GENERAL_NAMES_free(names);

	char cn[80];
	assert_true(X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, cn,
					      sizeof cn) > 0);
	assert_string_equal(cn, "the client");
	X509_free(cert);
	kiln_pair_clear(&pair);
}

static void dates_and_serials(void **state)
{
	(void)state;
	const struct kiln_leaf leaf = {.common_name = "x", .for_server = true};
	struct kiln_pair a, b;
	assert_int_equal(kiln_authority_issue(authority, &leaf, &a, NULL), KILN_OK);
	assert_int_equal(kiln_authority_issue(authority, &leaf, &b, NULL), KILN_OK);
	X509 *first = read_cert(&a.cert), *second = read_cert(&b.cert);
	assert_int_equal(verify(ca, first, X509_PURPOSE_SSL_SERVER, now - DAY + 60), X509_V_OK);
	assert_int_equal(verify(ca, first, X509_PURPOSE_SSL_SERVER, now - DAY - 60),
			 X509_V_ERR_CERT_NOT_YET_VALID);
	assert_int_equal(verify(ca, first, X509_PURPOSE_SSL_SERVER, now + 2 * DAY - 60), X509_V_OK);
	assert_int_equal(verify(ca, first, X509_PURPOSE_SSL_SERVER, now + 2 * DAY + 60),
			 X509_V_ERR_CERT_HAS_EXPIRED);
	assert_int_not_equal(
	    ASN1_INTEGER_cmp(X509_get0_serialNumber(first), X509_get0_serialNumber(second)), 0);
	assert_memory_not_equal(a.spki, b.spki, KILN_SPKI_HASH);
	X509_free(first);
	X509_free(second);
	kiln_pair_clear(&a);
	kiln_pair_clear(&b);
}

/* Another authority of the same name, for tests of strangers: its certificates must not verify. */
static void strangers_do_not_verify(void **state)
{
	(void)state;
	const struct kiln_leaf leaf = {.common_name = "x", .for_client = true};
	struct kiln_authority *other = kiln_authority_new("Test CA", now, 2, NULL);
	struct kiln_pair pair;
	assert_non_null(other);
	assert_int_equal(kiln_authority_issue(other, &leaf, &pair, NULL), KILN_OK);
	X509 *cert = read_cert(&pair.cert);
	assert_int_not_equal(verify(ca, cert, X509_PURPOSE_SSL_CLIENT, now), X509_V_OK);
	X509_free(cert);
	kiln_pair_clear(&pair);
	kiln_authority_free(other);
}

static void refuses_bad_names(void **state)
{
	(void)state;
	static const char *const spaced[] = {"a b", NULL}, *const empty[] = {"", NULL};
	static const char *const no_ip[] = {"1.2.3", NULL};
	char long_name[66];
	memset(long_name, 'x', 65);
	long_name[65] = '\0';
	const struct kiln_leaf bad[] = {
	    {.common_name = "x", .dns = spaced},
	    {.common_name = "x", .uri = empty},
	    {.common_name = "x", .ip = no_ip},
	    {.common_name = long_name},
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct kiln_error err = {0};
		struct kiln_pair pair;
		assert_int_not_equal(kiln_authority_issue(authority, &bad[i], &pair, &err),
				     KILN_OK);
		assert_int_not_equal(err.message[0], 0);
		assert_null(pair.cert.data);
		assert_null(pair.key.data);
	}
	assert_null(kiln_authority_new(long_name, now, 2, NULL));
}

/* ------------------------------------------------------------------ files */

static void private_directory(void **state)
{
	(void)state;
	struct kiln_temp_dir dir;
	struct kiln_error err = {0};
	struct stat st;
	char path[PATH_MAX];
	assert_int_equal(kiln_temp_dir_make(&dir, &err), KILN_OK);
	assert_int_equal(stat(dir.path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0700);

	assert_int_equal(kiln_file_write(dir.fd, "k", "secret", 6, true, false, &err), KILN_OK);
	assert_int_equal(kiln_file_write(dir.fd, "k", "other", 5, true, false, &err),
			 KILN_E_CONFIG);
	assert_string_equal(err.message, "k exists");
	assert_int_equal(kiln_temp_dir_path(&dir, "k", path, &err), KILN_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	assert_int_equal(st.st_size, 6);
	assert_int_equal(kiln_file_write(dir.fd, "k", "other", 5, true, true, &err), KILN_OK);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, 5);

	assert_int_equal(kiln_temp_dir_remove(&dir, &err), KILN_OK);
	assert_int_equal(access(dir.path, F_OK), -1);
	assert_int_equal(kiln_temp_dir_remove(&dir, &err), KILN_OK);
}

/* A link that somebody laid out must not lead a key elsewhere. */
static void does_not_follow_links(void **state)
{
	(void)state;
	struct kiln_temp_dir dir;
	char elsewhere[PATH_MAX];
	assert_int_equal(kiln_temp_dir_make(&dir, NULL), KILN_OK);
	assert_int_equal(kiln_temp_dir_path(&dir, "elsewhere", elsewhere, NULL), KILN_OK);
	assert_int_equal(symlinkat(elsewhere, dir.fd, "k"), 0);
	assert_int_equal(kiln_file_write(dir.fd, "k", "x", 1, true, false, NULL), KILN_E_CONFIG);
	assert_int_equal(kiln_file_write(dir.fd, "k", "x", 1, true, true, NULL), KILN_OK);
	assert_int_equal(access(elsewhere, F_OK), -1);
	assert_int_equal(kiln_temp_dir_remove(&dir, NULL), KILN_OK);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(leaves_verify),         cmocka_unit_test(names_are_in),
	    cmocka_unit_test(dates_and_serials),     cmocka_unit_test(strangers_do_not_verify),
	    cmocka_unit_test(refuses_bad_names),     cmocka_unit_test(private_directory),
	    cmocka_unit_test(does_not_follow_links),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
