/* SPDX-License-Identifier: Apache-2.0
 * The whole way: both hellos, then TLS with the connection's own certificates, to equal traffic
 * secrets; and what stands between somebody else and that. */
#include "roast_rig.h"

#include <openssl/err.h>

#include "roast/authority.h"
#include "tls/identity.h"
#include "tls_peer.h"

static struct side client, server;
static struct kiln_tls_config *client_config, *server_config;

static int make_configs(void **state)
{
	struct kiln_error err = {0};
	(void)state;
	client_config = kiln_roast_config_new(KILN_CLIENT, NULL, &err);
	server_config = kiln_roast_config_new(KILN_SERVER, NULL, &err);
	return client_config != NULL && server_config != NULL ? 0 : -1;
}

static int free_configs(void **state)
{
	(void)state;
	kiln_tls_config_unref(client_config);
	kiln_tls_config_unref(server_config);
	return 0;
}

static void exchange_hellos(const char *name, bool bound)
{
	side_open(&client, &(struct side_options){.role = KILN_CLIENT,
						  .who = &client_person,
						  .no_binding = !bound,
						  .server_name = name});
	side_open(&server, &(struct side_options){
			       .role = KILN_SERVER, .who = &server_person, .no_binding = !bound});
	sides_run(&client, &server, SIZE_MAX);
	if (client.step != KILN_ROAST_DONE || server.step != KILN_ROAST_DONE)
		fail_msg("client: %s; server: %s", client.err.message, server.err.message);
}

/* One side's TLS, between two queues. */
struct tls {
	struct kiln_handshake *hs;
	struct wire in;
	enum kiln_step step;
	struct kiln_error err;
	struct kiln_session session;
};

static void tls_open(struct tls *tls, struct side *side, struct kiln_tls_config *config)
{
	memset(tls, 0, sizeof *tls);
	tls->hs = kiln_roast_handshake(side->roast, config, side->ms, &tls->err);
	if (tls->hs == NULL)
		fail_msg("%s", tls->err.message);
	tls->step = KILN_STEP_NEED_INPUT;
}

static void tls_close(struct tls *tls)
{
	kiln_handshake_free(tls->hs);
	kiln_session_clear(&tls->session);
	wire_free(&tls->in);
}

static bool tls_feed(struct tls *tls, size_t chunk, struct wire *out)
{
	const size_t len = tls->in.len < chunk ? tls->in.len : chunk;
	uint8_t *copy = malloc(len > 0 ? len : 1);
	size_t consumed, sent;
	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, tls->in.data, len);
	tls->step = kiln_handshake_step(tls->hs, len > 0 ? copy : NULL, len, &consumed, &tls->err);
	free(copy);
	assert_true(consumed <= len);
	wire_drop(&tls->in, consumed);
	const uint8_t *data = kiln_handshake_output(tls->hs, &sent);
	if (data != NULL) {
		wire_add(out, data, sent);
		kiln_handshake_sent(tls->hs, sent);
	}
	return consumed > 0 || data != NULL;
}

static void tls_run(struct tls *c, struct tls *s, size_t chunk)
{
	bool moved = tls_feed(c, 0, &s->in);
	while (moved) {
		moved = false;
		if (s->step == KILN_STEP_NEED_INPUT && s->in.len > 0)
			moved |= tls_feed(s, chunk, &c->in);
		if (c->step == KILN_STEP_NEED_INPUT && c->in.len > 0)
			moved |= tls_feed(c, chunk, &s->in);
	}
}

static void assert_equal_secrets(struct tls *c, struct tls *s)
{
	if (c->step != KILN_STEP_DONE || s->step != KILN_STEP_DONE)
		fail_msg("client: %s; server: %s", c->err.message, s->err.message);
	assert_int_equal(kiln_handshake_finish(c->hs, &c->session, &c->err), KILN_OK);
	assert_int_equal(kiln_handshake_finish(s->hs, &s->session, &s->err), KILN_OK);
	assert_int_equal(c->session.suite, s->session.suite);
	assert_memory_equal(c->session.tx.secret, s->session.rx.secret, KILN_SECRET_MAX);
	assert_memory_equal(c->session.rx.secret, s->session.tx.secret, KILN_SECRET_MAX);
	assert_memory_not_equal(c->session.rx.secret, c->session.tx.secret, 32);
	assert_int_equal(c->session.rx.sequence, 0); /* no tickets */
	assert_string_equal(s->session.server_name, "");
	assert_string_equal(s->session.alpn, "");
	assert_true(c->session.peer.present);
	assert_true(s->session.peer.present);
}

