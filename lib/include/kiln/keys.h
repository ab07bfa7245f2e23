/* SPDX-License-Identifier: Apache-2.0
 *
 * A key server's client: secrets kept behind a password that never leaves this program. The
 *protocol is kiln-keys/1 (docs/keys.md), over a connection of kiln/conn.h.
 *
 *	struct kiln_conn_options how = {.exporter_label = KILN_KEYS_EXPORTER_LABEL,
 *					.exporter_len = KILN_KEYS_EXPORTER_SIZE};
 *	fd = kiln_tls_connect(config, host, port, &how, &conn, &err);    config: ALPN KILN_KEYS_ALPN
 *	rc = kiln_keys_open(conn, "ada@example.com", password, strlen(password), NULL, &keys, &err);
 *	rc = kiln_keys_generate(keys, KILN_KEYS_BACKED_UP, &secret, &err);
 *	...
 *	kiln_keys_close(keys);
 *	kiln_conn_close(conn);
 *
 * Every call but open and close is a session of its own: the password is proved anew, by Argon2id,
 * which takes seconds; options->progress is told. The calls block as the connection's fd does.
 *
 * Errors. *err is filled on failure and left alone on success; err may be NULL. Any call may give
 *   KILN_E_USAGE          a length is out of bounds
 *   KILN_E_KEYS_PASSWORD  the password is wrong, or there is no such account (a server does not
 *                         tell which), or it is not the server of the registration
 *   KILN_E_KEYS_SERVER    its key is not options->server_key
 *   KILN_E_KEYS_LIMITED   too many attempts: kiln_keys_retry_after_ms
 *   KILN_E_KEYS_REFUSED, KILN_E_KEYS_BUSY, KILN_E_KEYS_PROTOCOL  see kiln/error.h
 *   KILN_E_KEYS_STORED    what the server gave back is not what was stored
 *   KILN_E_NO_MEMORY, KILN_E_SYSTEM
 *   KILN_E_KEYS_OUTCOME   the connection or the server was lost (and options->reconnect did not
 *                         help) when something had been asked for that changes what the server
 *                         has: it was done or not, look (kiln_keys_audit) before asking again
 *   KILN_E_TLS_TRUNCATED and other errors of kiln_conn_read and _write: nothing was changed
 * and what else it gives stands beside it. After an error of the connection it is of no more use;
 * after others the next call may be made.
 *
 * Threads. A struct kiln_keys is used by one thread at a time, and so is its connection.
 */
#ifndef KILN_KEYS_H
#define KILN_KEYS_H

#include <kiln/conn.h>
#include <kiln/opaque.h>

