/* SPDX-License-Identifier: Apache-2.0
 * Hellos as bytes: written byte for byte as Roast writes them, and every way to break one. */
#include "wire.h"

#include <stdio.h>

#include "roast/base64.h"
#include "roast/hello.h"
#include "roast/scan.h"

#define AUTHORIZATION                                                                              \
	"AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/20260101/us-east-1/sts/aws4_request, "            \
	"SignedHeaders=content-length;host;x-amz-date;x-amz-security-token, Signature=00"
#define MASK "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
/* nonce 20..37 and the box of "Hello World!" under the key 00..1f, as Go's nacl/secretbox writes
 * them. */
#define BODY "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3SnmWs+6gcurOBELi7ILOLrk8IckiBw35e1kxTw=="
#define REST                                                                                       \
	"\"Mask\":\"" MASK "\",\"Region\":\"us-east-1\",\"AmzAuthorization\":\"" AUTHORIZATION     \
	"\",\"XAmzSecurityToken\":\"a\\u0026b\\u003cc\\u003e=\",\"XAmzDate\":"                     \
	"\"20260101T000000Z\"}"
#define HELLO "{\"Body\":\"" BODY "\"," REST

static const struct kiln_roast_mask mask = {
    .key = {0,  1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12, 13, 14, 15,
	    16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31},
    .nonce = {32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43,
	      44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55},
};

static struct kiln_aws_proof some_proof(void)
{
	struct kiln_aws_proof proof = {
	    .region = "us-east-1", .authorization = AUTHORIZATION, .date = "20260101T000000Z"};
	proof.token = strdup("a&b<c>=");
	proof.body = (uint8_t *)strdup("Hello World!");
	proof.body_len = 12;
	return proof;
}

static void test_write(void **state)
{
	struct kiln_aws_proof proof = some_proof();
	struct kiln_error err = {0};
	char *text;
	size_t len;
	(void)state;
	assert_int_equal(kiln_roast_hello_write(&proof, &mask, &text, &len, &err), KILN_OK);
	assert_int_equal(len, strlen(HELLO));
	assert_memory_equal(text, HELLO, len);
	free(text);
	proof.token[0] = '\0';
	assert_int_equal(kiln_roast_hello_write(&proof, &mask, &text, &len, &err),
			 KILN_E_CREDENTIALS);
	assert_null(text);
	kiln_aws_proof_clear(&proof);
}

/* What cannot stand in the JSON is never written half. */
static void test_write_limits(void **state)
{
	struct kiln_aws_proof proof = some_proof();
	struct kiln_error err = {0};
	char *text;
	size_t len;
	(void)state;
	proof.region[2] = '\n';
	assert_int_equal(kiln_roast_hello_write(&proof, &mask, &text, &len, &err),
			 KILN_E_CREDENTIALS);
	kiln_aws_proof_clear(&proof);
	proof = some_proof();
	free(proof.body);
	proof.body = calloc(1, KILN_ROAST_PAYLOAD_MAX + 1);
	proof.body_len = KILN_ROAST_PAYLOAD_MAX;
	free(proof.token);
	proof.token = malloc(KILN_AWS_TOKEN_MAX + 1);
	memset(proof.token, 't', KILN_AWS_TOKEN_MAX);
	proof.token[KILN_AWS_TOKEN_MAX] = '\0';
	/* The largest token and the largest payload together still fit. */
	assert_int_equal(kiln_roast_hello_write(&proof, &mask, &text, &len, &err), KILN_OK);
	assert_true(len <= KILN_ROAST_HELLO_MAX);
	free(text);
	proof.body_len++;
	assert_int_equal(kiln_roast_hello_write(&proof, &mask, &text, &len, &err), KILN_E_LIMIT);
	kiln_aws_proof_clear(&proof);
}

static enum kiln_code read_text(const char *text, struct kiln_aws_proof *proof,
				struct kiln_error *err)
{
	/* In memory of just that size, so that a read beyond it shows. */
	const size_t len = strlen(text);
	char *copy = malloc(len);
	assert_non_null(copy);
	memcpy(copy, text, len);
	const enum kiln_code rc = kiln_roast_hello_read(copy, len, proof, err);
	free(copy);
	return rc;
}

static void assert_reads(const char *text)
{
	struct kiln_aws_proof proof;
	struct kiln_error err = {0};
	if (read_text(text, &proof, &err) != KILN_OK)
		fail_msg("%s\n%s", err.message, text);
	assert_int_equal(proof.body_len, 12);
	assert_memory_equal(proof.body, "Hello World!", 12);
	assert_string_equal(proof.token, "a&b<c>=");
	assert_string_equal(proof.region, "us-east-1");
	assert_string_equal(proof.date, "20260101T000000Z");
	assert_string_equal(proof.authorization, AUTHORIZATION);
	kiln_aws_proof_clear(&proof);
}

