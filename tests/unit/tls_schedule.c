/* SPDX-License-Identifier: Apache-2.0
 * The key schedule after the handshake: RFC 8448's published values and records, and OpenSSL's own
 * TLS 1.3 KDF for everything that the RFC has no values for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "rfc8448.h"
#include "tls/secret.h"

static void test_rfc8448_keys(void **state)
{
	const struct kiln_suite *suite = kiln_suite_find(0x1301);
	struct kiln_traffic_keys keys;
	(void)state;
	assert_int_equal(kiln_derive_keys(suite, rfc8448_client_secret, &keys, NULL), KILN_OK);
	assert_memory_equal(keys.key, rfc8448_client_key, 16);
	assert_memory_equal(keys.iv, rfc8448_client_iv, 12);
	assert_int_equal(kiln_derive_keys(suite, rfc8448_server_secret, &keys, NULL), KILN_OK);
	assert_memory_equal(keys.key, rfc8448_server_key, 16);
	assert_memory_equal(keys.iv, rfc8448_server_iv, 12);
}

static void test_rfc8448_traffic(void **state)
{
	struct kiln_traffic traffic;
	(void)state;
	assert_int_equal(kiln_traffic_init(&traffic, 0x1301, rfc8448_server_secret, 7, NULL),
			 KILN_OK);
	assert_memory_equal(traffic.secret, rfc8448_server_secret, 32);
	assert_memory_equal(traffic.iv, rfc8448_server_iv, 12);
	assert_int_equal(traffic.sequence, 7);
	assert_int_equal(traffic.records, 7);
	assert_int_equal(traffic.where, KILN_IN_USER);
	kiln_traffic_clear(&traffic);
	static const struct kiln_traffic zero;
	assert_memory_equal(&traffic, &zero, sizeof zero);
	kiln_traffic_clear(&traffic);
}

/* ---- the RFC's records, byte for byte ------------------------------------------------------- */

static uint8_t opened[100], record[100];

static void open_rfc8448(struct kiln_traffic *rx, const uint8_t *bytes, size_t len, uint8_t type,
			 size_t content_len)
{
	size_t n, length;
	uint8_t got;
	assert_int_equal(kiln_record_length(bytes, len, &length, NULL), KILN_OK);
	assert_int_equal(length, len);
	assert_int_equal(kiln_traffic_open(rx, bytes, len, opened, &n, &got, NULL), KILN_OK);
	assert_int_equal(got, type);
	assert_int_equal(n, content_len);
}

static void test_rfc8448_open(void **state)
{
	struct kiln_traffic rx;
	(void)state;
	assert_int_equal(kiln_traffic_init(&rx, 0x1301, rfc8448_client_secret, 0, NULL), KILN_OK);
	open_rfc8448(&rx, rfc8448_client_data, sizeof rfc8448_client_data, KILN_RECORD_DATA, 50);
	for (uint8_t i = 0; i < 50; i++)
		assert_int_equal(opened[i], i);
	open_rfc8448(&rx, rfc8448_client_alert, sizeof rfc8448_client_alert, KILN_RECORD_ALERT, 2);
	assert_memory_equal(opened, "\x01\x00", 2);
	kiln_traffic_clear(&rx);
	assert_int_equal(kiln_traffic_init(&rx, 0x1301, rfc8448_server_secret, 1, NULL), KILN_OK);
	open_rfc8448(&rx, rfc8448_server_data, sizeof rfc8448_server_data, KILN_RECORD_DATA, 50);
	open_rfc8448(&rx, rfc8448_server_alert, sizeof rfc8448_server_alert, KILN_RECORD_ALERT, 2);
	kiln_traffic_clear(&rx);
}

static void test_rfc8448_seal(void **state)
{
	struct kiln_traffic tx;
	uint8_t data[50];
	size_t len;
	(void)state;
	for (uint8_t i = 0; i < 50; i++)
		data[i] = i;
	assert_int_equal(kiln_traffic_init(&tx, 0x1301, rfc8448_server_secret, 1, NULL), KILN_OK);
	assert_int_equal(kiln_traffic_seal(&tx, KILN_RECORD_DATA, data, 50, record, &len, NULL),
			 KILN_OK);
	assert_int_equal(len, sizeof rfc8448_server_data);
	assert_memory_equal(record, rfc8448_server_data, len);
	assert_int_equal(
	    kiln_traffic_seal(&tx, KILN_RECORD_ALERT, "\x01\x00", 2, record, &len, NULL), KILN_OK);
	assert_int_equal(len, sizeof rfc8448_server_alert);
	assert_memory_equal(record, rfc8448_server_alert, len);
	assert_int_equal(tx.sequence, 3);
	kiln_traffic_clear(&tx);
}

/* ---- against OpenSSL ------------------------------------------------------------------------ */

