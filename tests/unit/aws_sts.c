/* SPDX-License-Identifier: Apache-2.0
 * STS: where it is, what it is asked, and answers of every bad form. */
#include "aws_test.h"

#include "aws/sts_request.h"

#define ARN    "arn:aws:sts::123456789012:assumed-role/Gateway/i-0123456789abcdef0"
#define RESULT "\"Account\":\"123456789012\",\"Arn\":\"" ARN "\",\"UserId\":\"AROAEXAMPLE:i-0\""
#define ANSWER(result)                                                                             \
	"{\"GetCallerIdentityResponse\":{\"GetCallerIdentityResult\":{" result                     \
	"},\"ResponseMetadata\":{\"RequestId\":\"1\"}}}"

static struct kiln_http_answer json(int status, const char *body)
{
	struct kiln_http_answer answer = {
	    .status = status, .body = (const uint8_t *)body, .len = strlen(body)};
	(void)snprintf(answer.content_type, sizeof answer.content_type, "application/json");
	return answer;
}

static enum kiln_code read_identity(const struct kiln_http_answer *answer, struct kiln_error *err)
{
	struct kiln_sts_identity identity;
	return kiln_sts_identity_read(answer, &identity, err);
}

static void refuse(const char *body, const char *reason)
{
	struct kiln_error err;
	struct kiln_http_answer answer = json(200, body);
	assert_why(read_identity(&answer, &err), &err, KILN_E_STS, reason);
}

static void good(void **state)
{
	(void)state;
	struct kiln_sts_identity identity;
	struct kiln_http_answer answer = json(200, ANSWER(RESULT));
	assert_int_equal(kiln_sts_identity_read(&answer, &identity, NULL), KILN_OK);
	assert_string_equal(identity.arn, ARN);
	assert_string_equal(identity.account, "123456789012");
	assert_string_equal(identity.user_id, "AROAEXAMPLE:i-0");
	static const char *const types[] = {"application/json", "Application/JSON; charset=utf-8",
					    "application/json ; x"};
	for (size_t i = 0; i < 3; i++) {
		(void)snprintf(answer.content_type, sizeof answer.content_type, "%s", types[i]);
		assert_int_equal(read_identity(&answer, NULL), KILN_OK);
	}
	/* STS may say more than we ask, but nothing twice. */
	answer = json(200, ANSWER("\"New\":[1]," RESULT) "\n");
	assert_int_equal(read_identity(&answer, NULL), KILN_OK);
}

static void types(void **state)
{
	(void)state;
	static const char *const bad[] = {"",
					  "text/xml",
					  "text/html",
					  "application/jsonx",
					  "application/json2; a",
					  "text/plain; application/json"};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct kiln_error err;
		struct kiln_http_answer answer = json(200, ANSWER(RESULT));
		(void)snprintf(answer.content_type, sizeof answer.content_type, "%s", bad[i]);
		assert_why(read_identity(&answer, &err), &err, KILN_E_STS, "no JSON");
	}
}

static void forms(void **state)
{
	(void)state;
	static const char *const no_object[] = {
	    "",
	    " ",
	    "x" ANSWER(RESULT),
	    " " ANSWER(RESULT),
	    "\xef\xbb\xbf" ANSWER(RESULT),
	    "[]",
	    "null",
	    "{",
	    ANSWER(RESULT) "{}",
	    ANSWER(RESULT) "x",
	    ANSWER(RESULT ",\"Arn\":\"" ARN "\""),
	    ANSWER("\"Arn\":\"arn:aws:sts::999999999999:assumed-role/Evil/x\"," RESULT),
	    "{\"GetCallerIdentityResponse\":1,\"GetCallerIdentityResponse\":2}",
	    ANSWER("\"Arn\":\"a\\u0000b\""),
	};
	for (size_t i = 0; i < sizeof no_object / sizeof no_object[0]; i++)
		refuse(no_object[i], "not one JSON object");
	refuse("{}", "another question");
	refuse("{\"GetCallerIdentityResponse\":{},\"More\":{}}", "another question");
	refuse("{\"getcalleridentityresponse\":{}}", "another question");
	refuse("{\"AssumeRoleWithWebIdentityResponse\":{\"AssumeRoleWithWebIdentityResult\":{"
	       "\"SubjectFromWebIdentityToken\":\"<GetCallerIdentityResponse>\"}}}",
	       "another question");
	refuse("{\"GetCallerIdentityResponse\":{}}", "no result");
	refuse("{\"GetCallerIdentityResponse\":[]}", "no result");
	refuse("{\"GetCallerIdentityResponse\":{\"X\":{\"GetCallerIdentityResult\":{" RESULT "}}}}",
	       "no result");
	refuse("{\"GetCallerIdentityResponse\":{\"GetCallerIdentityResult\":[{" RESULT "}]}}",
	       "no result");
}

