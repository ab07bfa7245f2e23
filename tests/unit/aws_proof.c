/* SPDX-License-Identifier: Apache-2.0
 * Proofs of identity: what the real signer makes (own figures), and every refusal. */
#include "aws_test.h"

#include "aws/proof.h"
#include "aws/sigv4.h"

#define KEY    "ASIAEXAMPLECLIENT001"
#define SECRET "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLECLIENT1"
#define TOKEN  "FwoGZXIvYXdzEXAMPLEclientTOKEN0123456789+/=="
#define SIGNED "content-length;host;x-amz-date;x-amz-security-token"
#define DIGITS "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define START  "AWS4-HMAC-SHA256 Credential=" KEY "/20260115/us-east-1/sts/aws4_request, "
#define GOOD   START "SignedHeaders=" SIGNED ", Signature=" DIGITS

static struct kiln_aws_credentials keys(void)
{
	struct kiln_aws_credentials credentials;
	assert_int_equal(
	    kiln_aws_credentials_set(&credentials, KEY, SECRET, TOKEN, NOON + 3600, NULL), KILN_OK);
	(void)snprintf(credentials.source, sizeof credentials.source, "a test");
	return credentials;
}

static struct kiln_aws_proof prove(const char *region, const char *body)
{
	struct kiln_aws_credentials credentials = keys();
	struct kiln_aws_proof proof;
	assert_int_equal(
	    kiln_aws_prove(&credentials, region, NOON, body, strlen(body), &proof, NULL), KILN_OK);
	kiln_aws_credentials_clear(&credentials);
	return proof;
}

/* AWS's published example of the test suite, so that a fresh machine has a figure of SigV4. */
static void published_vector(void **state)
{
	(void)state;
	const struct kiln_sigv4_header headers[] = {
	    {kiln_slice_of("Host"), kiln_slice_of("example.amazonaws.com")},
	    {kiln_slice_of("X-Amz-Date"), kiln_slice_of("20150830T123600Z")}};
	const struct kiln_sigv4_request request = {.method = kiln_slice_of("GET"),
						   .path = kiln_slice_of("/"),
						   .headers = headers,
						   .header_count = 2};
	const struct kiln_sigv4_scope scope = {"20150830T123600Z", "us-east-1", "service"};
	const struct kiln_sigv4_keys pair = {"AKIDEXAMPLE",
					     "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"};
	struct kiln_text text = {0};
	assert_int_equal(kiln_sigv4_sign(&request, &scope, &pair, &text, NULL), KILN_OK);
	assert_string_equal(
	    text.data,
	    "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
	    "SignedHeaders=host;x-amz-date, "
	    "Signature=5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31");
	kiln_text_clear(&text);
}

/* Figures of an independent signer, for these keys at noon. */
static void figures(void **state)
{
	(void)state;
	static const struct {
		const char *region, *body, *headers, *signature;
	} all[] = {
	    {"us-east-1", "{}", "content-length;host;x-amz-date;x-amz-security-token",
	     "16947424ed655805bd5c84b1297867744604c2180bbd0f5cd51691e32f08fb9c"},
	    {"cn-north-1", "{\"ClientCA\":\"QUJD\",\"ServerHostnames\":[\"10.0.0.1\"]}",
	     "content-length;host;x-amz-date;x-amz-security-token",
	     "6971b62f13791e39f80ccaa6060b38889a67a3360d879f6581a8911bd8690773"},
	    {"eu-west-1", "", "host;x-amz-date;x-amz-security-token",
	     "e22f9725f10cee38ec378eaf32b825272dcd013e29cf8fcebcc151ec4509c7e1"},
	};
	for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
		struct kiln_aws_proof proof = prove(all[i].region, all[i].body);
		char want[512];
		(void)snprintf(want, sizeof want,
			       "AWS4-HMAC-SHA256 Credential=" KEY
			       "/20260115/%s/sts/aws4_request, SignedHeaders=%s, Signature=%s",
			       all[i].region, all[i].headers, all[i].signature);
		assert_string_equal(proof.authorization, want);
		assert_string_equal(proof.date, "20260115T120000Z");
		assert_string_equal(proof.token, TOKEN);
		assert_memory_equal(kiln_aws_proof_signature(&proof), all[i].signature, 64);
		char key_id[129];
		kiln_aws_proof_key_id(&proof, key_id);
		assert_string_equal(key_id, KEY);
		assert_int_equal(kiln_aws_proof_check(&proof, NOON, NULL), KILN_OK);
		kiln_aws_proof_clear(&proof);
	}
}