static void test_read(void **state)
{
	(void)state;
	assert_reads(HELLO);
	/* Any order, blanks, unknown keys of every type, and escapes: what Go writes and reads. */
	assert_reads("{ \"XAmzDate\" : \"20260101T000000Z\" ,\n\t\"XAmzSecurityToken\":\"a&b<c>=\","
		     "\"New\":{\"a\":[1,-2.5e3,true,null]},\"AmzAuthorization\":\"" AUTHORIZATION
		     "\",\"Region\":\"us\\u002deast-1\",\"Mask\":\"" MASK "\",\"Body\":\"" BODY
		     "\"}");
	assert_reads("{\"Body\":\"ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3Snm"
		     "Ws+6gcurOBELi7ILOLrk8IckiBw35e1kxTw\\u003d=\"," REST);
}

static void assert_refuses(const char *text, const char *words)
{
	struct kiln_aws_proof proof;
	struct kiln_error err = {0};
	const enum kiln_code rc = read_text(text, &proof, &err);
	if (rc != KILN_E_ROAST_HELLO || strstr(err.message, words) == NULL)
		fail_msg("%s (%s), not '%s', for\n%s", kiln_code_name(rc), err.message, words,
			 text);
	assert_null(proof.body);
	assert_null(proof.token);
}

#define HELLO_WITH(body, mask_text, region, token)                                                 \
	"{\"Body\":\"" body "\",\"Mask\":\"" mask_text "\",\"Region\":\"" region                   \
	"\",\"AmzAuthorization\":\"" AUTHORIZATION "\",\"XAmzSecurityToken\":\"" token             \
	"\",\"XAmzDate\":\"20260101T000000Z\"}"

static void test_short_bodies(void **state)
{
	(void)state;
	/* The real library panics on the first two. */
	assert_refuses(HELLO_WITH("", MASK, "us-east-1", "t"), "Body has 0 bytes, fewer than 40");
	assert_refuses(HELLO_WITH("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", MASK, "us-east-1", "t"),
		       "Body has 23 bytes");
	assert_refuses(HELLO_WITH("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", MASK, "us-east-1", "t"),
		       "Body has 24 bytes");
	assert_refuses(HELLO_WITH("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", MASK,
				  "us-east-1", "t"),
		       "Body has 39 bytes");
	assert_refuses(HELLO_WITH(BODY, "AAECAwQFBgcICQoLDA0ODw==", "us-east-1", "t"),
		       "Mask has 16 bytes, fewer than 32");
	assert_refuses(HELLO_WITH(BODY, "", "us-east-1", "t"), "Mask has 0 bytes");
	assert_refuses(HELLO_WITH(BODY, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "r", "t"),
		       "Mask is no padded base64 of at most 32 bytes");
	/* The smallest body: an empty payload. It is opened, and does not open. */
	assert_refuses(HELLO_WITH("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==", MASK,
				  "us-east-1", "t"),
		       "does not open");
}

