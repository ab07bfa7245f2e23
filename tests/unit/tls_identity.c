/* SPDX-License-Identifier: Apache-2.0
 * Who the peer is: certificates required, optional and absent, trust, dates by the caller's clock,
 * names, and the alert for each refusal. */
#include "tls_pair.h"

static struct pair pair;

/* A certificate from the test's CA, or from another one. */
static struct identity *made(const struct cert_spec *spec, const struct identity *issuer)
{
	return identity_new(spec, issuer);
}

static void run_server(const struct kiln_tls_options *options, const struct identity *client,
		       int64_t now)
{
	struct tls_peer_options peer = pair_client_peer();
	peer.identity = client;
	pair_open_at(&pair, options, &peer, now);
	pair_run(&pair, SIZE_MAX);
}

static void run_client(const struct kiln_tls_options *options, const struct identity *server,
		       int64_t now)
{
	struct tls_peer_options peer = pair_server_peer();
	peer.identity = server;
	pair_open_at(&pair, options, &peer, now);
	pair_run(&pair, SIZE_MAX);
}

static void test_required(void **state)
{
	const struct kiln_tls_options options = pair_server_options();
	(void)state;
	run_server(&options, pair_client, CERT_NOW);
	pair_assert_done(&pair);
	assert_string_equal(pair.session.peer.common_name, "client");
	assert_string_equal(pair.session.peer.subject, "CN=client,OU=unit");
	pair_close(&pair);
	run_server(&options, NULL, CERT_NOW);
	pair_assert_failed(&pair, KILN_E_CERT_REQUIRED, 116);
	pair_close(&pair);
}

static void test_optional(void **state)
{
	struct kiln_tls_options options = pair_server_options();
	options.peer_auth = KILN_PEER_OPTIONAL;
	(void)state;
	run_server(&options, NULL, CERT_NOW);
	pair_assert_done(&pair);
	assert_false(pair.session.peer.present);
	assert_string_equal(pair.session.peer.name, "");
	pair_close(&pair);
	run_server(&options, pair_client, CERT_NOW);
	pair_assert_done(&pair);
	assert_true(pair.session.peer.present);
	pair_close(&pair);
	/* One that comes must verify. */
	struct identity *stranger = made(&(struct cert_spec){.cn = "x"}, pair_stranger_ca);
	run_server(&options, stranger, CERT_NOW);
	pair_assert_failed(&pair, KILN_E_CERT_INVALID, 48);
	pair_close(&pair);
	identity_free(stranger);
}

static void test_none(void **state)
{
	struct kiln_tls_options options = pair_server_options();
	options.peer_auth = KILN_PEER_NONE;
	(void)state;
	run_server(&options, pair_client, CERT_NOW);
	pair_assert_done(&pair);
	assert_false(pair.session.peer.present);
	pair_close(&pair);
}

static void test_strangers(void **state)
{
	const struct kiln_tls_options options = pair_server_options();
	const struct cert_spec spec = {.cn = "client", .san = "DNS:server.example"};
	struct identity *other = made(&spec, pair_stranger_ca), *self = made(&spec, NULL);
	const struct kiln_tls_options client = pair_client_options();
	(void)state;
	run_server(&options, other, CERT_NOW);
	pair_assert_failed(&pair, KILN_E_CERT_INVALID, 48); /* unknown_ca */
	assert_non_null(strstr(pair.err.message, "server.example"));
	pair_close(&pair);
	run_server(&options, self, CERT_NOW);
	pair_assert_failed(&pair, KILN_E_CERT_INVALID, 48);
	pair_close(&pair);
	run_client(&client, other, CERT_NOW);
	pair_assert_failed(&pair, KILN_E_CERT_INVALID, 48);
	pair_close(&pair);
	identity_free(other);
	identity_free(self);
}