/* What a service that holds the secret says of a proof that came with these headers. */
static enum kiln_code verify(const char *authorization, const char *date, const char *host,
			     const char *secret, struct kiln_error *err)
{
	const struct kiln_sigv4_header headers[] = {
	    {kiln_slice_of("X-Amz-Security-Token"), kiln_slice_of(TOKEN)},
	    {kiln_slice_of("User-Agent"), kiln_slice_of("not signed")},
	    {kiln_slice_of("X-Amz-Date"), kiln_slice_of(date)},
	    {kiln_slice_of("Content-Length"), kiln_slice_of("2")},
	    {kiln_slice_of(host != NULL ? "HOST" : "X-Host"), kiln_slice_of(host ? host : "")}};
	const struct kiln_sigv4_request request = {
	    .method = kiln_slice_of("POST"),
	    .path = kiln_slice_of("/"),
	    .query = kiln_slice_of("Version=2011-06-15&Action=GetCallerIdentity"),
	    .headers = headers,
	    .header_count = sizeof headers / sizeof headers[0],
	    .body = (const uint8_t *)"{}",
	    .body_len = 2};
	struct kiln_authorization a;
	assert_null(kiln_authorization_read(authorization, strlen(authorization), &a));
	return kiln_sigv4_verify(&request, &a, date, secret, err);
}

#define HOST "sts.us-east-1.amazonaws.com"
#define DATE "20260115T120000Z"

static void verification(void **state)
{
	(void)state;
	struct kiln_aws_proof proof = prove("us-east-1", "{}");
	struct kiln_error err;
	const char *good = proof.authorization;
	const enum kiln_code no = KILN_E_ROAST_PROOF;
	assert_int_equal(verify(good, DATE, HOST, SECRET, &err), KILN_OK);
	assert_why(verify(good, DATE, HOST, "other", &err), &err, no, "another's");
	assert_why(verify(good, DATE, "sts.evil.example", SECRET, &err), &err, no, "another's");
	assert_why(verify(good, "20260115T120001Z", HOST, SECRET, &err), &err, no, "another's");
	assert_why(verify(good, "20260116T120000Z", HOST, SECRET, &err), &err, no, "the day");
	assert_why(verify(good, DATE, NULL, SECRET, &err), &err, no, "did not come");
	/* Each digit of the signature counts. */
	for (size_t i = 1; i <= 64; i++) {
		char other[KILN_AWS_AUTHORIZATION_MAX + 1];
		(void)snprintf(other, sizeof other, "%s", good);
		char *digit = other + strlen(other) - i;
		*digit = *digit == '0' ? '1' : '0';
		assert_why(verify(other, DATE, HOST, SECRET, &err), &err, no, "another's");
	}
	assert_why(verify(START "SignedHeaders=x-amz-date;host, Signature=" DIGITS, DATE, HOST,
			  SECRET, &err),
		   &err, no, "not sorted");
	assert_why(
	    verify(START "SignedHeaders=host;host, Signature=" DIGITS, DATE, HOST, SECRET, &err),
	    &err, no, "not sorted");
	assert_why(verify(START "SignedHeaders=;host, Signature=" DIGITS, DATE, HOST, SECRET, &err),
		   &err, no, "did not come");
	kiln_aws_proof_clear(&proof);
}