static void close_both(struct tls *c, struct tls *s)
{
	tls_close(c);
	tls_close(s);
	side_close(&client);
	side_close(&server);
}

static void test_whole_way(void **state)
{
	static const char *const names[] = {"192.0.2.1", "[2001:db8::1]", "fe80::1%eth0",
					    "::ffff:192.0.2.1", "server.example"};
	static const size_t chunks[] = {SIZE_MAX, 1, 7, 500, 1000};
	struct tls c, s;
	(void)state;
	for (size_t i = 0; i < 5; i++) {
		exchange_hellos(names[i], i % 2 == 0);
		tls_open(&c, &client, client_config);
		tls_open(&s, &server, server_config);
		tls_run(&c, &s, chunks[i]);
		assert_equal_secrets(&c, &s);
		close_both(&c, &s);
	}
}

/* A line feed behind a hello, however late, in pieces of any size, in both directions. */
static void test_late_line_feed(void **state)
{
	struct tls c, s;
	(void)state;
	for (size_t chunk = 1; chunk < 5; chunk++) {
		exchange_hellos(NULL, true);
		tls_open(&c, &client, client_config);
		tls_open(&s, &server, server_config);
		wire_add(&c.in, "\n", 1);
		wire_add(&s.in, "\r\n \t", 4);
		tls_run(&c, &s, chunk);
		assert_equal_secrets(&c, &s);
		close_both(&c, &s);
	}
}

/* Not for ever, and not in the middle. */
static void test_too_many_blanks(void **state)
{
	struct tls c, s;
	char blanks[65];
	(void)state;
	memset(blanks, '\n', sizeof blanks);
	exchange_hellos(NULL, true);
	tls_open(&c, &client, client_config);
	tls_open(&s, &server, server_config);
	wire_add(&s.in, blanks, sizeof blanks);
	tls_run(&c, &s, SIZE_MAX);
	assert_int_equal(s.step, KILN_STEP_FAILED);
	assert_int_equal(s.err.code, KILN_E_NOT_TLS);
	close_both(&c, &s);
}

/* Connections share a configuration and nothing else. */
static void test_bulkheads(void **state)
{
	struct side first_client, first_server;
	struct tls c, s;
	(void)state;
	exchange_hellos(NULL, true);
	first_client = client;
	first_server = server;
	exchange_hellos(NULL, true);
	/* Whoever proved the role in one connection has no place in the other's TLS. */
	tls_open(&c, &first_client, client_config);
	tls_open(&s, &server, server_config);
	tls_run(&c, &s, SIZE_MAX);
	assert_int_equal(c.step, KILN_STEP_FAILED);
	assert_int_equal(c.err.code, KILN_E_CERT_INVALID);
	assert_int_equal(c.err.alert, 48); /* unknown_ca */
	assert_non_null(strstr(c.err.message,
			       "server 192.0.2.1:4433 in TLS: the TLS certificate is "
			       "not signed by the CA in the hello"));
	assert_true(s.err.alert_received);
	close_both(&c, &s);
	side_close(&first_client);
	side_close(&first_server);
}

/* ------------------------------------------------------------------ OpenSSL on the other side */

/* The server's handshake against a client that took no part in the hellos. */
static uint8_t run_stranger(struct tls *s, const struct tls_peer_options *options,
			    struct tls_peer *peer)
{
	struct wire out = {0};
	size_t len;
	exchange_hellos(NULL, true);
	tls_open(s, &server, server_config);
	tls_peer_open(peer, options);
	for (int round = 0; round < 4; round++) {
		(void)tls_peer_step(peer);
		uint8_t *data = tls_peer_take(peer, &len);
		wire_add(&s->in, data, len);
		free(data);
		while (s->step == KILN_STEP_NEED_INPUT && s->in.len > 0)
			(void)tls_feed(s, SIZE_MAX, &out);
		if (out.len > 0)
			tls_peer_put(peer, out.data, out.len);
		wire_drop(&out, out.len);
	}
	wire_free(&out);
	return s->err.alert;
}

static void end_stranger(struct tls *s, struct tls_peer *peer)
{
	tls_close(s);
	tls_peer_close(peer);
	side_close(&client);
	side_close(&server);
}

/* OpenSSL by itself, with a certificate of the client's CA, and with one of another connection's: a
 * hello that somebody stole is worth nothing without the key. */
