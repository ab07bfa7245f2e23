/* SPDX-License-Identifier: Apache-2.0
 * Access rules of every kind against certificates made to fool them, and what a certificate looks
 * like in a log. */
#include "tls_certs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tls/config.h"

static enum kiln_code check(const struct cert_spec *spec, enum kiln_access_kind kind,
			    const char *value)
{
	const struct kiln_access_rule rule = {kind, value};
	const struct kiln_tls_options options = {.rules = &rule, .rule_count = 1};
	struct kiln_access_list list = {0};
	struct kiln_error err = {0};
	enum kiln_code rc = kiln_access_copy(&list, &options, &err);
	if (rc == KILN_OK) {
		struct identity *id = identity_new(spec, NULL);
		rc = kiln_access_check(&list, id->cert, &err);
		assert_int_equal(err.code, rc);
		if (rc != KILN_OK)
			assert_int_equal(err.alert, KILN_ALERT_ACCESS_DENIED);
		identity_free(id);
	}
	kiln_access_clear(&list);
	return rc;
}

#define ALLOWED(kind, value, ...)                                                                  \
	assert_int_equal(check(&(struct cert_spec){__VA_ARGS__}, kind, value), KILN_OK)
#define DENIED(kind, value, ...)                                                                   \
	assert_int_equal(check(&(struct cert_spec){__VA_ARGS__}, kind, value), KILN_E_ACCESS_DENIED)
#define REFUSED(kind, value) assert_int_equal(check(NULL, kind, value), KILN_E_CONFIG)

static void test_common_name(void **state)
{
	(void)state;
	ALLOWED(KILN_ACCESS_CN, "alice", .cn = "alice");
	DENIED(KILN_ACCESS_CN, "alice", .cn = "Alice");
	DENIED(KILN_ACCESS_CN, "alice", .cn = "alic");
	DENIED(KILN_ACCESS_CN, "alice", .cn = "alice2");
	DENIED(KILN_ACCESS_CN, "alice", .cn = "alice\0evil", .cn_len = 10);
	DENIED(KILN_ACCESS_CN, "alice", .cn = "alice\0", .cn_len = 6);
	DENIED(KILN_ACCESS_CN, "alice", .cn = "a*");
	DENIED(KILN_ACCESS_CN, "a*", .cn = "alice");
	DENIED(KILN_ACCESS_CN, "alice", .cn = "bob", .ou = "alice", .san = "DNS:alice");
	DENIED(KILN_ACCESS_CN, "alice", .ou = "only");
	REFUSED(KILN_ACCESS_CN, "");
	REFUSED(KILN_ACCESS_CN, NULL);
}

static void test_unit(void **state)
{
	(void)state;
	ALLOWED(KILN_ACCESS_OU, "payments", .cn = "x", .ou = "payments");
	DENIED(KILN_ACCESS_OU, "payments", .cn = "payments", .ou = "Payments");
	DENIED(KILN_ACCESS_OU, "payments", .cn = "payments");
}

static void test_dns(void **state)
{
	(void)state;
	ALLOWED(KILN_ACCESS_DNS, "a.example", .cn = "x", .san = "DNS:b.example,DNS:A.Example");
	DENIED(KILN_ACCESS_DNS, "a.example", .cn = "a.example");
	DENIED(KILN_ACCESS_DNS, "a.example", .cn = "x", .san = "DNS:aa.example");
	DENIED(KILN_ACCESS_DNS, "a.example", .cn = "x", .san = "DNS:*.example"); /* exact */
	DENIED(KILN_ACCESS_DNS, "a.example", .cn = "x", .san = "URI:a.example,email:a.example");
	DENIED(KILN_ACCESS_DNS, "a.example", .cn = "x", .raw_san_type = GEN_DNS,
	       .raw_san = "a.example\0.evil", .raw_san_len = 15);
	DENIED(KILN_ACCESS_DNS, "a.example", .cn = "x", .raw_san_type = GEN_DNS,
	       .raw_san = "a.example\0", .raw_san_len = 10);
	DENIED(KILN_ACCESS_DNS, "a.example", .cn = "x", .raw_san_type = GEN_DNS, .raw_san = "",
	       .raw_san_len = 0);
}