static void cannot_prove(void **state)
{
	(void)state;
	struct kiln_aws_credentials credentials = keys();
	struct kiln_aws_proof proof;
	struct kiln_error err;
	assert_why(kiln_aws_prove(&credentials, "us-east-9", NOON, "", 0, &proof, &err), &err,
		   KILN_E_CONFIG, "no region");
	char *big = calloc(1, KILN_AWS_BODY_MAX + 1);
	assert_why(kiln_aws_prove(&credentials, "us-east-1", NOON, big, KILN_AWS_BODY_MAX + 1,
				  &proof, &err),
		   &err, KILN_E_LIMIT, "too many");
	big[0] = '{';
	assert_int_equal(
	    kiln_aws_prove(&credentials, "us-east-1", NOON, big, KILN_AWS_BODY_MAX, &proof, &err),
	    KILN_OK);
	kiln_aws_proof_clear(&proof);
	free(big);
	kiln_aws_credentials_clear(&credentials);
	assert_int_equal(kiln_aws_credentials_set(&credentials, KEY, SECRET, "", 0, NULL), KILN_OK);
	assert_why(kiln_aws_prove(&credentials, "us-east-1", NOON, "", 0, &proof, &err), &err,
		   KILN_E_CREDENTIALS, "no session token");
	assert_null(proof.body);
	kiln_aws_credentials_clear(&credentials);
}

static void refuse_to_sign(const char *body, size_t len, const char *reason)
{
	struct kiln_aws_credentials credentials = keys();
	struct kiln_aws_proof proof;
	struct kiln_error err;
	assert_why(kiln_aws_prove(&credentials, "us-east-1", NOON, body, len, &proof, &err), &err,
		   KILN_E_USAGE, reason);
	assert_null(proof.token);
	assert_null(proof.body);
	kiln_aws_credentials_clear(&credentials);
}

#define ASSUME "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::123456789012:role/Admin"

/* STS reads a body as a form when its sender says so. */
static void signs_no_form(void **state)
{
	(void)state;
	static const char *const forms[] = {ASSUME, "x=&" ASSUME, "x", " {}", "&{}"};
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
		refuse_to_sign(forms[i], strlen(forms[i]), "does not begin with '{'");
	refuse_to_sign("{}&" ASSUME, strlen("{}&" ASSUME), "'&'");
	refuse_to_sign("{\"a\":\"&\"}", 9, "'&'");
	refuse_to_sign("{}\0&", 4, "'&'");
	struct kiln_aws_proof proof = prove("us-east-1", "{\"a\":\"\\u0026\"}");
	kiln_aws_proof_clear(&proof);
}

/* ------------------------------------------------------------------ checking */

/* A good proof with one field changed by hand. */
static struct kiln_aws_proof good(void)
{
	struct kiln_aws_proof proof = {.body_len = 2};
	(void)snprintf(proof.region, sizeof proof.region, "us-east-1");
	(void)snprintf(proof.date, sizeof proof.date, "20260115T120000Z");
	(void)snprintf(proof.authorization, sizeof proof.authorization, GOOD);
	proof.token = strdup(TOKEN);
	proof.body = (uint8_t *)strdup("{}");
	assert_int_equal(kiln_aws_proof_check(&proof, NOON, NULL), KILN_OK);
	return proof;
}

static void refuse(struct kiln_aws_proof *proof, int64_t now, const char *reason)
{
	struct kiln_error err;
	assert_why(kiln_aws_proof_check(proof, now, &err), &err, KILN_E_ROAST_PROOF, reason);
	kiln_aws_proof_clear(proof);
}

static void refuse_authorization(const char *text, const char *reason)
{
	struct kiln_aws_proof proof = good();
	(void)snprintf(proof.authorization, sizeof proof.authorization, "%s", text);
	refuse(&proof, NOON, reason);
}

#define REST            "/20260115/us-east-1/sts/aws4_request, SignedHeaders=" SIGNED ", Signature=" DIGITS
#define WITH(key, rest) "AWS4-HMAC-SHA256 Credential=" key rest

