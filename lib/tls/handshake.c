/* SPDX-License-Identifier: Apache-2.0
 * The sans-I/O TLS 1.3 handshaker: OpenSSL between two spans of memory. It ends with the traffic
 * secrets that OpenSSL's key log gives, and OpenSSL's own objects are freed. RFC 8446 4. */
#include "tls/handshake.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hex.h"
#include "base/openssl_memory.h"
#include "tls/config.h"
#include "tls/handshake_error.h"
#include "tls/identity.h"
#include "tls/span_bio.h"
#include "tls/traffic.h"

/* Everything a peer may send before it is known: hellos, certificates, Finished. */
#define INPUT_MAX  ((size_t)256 * 1024)
#define BLANKS_MAX 64u

struct kiln_handshake {
	struct kiln_tls_config *config;
	SSL *ssl;
	struct kiln_span_io io;
	struct kiln_handshake_trace trace;
	size_t input_total;
	bool done, failed;
	struct kiln_handshake_identity identity; /* of a bare configuration */
	int64_t now;
	size_t blanks; /* skipped before the peer's first record */
	uint8_t client_secret[KILN_SECRET_MAX], server_secret[KILN_SECRET_MAX];
	size_t client_secret_len, server_secret_len;
};

static size_t read_hex(const char *text, uint8_t *out, size_t cap)
{
	size_t n = 0;
	while (n < cap && kiln_hex_decode(text + 2 * n, 2, out + n))
		n++;
	return n;
}

/* A key log line is LABEL, client random, secret, separated by single spaces. */
void kiln_handshake_keylog(const SSL *ssl, const char *line)
{
	struct kiln_handshake *hs = SSL_get_app_data(ssl);
	const char *random = strchr(line, ' ');
	const char *secret = random != NULL ? strchr(random + 1, ' ') : NULL;
	if (hs == NULL || secret == NULL)
		return;
	const size_t label_len = (size_t)(random - line);
	if (label_len == 23 && memcmp(line, "CLIENT_TRAFFIC_SECRET_0", 23) == 0)
		hs->client_secret_len = read_hex(secret + 1, hs->client_secret, KILN_SECRET_MAX);
	else if (label_len == 23 && memcmp(line, "SERVER_TRAFFIC_SECRET_0", 23) == 0)
		hs->server_secret_len = read_hex(secret + 1, hs->server_secret, KILN_SECRET_MAX);
}

void kiln_handshake_info(const SSL *ssl, int where, int value)
{
	struct kiln_handshake *hs = SSL_get_app_data(ssl);
	if (hs == NULL || (where & SSL_CB_ALERT) == 0)
		return;
	if (where & SSL_CB_READ)
		hs->trace.alert_received = (uint8_t)value;
	else
		hs->trace.alert_sent = (uint8_t)value;
}

/* Called for each certificate of the chain. A client applies its access rules here, before it
 * presents anything of its own; a server does so after the handshake, where it can answer with
 * access_denied, which no verification error maps to. */
int kiln_handshake_verify(int preverified, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct kiln_handshake *hs = ssl != NULL ? SSL_get_app_data(ssl) : NULL;
	if (hs == NULL)
		return 0;
	X509 *cert = X509_STORE_CTX_get_current_cert(store);
	if (preverified != 1) {
		struct kiln_peer peer = {0};
		if (cert != NULL && kiln_peer_describe(cert, &peer))
			(void)snprintf(hs->trace.refused_name, sizeof hs->trace.refused_name, "%s",
				       peer.name);
		hs->trace.verify_error = X509_STORE_CTX_get_error(store);
		return 0;
	}
	if (hs->config->role == KILN_CLIENT && hs->config->access.count > 0 &&
	    X509_STORE_CTX_get_error_depth(store) == 0 &&
	    kiln_access_check(&hs->config->access, cert, &hs->trace.access_error) != KILN_OK) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	}
	return 1;
}