/* By the time that the caller gives, not by this machine's. */
static void test_dates(void **state)
{
	static const struct {
		int64_t now;
		bool good;
	} cases[] = {
	    {CERT_NOW - CERT_DAY - 1, false},
	    {CERT_NOW - CERT_DAY, true},
	    {CERT_NOW, true},
	    {CERT_NOW + 365 * CERT_DAY - 1, true},
	    {CERT_NOW + 365 * CERT_DAY + 1, false},
	    {0, false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		const struct kiln_tls_options server = pair_server_options();
		run_server(&server, pair_client, cases[i].now);
		if (cases[i].good)
			pair_assert_done(&pair);
		else /* certificate_expired, or bad_certificate for the future */
			pair_assert_failed(&pair, KILN_E_CERT_INVALID,
					   cases[i].now > CERT_NOW ? 45 : 42);
		pair_close(&pair);
		const struct kiln_tls_options client = pair_client_options();
		run_client(&client, pair_server, cases[i].now);
		if (cases[i].good)
			pair_assert_done(&pair);
		else
			pair_assert_failed(&pair, KILN_E_CERT_INVALID,
					   cases[i].now > CERT_NOW ? 45 : 42);
		pair_close(&pair);
	}
}

/* A certificate that may not sign, as an issuer; a server's certificate for a client. */
static void test_wrong_purpose(void **state)
{
	const struct kiln_tls_options options = pair_server_options();
	struct identity *leaf = made(&(struct cert_spec){.cn = "by a leaf"}, pair_client);
	(void)state;
	run_server(&options, leaf, CERT_NOW);
	assert_int_equal(pair.step, KILN_STEP_FAILED);
	assert_int_equal(pair.err.code, KILN_E_CERT_INVALID);
	pair_close(&pair);
	identity_free(leaf);
}

static void test_server_names(void **state)
{
	static const struct {
		const char *san, *verify;
		bool good;
	} cases[] = {
	    {"DNS:server.example", "server.example", true},
	    {"DNS:server.example", "SERVER.example", true},
	    {"DNS:other.example", "server.example", false},
	    {"DNS:*.host.example", "server.host.example", true},
	    {"DNS:*.host.example", "a.server.host.example", false},
	    {"DNS:*.example", "server.example", false},            /* too wide for OpenSSL */
	    {"DNS:s*.host.example", "server.host.example", false}, /* no partial wildcards */
	    {"IP:192.0.2.1", "192.0.2.1", true},
	    {"IP:192.0.2.2", "192.0.2.1", false},
	    {"DNS:192.0.2.1", "192.0.2.1", false}, /* a name is no address */
	    {"IP:2001:db8::1", "2001:db8:0::1", true},
	    {"IP:192.0.2.1", "server.example", false},
	    {"URI:https://server.example", "server.example", false},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		/* The common name is right in all of them: with a SAN it must not count. */
		struct identity *id =
		    made(&(struct cert_spec){.cn = cases[i].verify, .san = cases[i].san}, pair_ca);
		struct kiln_tls_options options = pair_client_options();
		options.server_name = options.verify_name = cases[i].verify;
		run_client(&options, id, CERT_NOW);
		if (cases[i].good != (pair.step == KILN_STEP_DONE))
			print_error("%s for %s\n", cases[i].san, cases[i].verify);
		if (cases[i].good)
			pair_assert_done(&pair);
		else
			pair_assert_failed(&pair, KILN_E_NAME_MISMATCH, 42);
		pair_close(&pair);
		identity_free(id);
	}
}

/* A client's rules come on top of the name, and stand alone where there is none. */
static void test_client_rules(void **state)
{
	(void)state;
	const struct kiln_access_rule good = {KILN_ACCESS_DNS, "server.example"},
				      bad = {KILN_ACCESS_CN, "somebody"};
	struct kiln_tls_options options = pair_client_options();
	options.verify_name = NULL;
	options.rules = &good;
	options.rule_count = 1;
	run_client(&options, pair_server, CERT_NOW);
	pair_assert_done(&pair);
	pair_close(&pair);
	options.rules = &bad;
	run_client(&options, pair_server, CERT_NOW);
	assert_int_equal(pair.err.code, KILN_E_NAME_MISMATCH);
	assert_int_equal(pair.err.alert, pair.peer_alert);
	assert_int_not_equal(pair.err.alert, 0);
	/* Nothing of the client's own was shown. */
	assert_null(SSL_get0_peer_certificate(pair.peer.ssl));
	pair_close(&pair);
	options.rules = &good;
	options.verify_name = "elsewhere.example";
	run_client(&options, pair_server, CERT_NOW);
	pair_assert_failed(&pair, KILN_E_NAME_MISMATCH, 42);
	pair_close(&pair);
	options.verify_name = NULL;
	options.rule_count = 0;
	options.allow_any = true;
	run_client(&options, pair_server, CERT_NOW);
	pair_assert_done(&pair);
	pair_close(&pair);
}

static void test_server_rules(void **state)
{
	(void)state;
	char hex[65];
	identity_spki(pair_client, hex);
	const struct kiln_access_rule rules[] = {
	    {KILN_ACCESS_CN, "nobody"}, {KILN_ACCESS_OU, "unit"}, {KILN_ACCESS_SPKI, hex}};
	struct kiln_tls_options options = pair_server_options();
	options.allow_any = false;
	options.rules = rules;
	for (size_t from = 0; from < 3; from++) {
		options.rules = rules + from;
		options.rule_count = from == 0 ? 1 : 2;
		if (from == 2)
			options.rule_count = 1;
		run_server(&options, pair_client, CERT_NOW);
		if (from == 0)
			pair_assert_failed(&pair, KILN_E_ACCESS_DENIED, 49);
		else
			pair_assert_done(&pair);
		pair_close(&pair);
	}
	/* Who is not verified is not even looked at. */
	struct identity *stranger = made(&(struct cert_spec){.cn = "nobody"}, pair_stranger_ca);
	options.rules = rules;
	options.rule_count = 1;
	run_server(&options, stranger, CERT_NOW);
	pair_assert_failed(&pair, KILN_E_CERT_INVALID, 48);
	pair_close(&pair);
	identity_free(stranger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_required),     cmocka_unit_test(test_optional),
	    cmocka_unit_test(test_none),         cmocka_unit_test(test_strangers),
	    cmocka_unit_test(test_dates),        cmocka_unit_test(test_wrong_purpose),
	    cmocka_unit_test(test_server_names), cmocka_unit_test(test_client_rules),
	    cmocka_unit_test(test_server_rules),
	};
	return cmocka_run_group_tests_name("tls: identity", tests, pair_make_certificates,
					   pair_free_certificates);
}