static void grammar(void **state)
{
	(void)state;
	refuse_authorization("", "algorithm");
	refuse_authorization("AWS4-ECDSA-P256-SHA256 Credential=" KEY REST, "algorithm");
	refuse_authorization(" " GOOD, "algorithm");
	refuse_authorization("AWS4-HMAC-SHA256  Credential=" KEY REST, "access key id");
	refuse_authorization("AWS4-HMAC-SHA256 credential=" KEY REST, "access key id");
	refuse_authorization(WITH("", REST), "access key id");
	refuse_authorization(WITH("asiaexampleclient001", REST), "access key id");
	refuse_authorization(WITH("ASIAEXAMPLECLIENT001/x", REST), "date of 8");
	refuse_authorization(WITH("AGPAEXAMPLECLIENT001", REST), "not of AWS's form");
	refuse_authorization(WITH(KEY, "/2026011/us-east-1/sts/aws4_request, "), "date of 8");
	refuse_authorization(WITH(KEY, "/202601151/us-east-1/sts/aws4_request, "), "date of 8");
	refuse_authorization(WITH(KEY, "/20260115//sts/aws4_request, "), "no region");
	refuse_authorization(WITH(KEY, "/20260115/US-EAST-1/sts/aws4_request, "), "no region");
	refuse_authorization(WITH(KEY, "/20260115/us-east-1//aws4_request, "), "no service");
	refuse_authorization(WITH(KEY, "/20260115/us-east-1/sts/aws3_request, "), "aws4_request");
	refuse_authorization(WITH(KEY, "/20260115/us-east-1/sts/aws4_request,"), "aws4_request");
	refuse_authorization(START "SignedHeaders=" SIGNED ",Signature=" DIGITS, "SignedHeaders");
	refuse_authorization(START "SignedHeaders=, Signature=" DIGITS, "SignedHeaders");
	refuse_authorization(START "SignedHeaders=Host;x, Signature=" DIGITS, "SignedHeaders");
	refuse_authorization(START "SignedHeaders=" SIGNED ", Signature=0123", "64 hex");
	refuse_authorization(START "SignedHeaders=" SIGNED ", Signature=A" DIGITS, "64 hex");
	refuse_authorization(GOOD "0", "64 hex");
	refuse_authorization(GOOD " ", "something follows");
	refuse_authorization(GOOD "\r\nX-Amz-Date: 20260115T120000Z", "something follows");
	refuse_authorization(GOOD ", Signature=" DIGITS, "something follows");
}

static void scope(void **state)
{
	(void)state;
	refuse_authorization(WITH(KEY, "/20260114/us-east-1/sts/aws4_request, SignedHeaders=" SIGNED
				       ", Signature=" DIGITS),
			     "day of its scope");
	refuse_authorization(WITH(KEY, "/20260115/us-west-1/sts/aws4_request, SignedHeaders=" SIGNED
				       ", Signature=" DIGITS),
			     "region of its scope");
	refuse_authorization(WITH(KEY, "/20260115/us-east-1/iam/aws4_request, SignedHeaders=" SIGNED
				       ", Signature=" DIGITS),
			     "another service");
}

static void signed_headers(void **state)
{
	(void)state;
	static const char *const lists[] = {
	    "host;x-amz-date;x-amz-security-token",
	    "content-length;host;x-amz-date",
	    "content-length;x-amz-date;x-amz-security-token",
	    "content-length;host;x-amz-security-token",
	    "content-length;content-type;host;x-amz-date;x-amz-security-token",
	    "host;content-length;x-amz-date;x-amz-security-token",
	    "content-length;host;host;x-amz-date;x-amz-security-token",
	    SIGNED ";",
	    ";" SIGNED,
	};
	for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++) {
		char text[512];
		(void)snprintf(text, sizeof text, START "SignedHeaders=%s, Signature=" DIGITS,
			       lists[i]);
		refuse_authorization(text, "other headers");
	}
	struct kiln_aws_proof proof = good();
	proof.body_len = 0;
	refuse(&proof, NOON, "other headers");
}

static void dates(void **state)
{
	(void)state;
	struct kiln_aws_proof proof = good();
	assert_int_equal(kiln_aws_proof_check(&proof, NOON + 300, NULL), KILN_OK);
	assert_int_equal(kiln_aws_proof_check(&proof, NOON - 300, NULL), KILN_OK);
	refuse(&proof, NOON + 301, "5 minutes ago");
	proof = good();
	refuse(&proof, NOON - 301, "in the future");
	static const char *const bad[] = {
	    "",
	    "20260115T120000",
	    "20260115T120000z",
	    "20260115 120000Z",
	    "20260230T120000Z",
	    "20260115T240000Z",
	    "20260015T120000Z",
	    "20260115T126000Z",
	    "20260115T12000+Z",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		proof = good();
		(void)snprintf(proof.date, sizeof proof.date, "%s", bad[i]);
		refuse(&proof, NOON, "no date");
	}
	proof = good();
	memset(proof.date, '1', sizeof proof.date);
	refuse(&proof, NOON, "no date");
}

