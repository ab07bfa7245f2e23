/* SPDX-License-Identifier: Apache-2.0
 * Handshakes against OpenSSL: every way to feed the bytes, what is left over, HelloRetryRequest,
 * tickets, ALPN. What is refused, and who the peer is, have tests of their own. */
#include "tls_pair.h"

#include "tls/config.h"

static struct pair pair;

/* Two records around text, in both directions. */
static void talk(void)
{
	uint8_t record[100], out[100];
	size_t n, length;
	uint8_t type;
	bool closed;
	assert_int_equal(
	    kiln_traffic_seal(&pair.session.tx, KILN_RECORD_DATA, "from kiln", 9, record, &n, NULL),
	    KILN_OK);
	tls_peer_put(&pair.peer, record, n);
	assert_int_equal(tls_peer_read(&pair.peer, out, sizeof out, &closed), 9);
	assert_memory_equal(out, "from kiln", 9);
	tls_peer_write(&pair.peer, "from peer", 9);
	pair_take(&pair);
	assert_int_equal(kiln_record_length(pair.to_kiln.data, pair.to_kiln.len, &length, NULL),
			 KILN_OK);
	assert_int_equal(length, pair.to_kiln.len);
	assert_int_equal(
	    kiln_traffic_open(&pair.session.rx, pair.to_kiln.data, length, out, &n, &type, NULL),
	    KILN_OK);
	assert_int_equal(n, 9);
	assert_memory_equal(out, "from peer", 9);
}

static void open_role(int role)
{
	struct kiln_tls_options options =
	    role == KILN_SERVER ? pair_server_options() : pair_client_options();
	struct tls_peer_options peer =
	    role == KILN_SERVER ? pair_client_peer() : pair_server_peer();
	pair_open(&pair, &options, &peer);
}

static void test_any_pieces(void **state)
{
	static const size_t chunks[] = {1, 2, 3, 5, 6, 100, 1000, SIZE_MAX};
	(void)state;
	for (int role = KILN_CLIENT; role <= KILN_SERVER; role++)
		for (size_t i = 0; i < sizeof chunks / sizeof chunks[0]; i++) {
			open_role(role);
			pair_run(&pair, chunks[i]);
			pair_assert_done(&pair);
			assert_int_equal(pair.to_kiln.len, 0);
			assert_int_equal(pair.session.rx.sequence, 0);
			assert_int_equal(pair.session.tx.sequence, 0);
			assert_true(pair.session.peer.present);
			assert_string_not_equal(pair.session.group, "");
			talk();
			pair_close(&pair);
		}
}

/* What the client sends behind its Finished is left over to the byte. */
static void test_glued_to_finished(void **state)
{
	(void)state;
	for (size_t chunk = 1; chunk < 2000; chunk = chunk * 3 + 1) {
		open_role(KILN_SERVER);
		size_t consumed, len;
		const uint8_t *out;
		assert_int_equal(tls_peer_step(&pair.peer), 0);
		pair_take(&pair);
		assert_int_equal(kiln_handshake_step(pair.hs, pair.to_kiln.data, pair.to_kiln.len,
						     &consumed, &pair.err),
				 KILN_STEP_NEED_INPUT);
		wire_drop(&pair.to_kiln, consumed);
		out = kiln_handshake_output(pair.hs, &len);
		tls_peer_put(&pair.peer, out, len);
		kiln_handshake_sent(pair.hs, len);
		assert_int_equal(tls_peer_step(&pair.peer), 1);
		tls_peer_write(&pair.peer, "early", 5);
		tls_peer_write(&pair.peer, "data", 4);
		pair_take(&pair);
		do {
			const size_t n = chunk < pair.to_kiln.len ? chunk : pair.to_kiln.len;
			assert_true(n > 0);
			pair.step = kiln_handshake_step(pair.hs, pair.to_kiln.data, n, &consumed,
							&pair.err);
			wire_drop(&pair.to_kiln, consumed);
		} while (pair.step == KILN_STEP_NEED_INPUT);
		assert_int_equal(pair.step, KILN_STEP_DONE);
		assert_int_equal(pair.to_kiln.len, 5 + 4 + 2 * KILN_RECORD_OVERHEAD);
		assert_int_equal(kiln_handshake_finish(pair.hs, &pair.session, NULL), KILN_OK);
		uint8_t plain[100], type;
		size_t n;
		assert_int_equal(kiln_traffic_open(&pair.session.rx, pair.to_kiln.data,
						   5 + KILN_RECORD_OVERHEAD, plain, &n, &type,
						   NULL),
				 KILN_OK);
		assert_memory_equal(plain, "early", 5);
		wire_drop(&pair.to_kiln, pair.to_kiln.len);
		pair_close(&pair);
	}
}

static unsigned hellos;

static void count_hellos(int write, int version, int type, const void *data, size_t len, SSL *ssl,
			 void *arg)
{
	(void)write, (void)version, (void)ssl, (void)arg;
	hellos += type == SSL3_RT_HANDSHAKE && len > 0 && *(const uint8_t *)data == 1;
}

