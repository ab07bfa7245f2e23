/* One connection of the client: see conn.h. */
#include "conn.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define RECORD_MAX 16384u

/* One buffer for all: what is received is checked at once and never kept. */
static uint8_t buffer[256u * 1024u];

static void fail(struct conn *c, const char *error)
{
	c->state = CONN_FAILED;
	c->error = error;
}

/*
 * The proxy must show exactly this certificate. Cheaper than building a chain, which matters where
 * this end is the bottleneck; that the peer has its key is still proved in the handshake.
 */
static int is_pinned(X509_STORE_CTX *store, void *arg)
{
	X509 *shown = X509_STORE_CTX_get0_cert(store);

	if (shown && X509_cmp(shown, arg) == 0)
		return 1;
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
	return 0;
}

static X509 *load_certificate(const char *path)
{
	BIO *bio = BIO_new_file(path, "r");
	X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, NULL, NULL) : NULL;

	BIO_free(bio);
	return cert;
}

static bool set_up_context(SSL_CTX *ctx, const struct load_options *opt)
{
	long modes = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER;

	/* 10,000 connections that keep their buffers would need 400 MB here. */
	if (opt->mode == MODE_IDLE)
		modes |= SSL_MODE_RELEASE_BUFFERS;
	SSL_CTX_set_mode(ctx, modes);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	/* Fewer system calls a record, so that this end is the bottleneck less often. */
	if (opt->mode == MODE_BULK_DOWN) {
		SSL_CTX_set_read_ahead(ctx, 1);
		SSL_CTX_set_default_read_buffer_len(ctx, (size_t)128 * 1024);
	}
	X509 *pinned = load_certificate(opt->cert); /* kept as long as the process */
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_cert_verify_callback(ctx, is_pinned, pinned);
	return pinned && SSL_CTX_set_min_proto_version(ctx, TLS1_3_VERSION) &&
	       SSL_CTX_set_ciphersuites(ctx, opt->ciphers) &&
	       (!opt->groups || SSL_CTX_set1_groups_list(ctx, opt->groups));
}

SSL_CTX *conn_tls_context(const struct load_options *opt)
{
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());

	if (ctx && set_up_context(ctx, opt))
		return ctx;
	(void)fprintf(stderr, "kiln-load: TLS cannot be set up (--cert %s, --ciphers %s)\n",
		      opt->cert, opt->ciphers);
	ERR_print_errors_fp(stderr);
	SSL_CTX_free(ctx);
	return NULL;
}

bool conn_open(struct conn *c, const struct net_addr *addr, SSL_CTX *tls, const char *server_name)
{
	memset(c, 0, sizeof(*c));
	c->start_ns = cpu_now_ns();
	c->fd = net_connect(addr, 0);
	if (c->fd < 0) {
		fail(c, strerror(errno));
		return false;
	}
	c->state = CONN_CONNECTING;
	if (!tls)
		return true;
	c->ssl = SSL_new(tls);
	if (!c->ssl || !SSL_set_fd(c->ssl, c->fd) ||
	    !SSL_set_tlsext_host_name(c->ssl, server_name)) {
		fail(c, "no TLS object for the connection");
		return false;
	}
	SSL_set_connect_state(c->ssl);
	return true;
}

void conn_command(struct conn *c, uint64_t seq, uint64_t request, uint64_t answer, bool verify)
{
	if (c->done > 0)
		c->start_ns = cpu_now_ns();
	c->msg.header = (struct proto_header){
	    .magic = PROTO_MAGIC,
	    .verify = verify ? PROTO_VERIFY_ALL : PROTO_VERIFY_SPOTS,
	    .seq = seq,
	    .request = request,
	    .answer = answer,
	};
	c->msg.is_answer = false;
	c->off = 0;
	c->state = CONN_SENDING;
}

void conn_shutdown(struct conn *c)
{
	if (c->ssl && SSL_shutdown(c->ssl) < 0)
		fail(c, "close_notify could not be sent");
	else if (shutdown(c->fd, SHUT_WR) < 0)
		fail(c, "the proxy closed before this end did");
	else
		c->state = CONN_CLOSING;
}

