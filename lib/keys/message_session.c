/* SPDX-License-Identifier: Apache-2.0
 * The messages that make up a session, docs/keys.md "Messages": 0x01 to 0x48. */
#include "keys/message.h"

#define NUM   KILN_KEYS_NUM
#define BYTES KILN_KEYS_BYTES
#define LIST  KILN_KEYS_LIST
#define FORM  KILN_KEYS_FORM

#define NAME  LIST(name, 1, 1, KILN_KEYS_NAME_MAX)
#define TOKEN LIST(token, 1, 0, KILN_KEYS_TOKEN_MAX)

#define DEVICE LIST(device, KILN_KEYS_DEVICE_LEN, 0, 1)

static const struct kiln_keys_form nothing = {NULL, 0};

static const struct kiln_keys_form forms[] = {
    [KILN_KEYS_REGISTER_START] = FORM(NUM(flags), NAME, DEVICE, TOKEN, BYTES(registration_request)),
    [KILN_KEYS_REGISTER_RESPONSE] = FORM(BYTES(registration_response)),
    [KILN_KEYS_REGISTER_UPLOAD] = FORM(BYTES(record), BYTES(ke1)),
    [KILN_KEYS_LOGIN_START] = FORM(NUM(flags), NAME, DEVICE, BYTES(ke1)),
    [KILN_KEYS_KE2] = FORM(BYTES(ke2)),
    [KILN_KEYS_KE3] = FORM(BYTES(ke3)),
    [KILN_KEYS_ERROR] = FORM(NUM(code), NUM(retry_after_ms)),
    [KILN_KEYS_OPEN] = FORM(BYTES(user_id), NUM(request_ms)),
    /* Behind these the operation's own fields follow: message_operation.c. */
    [KILN_KEYS_REQUEST] = FORM(NUM(operation), BYTES(user_id)),
    [KILN_KEYS_CONTINUE] = FORM(NUM(operation)),
    [KILN_KEYS_FINISH] = FORM(NUM(operation)),
    [KILN_KEYS_RESPONSE] = FORM(NUM(operation)),
    [KILN_KEYS_FAILURE] = FORM(NUM(code), NUM(retry_after_ms)),
    [KILN_KEYS_RESUME] = FORM(NUM(next)),
    [KILN_KEYS_RESUMED] = FORM(NUM(next)),
};

const struct kiln_keys_form *kiln_keys_session_form(uint8_t type)
{
	if (type == KILN_KEYS_ABORT)
		return &nothing;
	if (type >= sizeof forms / sizeof forms[0] || forms[type].fields == NULL)
		return NULL;
	return &forms[type];
}

const char *kiln_keys_error_name(unsigned code)
{
	static const char *const names[KILN_KEYS_ERROR_END] = {
	    "success",
	    "malformed",
	    "unexpected",
	    "bad_mac",
	    "login_failed",
	    "limited",
	    "registration_closed",
	    "token_refused",
	    "name_taken",
	    "bad_name",
	    "no_such_key",
	    "wrong_kind",
	    "invalid_key",
	    "refused",
	    "session_closed",
	    "unknown_session",
	    "session_exists",
	    "busy",
	    "store",
	    "expired",
	    "binding",
	    "password_changed",
	    "full",
	    "abandoned",
	    "outcome_unknown",
	};
	return code < KILN_KEYS_ERROR_END ? names[code] : "unknown";
}