/* The groups differ at first: the server asks for another key share. */
static void test_hello_retry_request(void **state)
{
	(void)state;
	for (int role = KILN_CLIENT; role <= KILN_SERVER; role++)
		for (size_t chunk = 1; chunk < 2000; chunk *= 40) {
			open_role(role);
			const char *only = "P-521";
			if (role == KILN_SERVER) { /* it takes all of OpenSSL's: made choosy here */
				kiln_handshake_free(pair.hs);
				assert_int_equal(SSL_CTX_set1_groups_list(pair.config->ctx, only),
						 1);
				pair.hs = kiln_handshake_new(pair.config, CERT_NOW, NULL);
			} else {
				assert_int_equal(SSL_set1_groups_list(pair.peer.ssl, only), 1);
			}
			SSL_set_msg_callback(pair.peer.ssl, count_hellos);
			hellos = 0;
			pair_run(&pair, chunk);
			pair_assert_done(&pair);
			assert_int_equal(hellos, 2);
			assert_string_equal(pair.session.group, "secp521r1");
			talk();
			pair_close(&pair);
		}
}

/* A session ticket of another server, offered as a PSK: a full handshake all the same. */
static void test_offered_psk(void **state)
{
	(void)state;
	struct tls_peer_options server_options = pair_server_peer();
	struct tls_peer_options client_options = pair_client_peer();
	struct tls_peer server, client;
	server_options.tickets = 1;
	tls_peer_open(&server, &server_options);
	tls_peer_open(&client, &client_options);
	for (int i = 0; i < 6; i++) {
		size_t len;
		uint8_t *data, byte;
		bool closed;
		(void)tls_peer_step(&client);
		data = tls_peer_take(&client, &len);
		tls_peer_put(&server, data, len);
		free(data);
		(void)tls_peer_step(&server);
		data = tls_peer_take(&server, &len);
		tls_peer_put(&client, data, len);
		free(data);
		if (SSL_is_init_finished(client.ssl))
			(void)tls_peer_read(&client, &byte, 1, &closed);
	}
	SSL_SESSION *session = SSL_get1_session(client.ssl);
	assert_true(SSL_SESSION_is_resumable(session));
	open_role(KILN_SERVER);
	assert_int_equal(SSL_set_session(pair.peer.ssl, session), 1);
	pair_run(&pair, 11);
	pair_assert_done(&pair);
	assert_false(SSL_session_reused(pair.peer.ssl));
	talk();
	pair_close(&pair);
	SSL_SESSION_free(session);
	tls_peer_close(&server);
	tls_peer_close(&client);
}

static void test_alpn(void **state)
{
	static const struct {
		const char *kiln, *peer, *agreed; /* agreed NULL: refused */
	} cases[] = {
	    {"h2,http/1.1", "\x08http/1.1", "http/1.1"},
	    {"h2,http/1.1", "\x08http/1.1\x02h2", "h2"}, /* the server's order counts */
	    {"h2", NULL, ""},
	    {NULL, "\x02h2", ""},
	    {"h2", "\x02h3", NULL},
	};
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct kiln_tls_options options = pair_server_options();
		struct tls_peer_options peer = pair_client_peer();
		options.alpn = cases[i].kiln;
		peer.alpn = cases[i].peer;
		pair_open(&pair, &options, &peer);
		pair_run(&pair, SIZE_MAX);
		if (cases[i].agreed != NULL) {
			pair_assert_done(&pair);
			assert_string_equal(pair.session.alpn, cases[i].agreed);
		} else {
			pair_assert_failed(&pair, KILN_E_TLS_HANDSHAKE, 120);
		}
		pair_close(&pair);
	}
	struct kiln_tls_options options = pair_client_options();
	struct tls_peer_options peer = pair_server_peer();
	options.alpn = "one,two";
	peer.alpn = "\x03two";
	pair_open(&pair, &options, &peer);
	pair_run(&pair, SIZE_MAX);
	pair_assert_done(&pair);
	assert_string_equal(pair.session.alpn, "two");
	pair_close(&pair);
}

static void test_server_name(void **state)
{
	(void)state;
	struct kiln_tls_options options = pair_server_options();
	struct tls_peer_options peer = pair_client_peer();
	peer.server_name = "asked.example";
	pair_open(&pair, &options, &peer);
	pair_run(&pair, SIZE_MAX);
	pair_assert_done(&pair);
	assert_string_equal(pair.session.server_name, "asked.example");
	pair_close(&pair);
	open_role(KILN_CLIENT);
	pair_run(&pair, SIZE_MAX);
	assert_string_equal(SSL_get_servername(pair.peer.ssl, TLSEXT_NAMETYPE_host_name),
			    "server.example");
	pair_close(&pair);
}

static void test_export(void **state)
{
	uint8_t ours[32], theirs[32];
	(void)state;
	open_role(KILN_SERVER);
	assert_int_equal(kiln_handshake_export(pair.hs, "EXPORTER-x", NULL, 0, ours, 32, NULL),
			 KILN_E_USAGE);
	pair_run(&pair, SIZE_MAX);
	pair_assert_done(&pair);
	assert_int_equal(
	    kiln_handshake_export(pair.hs, "EXPORTER-x", (const uint8_t *)"ctx", 3, ours, 32, NULL),
	    KILN_OK);
	assert_int_equal(SSL_export_keying_material(pair.peer.ssl, theirs, 32, "EXPORTER-x", 10,
						    (const uint8_t *)"ctx", 3, 1),
			 1);
	assert_memory_equal(ours, theirs, 32);
	pair_close(&pair);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_any_pieces),
	    cmocka_unit_test(test_glued_to_finished),
	    cmocka_unit_test(test_hello_retry_request),
	    cmocka_unit_test(test_offered_psk),
	    cmocka_unit_test(test_alpn),
	    cmocka_unit_test(test_server_name),
	    cmocka_unit_test(test_export),
	};
	return cmocka_run_group_tests_name("tls: handshake", tests, pair_make_certificates,
					   pair_free_certificates);
}