int kiln_handshake_verify_leaf(X509_STORE_CTX *store, void *unused)
{
	(void)unused;
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct kiln_handshake *hs = ssl != NULL ? SSL_get_app_data(ssl) : NULL;
	X509 *leaf = X509_STORE_CTX_get0_cert(store);
	int x509_error = X509_V_ERR_APPLICATION_VERIFICATION;
	if (hs == NULL || hs->identity.verify == NULL || leaf == NULL) {
		X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION);
		return 0;
	}
	if (hs->identity.verify(hs->identity.arg, leaf, hs->now, &x509_error,
				&hs->trace.access_error) == KILN_OK) {
		X509_STORE_CTX_set_error(store, X509_V_OK);
		return 1;
	}
	X509_STORE_CTX_set_error(store, x509_error);
	return 0;
}

enum kiln_code kiln_handshake_set_identity(struct kiln_handshake *hs,
					   const struct kiln_handshake_identity *identity,
					   struct kiln_error *err)
{
	if (!hs->config->bare || hs->input_total > 0)
		return kiln_fail(err, KILN_E_USAGE,
				 "this handshake takes no identity of its own, or not any more");
	kiln_openssl_wipe_begin();
	const bool ok = SSL_use_certificate(hs->ssl, identity->leaf) == 1 &&
			SSL_use_PrivateKey(hs->ssl, identity->key) == 1;
	kiln_openssl_wipe_end();
	ERR_clear_error();
	if (!ok)
		return kiln_fail(err, KILN_E_USAGE,
				 "the connection's certificate and key cannot be used");
	hs->identity = *identity;
	return KILN_OK;
}

/* A Roast peer may end its hello with a line feed, and that may come late. */
static size_t skip_blanks(struct kiln_handshake *hs, const uint8_t *in, size_t len)
{
	size_t n = 0;
	if (!hs->identity.skip_blanks || hs->input_total > 0)
		return 0;
	while (n < len && hs->blanks < BLANKS_MAX &&
	       (in[n] == ' ' || in[n] == '\t' || in[n] == '\n' || in[n] == '\r')) {
		n++;
		hs->blanks++;
	}
	return n;
}

static bool is_ip_address(const char *name)
{
	ASN1_OCTET_STRING *ip = a2i_IPADDRESS(name);
	const bool is = ip != NULL;
	ASN1_OCTET_STRING_free(ip);
	ERR_clear_error();
	return is;
}

static bool set_names(struct kiln_handshake *hs, int64_t now)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(hs->ssl);
	const struct kiln_tls_config *config = hs->config;
	X509_VERIFY_PARAM_set_time(param, (time_t)now);
	if (config->role == KILN_SERVER) {
		SSL_set_accept_state(hs->ssl);
		return true;
	}
	SSL_set_connect_state(hs->ssl);
	/* RFC 6066 3: an IP address is no server name. */
	if (config->server_name != NULL && !is_ip_address(config->server_name) &&
	    SSL_set_tlsext_host_name(hs->ssl, config->server_name) != 1)
		return false;
	if (config->alpn != NULL &&
	    SSL_set_alpn_protos(hs->ssl, config->alpn, config->alpn_len) != 0)
		return false;
	if (config->verify_name == NULL)
		return true; /* then there are rules, or every verified peer will do (config.c) */
	X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
						   X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
	return is_ip_address(config->verify_name)
		   ? X509_VERIFY_PARAM_set1_ip_asc(param, config->verify_name) == 1
		   : X509_VERIFY_PARAM_set1_host(param, config->verify_name, 0) == 1;
}

struct kiln_handshake *kiln_handshake_new(struct kiln_tls_config *config, int64_t now,
					  struct kiln_error *err)
{
	struct kiln_handshake *hs = calloc(1, sizeof *hs);
	BIO *bio = hs != NULL ? kiln_span_bio_new(&hs->io) : NULL;
	SSL *ssl = bio != NULL ? SSL_new(config->ctx) : NULL;
	if (ssl == NULL) {
		BIO_free(bio);
		free(hs);
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a handshake");
		return NULL;
	}
	hs->config = kiln_tls_config_ref(config);
	hs->trace.expected = config->verify_name;
	hs->now = now;
	hs->ssl = ssl;
	SSL_set_bio(ssl, bio, bio);
	SSL_set_app_data(ssl, hs);
	if (!set_names(hs, now)) {
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "the handshake's names cannot be set");
		kiln_handshake_free(hs);
		return NULL;
	}
	return hs;
}