/* HKDF-Expand-Label by OpenSSL's EVP_KDF. */
static void reference(const struct kiln_suite *suite, const uint8_t *secret, const char *label,
		      uint8_t *out, size_t len)
{
	char hash[16], text[40];
	uint8_t key[48], prefix[] = "tls13 ";
	int mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY;
	strcpy(hash, suite->hash);
	strcpy(text, label);
	memcpy(key, secret, suite->hash_len);
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS13-KDF", NULL);
	EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
	const OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode),
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash, 0),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, key, suite->hash_len),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, prefix, 6),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_LABEL, text, strlen(text)),
	    OSSL_PARAM_construct_end(),
	};
	assert_int_equal(EVP_KDF_derive(ctx, out, len, params), 1);
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
}

static void test_labels_against_openssl(void **state)
{
	static const char *const labels[] = {"key", "iv", "traffic upd", "finished", "res master"};
	size_t count;
	const struct kiln_suite *suites = kiln_suites(&count);
	(void)state;
	for (size_t s = 0; s < count; s++)
		for (size_t l = 0; l < sizeof labels / sizeof labels[0]; l++)
			for (size_t len = 1; len <= suites[s].hash_len; len++) {
				uint8_t secret[48], got[48], want[48];
				assert_int_equal(RAND_bytes(secret, sizeof secret), 1);
				reference(&suites[s], secret, labels[l], want, len);
				assert_int_equal(kiln_expand_label(&suites[s], secret, labels[l],
								   got, len, NULL),
						 KILN_OK);
				assert_memory_equal(got, want, len);
			}
}

static void test_label_limits(void **state)
{
	const struct kiln_suite *suite = kiln_suite_find(0x1301);
	uint8_t secret[48] = {0}, out[64];
	struct kiln_error err;
	(void)state;
	assert_int_equal(
	    kiln_expand_label(suite, secret, "12345678901234567890123456789012", out, 32, &err),
	    KILN_OK);
	assert_int_equal(
	    kiln_expand_label(suite, secret, "123456789012345678901234567890123", out, 32, &err),
	    KILN_E_USAGE);
	assert_int_equal(kiln_expand_label(suite, secret, "key", out, 33, &err), KILN_E_USAGE);
}

/* RFC 8446 7.2, five times over. */
static void test_update_chain(void **state)
{
	size_t count;
	const struct kiln_suite *suites = kiln_suites(&count);
	(void)state;
	for (size_t s = 0; s < count; s++) {
		uint8_t secret[48], next[48], iv[12];
		struct kiln_traffic traffic;
		assert_int_equal(RAND_bytes(secret, sizeof secret), 1);
		assert_int_equal(kiln_traffic_init(&traffic, suites[s].id, secret, 3, NULL),
				 KILN_OK);
		for (unsigned i = 1; i <= 5; i++) {
			reference(&suites[s], secret, "traffic upd", next, suites[s].hash_len);
			memcpy(secret, next, sizeof secret);
			reference(&suites[s], secret, "iv", iv, sizeof iv);
			traffic.sequence = traffic.records = 99;
			assert_int_equal(kiln_traffic_update(&traffic, NULL), KILN_OK);
			assert_memory_equal(traffic.secret, secret, suites[s].hash_len);
			assert_memory_equal(traffic.iv, iv, sizeof iv);
			assert_int_equal(traffic.sequence, 0);
			assert_int_equal(traffic.records, 0);
			assert_int_equal(traffic.key_updates, i);
		}
		kiln_traffic_clear(&traffic);
	}
}

static void test_suites(void **state)
{
	uint8_t secret[48] = {0};
	struct kiln_traffic traffic;
	struct kiln_error err;
	(void)state;
	assert_string_equal(kiln_suite_name(0x1301), "TLS_AES_128_GCM_SHA256");
	assert_string_equal(kiln_suite_name(0x1302), "TLS_AES_256_GCM_SHA384");
	assert_string_equal(kiln_suite_name(0x1303), "TLS_CHACHA20_POLY1305_SHA256");
	assert_string_equal(kiln_suite_name(0x1304), "unknown");
	assert_int_equal(kiln_traffic_init(&traffic, 0x1304, secret, 0, &err), KILN_E_UNSUPPORTED);
	assert_null(traffic.cipher);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_rfc8448_keys),           cmocka_unit_test(test_rfc8448_open),
	    cmocka_unit_test(test_rfc8448_seal),           cmocka_unit_test(test_rfc8448_traffic),
	    cmocka_unit_test(test_labels_against_openssl), cmocka_unit_test(test_label_limits),
	    cmocka_unit_test(test_update_chain),           cmocka_unit_test(test_suites),
	};
	return cmocka_run_group_tests_name("tls: key schedule", tests, NULL, NULL);
}
