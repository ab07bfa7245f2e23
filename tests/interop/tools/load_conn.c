/* SPDX-License-Identifier: Apache-2.0
 * One connection of the load: connect, shake hands, send and compare, close. */
#include "load.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CHUNK 16384u

static const char *const state_names[] = {"idle", "connect", "handshake", "echo", "close", "over"};

/* Byte n of a connection's stream: no two connections, and no two places, look alike. */
static void fill(const struct conn *conn, uint64_t from, uint8_t *out, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		const uint64_t n = from + i;
		uint64_t x = conn->seed + (n >> 3) * UINT64_C(0x9e3779b97f4a7c15);
		x ^= x >> 29;
		x *= UINT64_C(0xbf58476d1ce4e5b9);
		x ^= x >> 32;
		out[i] = (uint8_t)(x >> (8 * (n & 7)));
	}
}

static void release(struct load *load, struct conn *conn)
{
	if (conn->state == CONNECTING || conn->state == HANDSHAKE)
		load->opening--;
	SSL_free(conn->ssl);
	EVP_MD_CTX_free(conn->out);
	EVP_MD_CTX_free(conn->in);
	conn->out = conn->in = NULL;
	if (conn->fd >= 0)
		(void)close(conn->fd);
	conn->ssl = NULL;
	conn->fd = -1;
	conn->sent = conn->received = conn->requests = 0;
	conn->waiting_len = 0;
	conn->state = load->options.churn && !load->stopping ? IDLE : OVER;
}

void load_refuse(struct load *load, struct conn *conn)
{
	load->total.refused++;
	load->mark.refused++;
	release(load, conn);
}

void load_fail(struct load *load, struct conn *conn, const char *what)
{
	const int failed = errno;
	const unsigned long tls = ERR_peek_last_error();
	(void)printf("{\"event\":\"failure\",\"connection\":%u,\"state\":\"%s\",\"what\":\"%s\","
		     "\"errno\":\"%s\",\"tls\":\"%s\",\"sent\":%llu,\"received\":%llu}\n",
		     (unsigned)(conn - load->conns), state_names[conn->state], what,
		     strerror(failed), tls != 0 ? ERR_reason_error_string(tls) : "",
		     (unsigned long long)conn->sent, (unsigned long long)conn->received);
	ERR_clear_error();
	load->total.failed++;
	load->mark.failed++;
	release(load, conn);
}

static void note_serial(struct counts *counts, long serial)
{
	for (unsigned i = 0; i < SERIALS_MAX; i++)
		if (counts->serials[i].count == 0 || counts->serials[i].serial == serial) {
			counts->serials[i].serial = serial;
			counts->serials[i].count++;
			return;
		}
}

static void opened(struct load *load, struct conn *conn)
{
	conn->state = ECHO;
	load->opening--;
	load->total.opened++;
	load->mark.opened++;
	if (conn->ssl == NULL)
		return;
	const X509 *cert = SSL_get0_peer_certificate(conn->ssl);
	const long serial = ASN1_INTEGER_get(X509_get0_serialNumber(cert));
	note_serial(&load->total, serial);
	note_serial(&load->mark, serial);
}

