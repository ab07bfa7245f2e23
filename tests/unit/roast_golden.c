/* SPDX-License-Identifier: Apache-2.0
 * Against data recorded from the real Roast library: hellos byte for byte, payloads, certificates,
 * and what its probes found. */
#include "roast_rig.h"

#include "aws_golden.h"

#include <stdio.h>

#include "roast/authority.h"
#include "roast/scan.h"
#include "roast/trust.h"

#define SIGNED_AT INT64_C(1768478400) /* 2026-01-15T12:00:00Z */

static const char *field(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));
	assert_non_null(text);
	return text;
}

static size_t from_hex(const char *hex, uint8_t *out, size_t cap)
{
	size_t n = 0;
	for (unsigned byte; n < cap && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
		out[n] = (uint8_t)byte;
	assert_int_equal(hex[2 * n], '\0');
	return n;
}

static void write_message(const json_t *message, const char *wire, size_t wire_len)
{
	struct kiln_aws_credentials credentials;
	struct kiln_aws_proof proof;
	struct kiln_roast_mask mask;
	struct kiln_error err = {0};
	uint8_t payload[4096];
	char *text;
	size_t len;
	const size_t payload_len = from_hex(field(message, "PayloadHex"), payload, sizeof payload);
	from_hex(field(message, "MaskHex"), mask.key, sizeof mask.key);
	from_hex(field(message, "SecretboxNonceHex"), mask.nonce, sizeof mask.nonce);
	assert_int_equal(kiln_aws_credentials_set(&credentials, field(message, "AccessKeyID"),
						  field(message, "SecretAccessKey"),
						  field(message, "SessionToken"), 0, &err),
			 KILN_OK);
	const enum kiln_code rc = kiln_aws_prove(&credentials, field(message, "Region"), SIGNED_AT,
						 payload, payload_len, &proof, &err);
	kiln_aws_credentials_clear(&credentials);
	if (field(message, "SessionToken")[0] == '\0') {
		assert_int_equal(rc, KILN_E_CREDENTIALS);
		return;
	}
	if (payload_len > 0 && payload[0] != '{') { /* a form, for all that STS knows */
		assert_int_equal(rc, KILN_E_USAGE);
		return;
	}
	if (rc != KILN_OK || kiln_roast_hello_write(&proof, &mask, &text, &len, &err) != KILN_OK)
		fail_msg("%s", err.message);
	/* All but the line feed. */
	assert_int_equal(len + 1, wire_len);
	assert_memory_equal(text, wire, len);
	assert_int_equal(wire[len], '\n');
	free(text);
	kiln_aws_proof_clear(&proof);
}

static void read_message(const json_t *message, const char *wire, size_t wire_len)
{
	struct kiln_aws_proof proof;
	struct kiln_roast_scan scan;
	struct kiln_error err = {0};
	uint8_t payload[4096];
	size_t skipped, taken;
	kiln_roast_scan_start(&scan, KILN_ROAST_HELLO_MAX);
	assert_int_equal(
	    kiln_roast_scan_feed(&scan, (const uint8_t *)wire, wire_len, &skipped, &taken, &err),
	    KILN_OK);
	assert_true(scan.complete);
	assert_int_equal(taken + 1, wire_len);
	const enum kiln_code rc = kiln_roast_hello_read(wire, taken, &proof, &err);
	if (field(message, "SessionToken")[0] == '\0') {
		assert_int_equal(rc, KILN_E_ROAST_HELLO);
		assert_non_null(strstr(err.message, "XAmzSecurityToken is empty"));
		return;
	}
	if (rc != KILN_OK)
		fail_msg("%s", err.message);
	const size_t len = from_hex(field(message, "PayloadHex"), payload, sizeof payload);
	assert_int_equal(proof.body_len, len);
	assert_memory_equal(proof.body != NULL ? proof.body : payload, payload, len);
	assert_string_equal(proof.authorization, field(message, "Authorization"));
	assert_string_equal(proof.token, field(message, "SessionToken"));
	assert_string_equal(proof.date, field(message, "XAmzDate"));
	assert_string_equal(proof.region, field(message, "Region"));
	kiln_aws_proof_clear(&proof);
}

static void test_messages(void **state)
{
	json_t *messages = golden_json("roast", "signed_messages.json");
	(void)state;
	assert_int_equal(json_array_size(messages), 6);
	for (size_t i = 0; i < json_array_size(messages); i++) {
		const json_t *message = json_array_get(messages, i);
		char name[128];
		size_t len;
		(void)snprintf(name, sizeof name, "%s.wire", field(message, "Name"));
		char *wire = golden_read("roast", name, &len);
		write_message(message, wire, len);
		read_message(message, wire, len);
		free(wire);
	}
	json_decref(messages);
}

static X509 *read_der(const char *part, const char *file)
{
	size_t len;
	char *der = golden_read(part, file, &len);
	const uint8_t *at = (const uint8_t *)der;
	X509 *cert = d2i_X509(NULL, &at, (long)len);
	assert_non_null(cert);
	free(der);
	return cert;
}

/* The payload of the recorded flow comes out of its CA and its name, byte for byte. */
static void check_payload(const char *part, enum kiln_role from, const char *name)
{
	const bool client = from == KILN_CLIENT;
	struct kiln_roast_payload payload = {.from = from, .root_count = 1};
	struct kiln_error err = {0};
	uint8_t *text;
	size_t len, want_len;
	payload.roots[0] = read_der(part, client ? "client_ca.der" : "server_ca.der");
	if (client) {
		payload.name_count = 1;
		strcpy(payload.names[0], name);
	}
	char *want = golden_read(
	    part, client ? "client_hello_payload.json" : "server_hello_payload.json", &want_len);
	assert_int_equal(kiln_roast_payload_write(&payload, &text, &len, &err), KILN_OK);
	assert_int_equal(len, want_len);
	assert_memory_equal(text, want, len);
	kiln_roast_payload_clear(&payload);
	if (kiln_roast_payload_read(want, want_len, from, &payload, &err) != KILN_OK ||
	    kiln_roast_payload_decode(&payload, &err) != KILN_OK)
		fail_msg("%s", err.message);
	assert_int_equal(payload.root_count, 1);
	assert_int_equal(payload.name_count, client ? 1 : 0);
	assert_false(payload.bound);
	kiln_roast_payload_clear(&payload);
	free(text);
	free(want);
}

static void test_payloads(void **state)
{
	(void)state;
	check_payload("roast/flow", KILN_CLIENT, "127.0.0.1");
	check_payload("roast/flow", KILN_SERVER, NULL);
	check_payload("roast/flow6", KILN_CLIENT, "[");
	check_payload("roast/flow6", KILN_SERVER, NULL);
}

static int64_t begin_of(const X509 *cert)
{
	struct tm tm;
	assert_int_equal(ASN1_TIME_to_tm(X509_get0_notBefore(cert), &tm), 1);
	return timegm(&tm);
}

static enum kiln_code check_leaf(const char *part, enum kiln_role from, const char *name,
				 int64_t after, bool other_ca)
{
	const bool client = from == KILN_CLIENT;
	struct kiln_roast_payload payload = {.from = from, .root_count = 1};
	struct kiln_error err = {0};
	int x509_error = 0;
	payload.roots[0] = read_der(part, client != other_ca ? "client_ca.der" : "server_ca.der");
	X509 *leaf = read_der(part, client ? "client_leaf.der" : "server_leaf.der");
	const struct kiln_roast_trust trust = {.peer = &payload, .name = name};
	const enum kiln_code rc =
	    kiln_roast_trust_check(&trust, leaf, begin_of(leaf) + after, &x509_error, &err);
	X509_free(leaf);
	kiln_roast_payload_clear(&payload);
	return rc;
}

/* The leaves that OpenSSL's chain builder takes for self-signed. */
static void test_leaves(void **state)
{
	(void)state;
	assert_int_equal(check_leaf("roast/flow", KILN_CLIENT, NULL, 1, false), KILN_OK);
	assert_int_equal(check_leaf("roast/flow", KILN_SERVER, "127.0.0.1", 1, false), KILN_OK);
	assert_int_equal(check_leaf("roast/flow6", KILN_CLIENT, NULL, 1, false), KILN_OK);
	assert_int_equal(check_leaf("roast/flow6", KILN_SERVER, "[", 1, false), KILN_OK);
	assert_int_equal(check_leaf("roast/flow6", KILN_SERVER, "::1", 1, false),
			 KILN_E_NAME_MISMATCH);
	assert_int_equal(check_leaf("roast/flow", KILN_SERVER, "127.0.0.2", 1, false),
			 KILN_E_NAME_MISMATCH);
	assert_int_equal(check_leaf("roast/flow", KILN_CLIENT, NULL, 1, true), KILN_E_CERT_INVALID);
	assert_int_equal(check_leaf("roast/flow", KILN_CLIENT, NULL, 901, false),
			 KILN_E_CERT_INVALID);
	/* A clock of the peer's that is ahead by less than five minutes, and by more. */
	assert_int_equal(check_leaf("roast/flow", KILN_CLIENT, NULL, -299, false), KILN_OK);
	assert_int_equal(check_leaf("roast/flow", KILN_CLIENT, NULL, -301, false),
			 KILN_E_CERT_INVALID);
}

/* Text with everything that differs from one connection to the next taken out. */
static char *profile_of(const X509 *cert)
{
	BIO *out = BIO_new(BIO_s_mem());
	char *text;
	const unsigned long flags = X509_FLAG_NO_SERIAL | X509_FLAG_NO_VALIDITY |
				    X509_FLAG_NO_PUBKEY | X509_FLAG_NO_SIGDUMP;
	union {
		const X509 *in;
		X509 *out;
	} any = {.in = cert};
	assert_int_equal(X509_print_ex(out, any.out, 0, flags), 1);
	const long len = BIO_get_mem_data(out, &text);
	char *copy = strndup(text, (size_t)len);
	char *id = strstr(copy, "X509v3 Subject Key Identifier");
	char *line = id != NULL ? strchr(id, '\n') : NULL;
	for (char *p = line; p != NULL && p[1] != '\0' && *++p != '\n';)
		*p = 'x';
	BIO_free(out);
	return copy;
}

/* A text of them would not do: OpenSSL prints some that Go refuses. */
static void assert_same_extensions(const X509 *ours, const X509 *theirs)
{
	assert_int_equal(X509_get_ext_count(ours), X509_get_ext_count(theirs));
	for (int i = 0; i < X509_get_ext_count(ours); i++) {
		X509_EXTENSION *a = X509_get_ext(ours, i), *b = X509_get_ext(theirs, i);
		const ASN1_OCTET_STRING *x = X509_EXTENSION_get_data(a),
					*y = X509_EXTENSION_get_data(b);
		const int nid = OBJ_obj2nid(X509_EXTENSION_get_object(a));
		assert_int_equal(nid, OBJ_obj2nid(X509_EXTENSION_get_object(b)));
		assert_int_equal(X509_EXTENSION_get_critical(a), X509_EXTENSION_get_critical(b));
		assert_int_equal(ASN1_STRING_length(x), ASN1_STRING_length(y));
		if (nid != NID_subject_key_identifier)
			assert_memory_equal(ASN1_STRING_get0_data(x), ASN1_STRING_get0_data(y),
					    (size_t)ASN1_STRING_length(x));
	}
}

static void assert_same_profile(const X509 *ours, const char *file)
{
	X509 *theirs = read_der("roast/flow", file);
	char *a = profile_of(ours), *b = profile_of(theirs);
	assert_string_equal(a, b);
	assert_same_extensions(ours, theirs);
	assert_int_equal(X509_get_signature_nid(ours), X509_get_signature_nid(theirs));
	free(a);
	free(b);
	X509_free(theirs);
}

/* Our certificates have the extensions of the real ones, in the same order, with the same bytes. */
static void test_profile(void **state)
{
	const struct kiln_roast_payload client = {
	    .from = KILN_CLIENT, .name_count = 1, .names = {"127.0.0.1"}};
	struct kiln_roast_authority authority;
	struct kiln_error err = {0};
	(void)state;
	assert_int_equal(kiln_roast_authority_make(&authority, SIGNED_AT, &err), KILN_OK);
	assert_int_equal(
	    kiln_roast_authority_issue(&authority, KILN_SERVER, &client, SIGNED_AT, &err), KILN_OK);
	assert_same_profile(authority.ca, "server_ca.der");
	assert_same_profile(authority.leaf, "server_leaf.der");
	kiln_roast_authority_clear(&authority);
	assert_int_equal(kiln_roast_authority_make(&authority, SIGNED_AT, &err), KILN_OK);
	assert_int_equal(kiln_roast_authority_issue(&authority, KILN_CLIENT, NULL, SIGNED_AT, &err),
			 KILN_OK);
	assert_same_profile(authority.leaf, "client_leaf.der");
	kiln_roast_authority_clear(&authority);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_messages),
	    cmocka_unit_test(test_payloads),
	    cmocka_unit_test(test_leaves),
	    cmocka_unit_test(test_profile),
	};
	if (!golden_here("roast"))
		return 77;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
