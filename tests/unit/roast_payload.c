/* SPDX-License-Identifier: Apache-2.0
 * Payloads as bytes: what comes out goes in again, and every way to break one. */
#include "wire.h"

#include <openssl/pem.h>
#include <stdio.h>

#include "roast/authority.h"
#include "roast/base64.h"
#include "roast/payload.h"

#define NOW INT64_C(1767225600)

static struct kiln_roast_authority authority;
static char *ca_text; /* the CA, PEM, in base64 */

static char *base64_of(const char *text)
{
	const size_t len = strlen(text);
	char *out = calloc(1, kiln_base64_length(len) + 1);
	assert_non_null(out);
	kiln_base64_encode(out, (const uint8_t *)text, len);
	return out;
}

static char *pem_of(unsigned count)
{
	BIO *bio = BIO_new(BIO_s_mem());
	char *data;
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(PEM_write_bio_X509(bio, authority.ca), 1);
	const long len = BIO_get_mem_data(bio, &data);
	char *copy = strndup(data, (size_t)len);
	BIO_free(bio);
	return copy;
}

static int make_ca(void **state)
{
	struct kiln_error err = {0};
	(void)state;
	if (kiln_roast_authority_make(&authority, NOW, &err) != KILN_OK)
		return -1;
	char *pem = pem_of(1);
	ca_text = base64_of(pem);
	free(pem);
	return 0;
}

static int free_ca(void **state)
{
	(void)state;
	free(ca_text);
	kiln_roast_authority_clear(&authority);
	return 0;
}

static char *filled(const char *format, const char *text)
{
	const char *at = strstr(format, "@CA@");
	char *out = NULL;
	if (at == NULL)
		return strdup(format);
	assert_true(asprintf(&out, "%.*s%s%s", (int)(at - format), format, text, at + 4) > 0);
	return out;
}

static enum kiln_code read_with(const char *format, const char *ca, enum kiln_role from,
				struct kiln_roast_payload *payload, struct kiln_error *err)
{
	char *text = filled(format, ca);
	const size_t len = strlen(text);
	char *copy = malloc(len > 0 ? len : 1);
	memcpy(copy, text, len);
	const enum kiln_code rc = kiln_roast_payload_read(copy, len, from, payload, err);
	free(copy);
	free(text);
	return rc;
}

static void accept(const char *format, unsigned names)
{
	struct kiln_roast_payload payload;
	struct kiln_error err = {0};
	if (read_with(format, ca_text, KILN_CLIENT, &payload, &err) != KILN_OK)
		fail_msg("%s: %s", format, err.message);
	assert_int_equal(payload.root_count, 0);
	if (kiln_roast_payload_decode(&payload, &err) != KILN_OK)
		fail_msg("%s: %s", format, err.message);
	assert_null(payload.pem);
	assert_int_equal(payload.root_count, 1);
	assert_int_equal(payload.name_count, names);
	assert_int_equal(X509_cmp(payload.roots[0], authority.ca), 0);
	assert_false(payload.bound);
	kiln_roast_payload_clear(&payload);
}

static void refuse(const char *format, const char *words)
{
	struct kiln_roast_payload payload;
	struct kiln_error err = {0};
	const enum kiln_code rc = read_with(format, ca_text, KILN_CLIENT, &payload, &err);
	if (rc != KILN_E_ROAST_HELLO || strstr(err.message, words) == NULL)
		fail_msg("%d %s, not '%s', for %s", rc, err.message, words, format);
	assert_int_equal(payload.root_count, 0);
	assert_null(payload.pem);
}

static void test_accepted(void **state)
{
	(void)state;
	accept("{\"ClientCA\":\"@CA@\",\"ServerHostnames\":[\"192.0.2.1\"]}", 1);
	accept("{\"ClientCA\":\"@CA@\",\"ServerHostnames\":[\"[\"]}", 1);
	accept(" {\n\"ServerHostnames\" : [\"a\",\"::1\"],\"New\":[{}],\"ClientCA\":\"@CA@\"} \n",
	       2);
	/* None: Go writes null for no names, and the server's certificate has none then. */
	accept("{\"ClientCA\":\"@CA@\",\"ServerHostnames\":null}", 0);
	accept("{\"ClientCA\":\"@CA@\",\"ServerHostnames\":[]}", 0);
	accept("{\"ClientCA\":\"@CA@\"}", 0);
}

