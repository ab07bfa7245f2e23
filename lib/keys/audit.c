/* SPDX-License-Identifier: Apache-2.0
 * Lines of an audit log; see audit.h. */
#include "keys/audit.h"

#include <string.h>

#include "base/bytes.h"
#include "keys/crypto.h"

void kiln_keys_audit_write(const struct kiln_keys_audit *entry, uint8_t out[KILN_KEYS_AUDIT_LEN])
{
	kiln_store_be64(out, entry->number);
	kiln_store_be64(out + 8, entry->time_ms);
	out[16] = entry->action;
	out[17] = entry->actor;
	kiln_store_be16(out + 18, entry->outcome);
	out[20] = entry->has_key;
	memcpy(out + 21, entry->key_id, KILN_KEYS_KEY_ID_LEN);
	memcpy(out + 37, entry->source, KILN_KEYS_SOURCE_LEN);
}

void kiln_keys_audit_read(const uint8_t in[KILN_KEYS_AUDIT_LEN], struct kiln_keys_audit *entry)
{
	entry->number = kiln_load_be64(in);
	entry->time_ms = kiln_load_be64(in + 8);
	entry->action = in[16];
	entry->actor = in[17];
	entry->outcome = kiln_load_be16(in + 18);
	entry->has_key = in[20] != 0;
	memcpy(entry->key_id, in + 21, KILN_KEYS_KEY_ID_LEN);
	memcpy(entry->source, in + 37, KILN_KEYS_SOURCE_LEN);
}

bool kiln_keys_audit_hash(const uint8_t before[KILN_KEYS_HASH_LEN],
			  const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
			  const struct kiln_keys_audit *entry, uint8_t hash[KILN_KEYS_HASH_LEN])
{
	uint8_t input[KILN_KEYS_HASH_LEN + KILN_KEYS_USER_ID_LEN + KILN_KEYS_AUDIT_LEN];
	memcpy(input, before, KILN_KEYS_HASH_LEN);
	memcpy(input + KILN_KEYS_HASH_LEN, user_id, KILN_KEYS_USER_ID_LEN);
	kiln_keys_audit_write(entry, input + KILN_KEYS_HASH_LEN + KILN_KEYS_USER_ID_LEN);
	return kiln_keys_sha3_256(input, sizeof input, hash);
}

const char *kiln_keys_action_name(uint8_t action)
{
	switch (action) {
	case KILN_KEYS_DID_REGISTER: return "register";
	case KILN_KEYS_DID_LOGIN: return "login";
	case KILN_KEYS_DID_AUDIT: return "audit";
	case KILN_KEYS_DID_CHANGE_PASSWORD: return "change password";
	case KILN_KEYS_DID_REQUEST: return "request";
	case KILN_KEYS_DID_GENERATE: return "generate";
	case KILN_KEYS_DID_GENERATE_SERVER: return "generate at the server";
	case KILN_KEYS_DID_IMPORT: return "import";
	case KILN_KEYS_DID_IMPORT_SERVER: return "import at the server";
	case KILN_KEYS_DID_RETRIEVE: return "retrieve";
	case KILN_KEYS_DID_RETRIEVE_LOCAL: return "retrieve for local use";
	case KILN_KEYS_DID_EXPORT: return "export";
	case KILN_KEYS_DID_DELETE: return "delete";
	case KILN_KEYS_DID_GENERATE_SIGNING: return "generate signing key";
	case KILN_KEYS_DID_IMPORT_SIGNING: return "import signing key";
	case KILN_KEYS_DID_SIGN: return "sign";
	case KILN_KEYS_DID_PUBLIC_KEY: return "public key";
	default: return "unknown";
	}
}

const char *kiln_keys_actor_name(uint8_t actor)
{
	switch (actor) {
	case KILN_KEYS_BY_USER: return "user";
	case KILN_KEYS_BY_STRANGER: return "stranger";
	case KILN_KEYS_BY_OPERATOR: return "operator";
	default: return "unknown";
	}
}
