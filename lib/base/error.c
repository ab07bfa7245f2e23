/* SPDX-License-Identifier: Apache-2.0
 * Error codes and alerts by name, and the two ways to fill an error. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <kiln/error.h>

const char *kiln_code_name(enum kiln_code code)
{
	switch (code) {
	case KILN_OK: return "ok";
	case KILN_E_USAGE: return "usage";
	case KILN_E_CONFIG: return "config";
	case KILN_E_NO_MEMORY: return "no_memory";
	case KILN_E_SYSTEM: return "system";
	case KILN_E_UNSUPPORTED: return "unsupported";
	case KILN_E_PERMISSION: return "permission";
	case KILN_E_LIMIT: return "limit";
	case KILN_E_TIMEOUT: return "timeout";
	case KILN_E_AGAIN: return "again";
	case KILN_E_NOT_TLS: return "not_tls";
	case KILN_E_TLS_VERSION: return "tls_version";
	case KILN_E_TLS_HANDSHAKE: return "tls_handshake";
	case KILN_E_TLS_RECORD: return "tls_record";
	case KILN_E_TLS_DECRYPT: return "tls_decrypt";
	case KILN_E_TLS_ALERT: return "tls_alert";
	case KILN_E_TLS_TRUNCATED: return "tls_truncated";
	case KILN_E_TLS_MESSAGE: return "tls_message";
	case KILN_E_TLS_KEY_UPDATE: return "tls_key_update";
	case KILN_E_TLS_RECORD_LIMIT: return "tls_record_limit";
	case KILN_E_PROXY_HEADER: return "proxy_header";
	case KILN_E_HANDOFF: return "handoff";
	case KILN_E_CERT_REQUIRED: return "cert_required";
	case KILN_E_CERT_INVALID: return "cert_invalid";
	case KILN_E_ACCESS_DENIED: return "access_denied";
	case KILN_E_NAME_MISMATCH: return "name_mismatch";
	case KILN_E_TARGET: return "target";
	case KILN_E_CREDENTIALS: return "credentials";
	case KILN_E_STS: return "sts";
	case KILN_E_ROAST_HELLO: return "roast_hello";
	case KILN_E_ROAST_PROOF: return "roast_proof";
	case KILN_E_ROAST_BINDING: return "roast_binding";
	case KILN_E_OPAQUE_MESSAGE: return "opaque_message";
	case KILN_E_OPAQUE_AUTH: return "opaque_auth";
	case KILN_E_OPAQUE_STATE: return "opaque_state";
	case KILN_E_OPAQUE_RECORD: return "opaque_record";
	case KILN_E_KEYS_PASSWORD: return "keys_password";
	case KILN_E_KEYS_SERVER: return "keys_server";
	case KILN_E_KEYS_LIMITED: return "keys_limited";
	case KILN_E_KEYS_REFUSED: return "keys_refused";
	case KILN_E_KEYS_CLOSED: return "keys_closed";
	case KILN_E_KEYS_NAME: return "keys_name";
	case KILN_E_KEYS_KEY: return "keys_key";
	case KILN_E_KEYS_PROTOCOL: return "keys_protocol";
	case KILN_E_KEYS_BUSY: return "keys_busy";
	case KILN_E_KEYS_STORED: return "keys_stored";
	case KILN_E_KEYS_OUTCOME: return "keys_outcome";
	case KILN_E_STORE: return "store";
	}
	return "unknown";
}

/* RFC 8446 section 6; the numbers that TLS 1.3 may use. */
static const struct {
	uint8_t value;
	const char *name;
} alerts[] = {
    {0, "close_notify"},
    {10, "unexpected_message"},
    {20, "bad_record_mac"},
    {22, "record_overflow"},
    {40, "handshake_failure"},
    {42, "bad_certificate"},
    {43, "unsupported_certificate"},
    {44, "certificate_revoked"},
    {45, "certificate_expired"},
    {46, "certificate_unknown"},
    {47, "illegal_parameter"},
    {48, "unknown_ca"},
    {49, "access_denied"},
    {50, "decode_error"},
    {51, "decrypt_error"},
    {70, "protocol_version"},
    {71, "insufficient_security"},
    {80, "internal_error"},
    {86, "inappropriate_fallback"},
    {90, "user_canceled"},
    {109, "missing_extension"},
    {110, "unsupported_extension"},
    {112, "unrecognized_name"},
    {113, "bad_certificate_status_response"},
    {115, "unknown_psk_identity"},
    {116, "certificate_required"},
    {120, "no_application_protocol"},
};

const char *kiln_alert_name(uint8_t alert)
{
	for (size_t i = 0; i < sizeof alerts / sizeof alerts[0]; i++)
		if (alerts[i].value == alert)
			return alerts[i].name;
	return "unknown";
}

KILN_PRINTF(4, 0)
static void fill(struct kiln_error *err, enum kiln_code code, int sys_errno, const char *format,
		 va_list args)
{
	err->code = code;
	err->sys_errno = sys_errno;
	err->alert = 0;
	err->alert_received = false;
	int n = vsnprintf(err->message, sizeof err->message, format, args);
	if (n < 0)
		err->message[0] = '\0';
	size_t used = strlen(err->message);
	if (sys_errno != 0 && used + 3 < sizeof err->message) {
		char text[96];
		(void)snprintf(err->message + used, sizeof err->message - used, ": %s",
			       strerror_r(sys_errno, text, sizeof text));
	}
}

enum kiln_code kiln_fail(struct kiln_error *err, enum kiln_code code, const char *format, ...)
{
	if (err == NULL)
		return code;
	va_list args;
	va_start(args, format);
	fill(err, code, 0, format, args);
	va_end(args);
	return code;
}

enum kiln_code kiln_fail_errno(struct kiln_error *err, enum kiln_code code, int sys_errno,
			       const char *format, ...)
{
	if (err == NULL)
		return code;
	va_list args;
	va_start(args, format);
	fill(err, code, sys_errno, format, args);
	va_end(args);
	return code;
}