#ifdef __cplusplus
extern "C" {
#endif

#define KILN_KEYS_ALPN           "kiln-keys/1"
#define KILN_KEYS_EXPORTER_LABEL "EXPORTER-kiln-keys/1"
#define KILN_KEYS_EXPORTER_SIZE  32u

/* Lengths in bytes. */
enum {
	KILN_KEYS_USER_ID_LEN = 32,
	KILN_KEYS_KEY_ID_LEN = 16,
	KILN_KEYS_NAME_MAX = 255,     /* of an account name, UTF-8 */
	KILN_KEYS_TOKEN_MAX = 64,     /* of a registration token */
	KILN_KEYS_SECRET_MAX = 255,   /* of a secret */
	KILN_KEYS_DEVICE_LEN = 32,    /* of what a device is known by */
	KILN_KEYS_SOURCE_LEN = 16,    /* IPv6, or IPv4 mapped into it; zeroes: not known */
	KILN_KEYS_SCALAR_LEN = 32,    /* of a secp256k1 private key */
	KILN_KEYS_PUBLIC_LEN = 33,    /* of its public key, compressed */
	KILN_KEYS_SIGNATURE_LEN = 64, /* r, s */
	KILN_KEYS_EXPORT_MAX = 512,   /* of a secret in the export format */
};

/* What a stored key is. The numbers are on the wire and in the store. */
enum kiln_keys_kind {
	KILN_KEYS_ANY_KIND = 0,
	KILN_KEYS_BACKUP = 1,  /* sealed by the client: bytes that the server cannot read */
	KILN_KEYS_HELD = 2,    /* a secret in the server's hands */
	KILN_KEYS_SIGNING = 3, /* a private key on secp256k1 in the server's hands */
};

/* Where it came from; part of what a backup is sealed with. */
enum kiln_keys_context {
	KILN_KEYS_CLIENT_GENERATED = 1,
	KILN_KEYS_SERVER_GENERATED = 2,
	KILN_KEYS_IMPORTED = 3,
};

/* Why a key is asked for. */
enum kiln_keys_intent {
	KILN_KEYS_FOR_NOTHING = 0,
	KILN_KEYS_FOR_LOCAL_USE = 1,
	KILN_KEYS_FOR_EXPORT = 2,
};

/* What an audit entry tells of. Below 32: "system" entries; from 32 on: "key" entries. */
enum kiln_keys_action {
	KILN_KEYS_DID_REGISTER = 1,
	KILN_KEYS_DID_LOGIN = 2,
	KILN_KEYS_DID_AUDIT = 3,
	KILN_KEYS_DID_CHANGE_PASSWORD = 4,
	KILN_KEYS_DID_REQUEST = 5, /* a frame that is refused whatever it asks for */
	KILN_KEYS_DID_GENERATE = 32,
	KILN_KEYS_DID_GENERATE_SERVER = 33,
	KILN_KEYS_DID_IMPORT = 34,
	KILN_KEYS_DID_IMPORT_SERVER = 35,
	KILN_KEYS_DID_RETRIEVE = 36,
	KILN_KEYS_DID_RETRIEVE_LOCAL = 37,
	KILN_KEYS_DID_EXPORT = 38,
	KILN_KEYS_DID_DELETE = 39,
	KILN_KEYS_DID_GENERATE_SIGNING = 40,
	KILN_KEYS_DID_IMPORT_SIGNING = 41,
	KILN_KEYS_DID_SIGN = 42,
	KILN_KEYS_DID_PUBLIC_KEY = 43,
};
#define KILN_KEYS_FIRST_KEY_ACTION 32

enum kiln_keys_actor {
	KILN_KEYS_BY_USER = 1,     /* who proved the password */
	KILN_KEYS_BY_STRANGER = 2, /* who did not */
	KILN_KEYS_BY_OPERATOR = 3, /* the key server's own hands */
};

/* One line of a user's audit log. */
struct kiln_keys_audit {
	uint64_t number;  /* from 1 on, without a gap; the server may drop the first ones by age */
	uint64_t time_ms; /* since 1970 */
	uint8_t action, actor;
	uint16_t outcome; /* 0 is success; others are the codes of ERROR, docs/keys.md */
	bool has_key;
	uint8_t key_id[KILN_KEYS_KEY_ID_LEN];
	uint8_t source[KILN_KEYS_SOURCE_LEN];
};

enum kiln_keys_which {
	KILN_KEYS_AUDIT_SYSTEM = 1,
	KILN_KEYS_AUDIT_KEYS = 2,
	KILN_KEYS_AUDIT_ALL = 3
};

/* Names for people: "login", "generate" ...; "user" ...; "success", "login_failed" ...; "unknown"
 * for others. */
KILN_API const char *kiln_keys_action_name(uint8_t action);
KILN_API const char *kiln_keys_actor_name(uint8_t actor);
KILN_API const char *kiln_keys_error_name(unsigned outcome);

/* "client-generated", "server-generated", "imported key"; NULL for others. */
KILN_API const char *kiln_keys_context_name(uint8_t context);

/* ------------------------------------------------------------------ opening */

enum kiln_keys_progress {
	KILN_KEYS_STRETCHING, /* Argon2id begins: seconds */
	KILN_KEYS_STRETCHED,
};

/* Everything zero is a good choice. Nothing that is pointed to is kept but arg. */
struct kiln_keys_options {
	const char *server_identity; /* the server's name in OPAQUE, as configured there; NULL: none
				      */
	const uint8_t *server_key;   /* the server's OPAQUE public key, 32 bytes; NULL: any */
	struct kiln_opaque_ksf ksf;  /* must be that of the registration */
	void (*progress)(void *arg, enum kiln_keys_progress what);

	/* KILN_KEYS_DEVICE_LEN random bytes, drawn once and kept as a password would be; NULL:
	 * none. A server that has seen a login with them counts attempts of this device by
	 * themselves, so that strangers who guess at the account do not make it wait, wherever it
	 * is. What is sent is made of them, the account's name and device_server, and is of no use
	 * for another account, or at another server. */
	const uint8_t *device;

	/* The name that the connection's certificate proved, at most 255 bytes. NULL: none, and
	 * servers at which one device uses one account name are all sent the same. */
	const char *device_server;

	/* The connection broke off while a session is open: gives another one to the same server,
	 * on which the session goes on, so that what was asked for is done once and its answer is
	 * had. NULL with *err filled: no. If the first one has the TLS exporter's value this one
	 * has to have its own (else: KILN_E_USAGE). The old connection is the caller's to close,
	 * here or later. Called at most 3 times in a call. */
	struct kiln_conn *(*reconnect)(void *arg, struct kiln_error *err);
	void *arg;
};

struct kiln_keys;

/* Does not talk to the server yet. conn stays the caller's and must outlive *keys; where it has an
 * exporter value of KILN_KEYS_EXPORTER_SIZE bytes, sessions are bound to it. The password is
 * copied. KILN_E_KEYS_NAME  the account name is not in order (docs/keys.md, "Registration") */
KILN_API enum kiln_code kiln_keys_open(struct kiln_conn *conn, const char *account,
				       const void *password, size_t password_len,
				       const struct kiln_keys_options *options,
				       struct kiln_keys **keys,
				       struct kiln_error *err) KILN_NODISCARD;
KILN_API void kiln_keys_close(struct kiln_keys *keys); /* wipes; NULL is fine */

/* Of the last call, when it gave KILN_E_KEYS_LIMITED or KILN_E_KEYS_BUSY. */
KILN_API uint32_t kiln_keys_retry_after_ms(const struct kiln_keys *keys);

/* Of the last call that got as far as a login: 32 bytes each. */
KILN_API const uint8_t *kiln_keys_user_id(const struct kiln_keys *keys);
KILN_API const uint8_t *kiln_keys_server_key(const struct kiln_keys *keys);

/* ------------------------------------------------------------------ accounts */

/* token: NULL for none.
 *   KILN_E_KEYS_CLOSED  registration is closed, or the token is not good
 *   KILN_E_KEYS_NAME    the name is taken */
KILN_API enum kiln_code kiln_keys_register(struct kiln_keys *keys, const char *token,
					   struct kiln_error *err) KILN_NODISCARD;

/* Is the password right? */
KILN_API enum kiln_code kiln_keys_login_test(struct kiln_keys *keys,
					     struct kiln_error *err) KILN_NODISCARD;

/* What is stored stays as it is. From then on keys uses the new password. */
KILN_API enum kiln_code kiln_keys_change_password(struct kiln_keys *keys, const void *password,
						  size_t password_len,
						  const struct kiln_opaque_ksf *ksf,
						  struct kiln_error *err) KILN_NODISCARD;

/* ------------------------------------------------------------------ secrets */

/* Secret: kiln_opaque_wipe it. */
struct kiln_keys_secret {
	uint8_t key_id[KILN_KEYS_KEY_ID_LEN];
	uint8_t kind, context;
	size_t len; /* 0 when it is not here */
	uint8_t data[KILN_KEYS_SECRET_MAX];
};

enum kiln_keys_place {
	KILN_KEYS_BACKED_UP, /* the server gets it sealed, and cannot read it */
	KILN_KEYS_AT_SERVER, /* the server has it */
};

/* 32 random bytes. KILN_KEYS_BACKED_UP: made here, and given in *secret; KILN_KEYS_AT_SERVER: made
 * there, and *secret has only its key_id. */
KILN_API enum kiln_code kiln_keys_generate(struct kiln_keys *keys, enum kiln_keys_place place,
					   struct kiln_keys_secret *secret,
					   struct kiln_error *err) KILN_NODISCARD;

/* 1 to KILN_KEYS_SECRET_MAX bytes. kiln_keys_store is kiln_keys_import with KILN_KEYS_BACKED_UP. */
KILN_API enum kiln_code kiln_keys_import(struct kiln_keys *keys, enum kiln_keys_place place,
					 const void *secret, size_t len,
					 uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					 struct kiln_error *err) KILN_NODISCARD;
KILN_API enum kiln_code kiln_keys_store(struct kiln_keys *keys, const void *secret, size_t len,
					uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					struct kiln_error *err) KILN_NODISCARD;

/* What is kept at the server under that key_id. kind: what it is; KILN_KEYS_ANY_KIND: whatever the
 * server says that it is, in secret->kind. Only of a KILN_KEYS_BACKUP is it certain that it is what
 * was stored: the other kinds are in the server's hands, which could also pass one off as a backup.
 *   KILN_E_KEYS_KEY     there is no such key of this account
 *   KILN_E_KEYS_STORED  it is of another kind, or a backup that does not open */
KILN_API enum kiln_code kiln_keys_retrieve(struct kiln_keys *keys,
					   const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					   enum kiln_keys_kind kind, enum kiln_keys_intent intent,
					   struct kiln_keys_secret *secret,
					   struct kiln_error *err) KILN_NODISCARD;

/* The secret in the export format (docs/keys.md), which other programs read: len, secret, len, what
 * it is bound to. As kiln_keys_retrieve. */
KILN_API enum kiln_code kiln_keys_export(struct kiln_keys *keys,
					 const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					 enum kiln_keys_kind kind,
					 uint8_t out[KILN_KEYS_EXPORT_MAX], size_t *len,
					 struct kiln_error *err) KILN_NODISCARD;
KILN_API enum kiln_code kiln_keys_delete(struct kiln_keys *keys,
					 const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					 struct kiln_error *err) KILN_NODISCARD;

/* ------------------------------------------------------------------ signing keys, on secp256k1 */

KILN_API enum kiln_code kiln_keys_generate_signing(struct kiln_keys *keys,
						   uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
						   uint8_t public_key[KILN_KEYS_PUBLIC_LEN],
						   struct kiln_error *err) KILN_NODISCARD;

/*   KILN_E_KEYS_KEY  the private key is not in [1, n-1] */
KILN_API enum kiln_code kiln_keys_import_signing(struct kiln_keys *keys,
						 const uint8_t private_key[KILN_KEYS_SCALAR_LEN],
						 uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
						 uint8_t public_key[KILN_KEYS_PUBLIC_LEN],
						 struct kiln_error *err) KILN_NODISCARD;

/* ECDSA over the message's SHA-256, or over a digest of 32 bytes. */
KILN_API enum kiln_code kiln_keys_sign(struct kiln_keys *keys,
				       const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
				       const void *message, size_t len, bool is_digest,
				       uint8_t signature[KILN_KEYS_SIGNATURE_LEN],
				       struct kiln_error *err) KILN_NODISCARD;
KILN_API enum kiln_code kiln_keys_public_key(struct kiln_keys *keys,
					     const uint8_t key_id[KILN_KEYS_KEY_ID_LEN],
					     uint8_t public_key[KILN_KEYS_PUBLIC_LEN],
					     struct kiln_error *err) KILN_NODISCARD;

/* ------------------------------------------------------------------ the audit log */

struct kiln_keys_query {
	enum kiln_keys_which which;                     /* 0: all */
	uint64_t after_ms, before_ms;                   /* inclusive; 0: no bound */
	const uint8_t (*key_ids)[KILN_KEYS_KEY_ID_LEN]; /* at most 64; none: any */
	size_t key_id_count;
	uint64_t from_number; /* lines from this one on; 0: from the first */
	uint64_t limit;       /* the first so many that pass, KILN_KEYS_AUDIT_LINES_MAX at most;
			       * 0: as many as that, or where last is set all */
	uint64_t last;        /* the newest so many that pass, KILN_KEYS_AUDIT_LINES_MAX at most;
			       * 0: all. Not together with limit */
};

/* What is kept in memory of a log at once: a server could go on for ever. */
#define KILN_KEYS_AUDIT_LINES_MAX 1000000u

/* In order of their numbers; to be freed with free(). query NULL: everything. A server gives a long
 * log in parts, each in a session of its own (the password is stretched anew): this call asks for
 * all of them. *next gets 0 when there is nothing more, or (a limit was met) the from_number that
 * goes on behind the last of *entries; next may be NULL. */
KILN_API enum kiln_code kiln_keys_audit(struct kiln_keys *keys, const struct kiln_keys_query *query,
					struct kiln_keys_audit **entries, size_t *count,
					uint64_t *next, struct kiln_error *err) KILN_NODISCARD;

/* ------------------------------------------------------------------ a local store
 *
 * Secrets in a file that only a password opens, readable without the server: bytes in, bytes out
 * (docs/keys.md, "The local store"); reading and writing the file is the program's. */

struct kiln_keys_local;

#define KILN_KEYS_LOCAL_COUNT_MAX 4096u
#define KILN_KEYS_LOCAL_SIZE_MAX  1245184u /* bytes of a file */

/* An empty one, or (len > 0) one from a file's bytes. Argon2id runs, as the file says, or as ksf
 * says for a new one (KILN_OPAQUE_KSF_NONE is for tests).
 *   KILN_E_KEYS_PASSWORD  the password is wrong, or the file was altered
 *   KILN_E_KEYS_STORED    it is no such file */
KILN_API enum kiln_code kiln_keys_local_open(const void *file, size_t len, const void *password,
					     size_t password_len, const struct kiln_opaque_ksf *ksf,
					     struct kiln_keys_local **local,
					     struct kiln_error *err) KILN_NODISCARD;
KILN_API void kiln_keys_local_free(struct kiln_keys_local *local); /* wipes; NULL is fine */

KILN_API size_t kiln_keys_local_count(const struct kiln_keys_local *local);

/* index < count. The result lives until the next call that changes the store. */
KILN_API const struct kiln_keys_secret *kiln_keys_local_get(const struct kiln_keys_local *local,
							    size_t index);
KILN_API const struct kiln_keys_secret *
kiln_keys_local_find(const struct kiln_keys_local *local,
		     const uint8_t key_id[KILN_KEYS_KEY_ID_LEN]);

/* Adds, or replaces what has that key_id.
 *   KILN_E_LIMIT  there are KILN_KEYS_LOCAL_COUNT_MAX */
KILN_API enum kiln_code kiln_keys_local_put(struct kiln_keys_local *local,
					    const struct kiln_keys_secret *secret,
					    struct kiln_error *err) KILN_NODISCARD;
KILN_API bool kiln_keys_local_remove(struct kiln_keys_local *local,
				     const uint8_t key_id[KILN_KEYS_KEY_ID_LEN]);

/* The file's bytes, with a fresh nonce; to be freed with free(). */
KILN_API enum kiln_code kiln_keys_local_seal(struct kiln_keys_local *local, uint8_t **file,
					     size_t *len, struct kiln_error *err) KILN_NODISCARD;

#ifdef __cplusplus
}
#endif
#endif
