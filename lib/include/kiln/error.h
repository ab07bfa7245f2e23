/* SPDX-License-Identifier: Apache-2.0
 *
 * Errors: one stable code for programs, one sentence for the operator.
 *
 * Every fallible call returns an enum kiln_code and, where there is more to say, fills a
 * struct kiln_error that the caller owns (usually on its stack). Codes never change their meaning;
 * messages may. A message never holds a secret and never more than KILN_ERROR_MAX bytes.
 */
#ifndef KILN_ERROR_H
#define KILN_ERROR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define KILN_NODISCARD    __attribute__((warn_unused_result))
#define KILN_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define KILN_API          __attribute__((visibility("default")))
#else
#define KILN_NODISCARD
#define KILN_PRINTF(f, a)
#define KILN_API
#endif

enum kiln_code {
	KILN_OK = 0,

	/* 1-19: the caller or the machine */
	KILN_E_USAGE = 1,       /* an argument breaks the call's contract */
	KILN_E_CONFIG = 2,      /* configuration refused: certificate, key, list, address */
	KILN_E_NO_MEMORY = 3,   /* an allocation failed */
	KILN_E_SYSTEM = 4,      /* a system call failed; see sys_errno */
	KILN_E_UNSUPPORTED = 5, /* this kernel or library cannot do it */
	KILN_E_PERMISSION = 6,  /* this user may not do it */
	KILN_E_LIMIT = 7,       /* a configured limit was reached */
	KILN_E_TIMEOUT = 8,     /* a deadline passed */
	KILN_E_AGAIN = 9,       /* nothing can be done now: poll() the O_NONBLOCK fd, call again */

	/* 20-39: the peer's bytes */
	KILN_E_NOT_TLS = 20,          /* the first bytes are no TLS record */
	KILN_E_TLS_VERSION = 21,      /* the peer does not offer TLS 1.3 */
	KILN_E_TLS_HANDSHAKE = 22,    /* the handshake broke a rule, or no common parameters */
	KILN_E_TLS_RECORD = 23,       /* a record breaks RFC 8446 section 5 */
	KILN_E_TLS_DECRYPT = 24,      /* a record's tag does not verify */
	KILN_E_TLS_ALERT = 25,        /* the peer ended the connection with an alert */
	KILN_E_TLS_TRUNCATED = 26,    /* the connection ended without close_notify */
	KILN_E_TLS_MESSAGE = 27,      /* a post-handshake message is not allowed here */
	KILN_E_TLS_KEY_UPDATE = 28,   /* the peer changed keys and this kernel cannot follow */
	KILN_E_TLS_RECORD_LIMIT = 29, /* RFC 8446 5.5: the key is used up and cannot be changed */
	KILN_E_PROXY_HEADER = 30,     /* an expected PROXY v2 header is missing or bad */
	KILN_E_HANDOFF = 31,          /* a hand-off message breaks the format */

	/* 40-59: who the peer is */
	KILN_E_CERT_REQUIRED = 40, /* no certificate came, and one is required */
	KILN_E_CERT_INVALID = 41,  /* the peer's certificate does not verify */
	KILN_E_ACCESS_DENIED = 42, /* the peer is known, and not allowed */
	KILN_E_NAME_MISMATCH = 43, /* the server is not who it should be */

	/* 60-69: the other side of a relay */
	KILN_E_TARGET = 60, /* the target cannot be reached, or broke off */

	/* 70-79: identity from AWS, and Roast */
	KILN_E_CREDENTIALS = 70,   /* no usable AWS credentials */
	KILN_E_STS = 71,           /* STS cannot be asked, or answers wrongly: try again later */
	KILN_E_ROAST_HELLO = 72,   /* a hello breaks the format */
	KILN_E_ROAST_PROOF = 73,   /* the proof of identity does not hold */
	KILN_E_ROAST_BINDING = 74, /* the binding is missing or wrong */

	/* 80-89: passwords, by OPAQUE */
	KILN_E_OPAQUE_MESSAGE = 80, /* a message holds no valid group element */
	KILN_E_OPAQUE_AUTH = 81,    /* wrong password, unknown user, wrong server, or tampering */
	KILN_E_OPAQUE_STATE = 82,   /* a sealed state does not open */
	KILN_E_OPAQUE_RECORD = 83,  /* our own setup or a stored record is damaged */

	/* 90-109: the key server */
	KILN_E_KEYS_PASSWORD = 90, /* the password is wrong, or there is no such account */
	KILN_E_KEYS_SERVER = 91,   /* the server is not the one that was expected */
	KILN_E_KEYS_LIMITED = 92,  /* too many attempts: wait */
	KILN_E_KEYS_REFUSED = 93,  /* the server refused the request */
	KILN_E_KEYS_CLOSED = 94,   /* registration is closed, or needs a token that is good */
	KILN_E_KEYS_NAME = 95,     /* the account name is taken, or not in order */
	KILN_E_KEYS_KEY = 96,      /* no such key, or not one for this */
	KILN_E_KEYS_PROTOCOL = 97, /* the peer broke the protocol */
	KILN_E_KEYS_BUSY = 98,     /* the server cannot now: nothing was done; try again */
	KILN_E_KEYS_STORED = 99,   /* what was stored does not open: damaged, or not ours */
	KILN_E_KEYS_OUTCOME = 100, /* whether it was done is not known: look before asking again */

	/* 110: its store */
	KILN_E_STORE = 110, /* the store fails, is damaged, or is not this server's */
};

#define KILN_ERROR_MAX 256u

struct kiln_error {
	enum kiln_code code;
	int sys_errno; /* 0, or the errno of the failed call */
	uint8_t alert; /* TLS alert sent, to be sent or received; 0 is none (close_notify is no
			  error) */
	bool alert_received;          /* it was the peer's */
	char message[KILN_ERROR_MAX]; /* one sentence, NUL-terminated */
};

/* Stable short name of a code, such as "tls_version"; never NULL. For logs and programs. */
KILN_API const char *kiln_code_name(enum kiln_code code);

/* Name of a TLS alert (RFC 8446 section 6), such as "unknown_ca"; "unknown" for others. */
KILN_API const char *kiln_alert_name(uint8_t alert);

/* Fills *err (which may be NULL) and returns code, so that a caller can return the call. */
KILN_API enum kiln_code kiln_fail(struct kiln_error *err, enum kiln_code code, const char *format,
				  ...) KILN_PRINTF(3, 4);

/* The same for a failed system call: adds errno's text and stores it in sys_errno. */
KILN_API enum kiln_code kiln_fail_errno(struct kiln_error *err, enum kiln_code code, int sys_errno,
					const char *format, ...) KILN_PRINTF(4, 5);

#ifdef __cplusplus
}
#endif
#endif