static void test_ip(void **state)
{
	(void)state;
	ALLOWED(KILN_ACCESS_IP, "192.0.2.1", .cn = "x", .san = "IP:192.0.2.1");
	ALLOWED(KILN_ACCESS_IP, "2001:db8::1", .cn = "x", .san = "IP:2001:DB8:0:0::1");
	DENIED(KILN_ACCESS_IP, "192.0.2.1", .cn = "x", .san = "IP:192.0.2.2");
	DENIED(KILN_ACCESS_IP, "::ffff:192.0.2.1", .cn = "x", .san = "IP:192.0.2.1");
	DENIED(KILN_ACCESS_IP, "192.0.2.1", .cn = "192.0.2.1", .san = "DNS:192.0.2.1");
	REFUSED(KILN_ACCESS_IP, "192.0.2");
	REFUSED(KILN_ACCESS_IP, "192.0.2.1/24");
	REFUSED(KILN_ACCESS_IP, "host.example");
}

#define URI(pattern, uri)     ALLOWED(KILN_ACCESS_URI, pattern, .cn = "x", .san = "URI:" uri)
#define NOT_URI(pattern, uri) DENIED(KILN_ACCESS_URI, pattern, .cn = "x", .san = "URI:" uri)

static void test_uri(void **state)
{
	(void)state;
	URI("spiffe://a/b", "spiffe://a/b");
	NOT_URI("spiffe://a/b", "spiffe://a/B");
	NOT_URI("spiffe://a/b", "spiffe://a/b/");
	NOT_URI("spiffe://a/b", "spiffe://a/bc");
	NOT_URI("spiffe://a/b", "spiffe://a");
	URI("spiffe://a/*", "spiffe://a/b");
	NOT_URI("spiffe://a/*", "spiffe://a/");
	NOT_URI("spiffe://a/*", "spiffe://a");
	NOT_URI("spiffe://a/*", "spiffe://a/b/c");
	NOT_URI("spiffe://a/*", "spiffe://ab/c");
	URI("spiffe://a/*/c", "spiffe://a/b/c");
	NOT_URI("spiffe://a/*/c", "spiffe://a//c");
	NOT_URI("spiffe://a/*/c", "spiffe://a/b/x/c");
	NOT_URI("spiffe://a/*/c", "spiffe://a/b/cd");
	URI("spiffe://*/c", "spiffe://any.example/c");
	URI("spiffe://a/**", "spiffe://a/b");
	URI("spiffe://a/**", "spiffe://a/b/c/d");
	NOT_URI("spiffe://a/**", "spiffe://a/");
	NOT_URI("spiffe://a/**", "spiffe://a");
	NOT_URI("spiffe://a/**", "spiffe://ab/c");
	URI("spiffe://a/*/**", "spiffe://a/b/c/d");
	NOT_URI("spiffe://a/*/**", "spiffe://a/b");
	REFUSED(KILN_ACCESS_URI, "spiffe://a/b*");
	REFUSED(KILN_ACCESS_URI, "spiffe://a/b**");
	REFUSED(KILN_ACCESS_URI, "spiffe://a/*b");
	REFUSED(KILN_ACCESS_URI, "spiffe://a/**/c");
	REFUSED(KILN_ACCESS_URI, "spiffe://a/***");
	DENIED(KILN_ACCESS_URI, "spiffe://a/b", .cn = "x", .san = "DNS:spiffe://a/b");
	DENIED(KILN_ACCESS_URI, "spiffe://a/b", .cn = "x", .raw_san_type = GEN_URI,
	       .raw_san = "spiffe://a/b\0", .raw_san_len = 13);
	DENIED(KILN_ACCESS_URI, "spiffe://a/**", .cn = "x", .raw_san_type = GEN_URI,
	       .raw_san = "spiffe://a/b\0/c", .raw_san_len = 15);
	DENIED(KILN_ACCESS_URI, "spiffe://a/**", .cn = "x", .raw_san_type = GEN_URI, .raw_san = "",
	       .raw_san_len = 0);
}

