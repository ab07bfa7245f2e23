/* SPDX-License-Identifier: Apache-2.0
 * SigV4 against the 38 cases of AWS's test suite, what the real Go signer of Roast signs, and the
 * six vectors of it for STS: canonical request, string to sign, signature, and verification. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/date.h"
#include "aws/proof.h"
#include "aws/sigv4.h"
#include "aws_golden.h"
#include "base/hex.h"

#define SUITE "sigv4/aws-signing-test-suite-v4"

struct message {
	struct kiln_sigv4_request request;
	struct kiln_sigv4_header headers[16];
	char *text;
};

static struct kiln_slice line_of(char **p)
{
	char *end = strchr(*p, '\n');
	const struct kiln_slice line = {*p, end != NULL ? (size_t)(end - *p) : strlen(*p)};
	*p = end != NULL ? end + 1 : *p + line.len;
	return line;
}

static void read_start(struct message *m, struct kiln_slice line)
{
	const char *target = memchr(line.at, ' ', line.len);
	const char *end = line.at + line.len - strlen(" HTTP/1.1");
	assert_memory_equal(end, " HTTP/1.1", 9);
	m->request.method = (struct kiln_slice){line.at, (size_t)(target - line.at)};
	target++;
	const char *query = memchr(target, '?', (size_t)(end - target));
	m->request.path = (struct kiln_slice){target, (size_t)((query ? query : end) - target)};
	if (query != NULL)
		m->request.query = (struct kiln_slice){query + 1, (size_t)(end - query - 1)};
}

/* A line that begins with a blank goes on with the last header. */
static void read_headers(struct message *m, char **p)
{
	for (;;) {
		const struct kiln_slice line = line_of(p);
		if (line.len == 0)
			return;
		if (line.at[0] == ' ') {
			struct kiln_slice *value = &m->headers[m->request.header_count - 1].value;
			value->len = (size_t)(line.at + line.len - value->at);
			continue;
		}
		const char *colon = memchr(line.at, ':', line.len);
		const size_t name = (size_t)(colon - line.at);
		m->headers[m->request.header_count++] =
		    (struct kiln_sigv4_header){{line.at, name}, {colon + 1, line.len - name - 1}};
	}
}

static void read_message(const char *folder, struct message *m)
{
	size_t len;
	*m = (struct message){.text = golden_read(folder, "request.txt", &len)};
	char *p = m->text;
	read_start(m, line_of(&p));
	read_headers(m, &p);
	m->request.headers = m->headers;
	m->request.body = (const uint8_t *)p;
	m->request.body_len = strlen(p);
}

static void add_header(struct message *m, const char *name, const char *value)
{
	m->headers[m->request.header_count++] =
	    (struct kiln_sigv4_header){kiln_slice_of(name), kiln_slice_of(value)};
}

static void assert_file(const char *folder, const char *file, const char *text)
{
	size_t len;
	char *want = golden_read(folder, file, &len);
	while (len > 0 && want[len - 1] == '\n')
		want[--len] = '\0';
	if (strcmp(want, text) != 0)
		fail_msg("%s/%s:\n%s\nbut:\n%s", folder, file, want, text);
	free(want);
}

