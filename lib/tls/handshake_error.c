/* SPDX-License-Identifier: Apache-2.0
 * Why a handshake failed, in the operator's words. RFC 8446 6 for the alerts. */
#include "tls/handshake_error.h"

#include <ctype.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

enum kiln_code kiln_handshake_refuse_first_bytes(const uint8_t *in, size_t len,
						 struct kiln_error *err)
{
	if (in[0] == 22 && (len < 2 || in[1] == 3))
		return KILN_OK;
	char text[17] = "";
	size_t n = 0;
	for (; n < len && n < sizeof text - 1 && in[n] < 0x80 && isprint(in[n]); n++)
		text[n] = (char)in[n];
	text[n] = '\0';
	if (n >= 3)
		return kiln_fail(err, KILN_E_NOT_TLS,
				 "the client does not speak TLS: it began with '%s'", text);
	return kiln_fail(err, KILN_E_NOT_TLS,
			 "the client does not speak TLS: its first byte is 0x%02x", in[0]);
}

static enum kiln_code explain_verify(const struct kiln_handshake_trace *trace,
				     struct kiln_error *err)
{
	const char *who = trace->refused_name[0] != '\0' ? trace->refused_name : "the peer";
	switch (trace->verify_error) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return kiln_fail(
		    err, KILN_E_NAME_MISMATCH,
		    "the server's certificate is that of %.100s and not for %.100s (%s)", who,
		    trace->expected != NULL ? trace->expected : "the name asked for",
		    X509_verify_cert_error_string(trace->verify_error));
	default:
		return kiln_fail(err, KILN_E_CERT_INVALID,
				 "the certificate of %s does not verify: %s", who,
				 X509_verify_cert_error_string(trace->verify_error));
	}
}

static enum kiln_code explain_reason(int reason, bool negotiated, struct kiln_error *err)
{
	const char *text = ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, reason));
	switch (reason) {
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_UNKNOWN_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
	case SSL_R_NO_PROTOCOLS_AVAILABLE:
		return kiln_fail(err, KILN_E_TLS_VERSION, "the peer does not offer TLS 1.3");
	case SSL_R_WRONG_VERSION_NUMBER:
	case SSL_R_HTTP_REQUEST:
		return negotiated
			   ? kiln_fail(err, KILN_E_TLS_RECORD, "the peer sent no valid TLS record")
			   : kiln_fail(err, KILN_E_NOT_TLS, "the peer does not speak TLS");
	case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
		return kiln_fail(err, KILN_E_CERT_REQUIRED,
				 "the client sent no certificate, and one is required");
	default:
		return kiln_fail(err, KILN_E_TLS_HANDSHAKE, "handshake failed: %s",
				 text != NULL ? text : "unknown reason");
	}
}

void kiln_handshake_explain(SSL *ssl, const struct kiln_handshake_trace *trace,
			    struct kiln_error *err)
{
	const unsigned long first = ERR_peek_error();
	ERR_clear_error();
	if (err == NULL)
		return;
	if (trace->access_error.code != KILN_OK) {
		*err = trace->access_error;
		if (err->code == KILN_E_ACCESS_DENIED)
			err->code = KILN_E_NAME_MISMATCH;
	} else if (trace->verify_error != 0) {
		(void)explain_verify(trace, err);
	} else if (trace->alert_received != 0 && trace->alert_sent == 0) {
		(void)kiln_fail(err, KILN_E_TLS_ALERT,
				"the peer refused the handshake with the alert %s (%u)",
				kiln_alert_name(trace->alert_received), trace->alert_received);
		if (trace->alert_received == 70)
			err->code = KILN_E_TLS_VERSION;
		err->alert = trace->alert_received;
		err->alert_received = true;
		return;
	} else {
		(void)explain_reason(ERR_GET_LIB(first) == ERR_LIB_SSL ? ERR_GET_REASON(first) : 0,
				     SSL_get_pending_cipher(ssl) != NULL, err);
	}
	err->alert = trace->alert_sent;
}