static void too_long(void **state)
{
	(void)state;
	static char body[KILN_STS_ANSWER_MAX + 2];
	memset(body, ' ', sizeof body - 1);
	memcpy(body, ANSWER(RESULT), sizeof ANSWER(RESULT) - 1);
	refuse(body, "not one JSON object");
	body[KILN_STS_ANSWER_MAX] = '\0';
	struct kiln_http_answer answer = json(200, body);
	assert_int_equal(read_identity(&answer, NULL), KILN_OK);
}

#define REST "\",\"UserId\":\"u\""

static void fields(void **state)
{
	(void)state;
	refuse(ANSWER("\"Account\":\"123456789012\",\"Arn\":\"" ARN "\""), "missing");
	refuse(ANSWER("\"Account\":123456789012,\"Arn\":\"" ARN REST), "missing");
	refuse(ANSWER("\"Arn\":\"" ARN REST), "missing");
	refuse(ANSWER("\"Account\":\"123456789012\",\"Arn\":[\"" ARN "\"],\"UserId\":\"u\""),
	       "missing");
	refuse(ANSWER("\"Account\":\"123456789012\",\"Arn\":\"" REST), "missing");
	refuse(ANSWER("\"Account\":\"1234567890123\",\"Arn\":\"" ARN REST), "missing");
	refuse(ANSWER("\"Account\":\"999999999999\",\"Arn\":\"" ARN REST), "not the one in Arn");
	refuse(ANSWER("\"Account\":\"123456789012\",\"Arn\":\"" ARN "\\n" REST), "not printable");
	refuse(ANSWER("\"Account\":\"123456789012\",\"Arn\":\"" ARN "\xc3\xa4" REST),
	       "not printable");
	refuse(ANSWER("\"Account\":\"123456789012\",\"Arn\":\"x" ARN REST), "names no caller");
	refuse(ANSWER("\"Account\":\"123456789012\",\"Arn\":\"arn:aws:ec2::123456789012:x" REST),
	       "names no caller");
}

static void failure(int status, const char *body, enum kiln_code code, const char *reason,
		    bool throttled)
{
	struct kiln_error err;
	struct kiln_http_answer answer = json(status, body);
	assert_why(read_identity(&answer, &err), &err, code, reason);
	assert_int_equal(kiln_sts_throttled(&answer), throttled);
}

#define ERROR(code) "{\"Error\":{\"Code\":\"" code "\",\"Message\":\"m\",\"Type\":\"Sender\"}}"

static void failures(void **state)
{
	(void)state;
	failure(403, ERROR("SignatureDoesNotMatch"), KILN_E_ROAST_PROOF, "SignatureDoesNotMatch",
		false);
	failure(403, ERROR("ExpiredToken"), KILN_E_ROAST_PROOF, "ExpiredToken", false);
	failure(400, ERROR("IncompleteSignature"), KILN_E_ROAST_PROOF, "Incomplete", false);
	failure(403, ERROR("RegionDisabledException"), KILN_E_ROAST_PROOF, "RegionDisabled", false);
	failure(400, ERROR("Throttling"), KILN_E_STS, "throttles", true);
	failure(429, "", KILN_E_STS, "throttles", true);
	failure(503, ERROR("ServiceUnavailable"), KILN_E_STS, "503 ServiceUnavailable", false);
	failure(500, "<html>", KILN_E_STS, "500: try again", false);
	failure(403, "<html>a captive portal", KILN_E_STS, "says nothing", false);
	failure(403, ERROR("Two\\nlines"), KILN_E_STS, "says nothing", false);
	failure(302, "", KILN_E_STS, "redirect", false);
	failure(204, "", KILN_E_STS, "says nothing", false);
	failure(201, ANSWER(RESULT), KILN_E_STS, "says nothing", false);
	struct kiln_error err;
	struct kiln_http_answer none = {.problem = "connection refused"};
	assert_why(read_identity(&none, &err), &err, KILN_E_STS, "connection refused");
	assert_false(kiln_sts_throttled(&none));
}