static void test_refused(void **state)
{
	(void)state;
	refuse("", "no end");
	refuse("   ", "no end");
	refuse("{", "no end");
	refuse("null", "first byte");
	refuse("{}", "ClientCA is missing");
	refuse("{\"ClientCA\":7}", "ClientCA is no string");
	refuse("{\"ClientCA\":\"\"}", "ClientCA has 0 bytes");
	refuse("{\"ClientCA\":\"****\"}", "ClientCA is no padded base64");
	refuse("{\"ClientCA\":\"@CA@\"}x", "behind the JSON object");
	refuse("{\"ClientCA\":\"@CA@\"}{}", "behind the JSON object");
	refuse("{\"ClientCA\":\"@CA@\",\"ClientCA\":\"\"}", "twice");
	refuse("{\"ClientCA\":\"@CA@\",\"clientca\":\"\"}", "another case");
	refuse("{\"ClientCA\":\"@CA@\",\"serverca\":\"\"}", "another case");
	refuse("{\"ServerCA\":\"@CA@\"}", "the hello of a server, sent as a client");
	refuse("{\"ClientCA\":\"@CA@\",\"ServerCA\":null}", "the hello of a server");
	refuse("{\"ClientCA\":\"@CA@\",\"ServerHostnames\":\"x\"}", "no list");
	refuse("{\"ClientCA\":\"@CA@\",\"ServerHostnames\":[7]}", "printable ASCII");
	refuse("{\"ClientCA\":\"@CA@\",\"ServerHostnames\":[\"\"]}", "printable ASCII");
	refuse("{\"ClientCA\":\"@CA@\",\"ServerHostnames\":[\"b\xc3\xbc\"]}", "printable ASCII");
	refuse("{\"ClientCA\":\"@CA@\",\"ServerHostnames\":[\"a\\nb\"]}", "printable ASCII");
	refuse("{\"ClientCA\":\"@CA@\",\"ServerHostnames\":[\"a\\u0000b\"]}", "no valid JSON");
	refuse("{\"ClientCA\":\"@CA@\",\"ServerHostnames\":"
	       "[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\"]}",
	       "more than 8 names");
}

static void test_long_names(void **state)
{
	char format[600], name[300];
	(void)state;
	memset(name, 'n', sizeof name);
	name[253] = '\0';
	(void)snprintf(format, sizeof format,
		       "{\"ClientCA\":\"@CA@\",\"ServerHostnames\":[\"%s\"]}", name);
	accept(format, 1);
	name[253] = 'n';
	name[254] = '\0';
	(void)snprintf(format, sizeof format,
		       "{\"ClientCA\":\"@CA@\",\"ServerHostnames\":[\"%s\"]}", name);
	refuse(format, "1 to 253 bytes");
}

static enum kiln_code read_pem(const char *pem, struct kiln_roast_payload *payload,
			       struct kiln_error *err)
{
	char *text = base64_of(pem);
	const enum kiln_code rc =
	    read_with("{\"ClientCA\":\"@CA@\"}", text, KILN_CLIENT, payload, err);
	free(text);
	return rc;
}

/* How many there are is said at once. */
static void test_pem_count(void **state)
{
	struct kiln_roast_payload payload;
	struct kiln_error err = {0};
	(void)state;
	for (unsigned count = 1; count <= 4; count++) {
		char *pem = pem_of(count);
		assert_int_equal(read_pem(pem, &payload, &err), KILN_OK);
		assert_int_equal(payload.pem_len, strlen(pem));
		assert_int_equal(kiln_roast_payload_decode(&payload, &err), KILN_OK);
		assert_int_equal(payload.root_count, count);
		/* Once is enough. */
		assert_int_equal(kiln_roast_payload_decode(&payload, &err), KILN_E_USAGE);
		kiln_roast_payload_clear(&payload);
		free(pem);
	}
	char *pem = pem_of(5);
	assert_int_equal(read_pem(pem, &payload, &err), KILN_E_ROAST_HELLO);
	assert_non_null(strstr(err.message, "ClientCA holds more than 4 certificates"));
	free(pem);
	/* A label of old: what is counted when it is decoded. */
	char *one = pem_of(1), *four = pem_of(4), *old = NULL;
	const char *body = strchr(one, '\n'), *end = strstr(one, "-----END");
	assert_true(asprintf(&old, "-----BEGIN X509 CERTIFICATE-----%.*s%s", (int)(end - body),
			     body, "-----END X509 CERTIFICATE-----\n") > 0);
	for (unsigned more = 1; more <= 4; more++) {
		char *mixed = calloc(1, strlen(four) + more * strlen(old) + 1);
		strcpy(mixed, four);
		for (unsigned i = 0; i < more; i++)
			strcat(mixed, old);
		assert_int_equal(read_pem(mixed, &payload, &err), KILN_OK);
		assert_int_equal(kiln_roast_payload_decode(&payload, &err), KILN_E_ROAST_HELLO);
		assert_non_null(strstr(err.message, "ClientCA holds more than 4 certificates"));
		assert_int_equal(payload.root_count, 0);
		free(mixed);
	}
	free(old);
	free(four);
	free(one);
}