static void test_masks(void **state)
{
	(void)state;
	/* A byte of the box, of the nonce, of the tag, of the key. */
	assert_refuses(HELLO_WITH("ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3Snm"
				  "Ws+6gcurOBELi7ILOLrk8IckiBw35e1kxTg==",
				  MASK, "us-east-1", "t"),
		       "Body does not open under Mask");
	assert_refuses(HELLO_WITH("JCEiIyQlJicoKSorLC0uLzAxMjM0NTY3Snm"
				  "Ws+6gcurOBELi7ILOLrk8IckiBw35e1kxTw==",
				  MASK, "us-east-1", "t"),
		       "does not open");
	assert_refuses(
	    HELLO_WITH(BODY, "AQECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "us-east-1", "t"),
	    "does not open");
	/* Base64 in another way: URL alphabet, no padding, line breaks, bits left over. */
	assert_refuses(HELLO_WITH("ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3Snm"
				  "Ws-6gcurOBELi7ILOLrk8IckiBw35e1kxTw==",
				  MASK, "us-east-1", "t"),
		       "Body is no padded base64");
	assert_refuses(HELLO_WITH("ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3Snm"
				  "Ws+6gcurOBELi7ILOLrk8IckiBw35e1kxTw",
				  MASK, "us-east-1", "t"),
		       "Body is no padded base64");
	assert_refuses(HELLO_WITH("ICEi\\r\\nIyQlJicoKSorLC0uLzAxMjM0NTY3Snm"
				  "Ws+6gcurOBELi7ILOLrk8IckiBw35e1kxTw==",
				  MASK, "us-east-1", "t"),
		       "Body is no padded base64");
	assert_refuses(HELLO_WITH("ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3Snm"
				  "Ws+6gcurOBELi7ILOLrk8IckiBw35e1kxTx==",
				  MASK, "us-east-1", "t"),
		       "Body is no padded base64");
}

/* Text that becomes HTTP headers and a host name. */
static void test_texts(void **state)
{
	(void)state;
	assert_refuses(HELLO_WITH(BODY, MASK, "us-east-1", "t\\r\\nX-Evil: 1"),
		       "XAmzSecurityToken holds bytes that are not printable");
	assert_refuses(HELLO_WITH(BODY, MASK, "us-east-1", "t\\n"), "not printable");
	assert_refuses(HELLO_WITH(BODY, MASK, "us-east-1", "t\\u00e9"), "not printable");
	assert_refuses(HELLO_WITH(BODY, MASK, "us-east-1", "t\xc3\xa9"), "not printable");
	assert_refuses(HELLO_WITH(BODY, MASK, "us-east-1", "t\\u0000x"), "no valid JSON");
	assert_refuses(HELLO_WITH(BODY, MASK, "us-east-1", ""), "XAmzSecurityToken is empty");
	assert_refuses(HELLO_WITH(BODY, MASK, "", "t"), "Region is empty");
	assert_refuses(HELLO_WITH(BODY, MASK, "us-east-1.attacker.example/abcdef?", "t"),
		       "Region has 34 bytes, more than 32");
	assert_refuses(HELLO_WITH(BODY, MASK, "us\\r\\neast", "t"), "Region holds bytes");
	assert_refuses("{\"Body\":\"" BODY "\",\"Mask\":\"" MASK "\",\"Region\":\"us-east-1\","
		       "\"AmzAuthorization\":\"a\\r\\nb\",\"XAmzSecurityToken\":\"t\","
		       "\"XAmzDate\":\"20260101T000000Z\"}",
		       "AmzAuthorization holds bytes");
	assert_refuses("{\"Body\":\"" BODY "\",\"Mask\":\"" MASK "\",\"Region\":\"us-east-1\","
		       "\"AmzAuthorization\":\"a\",\"XAmzSecurityToken\":\"t\","
		       "\"XAmzDate\":\"20260101T000000Z0\"}",
		       "XAmzDate has 17 bytes");
}

static void test_keys(void **state)
{
	(void)state;
	assert_refuses("{}", "Mask is missing");
	assert_refuses("{\"Mask\":\"" MASK "\"}", "Body is missing");
	assert_refuses("{\"Mask\":7}", "Mask is no string");
	assert_refuses("{\"Mask\":null}", "Mask is no string");
	assert_refuses("{\"Body\":\"" BODY "\",\"Mask\":\"" MASK "\"}", "Region is missing");
	/* Twice, and twice in the eyes of Go, which does not look at the case. */
	assert_refuses("{\"Region\":\"x\",\"Body\":\"" BODY "\"," REST, "twice");
	assert_refuses("{\"Body\":\"" BODY "\",\"New\":{\"a\":1,\"a\":2}," REST, "twice");
	assert_refuses("{\"region\":\"x\",\"Body\":\"" BODY "\"," REST,
		       "Region is written in another case");
	assert_refuses("{\"body\":\"" BODY "\"," REST, "Body is written in another case");
	/* What the scanner lets through and no parser should. */
	assert_refuses("{\"Body\" \"x\"}", "no valid JSON");
	assert_refuses("{,}", "no valid JSON");
	assert_refuses("{\"Body\":\"\\x\"}", "no valid JSON");
	assert_refuses("{\"Body\":\"\xff\"}", "no valid JSON");
	assert_refuses("{\"a\":1e999999,\"Body\":\"" BODY "\"," REST, "no valid JSON");
}

/* ------------------------------------------------------------------ the scanner */

static enum kiln_code scan_all(const char *text, size_t len, size_t max, size_t chunk, size_t *used,
			       bool *complete, struct kiln_error *err)
{
	struct kiln_roast_scan scan;
	kiln_roast_scan_start(&scan, max);
	*used = 0;
	for (size_t at = 0; at < len && !scan.complete; at += chunk) {
		size_t skipped, taken;
		const size_t some = len - at < chunk ? len - at : chunk;
		const enum kiln_code rc = kiln_roast_scan_feed(&scan, (const uint8_t *)text + at,
							       some, &skipped, &taken, err);
		*used += skipped + taken;
		if (rc != KILN_OK)
			return rc;
	}
	*complete = scan.complete;
	return KILN_OK;
}

static void test_scan(void **state)
{
	static const char text[] = " \n{\"a\\\"}\":[{},[\"]\"]],\"\\\\\":1}\n\x16\x03";
	struct kiln_error err = {0};
	size_t used;
	bool complete = false;
	(void)state;
	for (size_t chunk = 1; chunk < sizeof text; chunk++) {
		assert_int_equal(
		    scan_all(text, sizeof text - 1, 100, chunk, &used, &complete, &err), KILN_OK);
		assert_true(complete);
		assert_int_equal(used, sizeof text - 4);
	}
}

static void assert_scan_refuses(const char *text, size_t len, const char *words)
{
	bool complete;
	size_t used;
	for (size_t chunk = 1; chunk < 300; chunk += 98) {
		struct kiln_error err = {0};
		const enum kiln_code rc = scan_all(text, len, 4096, chunk, &used, &complete, &err);
		if (rc != KILN_E_ROAST_HELLO || strstr(err.message, words) == NULL)
			fail_msg("%d %s, not '%s'", rc, err.message, words);
	}
}

static void test_scan_refuses(void **state)
{
	char many[8192];
	(void)state;
	assert_scan_refuses("\xef\xbb\xbf{}", 5, "byte order mark");
	assert_scan_refuses("GET / HTTP/1.1", 14, "first byte is 0x47");
	assert_scan_refuses("\x16\x03\x01", 3, "TLS record");
	assert_scan_refuses("[1]", 3, "first byte is 0x5b");
	assert_scan_refuses("null", 4, "first byte is 0x6e");
	assert_scan_refuses("\"a\"", 3, "first byte");
	assert_scan_refuses("{\"a\":[}", 7, "do not match");
	assert_scan_refuses("{]", 2, "do not match");
	assert_scan_refuses("{\"a\n\"}", 6, "control character 0x0a");
	assert_scan_refuses("{\0}", 3, "0x00 has no place");
	assert_scan_refuses("{\"a\":\xc3\xa9}", 8, "0xc3 has no place");
	assert_scan_refuses("{\"a\":{\"a\":{\"a\":[[[[[[1", 23, "nested deeper than 8");
	memset(many, ' ', sizeof many);
	assert_scan_refuses(many, 257, "256 bytes of white space");
	memset(many, 'a', sizeof many);
	memcpy(many, "{\"", 2);
	assert_scan_refuses(many, sizeof many, "longer than 4096 bytes");
	memset(many, ',', sizeof many);
	many[0] = '{';
	assert_scan_refuses(many, 300, "more than 256 values");
	/* An open end is no refusal: more may come. */
	struct kiln_error err = {0};
	size_t used;
	bool complete = true;
	assert_int_equal(scan_all("{\"Body\": tru", 12, 4096, 5, &used, &complete, &err), KILN_OK);
	assert_false(complete);
}

/* Exactly the limit goes, one byte more does not. */
static void test_scan_limit(void **state)
{
	static const char text[] = "{\"a\":1}";
	struct kiln_error err = {0};
	size_t used;
	bool complete = false;
	(void)state;
	assert_int_equal(scan_all(text, 7, 7, 7, &used, &complete, &err), KILN_OK);
	assert_true(complete);
	assert_int_equal(scan_all(text, 7, 6, 7, &used, &complete, &err), KILN_E_ROAST_HELLO);
}

static void test_base64(void **state)
{
	uint8_t data[64] = {0}, back[64];
	char text[90];
	size_t len;
	(void)state;
	for (size_t n = 0; n <= sizeof data; n++) {
		for (size_t i = 0; i < n; i++)
			data[i] = (uint8_t)(i * 37 + n);
		kiln_base64_encode(text, data, n);
		assert_true(kiln_base64_decode(text, kiln_base64_length(n), back, n, &len));
		assert_int_equal(len, n);
		assert_memory_equal(back, data, n);
		if (n > 0)
			assert_false(
			    kiln_base64_decode(text, kiln_base64_length(n), back, n - 1, &len));
	}
	/* RFC 4648 10. */
	kiln_base64_encode(text, (const uint8_t *)"foobar", 5);
	assert_memory_equal(text, "Zm9vYmE=", 8);
	static const char *const bad[] = {"A",        "AA",   "AAA",  "====", "A===", "AA=A",
					  "AAA=AAAA", "AB==", "AAB=", "AA A", "AA-_", "AA\nA"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		assert_false(kiln_base64_decode(bad[i], strlen(bad[i]), back, 64, &len));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_write),        cmocka_unit_test(test_write_limits),
	    cmocka_unit_test(test_read),         cmocka_unit_test(test_short_bodies),
	    cmocka_unit_test(test_masks),        cmocka_unit_test(test_texts),
	    cmocka_unit_test(test_keys),         cmocka_unit_test(test_scan),
	    cmocka_unit_test(test_scan_refuses), cmocka_unit_test(test_scan_limit),
	    cmocka_unit_test(test_base64),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
