/* SPDX-License-Identifier: Apache-2.0
 * Record protection: every size that matters, tampering with
 * every byte, and each rule of RFC 8446 section 5 with its code and its alert. */
#include "wire.h"

#include <openssl/evp.h>

#include <kiln/tls.h>

#include "base/bytes.h"
#include "tls/suite.h"

static const uint16_t suites[] = {0x1301, 0x1302, 0x1303};

static uint8_t secret[48], plain[KILN_RECORD_PLAIN_MAX + 300], record[KILN_RECORD_MAX],
    out[KILN_RECORD_MAX];

static void fill(void)
{
	for (size_t i = 0; i < sizeof secret; i++)
		secret[i] = (uint8_t)(i * 7);
	for (size_t i = 0; i < sizeof plain; i++)
		plain[i] = (uint8_t)(i * 13 + (i >> 8));
}

/* ---- sealing by hand, to make what kiln_traffic_seal never would ---------------------------- */

static struct kiln_traffic rx;

/* A record around any inner plaintext, under rx's next key and nonce; returns its length. */
static size_t forge(const uint8_t *inner, size_t len, uint8_t outer)
{
	struct kiln_traffic again; /* for its cipher, which has the key */
	uint8_t nonce[12];
	assert_int_equal(kiln_traffic_init(&again, rx.suite->id, rx.secret, 0, NULL), KILN_OK);
	memcpy(nonce, rx.iv, 12);
	for (int i = 0; i < 8; i++)
		nonce[4 + i] ^= (uint8_t)(rx.sequence >> (56 - 8 * i));
	record[0] = outer;
	kiln_store_be16(record + 1, 0x0303);
	kiln_store_be16(record + 3, (uint16_t)(len + 16));
	EVP_CIPHER_CTX *ctx = again.cipher;
	int n;
	assert_int_equal(EVP_CipherInit_ex2(ctx, NULL, NULL, nonce, 1, NULL), 1);
	assert_int_equal(EVP_CipherUpdate(ctx, NULL, &n, record, 5), 1);
	if (len > 0)
		assert_int_equal(EVP_CipherUpdate(ctx, record + 5, &n, inner, (int)len), 1);
	assert_int_equal(EVP_CipherFinal_ex(ctx, record + 5 + len, &n), 1);
	assert_int_equal(EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, record + 5 + len), 1);
	kiln_traffic_clear(&again);
	return 5 + len + 16;
}

static void start(uint16_t suite)
{
	assert_int_equal(kiln_traffic_init(&rx, suite, secret, 0, NULL), KILN_OK);
}

static enum kiln_code open_record(size_t len, size_t *content_len, uint8_t *type,
				  struct kiln_error *err)
{
	memset(err, 0, sizeof *err);
	return kiln_traffic_open(&rx, record, len, out, content_len, type, err);
}

static void refused(size_t len, enum kiln_code code, uint8_t alert)
{
	struct kiln_error err;
	size_t n;
	uint8_t type;
	assert_int_equal(open_record(len, &n, &type, &err), code);
	assert_int_equal(err.alert, alert);
	assert_false(err.alert_received);
}

/* ---- round trips --------------------------------------------------------------------------- */

static void test_sizes(void **state)
{
	static const size_t sizes[] = {0, 1, 2, 15, 16, 17, 16383, 16384};
	(void)state;
	for (int s = 0; s < 3; s++) {
		struct kiln_traffic tx;
		start(suites[s]);
		assert_int_equal(kiln_traffic_init(&tx, suites[s], secret, 0, NULL), KILN_OK);
		for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
			size_t len, n;
			uint8_t type;
			struct kiln_error err;
			assert_int_equal(kiln_traffic_seal(&tx, KILN_RECORD_DATA, plain, sizes[i],
							   record, &len, NULL),
					 KILN_OK);
			assert_int_equal(len, sizes[i] + KILN_RECORD_OVERHEAD);
			assert_int_equal(open_record(len, &n, &type, &err), KILN_OK);
			assert_int_equal(n, sizes[i]);
			assert_int_equal(type, KILN_RECORD_DATA);
			assert_memory_equal(out, plain, n);
		}
		assert_int_equal(tx.sequence, 8);
		assert_int_equal(rx.sequence, 8);
		assert_int_equal(rx.records, 8);
		kiln_traffic_clear(&tx);
		kiln_traffic_clear(&rx);
	}
}

