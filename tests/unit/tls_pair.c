/* SPDX-License-Identifier: Apache-2.0
 * Kiln against OpenSSL; see tls_pair.h. */
#include "tls_pair.h"

struct identity *pair_ca, *pair_server, *pair_client, *pair_stranger_ca;

int pair_make_certificates(void **state)
{
	(void)state;
	pair_ca = identity_new(&(struct cert_spec){.cn = "Test CA", .ca = true}, NULL);
	pair_stranger_ca = identity_new(&(struct cert_spec){.cn = "Other CA", .ca = true}, NULL);
	pair_server = identity_new(
	    &(struct cert_spec){.cn = "server", .san = "DNS:server.example,IP:192.0.2.1"}, pair_ca);
	pair_client = identity_new(&(struct cert_spec){.cn = "client", .ou = "unit"}, pair_ca);
	return 0;
}

int pair_free_certificates(void **state)
{
	(void)state;
	identity_free(pair_ca);
	identity_free(pair_stranger_ca);
	identity_free(pair_server);
	identity_free(pair_client);
	return 0;
}

struct kiln_tls_options pair_server_options(void)
{
	return (struct kiln_tls_options){
	    .role = KILN_SERVER,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .allow_any = true,
	    .cert_pem = pair_server->cert_pem,
	    .cert_len = pair_server->cert_len,
	    .key_pem = pair_server->key_pem,
	    .key_len = pair_server->key_len,
	    .ca_pem = pair_ca->cert_pem,
	    .ca_len = pair_ca->cert_len,
	};
}

struct kiln_tls_options pair_client_options(void)
{
	return (struct kiln_tls_options){
	    .role = KILN_CLIENT,
	    .peer_auth = KILN_PEER_REQUIRED,
	    .cert_pem = pair_client->cert_pem,
	    .cert_len = pair_client->cert_len,
	    .key_pem = pair_client->key_pem,
	    .key_len = pair_client->key_len,
	    .ca_pem = pair_ca->cert_pem,
	    .ca_len = pair_ca->cert_len,
	    .server_name = "server.example",
	    .verify_name = "server.example",
	};
}

struct tls_peer_options pair_client_peer(void)
{
	return (struct tls_peer_options){.identity = pair_client, .ca = pair_ca};
}

struct tls_peer_options pair_server_peer(void)
{
	return (struct tls_peer_options){
	    .server = true, .identity = pair_server, .ca = pair_ca, .request_client = true};
}

static uint8_t last_alert;

static void note_alert(const SSL *ssl, int where, int value)
{
	(void)ssl;
	if ((where & SSL_CB_ALERT) && (where & SSL_CB_READ))
		last_alert = (uint8_t)value;
}

void pair_open_at(struct pair *pair, const struct kiln_tls_options *options,
		  const struct tls_peer_options *peer, int64_t now)
{
	memset(pair, 0, sizeof *pair);
	pair->config = kiln_tls_config_new(options, &pair->err);
	if (pair->config == NULL)
		fail_msg("%s", pair->err.message);
	pair->hs = kiln_handshake_new(pair->config, now, &pair->err);
	assert_non_null(pair->hs);
	tls_peer_open(&pair->peer, peer);
	SSL_set_info_callback(pair->peer.ssl, note_alert);
	last_alert = 0;
}

void pair_open(struct pair *pair, const struct kiln_tls_options *options,
	       const struct tls_peer_options *peer)
{
	pair_open_at(pair, options, peer, CERT_NOW);
}

void pair_close(struct pair *pair)
{
	kiln_handshake_free(pair->hs);
	kiln_tls_config_unref(pair->config);
	kiln_session_clear(&pair->session);
	tls_peer_close(&pair->peer);
	wire_free(&pair->to_kiln);
	memset(pair, 0, sizeof *pair);
}

void pair_take(struct pair *pair)
{
	size_t len;
	uint8_t *data = tls_peer_take(&pair->peer, &len);
	wire_add(&pair->to_kiln, data, len);
	free(data);
}

/* Kiln's output, in two parts when there is something to cut. */
static bool put_output(struct pair *pair)
{
	size_t len;
	bool any = false;
	const uint8_t *out;
	while ((out = kiln_handshake_output(pair->hs, &len)) != NULL) {
		const size_t some = len > 1 ? len / 2 : len;
		tls_peer_put(&pair->peer, out, some);
		kiln_handshake_sent(pair->hs, some);
		any = true;
	}
	return any;
}

static bool feed(struct pair *pair, size_t chunk)
{
	const size_t len = pair->to_kiln.len < chunk ? pair->to_kiln.len : chunk;
	size_t consumed;
	/* In memory of just that size, so that a read beyond it shows. */
	uint8_t *copy = malloc(len > 0 ? len : 1);
	assert_non_null(copy);
	if (len > 0)
		memcpy(copy, pair->to_kiln.data, len);
	pair->step =
	    kiln_handshake_step(pair->hs, len > 0 ? copy : NULL, len, &consumed, &pair->err);
	free(copy);
	assert_true(consumed <= len);
	if (pair->step == KILN_STEP_NEED_INPUT)
		assert_int_equal(consumed, len);
	wire_drop(&pair->to_kiln, consumed);
	return true;
}

void pair_run(struct pair *pair, size_t chunk)
{
	bool started = false, moved = true;
	pair->step = KILN_STEP_NEED_INPUT;
	while (moved) {
		moved = false;
		if (pair->peer_step == 0)
			pair->peer_step = tls_peer_step(&pair->peer);
		pair_take(pair);
		if (pair->step == KILN_STEP_NEED_INPUT && (!started || pair->to_kiln.len > 0))
			moved = feed(pair, started ? chunk : 0);
		started = true;
		moved |= put_output(pair);
	}
	if (pair->step == KILN_STEP_DONE)
		assert_int_equal(kiln_handshake_finish(pair->hs, &pair->session, &pair->err),
				 KILN_OK);
	/* An alert under the application keys is read only after the handshake. */
	uint8_t byte;
	size_t n;
	if (pair->peer_step == 1 && pair->step == KILN_STEP_FAILED)
		(void)SSL_read_ex(pair->peer.ssl, &byte, 1, &n);
	pair->peer_alert = last_alert;
}

void pair_assert_done(struct pair *pair)
{
	if (pair->step != KILN_STEP_DONE)
		fail_msg("%s", pair->err.message);
	assert_int_equal(pair->peer_step, 1);
}

void pair_assert_failed(const struct pair *pair, enum kiln_code code, uint8_t alert)
{
	assert_int_equal(pair->step, KILN_STEP_FAILED);
	if (pair->err.code != code)
		print_error("%s\n", pair->err.message);
	assert_int_equal(pair->err.code, code);
	assert_int_equal(pair->err.alert, alert);
	assert_false(pair->err.alert_received);
	assert_int_equal(pair->peer_alert, alert);
}