/* ------------------------------------------------------------------ endpoints */

static void url_is(const char *region, bool dual_stack, bool fips, const char *want)
{
	const struct kiln_sts_endpoints endpoints = {.dual_stack = dual_stack, .fips = fips};
	char url[KILN_STS_URL_MAX], host[KILN_STS_URL_MAX];
	assert_int_equal(kiln_sts_url(&endpoints, region, url, host, NULL), KILN_OK);
	assert_string_equal(url, want);
	assert_string_equal(host, want + strlen("https://"));
}

static void names(void **state)
{
	(void)state;
	url_is("us-east-1", false, false, "https://sts.us-east-1.amazonaws.com");
	url_is("us-east-1", true, false, "https://sts.us-east-1.api.aws");
	url_is("us-east-1", false, true, "https://sts-fips.us-east-1.amazonaws.com");
	url_is("us-east-1", true, true, "https://sts-fips.us-east-1.api.aws");
	url_is("cn-north-1", false, false, "https://sts.cn-north-1.amazonaws.com.cn");
	url_is("cn-north-1", true, false, "https://sts.cn-north-1.api.amazonwebservices.com.cn");
	url_is("us-gov-west-1", false, true, "https://sts.us-gov-west-1.amazonaws.com");
	url_is("us-iso-east-1", false, false, "https://sts.us-iso-east-1.c2s.ic.gov");
	url_is("us-isob-east-1", false, false, "https://sts.us-isob-east-1.sc2s.sgov.gov");
	url_is("eu-isoe-west-1", false, false, "https://sts.eu-isoe-west-1.cloud.adc-e.uk");
	url_is("us-isof-south-1", false, false, "https://sts.us-isof-south-1.csp.hci.ic.gov");
	url_is("eusc-de-east-1", false, false, "https://sts.eusc-de-east-1.amazonaws.eu");
	url_is("ap-northeast-9", false, false, "https://sts.ap-northeast-9.amazonaws.com");
	struct kiln_error err;
	char url[KILN_STS_URL_MAX], host[KILN_STS_URL_MAX];
	const struct kiln_sts_endpoints plain = {0};
	assert_why(kiln_sts_url(&plain, "us-east-1.evil.example", url, host, &err), &err,
		   KILN_E_CONFIG, "no region");
	assert_why(kiln_sts_url(&plain, "", url, host, &err), &err, KILN_E_CONFIG, "no region");
}

static enum kiln_code check(const char *url, bool development, struct kiln_error *err)
{
	struct kiln_sts_endpoints endpoints = {.development = development};
	(void)snprintf(endpoints.override, sizeof endpoints.override, "%s", url);
	return kiln_sts_endpoints_check(&endpoints, err);
}