/* In place: the content appears behind the header. */
static void test_in_place(void **state)
{
	(void)state;
	for (int s = 0; s < 3; s++) {
		struct kiln_traffic tx;
		size_t len, n;
		uint8_t type;
		start(suites[s]);
		assert_int_equal(kiln_traffic_init(&tx, suites[s], secret, 0, NULL), KILN_OK);
		assert_int_equal(kiln_traffic_seal(&tx, 22, plain, 1000, record, &len, NULL),
				 KILN_OK);
		assert_int_equal(kiln_traffic_open(&rx, record, len, record + 5, &n, &type, NULL),
				 KILN_OK);
		assert_int_equal(type, 22);
		assert_int_equal(n, 1000);
		assert_memory_equal(record + 5, plain, n);
		kiln_traffic_clear(&tx);
		kiln_traffic_clear(&rx);
	}
}

static void test_seal_refuses(void **state)
{
	struct kiln_error err;
	size_t len;
	(void)state;
	start(0x1301);
	assert_int_equal(
	    kiln_traffic_seal(&rx, 23, plain, KILN_RECORD_PLAIN_MAX + 1, record, &len, &err),
	    KILN_E_USAGE);
	rx.records = rx.suite->record_limit;
	assert_int_equal(kiln_traffic_seal(&rx, 23, plain, 1, record, &len, &err),
			 KILN_E_TLS_RECORD_LIMIT);
	assert_int_equal(rx.sequence, 0);
	rx.records--;
	assert_true(kiln_traffic_exhausted(&rx));
	assert_int_equal(kiln_traffic_seal(&rx, 23, plain, 1, record, &len, &err), KILN_OK);
	kiln_traffic_clear(&rx);
}

/* ---- RFC 8446 5.4: padding ------------------------------------------------------------------ */

static void test_padding(void **state)
{
	static const size_t pads[] = {1, 2, 255, 15000};
	(void)state;
	for (int s = 0; s < 3; s++) {
		start(suites[s]);
		for (size_t i = 0; i < 4; i++) {
			static uint8_t inner[KILN_RECORD_CIPHER_MAX];
			size_t n;
			uint8_t type;
			struct kiln_error err;
			memset(inner, 0, sizeof inner);
			memcpy(inner, "content\0\0", 9); /* zeros of its own */
			inner[9] = KILN_RECORD_DATA;
			const size_t len = forge(inner, 10 + pads[i], 23);
			assert_int_equal(open_record(len, &n, &type, &err), KILN_OK);
			assert_int_equal(n, 9);
			assert_int_equal(type, KILN_RECORD_DATA);
			assert_memory_equal(out, "content\0\0", 9);
		}
		kiln_traffic_clear(&rx);
	}
}

static void test_nothing_but_padding(void **state)
{
	static const uint8_t zeros[KILN_RECORD_PLAIN_MAX + 1];
	(void)state;
	for (int s = 0; s < 3; s++) {
		start(suites[s]);
		refused(forge(zeros, 1, 23), KILN_E_TLS_RECORD, KILN_ALERT_UNEXPECTED_MESSAGE);
		refused(forge(zeros, sizeof zeros, 23), KILN_E_TLS_RECORD,
			KILN_ALERT_UNEXPECTED_MESSAGE);
		kiln_traffic_clear(&rx);
	}
}

