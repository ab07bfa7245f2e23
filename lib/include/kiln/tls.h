/* SPDX-License-Identifier: Apache-2.0
 *
 * TLS 1.3 without I/O (RFC 8446): a handshaker that takes bytes and a time and gives back bytes,
 * and the two directions of the connection that remain when it is done.
 *
 *   struct kiln_tls_config   certificates, trust and access rules; shared by many connections
 *   struct kiln_handshake    one handshake; freed as soon as it is done
 *   struct kiln_traffic      one direction afterwards: its keys live in the kernel (kiln/ktls.h)
 *                            or here, and the rest of the program need not care which
 *
 * Nothing in this header opens a socket, blocks, reads a file or reads a clock. No object may be
 * used by two threads at once, but for a config, which the handshakes of all threads may share.
 */
#ifndef KILN_TLS_H
#define KILN_TLS_H

#include <kiln/error.h>

#ifdef __cplusplus
extern "C" {
#endif

/* RFC 8446 5.1 and 5.2: lengths in bytes. */
#define KILN_RECORD_HEADER     5u
#define KILN_RECORD_PLAIN_MAX  16384u /* content of one record */
#define KILN_RECORD_CIPHER_MAX (16384u + 256u)
#define KILN_RECORD_MAX        (KILN_RECORD_HEADER + KILN_RECORD_CIPHER_MAX)
#define KILN_RECORD_OVERHEAD   (KILN_RECORD_HEADER + 1u + 16u) /* header, content type, tag */
#define KILN_SECRET_MAX        48u

/* Content types, RFC 8446 5.1. */
enum kiln_record_type {
	KILN_RECORD_CHANGE_CIPHER_SPEC = 20,
	KILN_RECORD_ALERT = 21,
	KILN_RECORD_HANDSHAKE = 22,
	KILN_RECORD_DATA = 23,
};

/* Alerts that Kiln itself sends, RFC 8446 6. */
enum kiln_alert {
	KILN_ALERT_CLOSE_NOTIFY = 0,
	KILN_ALERT_UNEXPECTED_MESSAGE = 10,
	KILN_ALERT_BAD_RECORD_MAC = 20,
	KILN_ALERT_RECORD_OVERFLOW = 22,
	KILN_ALERT_ILLEGAL_PARAMETER = 47,
	KILN_ALERT_ACCESS_DENIED = 49,
	KILN_ALERT_DECODE_ERROR = 50,
	KILN_ALERT_INTERNAL_ERROR = 80,
	KILN_ALERT_USER_CANCELED = 90,
};

/* IANA name of a cipher suite, "unknown" for one that Kiln does not speak. */
KILN_API const char *kiln_suite_name(uint16_t suite);

/* ------------------------------------------------------------------ who the peer is */

#define KILN_SPKI_HASH 32u

/* What the peer's certificate says. All strings are bounded and printable: bytes outside
 * 0x20..0x7e come as \xNN. */
struct kiln_peer {
	bool present;          /* a certificate was presented, and verified against the CAs */
	char subject[256];     /* RFC 2253 */
	char common_name[128]; /* the last CN of the subject, or "" */
	char name[256];        /* what to call it in a log: URI, DNS name, CN or subject */
	uint8_t spki[KILN_SPKI_HASH]; /* SHA-256 of SubjectPublicKeyInfo */
};

/* ------------------------------------------------------------------ access rules */

enum kiln_access_kind {
	KILN_ACCESS_CN,   /* common name, exact */
	KILN_ACCESS_DNS,  /* DNS subject alternative name, exact, case-insensitive */
	KILN_ACCESS_URI,  /* URI SAN; '*' stands for one path segment, a final '**' for the rest */
	KILN_ACCESS_IP,   /* IP SAN, textual */
	KILN_ACCESS_SPKI, /* SHA-256 of the public key, 64 hexadecimal digits */
	KILN_ACCESS_OU,   /* organisational unit, exact */
};

struct kiln_access_rule {
	enum kiln_access_kind kind;
	const char *value;
};

/* ------------------------------------------------------------------ configuration */

enum kiln_role {
	KILN_CLIENT,
	KILN_SERVER,
};

enum kiln_peer_auth {
	KILN_PEER_NONE,     /* server: ask for no certificate. A client may not choose it. */
	KILN_PEER_OPTIONAL, /* server: ask; one that comes must verify */
	KILN_PEER_REQUIRED, /* the peer's certificate must come and verify */
};

struct kiln_tls_options {
	enum kiln_role role;
	enum kiln_peer_auth peer_auth;

	/* PEM in memory; not kept. cert is the chain, leaf first. Servers need cert and key. */
	const void *cert_pem;
	size_t cert_len;
	const void *key_pem;
	size_t key_len;
	const void *ca_pem; /* trusted roots; needed unless peer_auth is KILN_PEER_NONE */
	size_t ca_len;

	/* Where the three come from, for messages: "--cert server.pem". NULL is fine. */
	const char *cert_origin, *key_origin, *ca_origin;

	/* Any one match lets the peer in. None, with allow_any: every verified peer. */
	const struct kiln_access_rule *rules;
	size_t rule_count;
	bool allow_any;

	/* Client: the name to ask for (SNI), and the DNS name or IP address that the server's
	 * certificate must be for, in addition to any rules. verify_name may be NULL only when
	 * there are rules or allow_any: then these alone decide. */
	const char *server_name;
	const char *verify_name;

	const char *alpn; /* comma-separated protocols in order of preference, or NULL */
	const char
	    *cipher_suites; /* names of kiln_suite_name, colon-separated, or NULL for all three */
};

struct kiln_tls_config;

/* Builds a configuration from options, which are not kept. NULL with *err filled when something
 * in them is bad. The caller owns one reference. */
KILN_API struct kiln_tls_config *kiln_tls_config_new(const struct kiln_tls_options *options,
						     struct kiln_error *err) KILN_NODISCARD;
KILN_API struct kiln_tls_config *kiln_tls_config_ref(struct kiln_tls_config *config);
KILN_API void kiln_tls_config_unref(struct kiln_tls_config *config);

/* ------------------------------------------------------------------ one direction */

/* Where the record protection of one direction is done. */
enum kiln_where {
	KILN_IN_USER,   /* here, with kiln_traffic_seal and kiln_traffic_open */
	KILN_IN_KERNEL, /* in the socket; bytes are plain on this side of it */
};

struct kiln_suite;

/* One direction of a connection after its handshake: RFC 8446 7.2 and 5.3. Plain data, so that it
 * can be embedded; wipe it with kiln_traffic_clear. Fields are for reading only. */
struct kiln_traffic {
	const struct kiln_suite *suite;
	enum kiln_where where;
	uint8_t secret[KILN_SECRET_MAX]; /* application_traffic_secret_N */
	uint8_t iv[12];
	uint64_t sequence;    /* of the next record; in the kernel: at installation */
	uint64_t records;     /* protected under the current key; an upper bound in the kernel */
	uint64_t limit;       /* records after which the key should be changed; may be lowered */
	uint32_t key_updates; /* how often it was changed */
	void *cipher;         /* EVP_CIPHER_CTX, NULL while the kernel does the work */

	/* Receiving: the post-handshake message that is under way, which may span records. */
	uint8_t message[5];
	uint8_t message_have;
	uint32_t message_left;
	uint8_t useless;    /* records in a row that brought no data */
	bool takes_tickets; /* the peer is a server: clients send none (RFC 8446 4.6.1) */
};

/* Sets up one direction; secret has the hash length of the suite (32 or 48 bytes). A client that
 * receives sets takes_tickets, as kiln_handshake_finish does. */
KILN_API enum kiln_code kiln_traffic_init(struct kiln_traffic *traffic, uint16_t suite,
					  const uint8_t *secret, uint64_t sequence,
					  struct kiln_error *err) KILN_NODISCARD;

/* Frees and wipes. Harmless on a zeroed one and when called twice. */
KILN_API void kiln_traffic_clear(struct kiln_traffic *traffic);

/* Sends: protects len <= KILN_RECORD_PLAIN_MAX bytes as one record into out, which has room for
 * len + KILN_RECORD_OVERHEAD bytes and does not overlap data. *out_len gets the record's length.
 * KILN_E_TLS_RECORD_LIMIT when the key has reached
 * the end of RFC 8446 5.5. */
KILN_API enum kiln_code kiln_traffic_seal(struct kiln_traffic *traffic, uint8_t type,
					  const void *data, size_t len, uint8_t *out,
					  size_t *out_len, struct kiln_error *err) KILN_NODISCARD;

/* How long the record at data is, header included, from its first have bytes: 0 means fewer than
 * five are there. Refuses lengths and types that RFC 8446 5.1 and 5.2 forbid after a handshake. */
KILN_API enum kiln_code kiln_record_length(const uint8_t *data, size_t have, size_t *length,
					   struct kiln_error *err) KILN_NODISCARD;

/* Receives: opens one whole record of len bytes. out has room for len - KILN_RECORD_HEADER bytes
 * and does not overlap it (or is the record itself plus KILN_RECORD_HEADER: in place). *type and
 * *out_len describe the content. On failure err->alert is the alert to send. */
KILN_API enum kiln_code kiln_traffic_open(struct kiln_traffic *traffic, const uint8_t *record,
					  size_t len, uint8_t *out, size_t *out_len, uint8_t *type,
					  struct kiln_error *err) KILN_NODISCARD;

/* Counts what the kernel protected: bytes of data sent in one call, as full records, rounded up. */
KILN_API void kiln_traffic_count(struct kiln_traffic *traffic, size_t bytes);

/* True when the key has protected so many records that it is time to change it. */
KILN_API bool kiln_traffic_exhausted(const struct kiln_traffic *traffic);

/* Moves to the next traffic secret (RFC 8446 7.2) and starts at record 0. For a direction in the
 * kernel the caller then installs the keys again (kiln_ktls_rekey). */
KILN_API enum kiln_code kiln_traffic_update(struct kiln_traffic *traffic,
					    struct kiln_error *err) KILN_NODISCARD;

/* The KeyUpdate message to send, RFC 8446 4.6.3, as content of a handshake record. */
#define KILN_KEY_UPDATE_LEN 5u
KILN_API void kiln_key_update_message(uint8_t out[KILN_KEY_UPDATE_LEN], bool request_update);

/* What a received record that is not application data means. */
struct kiln_control {
	bool close_notify;     /* the peer sends nothing more */
	bool key_update;       /* this direction's key changes now: kiln_traffic_update */
	bool update_requested; /* and the peer wants ours changed as well */
	unsigned tickets;      /* NewSessionTickets skipped */
};

/* A peer may send records without data; in a row, they only cost us. One more is refused. */
#define KILN_USELESS_MAX 32u

/* Received data, len bytes of it: none counts as useless, and inside a handshake message there may
 * be no data at all (RFC 8446 5.1). */
KILN_API enum kiln_code kiln_traffic_data(struct kiln_traffic *traffic, size_t len,
					  struct kiln_error *err) KILN_NODISCARD;

/* Reads a control record's content, and counts it as useless. A fatal alert gives KILN_E_TLS_ALERT
 * with err->alert set to the peer's; anything not allowed gives an error whose alert is ours to
 * send. */
KILN_API enum kiln_code kiln_traffic_control(struct kiln_traffic *traffic, uint8_t type,
					     const uint8_t *data, size_t len,
					     struct kiln_control *control,
					     struct kiln_error *err) KILN_NODISCARD;

/* ------------------------------------------------------------------ the handshake */

enum kiln_step {
	KILN_STEP_NEED_INPUT, /* everything was consumed, more is needed */
	KILN_STEP_DONE,       /* send the output, then call kiln_handshake_finish */
	KILN_STEP_FAILED,     /* send the output (an alert, perhaps), then close */
};

struct kiln_handshake;

/* Starts a handshake at the time now (seconds since 1970, for the certificates' dates). The config
 * gains a reference. NULL with *err filled on failure. */
KILN_API struct kiln_handshake *kiln_handshake_new(struct kiln_tls_config *config, int64_t now,
						   struct kiln_error *err) KILN_NODISCARD;
KILN_API void kiln_handshake_free(struct kiln_handshake *handshake);

/* Feeds in[0..len) and moves on as far as that goes; len 0 starts a client. *consumed tells how
 * many bytes were taken: exactly up to the end of the record that completed the handshake, never
 * beyond it, so that what is left over belongs to the connection's first record. */
KILN_API enum kiln_step kiln_handshake_step(struct kiln_handshake *handshake, const uint8_t *in,
					    size_t len, size_t *consumed,
					    struct kiln_error *err) KILN_NODISCARD;

/* Bytes to send to the peer, in order; valid until the next step. Report what went out. */
KILN_API const uint8_t *kiln_handshake_output(struct kiln_handshake *handshake, size_t *len);
KILN_API void kiln_handshake_sent(struct kiln_handshake *handshake, size_t len);

#define KILN_NAME_MAX 256u

/* What a finished handshake agreed on. */
struct kiln_session {
	struct kiln_traffic rx, tx;
	uint16_t suite;
	struct kiln_peer peer;
	char server_name[KILN_NAME_MAX]; /* SNI asked for, or "" */
	char alpn[KILN_NAME_MAX];        /* protocol agreed on, or "" */
	char group[32];                  /* key exchange group, or "" */
};

/* After KILN_STEP_DONE: hands out the session, which the caller clears (kiln_session_clear). */
KILN_API enum kiln_code kiln_handshake_finish(struct kiln_handshake *handshake,
					      struct kiln_session *session,
					      struct kiln_error *err) KILN_NODISCARD;
KILN_API void kiln_session_clear(struct kiln_session *session);

/* RFC 8446 7.5 exporter of a finished handshake; before kiln_handshake_free. */
KILN_API enum kiln_code kiln_handshake_export(struct kiln_handshake *handshake, const char *label,
					      const uint8_t *context, size_t context_len,
					      uint8_t *out, size_t out_len,
					      struct kiln_error *err) KILN_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