static void one_case(const char *name)
{
	char folder[256], hash[65];
	(void)snprintf(folder, sizeof folder, SUITE "/%s", name);
	json_t *context = golden_json(folder, "context.json");
	const json_t *keys = json_object_get(context, "credentials");
	const char *secret = json_string_value(json_object_get(keys, "secret_access_key"));
	const char *token = json_string_value(json_object_get(keys, "token"));
	struct message m;
	read_message(folder, &m);
	m.request.keep_path = json_is_false(json_object_get(context, "normalize"));
	add_header(&m, "X-Amz-Date", "20150830T123600Z");
	if (token != NULL && !json_is_true(json_object_get(context, "omit_session_token")))
		add_header(&m, "X-Amz-Security-Token", token);
	if (json_is_true(json_object_get(context, "sign_body"))) {
		uint8_t digest[32];
		EVP_Digest(m.request.body, m.request.body_len, digest, NULL, EVP_sha256(), NULL);
		kiln_hex_encode(digest, sizeof digest, hash);
		add_header(&m, "X-Amz-Content-Sha256", hash);
	}
	const struct kiln_sigv4_scope scope = {"20150830T123600Z", "us-east-1", "service"};
	struct kiln_text canonical = {0}, names = {0}, to_sign = {0};
	char signature[65];
	assert_int_equal(kiln_sigv4_canonical(&m.request, &canonical, &names, NULL), KILN_OK);
	assert_file(folder, "header-canonical-request.txt", canonical.data);
	kiln_sigv4_string_to_sign(&canonical, &scope, &to_sign);
	assert_file(folder, "header-string-to-sign.txt", to_sign.data);
	assert_int_equal(kiln_sigv4_signature(&to_sign, &scope, secret, signature, NULL), KILN_OK);
	assert_file(folder, "header-signature.txt", signature);
	kiln_text_clear(&canonical);
	kiln_text_clear(&names);
	kiln_text_clear(&to_sign);
	free(m.text);
	json_decref(context);
}

static void suite(void **state)
{
	(void)state;
	char *names[64];
	const size_t count = golden_list(SUITE, names, 64);
	assert_int_equal(count, 38);
	for (size_t i = 0; i < count; i++) {
		one_case(names[i]);
		free(names[i]);
	}
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	assert_non_null(text);
	return text;
}

/* What a verifier that holds the secret (the development STS) sees of a proof. */
static void verify(const char *authorization, const char *date, const char *token, const char *host,
		   const json_t *body, const char *secret, enum kiln_code want)
{
	struct message m = {0};
	char length[24];
	(void)snprintf(length, sizeof length, "%zu", json_string_length(body));
	add_header(&m, "Host", host);
	add_header(&m, "User-Agent", "x");
	add_header(&m, "Content-Length", length);
	add_header(&m, "X-Amz-Date", date);
	add_header(&m, "X-Amz-Security-Token", token);
	m.request.method = kiln_slice_of("POST");
	m.request.path = kiln_slice_of("/");
	m.request.query = kiln_slice_of("Action=GetCallerIdentity&Version=2011-06-15");
	m.request.headers = m.headers;
	m.request.body = (const uint8_t *)json_string_value(body);
	m.request.body_len = json_string_length(body);
	struct kiln_authorization a;
	struct kiln_error err;
	/* The suite's key id is shorter than any of AWS's. */
	char padded[600];
	const char *credential = strstr(authorization, "AKIDEXAMPLE/");
	(void)snprintf(padded, sizeof padded, "%s", authorization);
	if (credential != NULL)
		(void)snprintf(padded, sizeof padded,
			       "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLEPADDED/%s",
			       credential + strlen("AKIDEXAMPLE/"));
	assert_null(kiln_authorization_read(padded, strlen(padded), &a));
	const enum kiln_code code = kiln_sigv4_verify(&m.request, &a, date, secret, &err);
	if (code != want)
		fail_msg("verify: %s", code != KILN_OK ? err.message : "not refused");
}