/* The outer length allows 255 bytes more than content may have: only as padding. */
static void test_content_too_long(void **state)
{
	static uint8_t inner[KILN_RECORD_CIPHER_MAX];
	size_t n;
	uint8_t type;
	struct kiln_error err;
	(void)state;
	start(0x1301);
	memset(inner, 'x', sizeof inner);
	inner[16384] = KILN_RECORD_DATA;
	memset(inner + 16385, 0, sizeof inner - 16385);
	size_t len =
	    forge(inner, 16640 - 16, 23); /* 2^14 of content and all the padding there is */
	assert_int_equal(open_record(len, &n, &type, &err), KILN_OK);
	assert_int_equal(n, 16384);
	inner[16384] = 'x';
	inner[16385] = KILN_RECORD_DATA;
	refused(forge(inner, 16386, 23), KILN_E_TLS_RECORD, KILN_ALERT_RECORD_OVERFLOW);
	memset(inner, 'x', sizeof inner);
	inner[16640 - 17] = KILN_RECORD_DATA;
	refused(forge(inner, 16640 - 16, 23), KILN_E_TLS_RECORD, KILN_ALERT_RECORD_OVERFLOW);
	kiln_traffic_clear(&rx);
}

/* ---- what does not open --------------------------------------------------------------------- */

static void test_every_byte_counts(void **state)
{
	(void)state;
	for (int s = 0; s < 3; s++) {
		struct kiln_traffic tx;
		size_t len, n;
		uint8_t type;
		struct kiln_error err;
		start(suites[s]);
		assert_int_equal(kiln_traffic_init(&tx, suites[s], secret, 0, NULL), KILN_OK);
		assert_int_equal(kiln_traffic_seal(&tx, 23, plain, 64, record, &len, NULL),
				 KILN_OK);
		for (size_t at = 1; at < len; at++) {
			if (at == 3 || at == 4)
				continue; /* the length: see below */
			for (int bit = 0; bit < 8; bit += 3) {
				record[at] ^= (uint8_t)(1 << bit);
				memset(out, 0xee, len);
				refused(len, KILN_E_TLS_DECRYPT, KILN_ALERT_BAD_RECORD_MAC);
				/* Nothing of what did not verify is left to be read. */
				for (size_t i = 0; i < len - 21; i++)
					assert_int_equal(out[i], 0);
				record[at] ^= (uint8_t)(1 << bit);
			}
		}
		assert_int_equal(rx.sequence, 0); /* refusals did not move it */
		assert_int_equal(open_record(len, &n, &type, &err), KILN_OK);
		/* Again: the sequence number has moved on. */
		refused(len, KILN_E_TLS_DECRYPT, KILN_ALERT_BAD_RECORD_MAC);
		kiln_traffic_clear(&tx);
		kiln_traffic_clear(&rx);
	}
}

static void length_is(const uint8_t *header, size_t have, enum kiln_code code, uint8_t alert,
		      size_t want)
{
	struct kiln_error err = {0};
	size_t length = 99;
	assert_int_equal(kiln_record_length(header, have, &length, &err), code);
	assert_int_equal(err.alert, alert);
	assert_int_equal(length, want);
}

static void test_record_length(void **state)
{
	(void)state;
	const uint8_t good[] = {23, 3, 3, 0x40, 0x01 + 16};
	for (size_t have = 0; have < 5; have++)
		length_is(good, have, KILN_OK, 0, 0);
	length_is(good, 5, KILN_OK, 0, 5 + 0x4011);
	length_is((const uint8_t[]){23, 3, 3, 0x41, 0x00}, 5, KILN_OK, 0, 5 + 16640);
	length_is((const uint8_t[]){23, 3, 3, 0x41, 0x01}, 5, KILN_E_TLS_RECORD,
		  KILN_ALERT_RECORD_OVERFLOW, 0);
	length_is((const uint8_t[]){23, 3, 3, 0xff, 0xff}, 5, KILN_E_TLS_RECORD,
		  KILN_ALERT_RECORD_OVERFLOW, 0);
	length_is((const uint8_t[]){23, 3, 3, 0, 17}, 5, KILN_OK, 0, 22);
	length_is((const uint8_t[]){23, 3, 3, 0, 16}, 5, KILN_E_TLS_RECORD,
		  KILN_ALERT_BAD_RECORD_MAC, 0);
	length_is((const uint8_t[]){23, 3, 3, 0, 0}, 5, KILN_E_TLS_RECORD,
		  KILN_ALERT_BAD_RECORD_MAC, 0);
	for (unsigned type = 0; type < 256; type++)
		if (type != 23)
			length_is((const uint8_t[]){(uint8_t)type, 3, 3, 0, 20}, 1,
				  KILN_E_TLS_RECORD, KILN_ALERT_UNEXPECTED_MESSAGE, 0);
}