/* What stopped an OpenSSL call: true when it is only that the socket must be waited for. */
static bool tls_must_wait(struct conn *c, int ret, const char *error)
{
	int why = SSL_get_error(c->ssl, ret);

	if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
		return true;
	if (why == SSL_ERROR_SSL) {
		const char *reason = ERR_reason_error_string(ERR_peek_error());

		fail(c, reason ? reason : error);
	} else {
		fail(c, error);
	}
	ERR_clear_error();
	return false;
}

static bool socket_must_wait(struct conn *c, const char *error)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return true;
	fail(c, error);
	return false;
}

/* The step functions return true when there may be more to do at once. */

static bool step_connecting(struct conn *c)
{
	struct sockaddr_in peer;
	socklen_t len = sizeof(peer);
	int err = net_connect_result(c->fd);

	if (err) {
		fail(c, strerror(err));
		return true;
	}
	if (getpeername(c->fd, (struct sockaddr *)&peer, &len) < 0)
		return false; /* not yet connected */
	c->state = c->ssl ? CONN_HANDSHAKE : CONN_READY;
	return true;
}

static bool step_handshake(struct conn *c)
{
	int ret = SSL_do_handshake(c->ssl);

	if (ret != 1) {
		tls_must_wait(c, ret, "the proxy closed in the handshake");
		return false;
	}
	c->state = CONN_READY;
	return true;
}

static bool step_sending(struct conn *c)
{
	size_t len;
	const void *data = proto_chunk(&c->msg, c->off, c->ssl ? RECORD_MAX : PROTO_RUN, &len);
	ssize_t sent;

	if (c->ssl) {
		sent = SSL_write(c->ssl, data, (int)len);
		if (sent <= 0) {
			tls_must_wait(c, (int)sent, "the proxy closed while it was sent to");
			return false;
		}
	} else {
		sent = send(c->fd, data, len, MSG_NOSIGNAL);
		if (sent < 0) {
			socket_must_wait(c, "send failed");
			return false;
		}
	}
	c->off += (uint64_t)sent;
	if (c->off == c->msg.header.request) {
		c->msg.is_answer = true;
		c->off = 0;
		c->state = CONN_RECEIVING;
	}
	return true;
}

static bool step_receiving(struct conn *c)
{
	ssize_t got;

	if (c->ssl) {
		got = SSL_read(c->ssl, buffer, sizeof(buffer));
		if (got <= 0) {
			tls_must_wait(c, (int)got, "the proxy closed before the whole answer came");
			return false;
		}
	} else {
		got = recv(c->fd, buffer, sizeof(buffer), 0);
		if (got == 0)
			fail(c, "the peer closed before the whole answer came");
		else if (got < 0)
			socket_must_wait(c, "recv failed");
		if (got <= 0)
			return false;
	}
	if (!proto_check(&c->msg, c->off, buffer, (size_t)got)) {
		fail(c, "the answer is not what the backend sent");
		return true;
	}
	c->off += (uint64_t)got;
	if (c->off == c->msg.header.answer) {
		c->done++;
		c->state = CONN_READY;
	}
	return c->state != CONN_READY;
}

/* The peer's end of stream; what it still sends (its close_notify) needs no look. */
static bool step_closing(struct conn *c)
{
	ssize_t got = recv(c->fd, buffer, sizeof(buffer), 0);

	if (got > 0)
		return true;
	if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return false;
	c->reset_at_close = got < 0;
	c->state = CONN_CLOSED;
	return false;
}

static bool step_once(struct conn *c)
{
	switch (c->state) {
	case CONN_CONNECTING: return step_connecting(c);
	case CONN_HANDSHAKE: return step_handshake(c);
	case CONN_SENDING: return step_sending(c);
	case CONN_RECEIVING: return step_receiving(c);
	case CONN_CLOSING: return step_closing(c);
	case CONN_READY:
	case CONN_RESTING:
	case CONN_CLOSED:
	case CONN_FAILED: break;
	}
	return false;
}

void conn_step(struct conn *c)
{
	while (step_once(c))
		continue;
}

void conn_free(struct conn *c)
{
	SSL_free(c->ssl);
	if (c->fd >= 0)
		close(c->fd);
	c->ssl = NULL;
	c->fd = -1;
	if (c->state != CONN_FAILED)
		c->state = CONN_CLOSED;
}
