/* SPDX-License-Identifier: Apache-2.0
 * Configurations that are refused, each with a sentence that names the fault. */
#include "tls_pair.h"

static struct kiln_error err;

static void refused(const struct kiln_tls_options *options, const char *text)
{
	memset(&err, 0, sizeof err);
	assert_null(kiln_tls_config_new(options, &err));
	assert_int_equal(err.code, KILN_E_CONFIG);
	if (strstr(err.message, text) == NULL)
		fail_msg("'%s' does not say '%s'", err.message, text);
	assert_null(kiln_tls_config_new(options, NULL)); /* and without an error to fill */
}

static void taken(const struct kiln_tls_options *options)
{
	struct kiln_tls_config *config = kiln_tls_config_new(options, &err);
	if (config == NULL)
		fail_msg("%s", err.message);
	assert_ptr_equal(kiln_tls_config_ref(config), config);
	kiln_tls_config_unref(config);
	kiln_tls_config_unref(config);
}

static void test_good(void **state)
{
	struct kiln_tls_options server = pair_server_options(), client = pair_client_options();
	(void)state;
	taken(&server);
	taken(&client);
	client.cert_len = client.key_len = 0;
	taken(&client);
	server.peer_auth = KILN_PEER_NONE;
	server.ca_len = 0;
	server.allow_any = false;
	taken(&server);
	kiln_tls_config_unref(NULL);
}

static void test_missing(void **state)
{
	(void)state;
	struct kiln_tls_options o = pair_server_options();
	o.cert_len = 0;
	refused(&o, "certificate");
	o = pair_server_options();
	o.key_len = 0;
	refused(&o, "private key");
	o = pair_server_options();
	o.ca_len = 0;
	refused(&o, "CA");
	o = pair_server_options();
	o.allow_any = false;
	refused(&o, "rule");
	o = pair_client_options();
	o.key_len = 0;
	refused(&o, "private key");
	o = pair_client_options();
	o.ca_len = 0;
	refused(&o, "CA");
	o = pair_client_options();
	o.verify_name = NULL;
	refused(&o, "name");
	o = pair_client_options();
	o.peer_auth = KILN_PEER_NONE;
	refused(&o, "client");
	o.peer_auth = KILN_PEER_OPTIONAL;
	refused(&o, "client");
}

static void test_bad_pem(void **state)
{
	(void)state;
	struct kiln_tls_options o = pair_server_options();
	o.cert_pem = "no PEM at all";
	o.cert_len = 13;
	refused(&o, "no PEM certificate");
	o = pair_server_options();
	o.key_pem = "no PEM at all";
	o.key_len = 13;
	refused(&o, "no PEM private key");
	o = pair_server_options();
	o.ca_pem = "no PEM at all";
	o.ca_len = 13;
	refused(&o, "no PEM certificate");
	o = pair_server_options();
	o.cert_pem = o.key_pem;
	o.cert_len = o.key_len;
	refused(&o, "swapped");
}

/* Cut off at any byte: never taken for good, unless only the line's end is missing. */
static void test_cut_off(void **state)
{
	(void)state;
	const struct kiln_tls_options good = pair_server_options();
	for (size_t len = 1; len < good.cert_len - 1; len += 7) {
		struct kiln_tls_options o = good;
		o.cert_len = len;
		assert_null(kiln_tls_config_new(&o, NULL));
	}
	for (size_t len = 1; len < good.ca_len - 1; len += 7) {
		struct kiln_tls_options o = good;
		o.ca_len = len;
		assert_null(kiln_tls_config_new(&o, NULL));
	}
	for (size_t len = 1; len < good.key_len - 1; len += 7) {
		struct kiln_tls_options o = good;
		o.key_len = len;
		assert_null(kiln_tls_config_new(&o, NULL));
	}
}

/* a behind b, with a byte of b's base64 broken when damage is set. */
static char *two(const struct identity *a, const struct identity *b, bool damage, size_t *len)
{
	char *text = malloc(a->cert_len + b->cert_len + 1);
	assert_non_null(text);
	memcpy(text, a->cert_pem, a->cert_len);
	memcpy(text + a->cert_len, b->cert_pem, b->cert_len + 1);
	if (damage)
		text[a->cert_len + 60] = '!';
	*len = a->cert_len + b->cert_len;
	return text;
}