/* One record and its length, no more and no less. */
static void test_not_one_record(void **state)
{
	struct kiln_traffic tx;
	size_t len;
	(void)state;
	start(0x1301);
	assert_int_equal(kiln_traffic_init(&tx, 0x1301, secret, 0, NULL), KILN_OK);
	assert_int_equal(kiln_traffic_seal(&tx, 23, plain, 64, record, &len, NULL), KILN_OK);
	refused(len - 1, KILN_E_USAGE, 0);
	refused(len + 1, KILN_E_USAGE, 0);
	refused(4, KILN_E_USAGE, 0);
	refused(0, KILN_E_USAGE, 0);
	kiln_traffic_clear(&tx);
	kiln_traffic_clear(&rx);
}

/* RFC 8446 5.3: the whole 64 bits of the sequence number are in the nonce. */
static void test_large_sequence_numbers(void **state)
{
	static const uint64_t numbers[] = {
	    255, 256, UINT32_MAX, UINT64_C(1) << 32, UINT64_C(1) << 56, UINT64_MAX - 1};
	(void)state;
	for (int s = 0; s < 3; s++)
		for (size_t i = 0; i < 6; i++) {
			struct kiln_error err;
			size_t n;
			uint8_t type;
			start(suites[s]);
			rx.sequence = numbers[i];
			const uint8_t inner[] = {'h', 'i', 23};
			const size_t len = forge(inner, sizeof inner, 23);
			rx.sequence = numbers[i] ^ UINT64_C(1) << 40;
			refused(len, KILN_E_TLS_DECRYPT, KILN_ALERT_BAD_RECORD_MAC);
			rx.sequence = numbers[i];
			assert_int_equal(open_record(len, &n, &type, &err), KILN_OK);
			assert_int_equal(rx.sequence, numbers[i] + 1);
			kiln_traffic_clear(&rx);
		}
}

static void test_limits(void **state)
{
	(void)state;
	start(0x1302);
	assert_int_equal(rx.suite->record_limit, 23726566); /* 2^24.5, rounded down */
	assert_true(rx.limit < rx.suite->record_limit);
	kiln_traffic_count(&rx, 0);
	assert_int_equal(rx.records, 0);
	kiln_traffic_count(&rx, 1);
	kiln_traffic_count(&rx, 16384);
	assert_int_equal(rx.records, 2);
	kiln_traffic_count(&rx, 16385);
	assert_int_equal(rx.records, 4);
	assert_false(kiln_traffic_exhausted(&rx));
	rx.records = rx.limit;
	assert_true(kiln_traffic_exhausted(&rx));
	kiln_traffic_clear(&rx);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_sizes),
	    cmocka_unit_test(test_in_place),
	    cmocka_unit_test(test_seal_refuses),
	    cmocka_unit_test(test_padding),
	    cmocka_unit_test(test_nothing_but_padding),
	    cmocka_unit_test(test_content_too_long),
	    cmocka_unit_test(test_every_byte_counts),
	    cmocka_unit_test(test_record_length),
	    cmocka_unit_test(test_not_one_record),
	    cmocka_unit_test(test_large_sequence_numbers),
	    cmocka_unit_test(test_limits),
	};
	fill();
	return cmocka_run_group_tests_name("tls: records", tests, NULL, NULL);
}
