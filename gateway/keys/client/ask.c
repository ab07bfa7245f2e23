/* SPDX-License-Identifier: Apache-2.0
 * What each command asks of the server; see run.h. */
#include <string.h>

#include "keys/client/run.h"

static enum kiln_code generate(struct kiln_keycli_run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	struct kiln_keys *keys = r->talk.keys;
	if (o->signing)
		return kiln_keys_generate_signing(keys, r->secret.key_id, r->public_key, &r->err);
	return kiln_keys_generate(keys, o->at_server ? KILN_KEYS_AT_SERVER : KILN_KEYS_BACKED_UP,
				  &r->secret, &r->err);
}

static enum kiln_code import(struct kiln_keycli_run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	struct kiln_keys *keys = r->talk.keys;
	if (o->signing)
		return kiln_keys_import_signing(keys, r->input, r->secret.key_id, r->public_key,
						&r->err);
	r->secret.kind = KILN_KEYS_BACKUP;
	r->secret.context = KILN_KEYS_IMPORTED;
	r->secret.len = r->input_len;
	memcpy(r->secret.data, r->input, r->input_len);
	return kiln_keys_import(keys, o->at_server ? KILN_KEYS_AT_SERVER : KILN_KEYS_BACKED_UP,
				r->input, r->input_len, r->secret.key_id, &r->err);
}

/* A secret that the server holds is one that it can have made up: who wants it says so. */
enum kiln_keys_kind kiln_keycli_expected(const struct kiln_keycli_run *r)
{
	static const enum kiln_keys_kind words[] = {KILN_KEYS_BACKUP, KILN_KEYS_HELD,
						    KILN_KEYS_SIGNING, KILN_KEYS_ANY_KIND};
	return words[r->options.kind];
}

static enum kiln_code retrieve(struct kiln_keycli_run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	const bool local = o->local != NULL || o->local_use;
	return kiln_keys_retrieve(r->talk.keys, o->key_ids[0], kiln_keycli_expected(r),
				  local ? KILN_KEYS_FOR_LOCAL_USE : KILN_KEYS_FOR_NOTHING,
				  &r->secret, &r->err);
}

/* The secret is in the export, too. */
static enum kiln_code export_key(struct kiln_keycli_run *r)
{
	const uint8_t *key_id = r->options.key_ids[0];
	struct kiln_keys_exported exported;
	const enum kiln_code rc = kiln_keys_export(r->talk.keys, key_id, kiln_keycli_expected(r),
						   r->exported, &r->exported_len, &r->err);
	if (rc != KILN_OK)
		return rc;
	if (!kiln_keys_export_read(r->exported, r->exported_len, &exported))
		return kiln_fail(&r->err, KILN_E_KEYS_STORED, "the export cannot be read again");
	memcpy(r->secret.key_id, key_id, sizeof r->secret.key_id);
	memcpy(r->secret.data, exported.secret, exported.secret_len);
	r->secret.len = exported.secret_len;
	return KILN_OK;
}

static enum kiln_code sign(struct kiln_keycli_run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	const bool digest = o->digest_text != NULL;
	return kiln_keys_sign(r->talk.keys, o->key_ids[0], digest ? o->digest : r->input,
			      digest ? sizeof o->digest : r->input_len, digest, r->signature,
			      &r->err);
}

static enum kiln_code audit(struct kiln_keycli_run *r)
{
	static const enum kiln_keys_which words[] = {KILN_KEYS_AUDIT_ALL, KILN_KEYS_AUDIT_SYSTEM,
						     KILN_KEYS_AUDIT_KEYS};
	const struct kiln_keycli_options *o = &r->options;
	const struct kiln_keys_query query = {
	    .which = words[o->which],
	    .after_ms = o->after_ms,
	    .before_ms = o->before_ms,
	    .key_ids = (const uint8_t(*)[KILN_KEYS_KEY_ID_LEN])o->key_ids,
	    .key_id_count = o->key_id_count,
	    .from_number = o->from,
	    .limit = o->limit,
	    .last = o->last,
	};
	return kiln_keys_audit(r->talk.keys, &query, &r->entries, &r->entry_count, &r->next,
			       &r->err);
}

static enum kiln_code change_password(struct kiln_keycli_run *r)
{
	const struct kiln_opaque_ksf ksf = kiln_keycli_stretching(&r->options);
	return kiln_keys_change_password(r->talk.keys, r->new_password.data, r->new_password.len,
					 &ksf, &r->err);
}

enum kiln_code kiln_keycli_ask(struct kiln_keycli_run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	struct kiln_keys *keys = r->talk.keys;
	const uint8_t *key_id = o->key_ids[0];
	switch (o->command) {
	case KILN_KEYCLI_REGISTER:
		return kiln_keys_register(keys, r->token[0] != '\0' ? r->token : NULL, &r->err);
	case KILN_KEYCLI_LOGIN_TEST: return kiln_keys_login_test(keys, &r->err);
	case KILN_KEYCLI_GENERATE: return generate(r);
	case KILN_KEYCLI_STORE:
	case KILN_KEYCLI_IMPORT: return import(r);
	case KILN_KEYCLI_RETRIEVE: return retrieve(r);
	case KILN_KEYCLI_EXPORT: return export_key(r);
	case KILN_KEYCLI_AUDIT: return audit(r);
	case KILN_KEYCLI_DELETE: return kiln_keys_delete(keys, key_id, &r->err);
	case KILN_KEYCLI_SIGN: return sign(r);
	case KILN_KEYCLI_PUBLIC_KEY:
		return kiln_keys_public_key(keys, key_id, r->public_key, &r->err);
	case KILN_KEYCLI_CHANGE_PASSWORD: return change_password(r);
	case KILN_KEYCLI_COMMANDS: break;
	}
	return KILN_OK;
}