static void overrides(void **state)
{
	(void)state;
	static const char *const fine[] = {
	    "",
	    "https://sts.us-east-1.amazonaws.com",
	    "https://sts.us-east-1.amazonaws.com/",
	    "https://sts.eu-west-1.api.aws:443",
	    "https://STS.us-east-1.amazonaws.com",
	    "https://sts.amazonaws.com",
	    "https://sts-fips.us-east-1.amazonaws.com",
	    "https://sts-fips.us-east-1.api.aws",
	    "https://sts.ap-northeast-9.amazonaws.com",
	    "https://sts.cn-north-1.amazonaws.com.cn",
	    "https://vpce-0a1b-c2d3.sts.cn-north-1.vpce.amazonaws.com.cn",
	    "https://vpce-0a1b-c2d3.sts.eu-west-1.vpce.amazonaws.com"};
	static const char *const local[] = {"http://127.0.0.1:4566", "http://localhost:4566",
					    "http://[::1]:80", "https://127.9.9.9"};
	static const char *const bad[] = {"sts.us-east-1.amazonaws.com",
					  "ftp://sts.us-east-1.amazonaws.com",
					  "http://sts.us-east-1.amazonaws.com",
					  "https://sts.evil.example",
					  "https://sts.us-east-1.amazonaws.com.evil.example",
					  "https://evilamazonaws.com",
					  "https://s3.us-east-1.amazonaws.com",
					  "https://sts.s3.amazonaws.com",
					  "https://sts.s3.us-east-1.amazonaws.com",
					  "https://sts.us-east-1.s3.amazonaws.com",
					  "https://sts.execute-api.us-east-1.amazonaws.com",
					  "https://sts.us-east-1.elb.amazonaws.com",
					  "https://a.sts.us-east-1.amazonaws.com",
					  "https://sts.us-east-1.amazonaws.com.cn",
					  "https://sts.cn-north-1.amazonaws.com",
					  "https://sts.api.aws",
					  "https://sts-fips.amazonaws.com",
					  "https://sts.us-east-1",
					  "https://sts.us-east-1.",
					  "https://sts..amazonaws.com",
					  "https://sts.",
					  "https://.sts.us-east-1.vpce.amazonaws.com",
					  "https://sts.us-east-1.vpce.amazonaws.com",
					  "https://a.b.sts.us-east-1.vpce.amazonaws.com",
					  "https://a.sts.s3.vpce.amazonaws.com",
					  "https://a.s3.us-east-1.vpce.amazonaws.com",
					  "https://a.sts.us-east-1.vpce.amazonaws.com.cn",
					  "https://sts.amazonaws.com@evil.example",
					  "https://evil.example#.sts.amazonaws.com",
					  "https://evil.example\\.sts.amazonaws.com",
					  "https://sts.us-east-1.amazonaws.com/path",
					  "https://sts.us-east-1.amazonaws.com?x",
					  "https://sts.us-east-1.amazonaws.com:0",
					  "https://sts.us-east-1.amazonaws.com:99999",
					  "https://sts.us-east-1.amazonaws.com:",
					  "https://",
					  "https://[::1",
					  "https://[zz]",
					  "http://192.0.2.1",
					  "http://localhost.evil.example",
					  "http://127.0.0.1.evil.example",
					  "http://128.0.0.1:80",
					  "https:// sts.us-east-1.amazonaws.com"};
	struct kiln_error err;
	for (size_t i = 0; i < sizeof fine / sizeof fine[0]; i++)
		assert_int_equal(check(fine[i], false, &err), KILN_OK);
	for (size_t i = 0; i < sizeof local / sizeof local[0]; i++) {
		assert_int_equal(check(local[i], true, &err), KILN_OK);
		assert_why(check(local[i], false, &err), &err, KILN_E_CONFIG, "for development");
	}
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		assert_why(check(bad[i], false, &err), &err, KILN_E_CONFIG, "is refused");
		assert_why(check(bad[i], true, &err), &err, KILN_E_CONFIG, "is refused");
	}
}

/* ------------------------------------------------------------------ requests */

static const char *header(const struct kiln_http_request *request, const char *name)
{
	const size_t len = strlen(name);
	for (unsigned i = 0; i < request->header_count; i++) {
		const char *line = request->headers[i].line;
		if (strncmp(line, name, len) == 0 && line[len] == ':')
			return line + len + (line[len + 1] == ' ' ? 2 : 1);
	}
	return NULL;
}

static struct kiln_aws_proof proof_for(const char *region)
{
	struct kiln_aws_credentials credentials;
	struct kiln_aws_proof proof;
	assert_int_equal(kiln_aws_credentials_set(&credentials, "ASIAEXAMPLECLIENT001", "secret",
						  "token==", 0, NULL),
			 KILN_OK);
	assert_int_equal(kiln_aws_prove(&credentials, region, NOON, "{}", 2, &proof, NULL),
			 KILN_OK);
	kiln_aws_credentials_clear(&credentials);
	return proof;
}