void kiln_handshake_free(struct kiln_handshake *hs)
{
	if (hs == NULL)
		return;
	/* The SSL_CTX calls back while the SSL is freed in some versions: detach first. */
	SSL_set_app_data(hs->ssl, NULL);
	kiln_openssl_wipe_begin();
	SSL_free(hs->ssl);
	kiln_openssl_wipe_end();
	kiln_span_io_clear(&hs->io);
	kiln_tls_config_unref(hs->config);
	kiln_wipe(hs, sizeof *hs);
	free(hs);
}

/* After a server's handshake: is the client let in? */
static enum kiln_code check_client(struct kiln_handshake *hs, struct kiln_error *err)
{
	const X509 *cert = SSL_get0_peer_certificate(hs->ssl);
	if (hs->config->role != KILN_SERVER || cert == NULL)
		return KILN_OK;
	return kiln_access_check(&hs->config->access, cert, err);
}

/* Appends an alert under the application keys: OpenSSL has no call for "known, but not allowed". */
static void queue_denial(struct kiln_handshake *hs, uint8_t alert)
{
	const uint8_t fatal[2] = {2, alert};
	struct kiln_traffic tx;
	uint8_t record[2 + KILN_RECORD_OVERHEAD];
	size_t len, written;
	const uint16_t suite =
	    (uint16_t)SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(hs->ssl));
	if (kiln_traffic_init(&tx, suite, hs->server_secret, 0, NULL) != KILN_OK)
		return;
	if (kiln_traffic_seal(&tx, KILN_RECORD_ALERT, fatal, sizeof fatal, record, &len, NULL) ==
	    KILN_OK)
		(void)BIO_write_ex(SSL_get_wbio(hs->ssl), record, len, &written);
	kiln_traffic_clear(&tx);
}

static enum kiln_step fail_step(struct kiln_handshake *hs)
{
	hs->failed = true;
	return KILN_STEP_FAILED;
}

enum kiln_step kiln_handshake_step(struct kiln_handshake *hs, const uint8_t *in, size_t len,
				   size_t *consumed, struct kiln_error *err)
{
	*consumed = 0;
	if (hs->done || hs->failed) {
		(void)kiln_fail(err, KILN_E_USAGE, "the handshake is over");
		return KILN_STEP_FAILED;
	}
	const size_t blanks = skip_blanks(hs, in, len);
	if (blanks > 0 && blanks == len) {
		*consumed = len;
		return KILN_STEP_NEED_INPUT;
	}
	in = blanks > 0 ? in + blanks : in;
	len -= blanks;
	if (hs->input_total == 0 && len > 0 && hs->config->role == KILN_SERVER &&
	    kiln_handshake_refuse_first_bytes(in, len, err) != KILN_OK)
		return fail_step(hs);
	hs->io.in = in;
	hs->io.in_len = len;
	ERR_clear_error();
	const int result = SSL_do_handshake(hs->ssl);
	*consumed = len - hs->io.in_len;
	hs->input_total += *consumed;
	*consumed += blanks;
	hs->io.in = NULL;
	hs->io.in_len = 0;
	if (result != 1 && SSL_get_error(hs->ssl, result) == SSL_ERROR_WANT_READ) {
		if (hs->input_total <= INPUT_MAX)
			return KILN_STEP_NEED_INPUT;
		(void)kiln_fail(err, KILN_E_LIMIT, "the peer sent more than %zu bytes of handshake",
				INPUT_MAX);
		return fail_step(hs);
	}
	if (result != 1) {
		kiln_handshake_explain(hs->ssl, &hs->trace, err);
		return fail_step(hs);
	}
	struct kiln_error denied = {0};
	if (check_client(hs, &denied) != KILN_OK) {
		queue_denial(hs, KILN_ALERT_ACCESS_DENIED);
		if (err != NULL)
			*err = denied;
		return fail_step(hs);
	}
	hs->done = true;
	return KILN_STEP_DONE;
}

