/* SPDX-License-Identifier: Apache-2.0
 *
 * The bodies of frames, docs/keys.md "Messages" and "Operations": every message is a row of fields
 * (message_session.c, message_operation.c), read and written by one piece of code (message.c).
 */
#ifndef KILN_KEYS_MESSAGE_H
#define KILN_KEYS_MESSAGE_H

#include "keys/types.h"

enum kiln_keys_type {
	KILN_KEYS_REGISTER_START = 0x01,
	KILN_KEYS_REGISTER_RESPONSE = 0x02,
	KILN_KEYS_REGISTER_UPLOAD = 0x03,
	KILN_KEYS_LOGIN_START = 0x04,
	KILN_KEYS_KE2 = 0x05,
	KILN_KEYS_KE3 = 0x06,
	KILN_KEYS_ABORT = 0x07,
	KILN_KEYS_ERROR = 0x08,
	KILN_KEYS_OPEN = 0x41, /* from 0x40 on: with a MAC */
	KILN_KEYS_REQUEST = 0x42,
	KILN_KEYS_CONTINUE = 0x43,
	KILN_KEYS_FINISH = 0x44,
	KILN_KEYS_RESPONSE = 0x45,
	KILN_KEYS_FAILURE = 0x46,
	KILN_KEYS_RESUME = 0x47,
	KILN_KEYS_RESUMED = 0x48,
};

#define KILN_KEYS_FLAG_EXPORTER 0x01

enum kiln_keys_operation {
	KILN_KEYS_COMPLETE = 0x01,
	KILN_KEYS_NOTHING = 0x02,
	KILN_KEYS_GENERATE = 0x03,
	KILN_KEYS_GENERATE_SERVER = 0x04,
	KILN_KEYS_IMPORT = 0x05,
	KILN_KEYS_IMPORT_SERVER = 0x06,
	KILN_KEYS_RETRIEVE = 0x07,
	KILN_KEYS_DELETE = 0x08,
	KILN_KEYS_AUDIT = 0x09,
	KILN_KEYS_GENERATE_SIGNING = 0x0a,
	KILN_KEYS_IMPORT_SIGNING = 0x0b,
	KILN_KEYS_SIGN = 0x0c,
	KILN_KEYS_PUBLIC_KEY = 0x0d,
	KILN_KEYS_CHANGE_PASSWORD = 0x0e,
	KILN_KEYS_OPERATION_END, /* one more than the last */
};

enum kiln_keys_error {
	KILN_KEYS_SUCCESS = 0,
	KILN_KEYS_MALFORMED = 1,
	KILN_KEYS_UNEXPECTED = 2,
	KILN_KEYS_BAD_MAC = 3,
	KILN_KEYS_LOGIN_FAILED = 4,
	KILN_KEYS_LIMITED = 5,
	KILN_KEYS_REGISTRATION_REFUSED = 6,
	KILN_KEYS_TOKEN_REFUSED = 7,
	KILN_KEYS_NAME_TAKEN = 8,
	KILN_KEYS_BAD_NAME = 9,
	KILN_KEYS_NO_SUCH_KEY = 10,
	KILN_KEYS_WRONG_KIND = 11,
	KILN_KEYS_INVALID_KEY = 12,
	KILN_KEYS_REFUSED = 13,
	KILN_KEYS_SESSION_CLOSED = 14,
	KILN_KEYS_UNKNOWN_SESSION = 15,
	KILN_KEYS_SESSION_EXISTS = 16,
	KILN_KEYS_BUSY = 17,
	KILN_KEYS_STORE = 18,
	KILN_KEYS_EXPIRED = 19,
	KILN_KEYS_BINDING = 20,
	KILN_KEYS_PASSWORD_CHANGED = 21,
	KILN_KEYS_FULL = 22,
	KILN_KEYS_ABANDONED = 23,
	KILN_KEYS_OUTCOME_UNKNOWN = 24,
	KILN_KEYS_ERROR_END,
};