static void identity_request(void **state)
{
	(void)state;
	struct kiln_sts_endpoints endpoints = {.dual_stack = true, .fips = true};
	struct kiln_http_request request;
	struct kiln_aws_proof proof = proof_for("cn-north-1");
	assert_int_equal(kiln_sts_identity_request(&endpoints, &proof, &request, NULL), KILN_OK);
	assert_string_equal(request.method, "POST");
	assert_string_equal(request.url, "https://sts.cn-north-1.amazonaws.com.cn/"
					 "?Action=GetCallerIdentity&Version=2011-06-15");
	assert_string_equal(header(&request, "Host"), "sts.cn-north-1.amazonaws.com.cn");
	assert_string_equal(header(&request, "Authorization"), proof.authorization);
	assert_string_equal(header(&request, "X-Amz-Date"), "20260115T120000Z");
	assert_string_equal(header(&request, "X-Amz-Security-Token"), "token==");
	assert_string_equal(header(&request, "Accept"), "application/json");
	assert_string_equal(header(&request, "Content-Type"), "");
	assert_string_equal(header(&request, "Expect"), "");
	assert_int_equal(request.header_count, 7);
	assert_int_equal(request.body_len, 2);
	assert_memory_equal(request.body, "{}", 2);
	assert_false(request.link_local);
	kiln_http_request_clear(&request);
	/* The development STS gets the host that was signed. */
	endpoints =
	    (struct kiln_sts_endpoints){.development = true, .override = "http://127.0.0.1:4566/"};
	assert_int_equal(kiln_sts_identity_request(&endpoints, &proof, &request, NULL), KILN_OK);
	assert_string_equal(request.url, "http://127.0.0.1:4566/"
					 "?Action=GetCallerIdentity&Version=2011-06-15");
	assert_string_equal(header(&request, "Host"), "sts.cn-north-1.amazonaws.com.cn");
	kiln_http_request_clear(&request);
	endpoints.development = false;
	struct kiln_error err;
	assert_why(kiln_sts_identity_request(&endpoints, &proof, &request, &err), &err,
		   KILN_E_CONFIG, "for development");
	kiln_http_request_clear(&request);
	kiln_aws_proof_clear(&proof);
}

static void assume_request(void **state)
{
	(void)state;
	const struct kiln_sts_endpoints endpoints = {0};
	struct kiln_aws_credentials credentials;
	struct kiln_http_request request;
	struct kiln_sts_assume assume = {.role_arn = "arn:aws:iam::123456789012:role/path/R",
					 .session_name = "kiln@host",
					 .external_id = "a b&c",
					 .duration = 900,
					 .region = "eu-west-1"};
	assert_int_equal(kiln_aws_credentials_set(&credentials, "AKIAEXAMPLECLIENT001",
						  "wJalrXUtnFEMI/K7MDENG", NULL, 0, NULL),
			 KILN_OK);
	assert_int_equal(
	    kiln_sts_assume_request(&endpoints, &assume, &credentials, NOON, &request, NULL),
	    KILN_OK);
	static const char body[] =
	    "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A123456789012%3Arole"
	    "%2Fpath%2FR&RoleSessionName=kiln%40host&ExternalId=a%20b%26c&DurationSeconds=900";
	assert_int_equal(request.body_len, sizeof body - 1);
	assert_memory_equal(request.body, body, sizeof body - 1);
	assert_string_equal(request.url, "https://sts.eu-west-1.amazonaws.com/");
	assert_string_equal(
	    header(&request, "Authorization"),
	    "AWS4-HMAC-SHA256 Credential=AKIAEXAMPLECLIENT001/20260115/eu-west-1/sts/aws4_request, "
	    "SignedHeaders=content-type;host;x-amz-date, "
	    "Signature=30bb84808717f4bff3c9494b4b657a00f2744e7ae65c82f476a8c820872c1b2c");
	assert_null(header(&request, "X-Amz-Security-Token"));
	kiln_http_request_clear(&request);
	assume.session_name = "a b";
	struct kiln_error err;
	assert_why(kiln_sts_assume_request(&endpoints, &assume, &credentials, NOON, &request, &err),
		   &err, KILN_E_CONFIG, "no name for a role's session");
	assume = (struct kiln_sts_assume){.role_arn = "arn:aws:iam::123456789012:role/R",
					  .session_name = "kiln",
					  .web_identity = "e30.e30.c2ln",
					  .region = "eu-west-1"};
	assert_int_equal(kiln_sts_assume_request(&endpoints, &assume, NULL, NOON, &request, NULL),
			 KILN_OK);
	assert_null(header(&request, "Authorization"));
	assert_non_null(strstr((char *)request.body, "Action=AssumeRoleWithWebIdentity&"));
	kiln_http_request_clear(&request);
	kiln_aws_credentials_clear(&credentials);
}