const uint8_t *kiln_handshake_output(struct kiln_handshake *hs, size_t *len)
{
	*len = hs->io.out_end - hs->io.out_start;
	return *len > 0 ? hs->io.out + hs->io.out_start : NULL;
}

void kiln_handshake_sent(struct kiln_handshake *hs, size_t len)
{
	hs->io.out_start += len;
	if (hs->io.out_start >= hs->io.out_end)
		hs->io.out_start = hs->io.out_end = 0;
}

static enum kiln_code describe_session(struct kiln_handshake *hs, struct kiln_session *session,
				       struct kiln_error *err)
{
	const X509 *cert = SSL_get0_peer_certificate(hs->ssl);
	/* A peer that proved who it is must not go on as one that did not. */
	if (cert != NULL && !kiln_peer_describe(cert, &session->peer))
		return kiln_fail(err, KILN_E_NO_MEMORY, "the peer's certificate cannot be read");
	const char *name = SSL_get_servername(hs->ssl, TLSEXT_NAMETYPE_host_name);
	(void)snprintf(session->server_name, sizeof session->server_name, "%s",
		       name != NULL ? name : "");
	const unsigned char *alpn = NULL;
	unsigned alpn_len = 0;
	SSL_get0_alpn_selected(hs->ssl, &alpn, &alpn_len);
	(void)snprintf(session->alpn, sizeof session->alpn, "%.*s", (int)alpn_len,
		       alpn != NULL ? (const char *)alpn : "");
	const char *group = SSL_group_to_name(hs->ssl, (int)SSL_get_negotiated_group(hs->ssl));
	/* Copied: the text belongs to the SSL_CTX, which a session may outlive. */
	(void)snprintf(session->group, sizeof session->group, "%s", group != NULL ? group : "");
	return KILN_OK;
}

enum kiln_code kiln_handshake_finish(struct kiln_handshake *hs, struct kiln_session *session,
				     struct kiln_error *err)
{
	memset(session, 0, sizeof *session);
	if (!hs->done)
		return kiln_fail(err, KILN_E_USAGE, "the handshake is not done");
	session->suite = (uint16_t)SSL_CIPHER_get_protocol_id(SSL_get_current_cipher(hs->ssl));
	const struct kiln_suite *suite = kiln_suite_find(session->suite);
	if (suite == NULL || hs->client_secret_len != suite->hash_len ||
	    hs->server_secret_len != suite->hash_len)
		return kiln_fail(err, KILN_E_UNSUPPORTED,
				 "cipher suite 0x%04x, or no traffic secrets", session->suite);
	const bool server = hs->config->role == KILN_SERVER;
	/* No tickets were sent, and nothing was read beyond Finished: both start at record 0. */
	enum kiln_code rc = kiln_traffic_init(
	    &session->rx, session->suite, server ? hs->client_secret : hs->server_secret, 0, err);
	if (rc == KILN_OK)
		rc = kiln_traffic_init(&session->tx, session->suite,
				       server ? hs->server_secret : hs->client_secret, 0, err);
	session->rx.takes_tickets = !server;
	if (rc == KILN_OK)
		rc = describe_session(hs, session, err);
	if (rc != KILN_OK)
		kiln_session_clear(session);
	return rc;
}

void kiln_session_clear(struct kiln_session *session)
{
	kiln_traffic_clear(&session->rx);
	kiln_traffic_clear(&session->tx);
	kiln_wipe(session, sizeof *session);
}

enum kiln_code kiln_handshake_export(struct kiln_handshake *hs, const char *label,
				     const uint8_t *context, size_t context_len, uint8_t *out,
				     size_t out_len, struct kiln_error *err)
{
	if (!hs->done || SSL_export_keying_material(hs->ssl, out, out_len, label, strlen(label),
						    context, context_len, context != NULL) != 1)
		return kiln_fail(err, KILN_E_USAGE, "the TLS exporter is not available");
	return KILN_OK;
}
