/* SPDX-License-Identifier: Apache-2.0
 *
 * The lengths and the names of things in kiln-keys/1 (docs/keys.md) that more than one part of
 * lib/keys, and the stores, need.
 */
#ifndef KILN_KEYS_TYPES_H
#define KILN_KEYS_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kiln/error.h>

#define KILN_KEYS_PROTOCOL "kiln-keys/1"

enum {
	KILN_KEYS_USER_ID_LEN = 32,
	KILN_KEYS_KEY_ID_LEN = 16,
	KILN_KEYS_SESSION_ID_LEN = 16,
	KILN_KEYS_NAME_MAX = 255,     /* of an account name, bytes of UTF-8 */
	KILN_KEYS_TOKEN_MAX = 64,     /* of a registration token */
	KILN_KEYS_SECRET_MAX = 255,   /* of a secret */
	KILN_KEYS_SOURCE_LEN = 16,    /* IPv6, or IPv4 mapped into it; zeroes: not known */
	KILN_KEYS_EXPORTER_LEN = 32,  /* of the TLS exporter's value */
	KILN_KEYS_RECORD_LEN = 192,   /* OPAQUE's registration record */
	KILN_KEYS_SEAL_OVERHEAD = 28, /* nonce 12, tag 16 */
	KILN_KEYS_WRAPPED_LEN = 32 + KILN_KEYS_SEAL_OVERHEAD, /* the storage key, wrapped */
	/* A secret as the client seals it: one byte of length, the secret. */
	KILN_KEYS_SEALED_MAX = 1 + KILN_KEYS_SECRET_MAX + KILN_KEYS_SEAL_OVERHEAD,
	KILN_KEYS_SCALAR_LEN = 32,    /* of a secp256k1 private key */
	KILN_KEYS_PUBLIC_LEN = 33,    /* of its public key, compressed */
	KILN_KEYS_SIGNATURE_LEN = 64, /* r, s */
	KILN_KEYS_HASH_LEN = 32,      /* SHA3-256, SHA-256 */
};

/* What a stored key is. The numbers are on the wire and in the store. */
enum kiln_keys_kind {
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

/* One line of a user's audit log. The hash chains it to the line before:
 * kiln_keys_audit_hash (audit.h). */
struct kiln_keys_audit {
	uint64_t number;  /* from 1 on, without a gap */
	uint64_t time_ms; /* since 1970 */
	uint8_t action, actor;
	uint16_t outcome; /* 0 is success; others are the codes of ERROR, docs/keys.md */
	bool has_key;
	uint8_t key_id[KILN_KEYS_KEY_ID_LEN];
	uint8_t source[KILN_KEYS_SOURCE_LEN];
};

#endif