static void regions(void **state)
{
	(void)state;
	static const char *const bad[] = {
	    "",           "us-east-9", "eu-northeast-1", "US-EAST-1", "us-east-1.evil.example",
	    "us-east-1/", "x@evil"};
	struct kiln_aws_proof proof;
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		proof = good();
		(void)snprintf(proof.region, sizeof proof.region, "%s", bad[i]);
		refuse(&proof, NOON, "no region");
	}
	proof = good();
	memset(proof.region, 'a', sizeof proof.region);
	refuse(&proof, NOON, "no region");
}

static struct kiln_aws_proof with_token(const char *token)
{
	struct kiln_aws_proof proof = good();
	free(proof.token);
	proof.token = token != NULL ? strdup(token) : NULL;
	return proof;
}

static void tokens_and_bodies(void **state)
{
	(void)state;
	struct kiln_aws_proof proof = with_token(NULL);
	refuse(&proof, NOON, "no session token");
	proof = with_token("");
	refuse(&proof, NOON, "no session token");
	proof = with_token("abc\r\nX-Evil: 1");
	refuse(&proof, NOON, "not printable");
	proof = with_token("abc def");
	refuse(&proof, NOON, "not printable");
	proof = with_token("abc\xff");
	refuse(&proof, NOON, "not printable");
	char *longest = malloc(KILN_AWS_TOKEN_MAX + 2);
	memset(longest, 'a', KILN_AWS_TOKEN_MAX + 1);
	longest[KILN_AWS_TOKEN_MAX + 1] = '\0';
	proof = with_token(longest);
	refuse(&proof, NOON, "too long");
	longest[KILN_AWS_TOKEN_MAX] = '\0';
	proof = with_token(longest);
	assert_int_equal(kiln_aws_proof_check(&proof, NOON, NULL), KILN_OK);
	kiln_aws_proof_clear(&proof);
	free(longest);
	proof = good();
	proof.body[0] = 'A'; /* "Action=AssumeRole..." would be a form */
	refuse(&proof, NOON, "'{'");
	proof = good();
	proof.body[1] = '&';
	refuse(&proof, NOON, "'&'");
	proof = good();
	proof.body_len = KILN_AWS_BODY_MAX + 1;
	refuse(&proof, NOON, "body is too long");
}

static void secrets_go(void **state)
{
	(void)state;
	struct kiln_aws_credentials credentials = keys(), empty = {0};
	kiln_aws_credentials_clear(&credentials);
	assert_memory_equal(&credentials, &empty, sizeof empty);
	kiln_aws_credentials_clear(&credentials);
	struct kiln_error err;
	assert_why(kiln_aws_credentials_set(&credentials, "", SECRET, TOKEN, 0, &err), &err,
		   KILN_E_CREDENTIALS, "access key id is missing");
	assert_why(kiln_aws_credentials_set(&credentials, "ASIA/EXAMPLE", SECRET, TOKEN, 0, &err),
		   &err, KILN_E_CREDENTIALS, "capitals and digits");
	assert_why(kiln_aws_credentials_set(&credentials, KEY, NULL, TOKEN, 0, &err), &err,
		   KILN_E_CREDENTIALS, "secret access key is missing");
	assert_why(kiln_aws_credentials_set(&credentials, KEY, "secret\r", TOKEN, 0, &err), &err,
		   KILN_E_CREDENTIALS, "line's end");
	assert_null(strstr(err.message, "secret\r"));
	assert_why(kiln_aws_credentials_set(&credentials, KEY, SECRET, "a\nb", 0, &err), &err,
		   KILN_E_CREDENTIALS, "session token has");
	assert_memory_equal(&credentials, &empty, sizeof empty);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(published_vector), cmocka_unit_test(figures),
	    cmocka_unit_test(cannot_prove),     cmocka_unit_test(verification),
	    cmocka_unit_test(grammar),          cmocka_unit_test(scope),
	    cmocka_unit_test(signed_headers),   cmocka_unit_test(dates),
	    cmocka_unit_test(regions),          cmocka_unit_test(tokens_and_bodies),
	    cmocka_unit_test(secrets_go),       cmocka_unit_test(signs_no_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