#define KEYS                                                                                       \
	"\"AccessKeyId\":\"ASIAEXAMPLEROLE00001\",\"SecretAccessKey\":\"s3cr3t\","                 \
	"\"SessionToken\":"                                                                        \
	"\"t0k3n\""
#define ASSUMED(keys)                                                                              \
	"{\"AssumeRoleResponse\":{\"AssumeRoleResult\":{\"Credentials\":{" keys                    \
	"},\"AssumedRoleUser\":{}},\"ResponseMetadata\":{}}}"

static void assume_refused(int status, const char *body, enum kiln_code code, const char *reason)
{
	struct kiln_aws_credentials credentials;
	struct kiln_error err;
	struct kiln_http_answer answer = json(status, body);
	assert_why(kiln_sts_assume_read(&answer, false, &credentials, &err), &err, code, reason);
	assert_null(credentials.session_token);
	assert_null(strstr(err.message, "s3cr3t"));
}

static void assume_answer(void **state)
{
	(void)state;
	static const char *const expiry[] = {"1768482000", "1.768482E9",
					     "\"2026-01-15T13:00:00Z\""};
	for (size_t i = 0; i < 3; i++) {
		char body[512];
		struct kiln_aws_credentials credentials;
		(void)snprintf(body, sizeof body, ASSUMED(KEYS ",\"Expiration\":%s"), expiry[i]);
		struct kiln_http_answer answer = json(200, body);
		assert_int_equal(kiln_sts_assume_read(&answer, false, &credentials, NULL), KILN_OK);
		assert_string_equal(credentials.secret_access_key, "s3cr3t");
		assert_string_equal(credentials.session_token, "t0k3n");
		assert_int_equal(credentials.expires_at, NOON + 3600);
		kiln_aws_credentials_clear(&credentials);
		assert_int_equal(kiln_sts_assume_read(&answer, true, &credentials, NULL),
				 KILN_E_STS);
	}
	assume_refused(200, ASSUMED(KEYS), KILN_E_STS, "Expiration");
	assume_refused(200, ASSUMED(KEYS ",\"Expiration\":-1"), KILN_E_STS, "Expiration");
	assume_refused(200, ASSUMED(KEYS ",\"Expiration\":1e300"), KILN_E_STS, "Expiration");
	assume_refused(200, ASSUMED(KEYS ",\"Expiration\":\"tomorrow\""), KILN_E_STS, "Expiration");
	assume_refused(200, ASSUMED("\"Expiration\":1768482000,\"SessionToken\":\"t\""),
		       KILN_E_CREDENTIALS, "access key id is missing");
	assume_refused(200, ASSUMED(KEYS "," KEYS), KILN_E_STS, "each key once");
	assume_refused(200, ANSWER(RESULT), KILN_E_STS, "another question");
	assume_refused(403, ERROR("AccessDenied"), KILN_E_CREDENTIALS, "AccessDenied");
	assume_refused(400, ERROR("Throttling"), KILN_E_STS, "throttles");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good),
	    cmocka_unit_test(types),
	    cmocka_unit_test(forms),
	    cmocka_unit_test(too_long),
	    cmocka_unit_test(fields),
	    cmocka_unit_test(failures),
	    cmocka_unit_test(names),
	    cmocka_unit_test(overrides),
	    cmocka_unit_test(identity_request),
	    cmocka_unit_test(assume_request),
	    cmocka_unit_test(assume_answer),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
