/* SPDX-License-Identifier: Apache-2.0
 * Turning OpenSSL's view of a failed handshake into a code and a sentence. */
#ifndef KILN_TLS_HANDSHAKE_ERROR_H
#define KILN_TLS_HANDSHAKE_ERROR_H

#include <openssl/ssl.h>

#include <kiln/tls.h>

/* What the callbacks noticed along the way. */
struct kiln_handshake_trace {
	const char *expected; /* a client's verify_name; NULL when rules alone decide */
	uint8_t alert_sent, alert_received;
	int verify_error;               /* X509_V_ERR_*, 0 for none */
	char refused_name[256];         /* of the certificate that did not verify */
	struct kiln_error access_error; /* code is 0 when access was not refused */
};

/* The first bytes of a client: are they TLS at all? No alert is owed to those that are not. */
enum kiln_code kiln_handshake_refuse_first_bytes(const uint8_t *in, size_t len,
						 struct kiln_error *err) KILN_NODISCARD;

/* Fills *err from OpenSSL's error queue and the trace. */
void kiln_handshake_explain(SSL *ssl, const struct kiln_handshake_trace *trace,
			    struct kiln_error *err);

#endif
