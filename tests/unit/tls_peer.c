/* SPDX-License-Identifier: Apache-2.0
 * OpenSSL as the peer; see tls_peer.h. */
#include "tls_peer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>

#include <cmocka.h>

static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *in, unsigned in_len, void *arg)
{
	(void)ssl;
	const char *ours = arg;
	unsigned char *chosen = NULL;
	if (SSL_select_next_proto(&chosen, out_len, (const unsigned char *)ours,
				  (unsigned)strlen(ours), in, in_len) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_ALERT_FATAL;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

/* Certificates are valid around CERT_NOW, whatever today is. */
static void set_trust(SSL_CTX *ctx, const struct tls_peer_options *o)
{
	if (o->ca != NULL) {
		assert_int_equal(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), o->ca->cert), 1);
		X509_VERIFY_PARAM_set_time(SSL_CTX_get0_param(ctx), (time_t)CERT_NOW);
	}
	if (o->ca != NULL && (!o->server || o->request_client))
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
}

void tls_peer_open(struct tls_peer *peer, const struct tls_peer_options *o)
{
	SSL_CTX *ctx = SSL_CTX_new(o->server ? TLS_server_method() : TLS_client_method());
	assert_non_null(ctx);
	const int min = o->min_version != 0 ? o->min_version : TLS1_3_VERSION;
	const int max = o->max_version != 0 ? o->max_version : TLS1_3_VERSION;
	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, min), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, max), 1);
	if (o->identity != NULL) {
		assert_int_equal(SSL_CTX_use_certificate(ctx, o->identity->cert), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(ctx, o->identity->key), 1);
	}
	set_trust(ctx, o);
	if (o->suites != NULL)
		assert_int_equal(SSL_CTX_set_ciphersuites(ctx, o->suites), 1);
	if (o->groups != NULL)
		assert_int_equal(SSL_CTX_set1_groups_list(ctx, o->groups), 1);
	if (o->alpn != NULL && o->server) {
		union {
			const char *in;
			void *out;
		} alpn = {.in = o->alpn};
		SSL_CTX_set_alpn_select_cb(ctx, choose_alpn, alpn.out);
	}
	assert_int_equal(SSL_CTX_set_num_tickets(ctx, o->tickets), 1);
	peer->ctx = ctx;
	peer->ssl = SSL_new(ctx);
	peer->in = BIO_new(BIO_s_mem());
	peer->out = BIO_new(BIO_s_mem());
	assert_true(peer->ssl != NULL && peer->in != NULL && peer->out != NULL);
	SSL_set_bio(peer->ssl, peer->in, peer->out);
	if (o->alpn != NULL && !o->server)
		assert_int_equal(SSL_set_alpn_protos(peer->ssl, (const uint8_t *)o->alpn,
						     (unsigned)strlen(o->alpn)),
				 0);
	if (o->server_name != NULL)
		assert_int_equal(SSL_set_tlsext_host_name(peer->ssl, o->server_name), 1);
	if (o->server)
		SSL_set_accept_state(peer->ssl);
	else
		SSL_set_connect_state(peer->ssl);
}

void tls_peer_close(struct tls_peer *peer)
{
	SSL_free(peer->ssl);
	SSL_CTX_free(peer->ctx);
	memset(peer, 0, sizeof *peer);
	ERR_clear_error();
}

void tls_peer_put(struct tls_peer *peer, const void *data, size_t len)
{
	if (len > 0)
		assert_int_equal(BIO_write(peer->in, data, (int)len), (int)len);
}

uint8_t *tls_peer_take(struct tls_peer *peer, size_t *len)
{
	*len = BIO_ctrl_pending(peer->out);
	uint8_t *data = malloc(*len + 1);
	assert_non_null(data);
	if (*len > 0)
		assert_int_equal(BIO_read(peer->out, data, (int)*len), (int)*len);
	return data;
}

int tls_peer_step(struct tls_peer *peer)
{
	ERR_clear_error();
	const int result = SSL_do_handshake(peer->ssl);
	if (result == 1)
		return 1;
	return SSL_get_error(peer->ssl, result) == SSL_ERROR_WANT_READ ? 0 : -1;
}

size_t tls_peer_read(struct tls_peer *peer, void *out, size_t cap, bool *closed)
{
	size_t have = 0, n;
	*closed = false;
	ERR_clear_error();
	while (have < cap && SSL_read_ex(peer->ssl, (uint8_t *)out + have, cap - have, &n) == 1)
		have += n;
	if (have < cap)
		*closed = SSL_get_shutdown(peer->ssl) & SSL_RECEIVED_SHUTDOWN;
	return have;
}

void tls_peer_write(struct tls_peer *peer, const void *data, size_t len)
{
	size_t n;
	assert_int_equal(SSL_write_ex(peer->ssl, data, len, &n), 1);
	assert_int_equal(n, len);
}
