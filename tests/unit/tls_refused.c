/* SPDX-License-Identifier: Apache-2.0
 * Handshakes that are refused: nothing in common, old versions, no TLS at all, garbage, too much.
 */
#include "tls_pair.h"

#include <openssl/rand.h>

#include "tls/config.h"

static struct pair pair;

static void open_role(int role)
{
	struct kiln_tls_options options =
	    role == KILN_SERVER ? pair_server_options() : pair_client_options();
	struct tls_peer_options peer =
	    role == KILN_SERVER ? pair_client_peer() : pair_server_peer();
	pair_open(&pair, &options, &peer);
}

static void test_no_common_group(void **state)
{
	(void)state;
	struct kiln_tls_options options = pair_server_options();
	struct tls_peer_options peer = pair_client_peer();
	peer.groups = "P-521";
	pair_open(&pair, &options, &peer);
	kiln_handshake_free(pair.hs);
	assert_int_equal(SSL_CTX_set1_groups_list(pair.config->ctx, "X25519"), 1);
	pair.hs = kiln_handshake_new(pair.config, CERT_NOW, NULL);
	pair_run(&pair, SIZE_MAX);
	pair_assert_failed(&pair, KILN_E_TLS_HANDSHAKE, 40);
	pair_close(&pair);
}

static void test_no_common_suite(void **state)
{
	(void)state;
	struct kiln_tls_options options = pair_server_options();
	struct tls_peer_options peer = pair_client_peer();
	options.cipher_suites = "TLS_AES_256_GCM_SHA384";
	peer.suites = "TLS_AES_128_GCM_SHA256";
	pair_open(&pair, &options, &peer);
	pair_run(&pair, SIZE_MAX);
	pair_assert_failed(&pair, KILN_E_TLS_HANDSHAKE, 40);
	pair_close(&pair);
}

static void test_old_versions(void **state)
{
	(void)state;
	struct kiln_tls_options options = pair_server_options();
	struct tls_peer_options peer = pair_client_peer();
	peer.min_version = peer.max_version = TLS1_2_VERSION;
	pair_open(&pair, &options, &peer);
	pair_run(&pair, SIZE_MAX);
	pair_assert_failed(&pair, KILN_E_TLS_VERSION, 70);
	pair_close(&pair);
	options = pair_client_options();
	peer = pair_server_peer();
	peer.min_version = peer.max_version = TLS1_2_VERSION;
	pair_open(&pair, &options, &peer);
	pair_run(&pair, SIZE_MAX);
	assert_int_equal(pair.step, KILN_STEP_FAILED);
	assert_int_equal(pair.err.code, KILN_E_TLS_VERSION);
	assert_int_equal(pair.err.alert, 70);
	assert_true(pair.err.alert_received);
	pair_close(&pair);
}

/* A server that answers with TLS 1.2 although 1.3 alone was offered. */
static void test_downgrade(void **state)
{
	(void)state;
	size_t consumed;
	open_role(KILN_CLIENT);
	assert_int_equal(kiln_handshake_step(pair.hs, NULL, 0, &consumed, &pair.err),
			 KILN_STEP_NEED_INPUT);
	uint8_t hello[5 + 4 + 38] = {22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3};
	hello[5 + 4 + 35] = 0xc0; /* TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256 */
	hello[5 + 4 + 36] = 0x2b;
	assert_int_equal(kiln_handshake_step(pair.hs, hello, sizeof hello, &consumed, &pair.err),
			 KILN_STEP_FAILED);
	assert_false(pair.err.alert_received);
	assert_true(pair.err.alert == 70 || pair.err.alert == 50 || pair.err.alert == 47);
	pair_close(&pair);
}

static enum kiln_code first_bytes(const void *bytes, size_t len)
{
	size_t consumed, out_len;
	open_role(KILN_SERVER);
	assert_int_equal(kiln_handshake_step(pair.hs, bytes, len, &consumed, &pair.err),
			 KILN_STEP_FAILED);
	(void)kiln_handshake_output(pair.hs, &out_len);
	if (pair.err.code == KILN_E_NOT_TLS)
		assert_int_equal(out_len, 0); /* no alert is owed */
	/* Once failed, always failed. */
	assert_int_equal(kiln_handshake_step(pair.hs, bytes, len, &consumed, NULL),
			 KILN_STEP_FAILED);
	assert_int_equal(consumed, 0);
	assert_int_equal(kiln_handshake_finish(pair.hs, &pair.session, NULL), KILN_E_USAGE);
	const enum kiln_code code = pair.err.code;
	pair_close(&pair);
	return code;
}

