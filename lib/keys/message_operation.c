/* SPDX-License-Identifier: Apache-2.0
 * What the operations send, docs/keys.md "Operations": the fields behind the operation's number
 * (and, in a REQUEST, the user_id). */
#include "keys/message.h"

#define NUM   KILN_KEYS_NUM
#define BYTES KILN_KEYS_BYTES
#define LIST  KILN_KEYS_LIST
#define FORM  KILN_KEYS_FORM

/* generate seals 32 bytes with one of length; what is stored has 1 to 255. */
#define GENERATED (1 + 32 + KILN_KEYS_SEAL_OVERHEAD)
#define SMALLEST  (1 + 1 + KILN_KEYS_SEAL_OVERHEAD)

#define KEY_ID  BYTES(key_id)
#define WRAPPED BYTES(wrapped)
#define SECRET  LIST(secret, 1, 1, KILN_KEYS_SECRET_MAX)
#define ENTRIES LIST(entries, KILN_KEYS_AUDIT_LEN, 0, KILN_KEYS_AUDIT_PAGE)

static const struct kiln_keys_form empty = {NULL, 0};

static const struct {
	bool continues; /* has a second round */
	struct kiln_keys_form request, go_on, finish, response;
} forms[KILN_KEYS_OPERATION_END] = {
    [KILN_KEYS_COMPLETE] = {.request = FORM(WRAPPED)},
    [KILN_KEYS_NOTHING] = {.continues = false},
    [KILN_KEYS_GENERATE] =
	{
	    .continues = true,
	    .go_on = FORM(KEY_ID, WRAPPED),
	    .finish = FORM(LIST(backup, 1, GENERATED, GENERATED)),
	    .response = FORM(KEY_ID),
	},
    [KILN_KEYS_GENERATE_SERVER] = {.response = FORM(KEY_ID)},
    [KILN_KEYS_IMPORT] =
	{
	    .continues = true,
	    .go_on = FORM(KEY_ID, WRAPPED),
	    .finish = FORM(LIST(backup, 1, SMALLEST, KILN_KEYS_SEALED_MAX)),
	    .response = FORM(KEY_ID),
	},
    [KILN_KEYS_IMPORT_SERVER] = {.request = FORM(SECRET), .response = FORM(KEY_ID)},
    [KILN_KEYS_RETRIEVE] =
	{
	    .request = FORM(KEY_ID, NUM(intent)),
	    .response = FORM(KEY_ID, NUM(kind), NUM(context), WRAPPED,
			     LIST(data, 1, 1, KILN_KEYS_SEALED_MAX)),
	},
    [KILN_KEYS_DELETE] = {.request = FORM(KEY_ID)},
    [KILN_KEYS_AUDIT] =
	{
	    .continues = true,
	    .request = FORM(NUM(which), NUM(after_ms), NUM(before_ms), NUM(from_number), NUM(limit),
			    LIST(key_ids, KILN_KEYS_KEY_ID_LEN, 0, KILN_KEYS_AUDIT_IDS_MAX)),
	    .go_on = FORM(NUM(next), ENTRIES),
	    .response = FORM(NUM(next), ENTRIES),
	},
    [KILN_KEYS_GENERATE_SIGNING] = {.response = FORM(KEY_ID, BYTES(public_key))},
    [KILN_KEYS_IMPORT_SIGNING] =
	{
	    .request = FORM(BYTES(private_key)),
	    .response = FORM(KEY_ID, BYTES(public_key)),
	},
    [KILN_KEYS_SIGN] =
	{
	    .request = FORM(KEY_ID, NUM(form), LIST(text, 1, 0, KILN_KEYS_SIGN_MAX)),
	    .response = FORM(BYTES(signature)),
	},
    [KILN_KEYS_PUBLIC_KEY] = {.request = FORM(KEY_ID), .response = FORM(BYTES(public_key))},
    [KILN_KEYS_CHANGE_PASSWORD] =
	{
	    .continues = true,
	    .request = FORM(BYTES(registration_request)),
	    .go_on = FORM(BYTES(registration_response), WRAPPED),
	    .finish = FORM(BYTES(record), WRAPPED),
	},
};

const struct kiln_keys_form *kiln_keys_operation_form(uint8_t type, uint8_t operation)
{
	if (operation == 0 || operation >= KILN_KEYS_OPERATION_END)
		return NULL;
	switch (type) {
	case KILN_KEYS_REQUEST: return &forms[operation].request;
	case KILN_KEYS_CONTINUE: return forms[operation].continues ? &forms[operation].go_on : NULL;
	case KILN_KEYS_FINISH: return forms[operation].continues ? &forms[operation].finish : NULL;
	case KILN_KEYS_RESPONSE: return &forms[operation].response;
	default: return &empty;
	}
}