static void test_public_key(void **state)
{
	char hex[65], other[65];
	struct identity *id = identity_new(&(struct cert_spec){.cn = "x"}, NULL);
	identity_spki(id, hex);
	strcpy(other, hex);
	other[63] = other[63] == '0' ? '1' : '0';
	const struct kiln_access_rule rules[] = {{KILN_ACCESS_SPKI, other},
						 {KILN_ACCESS_SPKI, hex}};
	struct kiln_error err = {0};
	(void)state;
	for (size_t count = 1; count <= 2; count++) {
		struct kiln_access_list list = {0};
		const struct kiln_tls_options options = {.rules = rules, .rule_count = count};
		assert_int_equal(kiln_access_copy(&list, &options, &err), KILN_OK);
		assert_int_equal(kiln_access_check(&list, id->cert, &err),
				 count == 2 ? KILN_OK : KILN_E_ACCESS_DENIED);
		kiln_access_clear(&list);
	}
	for (char *c = hex; *c != '\0'; c++)
		if (*c >= 'a')
			*c = (char)(*c - 'a' + 'A');
	struct kiln_access_list list = {0};
	const struct kiln_tls_options options = {.rules = rules + 1, .rule_count = 1};
	assert_int_equal(kiln_access_copy(&list, &options, &err), KILN_OK);
	assert_int_equal(kiln_access_check(&list, id->cert, &err), KILN_OK);
	kiln_access_clear(&list);
	identity_free(id);
	hex[63] = '\0';
	REFUSED(KILN_ACCESS_SPKI, hex);
	REFUSED(KILN_ACCESS_SPKI, "not hexadecimal");
	hex[0] = 'g';
	REFUSED(KILN_ACCESS_SPKI, hex);
}

static void test_lists(void **state)
{
	static struct kiln_access_rule many[257];
	struct kiln_error err = {0};
	struct identity *id = identity_new(&(struct cert_spec){.cn = "last"}, NULL);
	(void)state;
	for (size_t i = 0; i < 257; i++)
		many[i] = (struct kiln_access_rule){KILN_ACCESS_CN, i == 255 ? "last" : "other"};
	struct kiln_access_list list = {0};
	struct kiln_tls_options options = {.rules = many, .rule_count = 256};
	assert_int_equal(kiln_access_copy(&list, &options, &err), KILN_OK);
	assert_int_equal(kiln_access_check(&list, id->cert, &err), KILN_OK);
	kiln_access_clear(&list);
	options.rule_count = 257;
	assert_int_equal(kiln_access_copy(&list, &options, &err), KILN_E_CONFIG);
	kiln_access_clear(&list);
	options.rule_count = 0; /* nobody */
	assert_int_equal(kiln_access_copy(&list, &options, &err), KILN_OK);
	assert_int_equal(kiln_access_check(&list, id->cert, &err), KILN_E_ACCESS_DENIED);
	kiln_access_clear(&list);
	options.allow_any = true;
	assert_int_equal(kiln_access_copy(&list, &options, &err), KILN_OK);
	assert_int_equal(kiln_access_check(&list, id->cert, &err), KILN_OK);
	kiln_access_clear(&list);
	identity_free(id);
}

static void described(const struct cert_spec *spec, const char *name, const char *cn)
{
	struct identity *id = identity_new(spec, NULL);
	struct kiln_peer peer;
	memset(&peer, 0, sizeof peer);
	assert_true(kiln_peer_describe(id->cert, &peer));
	assert_true(peer.present);
	assert_string_equal(peer.name, name);
	assert_string_equal(peer.common_name, cn);
	for (const char *c = peer.subject; *c != '\0'; c++)
		assert_in_range(*c, 0x20, 0x7e);
	identity_free(id);
}

static void test_description(void **state)
{
	char longest[64 + 1];
	(void)state;
	memset(longest, 'c', 64);
	longest[64] = '\0';
	described(&(struct cert_spec){.cn = "x", .san = "DNS:a.example,URI:urn:a,URI:urn:b"},
		  "urn:a", "x");
	described(&(struct cert_spec){.cn = "x", .san = "IP:192.0.2.1,DNS:a.example,DNS:b.example"},
		  "a.example", "x");
	described(&(struct cert_spec){.cn = "x", .san = "IP:192.0.2.1"}, "x", "x");
	described(&(struct cert_spec){.ou = "unit"}, "OU=unit", "");
	described(&(struct cert_spec){.cn = "a\nb\\c\x7f\0d", .cn_len = 8},
		  "a\\x0ab\\x5cc\\x7f\\x00d", "a\\x0ab\\x5cc\\x7f\\x00d");
	described(&(struct cert_spec){.cn = longest}, longest, longest);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_common_name), cmocka_unit_test(test_unit),
	    cmocka_unit_test(test_dns),         cmocka_unit_test(test_ip),
	    cmocka_unit_test(test_uri),         cmocka_unit_test(test_public_key),
	    cmocka_unit_test(test_lists),       cmocka_unit_test(test_description),
	};
	return cmocka_run_group_tests_name("tls: access", tests, NULL, NULL);
}