static void sts_vector(const json_t *vector)
{
	const json_t *in = json_object_get(vector, "in");
	const char *token = text_of(in, "SessionToken"), *region = text_of(in, "Region");
	const char *date = text_of(in, "Time"), *secret = text_of(in, "SecretAccessKey");
	const json_t *body = json_object_get(in, "Body");
	const char *canonical = text_of(vector, "canonical_request");
	char host[200], length[24];
	const char *at = strstr(canonical, "\nhost:") + 6;
	(void)snprintf(host, sizeof host, "%.*s", (int)strcspn(at, "\n"), at);
	struct message m = {0};
	(void)snprintf(length, sizeof length, "%zu", json_string_length(body));
	add_header(&m, "host", host);
	add_header(&m, "x-amz-date", date);
	if (token[0] != '\0')
		add_header(&m, "x-amz-security-token", token);
	if (json_string_length(body) > 0)
		add_header(&m, "content-length", length);
	m.request.method = kiln_slice_of("POST");
	m.request.query = kiln_slice_of("Action=GetCallerIdentity&Version=2011-06-15");
	m.request.headers = m.headers;
	m.request.body = (const uint8_t *)json_string_value(body);
	m.request.body_len = json_string_length(body);
	const struct kiln_sigv4_scope scope = {date, region, "sts"};
	const struct kiln_sigv4_keys keys = {text_of(in, "AccessKeyID"), secret};
	struct kiln_text authorization = {0}, text = {0}, names = {0};
	assert_int_equal(kiln_sigv4_canonical(&m.request, &text, &names, NULL), KILN_OK);
	assert_string_equal(text.data, canonical);
	assert_int_equal(kiln_sigv4_sign(&m.request, &scope, &keys, &authorization, NULL), KILN_OK);
	assert_string_equal(authorization.data, text_of(vector, "authorization"));
	verify(authorization.data, date, token, host, body, secret, KILN_OK);
	verify(authorization.data, date, token, host, body, "another", KILN_E_ROAST_PROOF);
	verify(authorization.data, date, token, "sts.other", body, secret, KILN_E_ROAST_PROOF);
	kiln_text_clear(&authorization);
	kiln_text_clear(&text);
	kiln_text_clear(&names);
}

static void sts_vectors(void **state)
{
	(void)state;
	json_t *vectors = golden_json("sigv4", "sts-getcalleridentity-vectors.json");
	assert_int_equal(json_array_size(vectors), 6);
	for (size_t i = 0; i < json_array_size(vectors); i++)
		sts_vector(json_array_get(vectors, i));
	json_decref(vectors);
}

/* Roast's own signer: our proof of the same payload is the same, byte for byte, and passes. It
 * signs whatever it is given; we, nothing that could be a form. */
static void roast_message(const json_t *message)
{
	const char *payload = text_of(message, "PayloadHex");
	uint8_t body[4096];
	const size_t len = strlen(payload) / 2;
	assert_true(len <= sizeof body && kiln_hex_decode(payload, 2 * len, body));
	struct kiln_aws_credentials credentials;
	struct kiln_aws_proof proof;
	struct kiln_error err;
	int64_t now;
	assert_true(kiln_aws_date_parse(text_of(message, "XAmzDate"), 16, &now));
	assert_int_equal(kiln_aws_credentials_set(&credentials, text_of(message, "AccessKeyID"),
						  text_of(message, "SecretAccessKey"),
						  text_of(message, "SessionToken"), 0, NULL),
			 KILN_OK);
	const enum kiln_code code =
	    kiln_aws_prove(&credentials, text_of(message, "Region"), now, body, len, &proof, &err);
	if (credentials.session_token == NULL) {
		assert_int_equal(code, KILN_E_CREDENTIALS);
	} else if (len > 0 && body[0] != '{') {
		assert_int_equal(code, KILN_E_USAGE);
	} else {
		assert_int_equal(code, KILN_OK);
		assert_string_equal(proof.authorization, text_of(message, "Authorization"));
		assert_string_equal(proof.date, text_of(message, "XAmzDate"));
		assert_string_equal(proof.token, text_of(message, "XAmzSecurityToken"));
		assert_memory_equal(kiln_aws_proof_signature(&proof), text_of(message, "Signature"),
				    64);
		assert_int_equal(kiln_aws_proof_check(&proof, now + 60, &err), KILN_OK);
	}
	kiln_aws_proof_clear(&proof);
	kiln_aws_credentials_clear(&credentials);
}

static void roast_messages(void **state)
{
	(void)state;
	json_t *messages = golden_json("roast", "signed_messages.json");
	assert_int_equal(json_array_size(messages), 6);
	for (size_t i = 0; i < json_array_size(messages); i++)
		roast_message(json_array_get(messages, i));
	json_decref(messages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(suite),
	    cmocka_unit_test(sts_vectors),
	    cmocka_unit_test(roast_messages),
	};
	if (!golden_here("sigv4") || !golden_here("roast"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