/* What begins as a certificate is read, and found to be none when it is decoded. */
static void refuse_decoding(const char *pem, const char *words)
{
	struct kiln_roast_payload payload;
	struct kiln_error err = {0};
	assert_int_equal(read_pem(pem, &payload, &err), KILN_OK);
	assert_int_equal(kiln_roast_payload_decode(&payload, &err), KILN_E_ROAST_HELLO);
	assert_non_null(strstr(err.message, words));
	assert_int_equal(payload.root_count, 0);
	assert_null(payload.pem);
}

static void test_pem(void **state)
{
	struct kiln_roast_payload payload;
	struct kiln_error err = {0};
	(void)state;
	static const char *const none[] = {
	    "x",
	    "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
	};
	for (size_t i = 0; i < sizeof none / sizeof none[0]; i++) {
		assert_int_equal(read_pem(none[i], &payload, &err), KILN_E_ROAST_HELLO);
		assert_non_null(strstr(err.message, "ClientCA holds no PEM certificate"));
	}
	static const char *const bad[] = {
	    "-----BEGIN CERTIFICATE-----\n",
	    "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
	    "-----BEGIN CERTIFICATE-----\n****\n-----END CERTIFICATE-----\n",
	    "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,"
	    "00000000000000000000000000000000\n\nAAAA\n-----END CERTIFICATE-----\n",
	};
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		refuse_decoding(bad[i], "in its payload, certificate 1 in ClientCA cannot be read");
	/* A good one does not hide a broken one. */
	char *pem = pem_of(1), *both = NULL;
	assert_true(asprintf(&both, "%s%s", pem, bad[1]) > 0);
	refuse_decoding(both, "certificate 2 in ClientCA cannot be read");
	free(both);
	free(pem);
}

static void round_trip(struct kiln_roast_payload *payload)
{
	struct kiln_roast_payload back;
	struct kiln_error err = {0};
	uint8_t *text;
	size_t len;
	payload->root_count = 1;
	payload->roots[0] = authority.ca;
	assert_int_equal(kiln_roast_payload_write(payload, &text, &len, &err), KILN_OK);
	if (kiln_roast_payload_read(text, len, payload->from, &back, &err) != KILN_OK)
		fail_msg("%s\n%.*s", err.message, (int)len, text);
	if (kiln_roast_payload_decode(&back, &err) != KILN_OK)
		fail_msg("%s\n%.*s", err.message, (int)len, text);
	assert_int_equal(X509_cmp(back.roots[0], authority.ca), 0);
	assert_int_equal(back.name_count, payload->name_count);
	for (unsigned i = 0; i < back.name_count; i++)
		assert_string_equal(back.names[i], payload->names[i]);
	assert_int_equal(back.bound, payload->bound);
	if (back.bound)
		assert_memory_equal(&back.binding, &payload->binding, sizeof back.binding);
	kiln_roast_payload_clear(&back);
	free(text);
}

static void test_round_trip(void **state)
{
	(void)state;
	struct kiln_roast_payload payload = {
	    .from = KILN_CLIENT, .name_count = 2, .names = {"a&b<c>\"\\d", "2001:db8::1"}};
	round_trip(&payload);
	payload.bound = true;
	strcpy(payload.binding.role, "arn:aws:iam::123456789012:role/a+b=c,.@-");
	memset(payload.binding.nonce, 7, sizeof payload.binding.nonce);
	memset(payload.binding.sig, 9, 70);
	payload.binding.sig_len = 70;
	round_trip(&payload);
	payload.from = KILN_SERVER;
	payload.name_count = 0;
	memset(payload.binding.hello, 5, sizeof payload.binding.hello);
	round_trip(&payload);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_accepted),   cmocka_unit_test(test_refused),
	    cmocka_unit_test(test_long_names), cmocka_unit_test(test_pem_count),
	    cmocka_unit_test(test_pem),        cmocka_unit_test(test_round_trip),
	};
	return cmocka_run_group_tests(tests, make_ca, free_ca);
}