static void test_stolen_hello(void **state)
{
	struct kiln_roast_authority other;
	struct identity identity = {0};
	struct kiln_error err = {0};
	struct tls_peer peer;
	struct tls s;
	(void)state;
	assert_int_equal(kiln_roast_authority_make(&other, RIG_NOW, &err), KILN_OK);
	assert_int_equal(kiln_roast_authority_issue(&other, KILN_CLIENT, NULL, RIG_NOW, &err),
			 KILN_OK);
	identity.cert = other.leaf;
	identity.key = other.leaf_key;
	assert_int_equal(run_stranger(&s, &(struct tls_peer_options){.identity = &identity}, &peer),
			 48);
	assert_int_equal(s.err.code, KILN_E_CERT_INVALID);
	assert_non_null(strstr(s.err.message, "client 192.0.2.9:50000 in TLS"));
	end_stranger(&s, &peer);
	kiln_roast_authority_clear(&other);
}

static void test_strangers(void **state)
{
	struct identity *self_signed = identity_new(
	    &(struct cert_spec){.cn = "x", .from = RIG_NOW - 9, .to = RIG_NOW + 9}, NULL);
	struct tls_peer peer;
	struct tls s;
	(void)state;
	assert_int_equal(run_stranger(&s, &(struct tls_peer_options){0}, &peer), 116);
	assert_int_equal(s.err.code, KILN_E_CERT_REQUIRED);
	/* The CertificateRequest names no CA: Go would send nothing if it named another. */
	assert_true(SSL_get0_peer_CA_list(peer.ssl) == NULL ||
		    sk_X509_NAME_num(SSL_get0_peer_CA_list(peer.ssl)) == 0);
	end_stranger(&s, &peer);
	assert_int_equal(
	    run_stranger(&s, &(struct tls_peer_options){.identity = self_signed}, &peer), 48);
	assert_int_equal(s.err.code, KILN_E_CERT_INVALID);
	end_stranger(&s, &peer);
	assert_int_equal(run_stranger(&s,
				      &(struct tls_peer_options){.identity = self_signed,
								 .min_version = TLS1_2_VERSION,
								 .max_version = TLS1_2_VERSION},
				      &peer),
			 70);
	assert_int_equal(s.err.code, KILN_E_TLS_VERSION);
	end_stranger(&s, &peer);
	identity_free(self_signed);
}

/* ------------------------------------------------------------------ lib/tls itself */

static void test_without_identity(void **state)
{
	struct kiln_error err = {0};
	struct tls c = {0}, s = {0};
	(void)state;
	exchange_hellos(NULL, true);
	tls_open(&c, &client, client_config);
	s.hs = kiln_handshake_new(server_config, RIG_NOW, &s.err);
	tls_run(&c, &s, SIZE_MAX);
	assert_int_equal(s.step, KILN_STEP_FAILED);
	assert_int_not_equal(c.step, KILN_STEP_DONE);
	tls_close(&s);
	tls_close(&c);
	/* Of a client: its certificate is optional to TLS, its judgement is not. */
	memset(&c, 0, sizeof c);
	tls_open(&s, &server, server_config);
	c.hs = kiln_handshake_new(client_config, RIG_NOW, &c.err);
	tls_run(&c, &s, SIZE_MAX);
	assert_int_equal(c.step, KILN_STEP_FAILED);
	assert_int_not_equal(s.step, KILN_STEP_DONE);
	tls_close(&c);

	/* And an identity has no place in a configuration with certificates of its own. */
	struct identity *ca = identity_new(&(struct cert_spec){.cn = "CA", .ca = true}, NULL);
	struct kiln_tls_config *config =
	    kiln_tls_config_new(&(struct kiln_tls_options){.role = KILN_CLIENT,
							   .peer_auth = KILN_PEER_REQUIRED,
							   .ca_pem = ca->cert_pem,
							   .ca_len = ca->cert_len,
							   .verify_name = "x"},
				&err);
	assert_non_null(config);
	assert_null(kiln_roast_handshake(client.roast, config, RIG_MS, &err));
	assert_int_equal(err.code, KILN_E_USAGE);
	kiln_tls_config_unref(config);
	identity_free(ca);
	tls_close(&s);
	side_close(&client);
	side_close(&server);
}

static void test_bad_config(void **state)
{
	struct kiln_error err = {0};
	(void)state;
	assert_null(kiln_roast_config_new(KILN_SERVER, "TLS_AES_128_CCM_SHA256", &err));
	assert_int_equal(err.code, KILN_E_CONFIG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_whole_way),        cmocka_unit_test(test_late_line_feed),
	    cmocka_unit_test(test_too_many_blanks),  cmocka_unit_test(test_bulkheads),
	    cmocka_unit_test(test_strangers),        cmocka_unit_test(test_stolen_hello),
	    cmocka_unit_test(test_without_identity), cmocka_unit_test(test_bad_config),
	};
	return cmocka_run_group_tests(tests, make_configs, free_configs);
}