enum { KILN_KEYS_SIGN_MESSAGE = 1, KILN_KEYS_SIGN_DIGEST = 2 };

enum {
	KILN_KEYS_AUDIT_IDS_MAX = 64,
	KILN_KEYS_AUDIT_PAGE = 300,
	KILN_KEYS_AUDIT_PAGES_MAX = 256,
	KILN_KEYS_AUDIT_LEN = 53,
	KILN_KEYS_SIGN_MAX = 12288,
};

/* count elements of a size that the field says, somewhere else. */
struct kiln_keys_list {
	const uint8_t *data;
	size_t count;
};

/* All fields that any message has; which of them count, the message says. Lists point into the
 * body that was read. May hold secrets: the caller wipes it. */
struct kiln_keys_message {
	uint8_t flags, operation, intent, kind, context, which, form;
	uint16_t code;
	uint32_t retry_after_ms, request_ms, limit;
	uint64_t next, after_ms, before_ms, from_number;
	struct kiln_keys_list name, device, token, secret, backup, data, key_ids, entries, text;
	uint8_t registration_request[32], registration_response[64], record[KILN_KEYS_RECORD_LEN];
	uint8_t ke1[96], ke2[320], ke3[64];
	uint8_t user_id[KILN_KEYS_USER_ID_LEN], key_id[KILN_KEYS_KEY_ID_LEN];
	uint8_t wrapped[KILN_KEYS_WRAPPED_LEN];
	uint8_t private_key[KILN_KEYS_SCALAR_LEN], public_key[KILN_KEYS_PUBLIC_LEN];
	uint8_t signature[KILN_KEYS_SIGNATURE_LEN];
};

/* False unless the body is exactly one message of that type. */
bool kiln_keys_message_read(uint8_t type, const uint8_t *body, size_t len,
			    struct kiln_keys_message *message) KILN_NODISCARD;

/* Its length; 0 when a list is out of its bounds or it does not fit, or nothing is to be written:
 * then *fits says which. */
size_t kiln_keys_message_write(uint8_t type, const struct kiln_keys_message *message, uint8_t *out,
			       size_t cap, bool *fits);

/* ---- for message*.c */

struct kiln_keys_field {
	enum { KILN_FIELD_NUMBER, KILN_FIELD_BYTES, KILN_FIELD_LIST } what;
	uint16_t offset, size; /* in struct kiln_keys_message; size of an element of a list */
	uint16_t min, max;     /* of a list's count; above 255 it takes two bytes */
};

struct kiln_keys_form {
	const struct kiln_keys_field *fields;
	size_t count;
};

#define KILN_KEYS_MEMBER_SIZE(f) sizeof(((struct kiln_keys_message *)0)->f)
#define KILN_KEYS_NUM(f)                                                                           \
	{                                                                                          \
		KILN_FIELD_NUMBER, offsetof(struct kiln_keys_message, f),                          \
		    KILN_KEYS_MEMBER_SIZE(f), 0, 0                                                 \
	}
#define KILN_KEYS_BYTES(f)                                                                         \
	{                                                                                          \
		KILN_FIELD_BYTES, offsetof(struct kiln_keys_message, f), KILN_KEYS_MEMBER_SIZE(f), \
		    0, 0                                                                           \
	}
#define KILN_KEYS_LIST(f, element, min, max)                                                       \
	{                                                                                          \
		KILN_FIELD_LIST, offsetof(struct kiln_keys_message, f), element, min, max          \
	}
#define KILN_KEYS_FORM(...)                                                                        \
	{                                                                                          \
		(const struct kiln_keys_field[]){__VA_ARGS__},                                     \
		    sizeof((const struct kiln_keys_field[]){__VA_ARGS__}) /                        \
			sizeof(struct kiln_keys_field)                                             \
	}

/* NULL for a type, or an operation, that there is not. */
const struct kiln_keys_form *kiln_keys_session_form(uint8_t type);
const struct kiln_keys_form *kiln_keys_operation_form(uint8_t type, uint8_t operation);

#endif