/* A chain, or a list of roots, must not end silently where it is broken. */
static void test_broken_in_the_middle(void **state)
{
	(void)state;
	for (int damage = 0; damage <= 1; damage++) {
		struct kiln_tls_options o = pair_server_options();
		char *text = two(pair_server, pair_ca, damage, &o.cert_len);
		o.cert_pem = text;
		if (damage)
			refused(&o, "certificate 2 in the certificate file");
		else
			taken(&o);
		free(text);
		o = pair_server_options();
		text = two(pair_stranger_ca, pair_ca, damage, &o.ca_len);
		o.ca_pem = text;
		if (damage)
			refused(&o, "certificate 2 in the CA file");
		else
			taken(&o);
		free(text);
	}
}

/* The same root twice, and words between the certificates, are normal in CA bundles. */
static void test_bundle(void **state)
{
	(void)state;
	struct kiln_tls_options o = pair_server_options();
	struct wire text = {0};
	wire_add(&text, "# roots\n", 8);
	for (int i = 0; i < 3; i++) {
		wire_add(&text, pair_ca->cert_pem, pair_ca->cert_len);
		wire_add(&text, "\nsome words\n\n", 13);
	}
	o.ca_pem = text.data;
	o.ca_len = text.len;
	taken(&o);
	wire_free(&text);
}

static void test_long_chain(void **state)
{
	(void)state;
	struct kiln_tls_options o = pair_server_options();
	struct wire text = {0};
	for (int i = 0; i < 17; i++) {
		if (i == 16) {
			o.cert_pem = text.data;
			o.cert_len = text.len;
			taken(&o);
		}
		wire_add(&text, pair_server->cert_pem, pair_server->cert_len);
	}
	o.cert_pem = text.data;
	o.cert_len = text.len;
	refused(&o, "more than 16");
	wire_free(&text);
}

static void test_keys(void **state)
{
	(void)state;
	struct kiln_tls_options o = pair_server_options();
	o.key_pem = pair_client->key_pem;
	o.key_len = pair_client->key_len;
	refused(&o, "does not belong");
	o = pair_server_options();
	char *encrypted = identity_encrypted_key(pair_server, "secret", &o.key_len);
	o.key_pem = encrypted;
	refused(&o, "passphrase"); /* and nobody was asked for it */
	free(encrypted);
}

static void test_lists(void **state)
{
	static const char *const bad_alpn[] = {"", ",", "h2,", ",h2", "h2,,http/1.1"};
	static const char *const bad_suites[] = {"nonsense", "TLS_RSA_WITH_AES_128_CBC_SHA",
						 "ECDHE-ECDSA-AES128-GCM-SHA256"};
	char text[1100];
	(void)state;
	struct kiln_tls_options o = pair_server_options();
	for (size_t i = 0; i < sizeof bad_alpn / sizeof bad_alpn[0]; i++) {
		o.alpn = bad_alpn[i];
		refused(&o, "ALPN");
	}
	memset(text, 'a', sizeof text);
	o.alpn = text;
	text[256] = '\0';
	refused(&o, "ALPN");
	text[255] = '\0';
	taken(&o);
	text[255] = text[256] = 'a';
	for (size_t i = 200; i < 1025; i += 200)
		text[i] = ',';
	text[1025] = '\0';
	refused(&o, "ALPN");
	text[1024] = '\0';
	taken(&o);
	o.alpn = NULL;
	for (size_t i = 0; i < sizeof bad_suites / sizeof bad_suites[0]; i++) {
		o.cipher_suites = bad_suites[i];
		refused(&o, bad_suites[i]);
	}
	o.cipher_suites = "TLS_CHACHA20_POLY1305_SHA256:TLS_AES_128_GCM_SHA256";
	taken(&o);
	o = pair_server_options();
	const struct kiln_access_rule rule = {KILN_ACCESS_IP, "nonsense"};
	o.rules = &rule;
	o.rule_count = 1;
	refused(&o, "IP address");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_good),
	    cmocka_unit_test(test_missing),
	    cmocka_unit_test(test_bad_pem),
	    cmocka_unit_test(test_cut_off),
	    cmocka_unit_test(test_broken_in_the_middle),
	    cmocka_unit_test(test_bundle),
	    cmocka_unit_test(test_long_chain),
	    cmocka_unit_test(test_keys),
	    cmocka_unit_test(test_lists),
	};
	return cmocka_run_group_tests_name("tls: configuration", tests, pair_make_certificates,
					   pair_free_certificates);
}