void load_open(struct load *load, struct conn *conn)
{
	const struct options *o = &load->options;
	const int on = 1;
	conn->state = CONNECTING;
	load->opening++;
	if (o->digest) {
		conn->out = EVP_MD_CTX_new();
		conn->in = EVP_MD_CTX_new();
		(void)EVP_DigestInit_ex(conn->out, EVP_sha256(), NULL);
		(void)EVP_DigestInit_ex(conn->in, EVP_sha256(), NULL);
	}
	conn->fd = socket(o->address.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (conn->fd < 0) {
		load_fail(load, conn, "socket");
		return;
	}
	(void)setsockopt(conn->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
				    .data.ptr = conn};
	if (connect(conn->fd, (const struct sockaddr *)&o->address, o->address_len) != 0 &&
	    errno != EINPROGRESS) {
		load_refuse(load, conn);
		return;
	}
	if (epoll_ctl(load->epoll, EPOLL_CTL_ADD, conn->fd, &event) != 0)
		load_fail(load, conn, "epoll_ctl");
}

static bool start_tls(struct load *load, struct conn *conn)
{
	conn->ssl = SSL_new(load->options.tls);
	return conn->ssl != NULL && SSL_set_fd(conn->ssl, conn->fd) == 1 &&
	       SSL_set_tlsext_host_name(conn->ssl, load->options.name) == 1 &&
	       SSL_set1_host(conn->ssl, load->options.name) == 1;
}

static void connected(struct load *load, struct conn *conn)
{
	int failed = 0;
	socklen_t len = sizeof failed;
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof peer;
	if (getsockopt(conn->fd, SOL_SOCKET, SO_ERROR, &failed, &len) != 0 || failed != 0) {
		load_refuse(load, conn);
		return;
	}
	if (getpeername(conn->fd, (struct sockaddr *)&peer, &peer_len) != 0)
		return; /* not yet */
	if (load->options.tls == NULL) {
		opened(load, conn);
		return;
	}
	if (!start_tls(load, conn)) {
		load_fail(load, conn, "SSL_new");
		return;
	}
	conn->state = HANDSHAKE;
}

/* Bytes moved; 0: not now; -1: an error; -2: the peer ended. */
static int outcome(const struct conn *conn, int result)
{
	if (conn->ssl == NULL) {
		if (result == 0)
			return -2;
		return result > 0 ? result : errno == EAGAIN ? 0 : -1;
	}
	if (result > 0)
		return result;
	switch (SSL_get_error(conn->ssl, result)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE: return 0;
	case SSL_ERROR_ZERO_RETURN: return -2;
	default: return -1;
	}
}

static int put(struct conn *conn, const uint8_t *data, int len)
{
	errno = 0;
	return outcome(conn, conn->ssl != NULL
				 ? SSL_write(conn->ssl, data, len)
				 : (int)send(conn->fd, data, (size_t)len, MSG_NOSIGNAL));
}

static int get(struct conn *conn, uint8_t *data, int len)
{
	errno = 0;
	return outcome(conn, conn->ssl != NULL ? SSL_read(conn->ssl, data, len)
					       : (int)recv(conn->fd, data, (size_t)len, 0));
}

/* Sends what is still missing of the request under way. False after a failure. */
static bool send_more(struct load *load, struct conn *conn)
{
	const uint64_t until = (conn->requests + 1) * load->options.size;
	while (conn->sent < until) {
		if (conn->waiting_len == 0) {
			const uint64_t left = until - conn->sent;
			conn->waiting_len = left < CHUNK ? (uint32_t)left : CHUNK;
			fill(conn, conn->sent, conn->waiting, conn->waiting_len);
		}
		const int n = put(conn, conn->waiting, (int)conn->waiting_len);
		if (n == 0)
			return true;
		if (n < 0) {
			load_fail(load, conn, "send");
			return false;
		}
		conn->sent += (uint64_t)n;
		if (conn->out != NULL)
			(void)EVP_DigestUpdate(conn->out, conn->waiting, (size_t)n);
		conn->waiting_len -= (uint32_t)n;
		memmove(conn->waiting, conn->waiting + n, conn->waiting_len);
	}
	return true;
}

static bool compare(struct load *load, struct conn *conn, const uint8_t *data, size_t len)
{
	uint8_t expected[CHUNK];
	fill(conn, conn->received, expected, len);
	if (conn->received + len > conn->sent || memcmp(expected, data, len) != 0) {
		errno = 0;
		load_fail(load, conn, "other bytes came back than were sent");
		return false;
	}
	conn->received += len;
	if (conn->in != NULL)
		(void)EVP_DigestUpdate(conn->in, data, len);
	return true;
}

static void say_goodbye(struct conn *conn)
{
	if (conn->ssl != NULL)
		(void)SSL_shutdown(conn->ssl); /* two bytes: a full socket shows up as no answer */
	else
		(void)shutdown(conn->fd, SHUT_WR);
	conn->state = CLOSING;
}

static void request_done(struct load *load, struct conn *conn)
{
	const struct options *o = &load->options;
	conn->requests++;
	if (!conn->answered)
		load->up++;
	conn->answered = true;
	conn->since_mark++;
	load->total.requests++;
	load->mark.requests++;
	if (load->stopping || (o->requests > 0 && conn->requests >= o->requests))
		say_goodbye(conn);
}

static void echo(struct load *load, struct conn *conn)
{
	uint8_t data[CHUNK];
	while (conn->state == ECHO) {
		if (!send_more(load, conn))
			return;
		const int n = get(conn, data, sizeof data);
		if (n == 0)
			return;
		if (n < 0) {
			load_fail(load, conn, n == -2 ? "the peer ended too soon" : "receive");
			return;
		}
		if (!compare(load, conn, data, (size_t)n))
			return;
		if (conn->received == (conn->requests + 1) * load->options.size)
			request_done(load, conn);
	}
}

static void finish_digest(EVP_MD_CTX *digest, char hex[65])
{
	uint8_t value[32];
	(void)EVP_DigestFinal_ex(digest, value, NULL);
	for (int i = 0; i < 32; i++)
		(void)sprintf(hex + (ptrdiff_t)2 * i, "%02x", value[i]);
}

static void print_stream(struct conn *conn)
{
	char sent[65], received[65];
	struct sockaddr_in local = {0};
	socklen_t len = sizeof local;
	(void)getsockname(conn->fd, (struct sockaddr *)&local, &len);
	finish_digest(conn->out, sent);
	finish_digest(conn->in, received);
	(void)printf("{\"event\":\"stream\",\"port\":%u,\"bytes\":%llu,\"sha256_sent\":\"%s\","
		     "\"sha256_received\":\"%s\"}\n",
		     ntohs(local.sin_port), (unsigned long long)conn->sent, sent, received);
}

static void await_goodbye(struct load *load, struct conn *conn)
{
	uint8_t byte;
	const int n = get(conn, &byte, 1);
	if (n == 0)
		return;
	if (n != -2) {
		load_fail(load, conn, n > 0 ? "bytes behind the last answer" : "no clean end");
		return;
	}
	load->total.closed++;
	load->mark.closed++;
	if (conn->in != NULL)
		print_stream(conn);
	release(load, conn);
}

static void shake_hands(struct load *load, struct conn *conn)
{
	errno = 0;
	const int result = SSL_connect(conn->ssl);
	if (result == 1)
		opened(load, conn);
	else if (outcome(conn, result) != 0)
		load_fail(load, conn, "handshake");
}

void load_run(struct load *load, struct conn *conn)
{
	ERR_clear_error();
	if (conn->state == CONNECTING)
		connected(load, conn);
	if (conn->state == HANDSHAKE)
		shake_hands(load, conn);
	if (conn->state == ECHO)
		echo(load, conn);
	if (conn->state == CLOSING)
		await_goodbye(load, conn);
}