static void test_not_tls(void **state)
{
	(void)state;
	assert_int_equal(first_bytes("GET / HTTP/1.1\r\n\r\n", 18), KILN_E_NOT_TLS);
	assert_int_equal(first_bytes("PUT", 3), KILN_E_NOT_TLS);
	assert_int_equal(first_bytes("\0", 1), KILN_E_NOT_TLS);
	assert_int_equal(first_bytes("\x80\x2e\x01\x03\x01", 5), KILN_E_NOT_TLS);
	assert_int_equal(first_bytes("\x16\x02", 2), KILN_E_NOT_TLS);
	assert_int_equal(first_bytes("\x15\x03\x03\x00\x02\x01\x00", 7), KILN_E_NOT_TLS);
	assert_int_equal(first_bytes("\x16\x03\x01\xff\xff", 5), KILN_E_TLS_HANDSHAKE);
	assert_int_equal(first_bytes("\x16\x03\x01\x00\x04\x02\x00\x00\x00", 9),
			 KILN_E_TLS_HANDSHAKE);
}

/* Behind a good ClientHello it spoke TLS: what follows is a bad record, and an alert is owed. */
static void test_no_record_behind_the_hello(void **state)
{
	(void)state;
	static const uint8_t nonsense[] = "GET / HTTP/1.1\r\n\r\n";
	size_t consumed, out_len;
	open_role(KILN_SERVER);
	pair.peer_step = tls_peer_step(&pair.peer);
	pair_take(&pair);
	assert_int_equal(
	    kiln_handshake_step(pair.hs, pair.to_kiln.data, pair.to_kiln.len, &consumed, &pair.err),
	    KILN_STEP_NEED_INPUT);
	(void)kiln_handshake_output(pair.hs, &out_len);
	kiln_handshake_sent(pair.hs, out_len);
	assert_int_equal(
	    kiln_handshake_step(pair.hs, nonsense, sizeof nonsense - 1, &consumed, &pair.err),
	    KILN_STEP_FAILED);
	assert_int_equal(pair.err.code, KILN_E_TLS_RECORD);
	(void)kiln_handshake_output(pair.hs, &out_len);
	assert_true(out_len > 0 && pair.err.alert != 0);
	pair_close(&pair);
}

/* A server takes 1000 kinds of nonsense behind a good record header without a fault. */
static void test_garbage(void **state)
{
	(void)state;
	for (unsigned seed = 0; seed < 1000; seed++) {
		uint8_t bytes[600];
		size_t consumed;
		assert_int_equal(RAND_bytes(bytes, sizeof bytes), 1);
		bytes[0] = 22;
		bytes[1] = 3;
		bytes[2] = 1;
		bytes[3] = 0;
		if (seed % 2 == 0)
			bytes[5] = 1; /* ClientHello */
		open_role(KILN_SERVER);
		const enum kiln_step step =
		    kiln_handshake_step(pair.hs, bytes, sizeof bytes, &consumed, &pair.err);
		assert_int_not_equal(step, KILN_STEP_DONE);
		pair_close(&pair);
	}
}

/* A ClientHello of 100,000 bytes, each in a record of its own: six bytes for one. */
static void test_input_limit(void **state)
{
	(void)state;
	static const uint8_t head[] = {1, 1, 0x86, 0xa0, 3, 3};
	size_t consumed, count = 0;
	enum kiln_step step = KILN_STEP_NEED_INPUT;
	open_role(KILN_SERVER);
	for (; step == KILN_STEP_NEED_INPUT && count < 100000; count++) {
		const uint8_t record[] = {22, 3, 1, 0, 1, count < sizeof head ? head[count] : 0};
		step = kiln_handshake_step(pair.hs, record, sizeof record, &consumed, &pair.err);
	}
	assert_int_equal(step, KILN_STEP_FAILED);
	assert_int_equal(pair.err.code, KILN_E_LIMIT);
	assert_in_range(count * 6, 256 * 1024, 256 * 1024 + 6);
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_no_common_group),
	    cmocka_unit_test(test_no_common_suite),
	    cmocka_unit_test(test_old_versions),
	    cmocka_unit_test(test_downgrade),
	    cmocka_unit_test(test_not_tls),
	    cmocka_unit_test(test_garbage),
	    cmocka_unit_test(test_input_limit),
	    cmocka_unit_test(test_no_record_behind_the_hello),
	};
	return cmocka_run_group_tests_name("tls: refused handshakes", tests, pair_make_certificates,
					   pair_free_certificates);
}
