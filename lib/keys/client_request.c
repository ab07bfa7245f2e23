/* SPDX-License-Identifier: Apache-2.0
 * The one request at the client, and its rounds: docs/keys.md, "Operations". */
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "keys/audit.h"
#include "keys/client_inner.h"
#include "keys/crypto.h"

/* With which frame the server has all that it needs to change something. */
static uint8_t decisive_frame(uint8_t operation)
{
	switch (operation) {
	case KILN_KEYS_GENERATE:
	case KILN_KEYS_IMPORT:
	case KILN_KEYS_CHANGE_PASSWORD: return KILN_KEYS_FINISH;
	case KILN_KEYS_COMPLETE:
	case KILN_KEYS_GENERATE_SERVER:
	case KILN_KEYS_IMPORT_SERVER:
	case KILN_KEYS_GENERATE_SIGNING:
	case KILN_KEYS_IMPORT_SIGNING:
	case KILN_KEYS_DELETE: return KILN_KEYS_REQUEST;
	default: return 0;
	}
}

static void send_request(struct kiln_keys_client *c, struct kiln_keys_message *m)
{
	m->operation = c->operation;
	memcpy(m->user_id, c->answer.user_id, sizeof m->user_id);
	if (!kiln_keys_client_send(c, KILN_KEYS_REQUEST, m))
		return;
	c->stage = STAGE_ASKED;
	c->unsure = decisive_frame(c->operation) == KILN_KEYS_REQUEST;
}

static void send_finish(struct kiln_keys_client *c, struct kiln_keys_message *m)
{
	m->operation = c->operation;
	if (!kiln_keys_client_send(c, KILN_KEYS_FINISH, m))
		return;
	c->stage = STAGE_ASKED;
	c->unsure = decisive_frame(c->operation) == KILN_KEYS_FINISH;
}

static void short_of_memory(struct kiln_keys_client *c)
{
	kiln_keys_client_break(c, KILN_E_NO_MEMORY, "no memory, or no random bytes, for a request");
}

/* ---- asking --------------------------------------------------------------------------------- */

void kiln_keys_client_complete(struct kiln_keys_client *c)
{
	struct kiln_keys_message m = {0};
	uint8_t storage_key[32];
	c->operation = KILN_KEYS_COMPLETE;
	if (kiln_keys_random(c->random, storage_key, sizeof storage_key) &&
	    kiln_keys_wrap(c->master_key, c->answer.user_id, storage_key, c->random, m.wrapped))
		send_request(c, &m);
	else
		short_of_memory(c);
	kiln_wipe(storage_key, sizeof storage_key);
	kiln_wipe(c->master_key, sizeof c->master_key);
}

static bool in_bounds(const struct kiln_keys_ask *ask)
{
	switch (ask->operation) {
	case KILN_KEYS_IMPORT:
	case KILN_KEYS_IMPORT_SERVER:
		return ask->secret_len > 0 && ask->secret_len <= KILN_KEYS_SECRET_MAX;
	case KILN_KEYS_AUDIT: return ask->key_id_count <= KILN_KEYS_AUDIT_IDS_MAX;
	case KILN_KEYS_SIGN: return !ask->is_digest || ask->text_len == KILN_KEYS_HASH_LEN;
	case KILN_KEYS_IMPORT_SIGNING: return ask->private_key != NULL;
	case KILN_KEYS_CHANGE_PASSWORD:
		return ask->new_password.length > 0 &&
		       ask->new_password.length <= KILN_OPAQUE_PASSWORD_MAX;
	case KILN_KEYS_COMPLETE: return false;
	default: return ask->operation > 0 && ask->operation < KILN_KEYS_OPERATION_END;
	}
}

static bool ask_password(struct kiln_keys_client *c, const struct kiln_keys_ask *ask,
			 struct kiln_keys_message *m)
{
	struct kiln_opaque_registration_request request;
	struct kiln_error err = {0};
	memcpy(c->next_password.bytes, ask->new_password.data, ask->new_password.length);
	c->next_password.len = ask->new_password.length;
	c->next_password.ksf = ask->new_ksf;
	if (kiln_opaque_create_registration_request(password_bytes(&c->next_password), c->random,
						    &request, &c->registration_state,
						    &err) != KILN_OK) {
		kiln_keys_client_opaque_failed(c, &err);
		return false;
	}
	memcpy(m->registration_request, &request, sizeof request);
	return true;
}

/* A message that is too long for a frame is hashed here: the signature is the same. */
static bool ask_sign(const struct kiln_keys_ask *ask, struct kiln_keys_message *m,
		     uint8_t digest[KILN_KEYS_HASH_LEN])
{
	m->form = ask->is_digest ? KILN_KEYS_SIGN_DIGEST : KILN_KEYS_SIGN_MESSAGE;
	m->text = (struct kiln_keys_list){ask->text, ask->text_len};
	if (ask->is_digest || ask->text_len <= KILN_KEYS_SIGN_MAX)
		return true;
	m->form = KILN_KEYS_SIGN_DIGEST;
	m->text = (struct kiln_keys_list){digest, KILN_KEYS_HASH_LEN};
	return kiln_keys_sha256(ask->text, ask->text_len, digest);
}

static bool fill(struct kiln_keys_client *c, const struct kiln_keys_ask *ask,
		 struct kiln_keys_message *m, uint8_t digest[KILN_KEYS_HASH_LEN])
{
	memcpy(m->key_id, ask->key_id, sizeof m->key_id);
	m->intent = (uint8_t)ask->intent;
	c->expected = ask->kind;
	m->which = (uint8_t)ask->which;
	m->after_ms = ask->after_ms;
	m->before_ms = ask->before_ms;
	m->from_number = ask->from_number;
	m->limit = ask->limit;
	c->line_min = ask->from_number;
	c->line_max = ask->limit;
	m->key_ids = (struct kiln_keys_list){(const uint8_t *)ask->key_ids, ask->key_id_count};
	m->secret = (struct kiln_keys_list){ask->secret, ask->secret_len};
	if (ask->operation == KILN_KEYS_IMPORT_SIGNING)
		memcpy(m->private_key, ask->private_key, sizeof m->private_key);
	if (ask->operation == KILN_KEYS_CHANGE_PASSWORD)
		return ask_password(c, ask, m);
	return ask->operation != KILN_KEYS_SIGN || ask_sign(ask, m, digest);
}

/* What the second round needs. */
static bool prepare(struct kiln_keys_client *c, const struct kiln_keys_ask *ask)
{
	if (ask->operation == KILN_KEYS_IMPORT) {
		memcpy(c->secret, ask->secret, ask->secret_len);
		c->secret_len = ask->secret_len;
	}
	if (ask->operation == KILN_KEYS_GENERATE) {
		c->secret_len = 32;
		return kiln_keys_random(c->random, c->secret, 32);
	}
	return true;
}

enum kiln_code kiln_keys_client_request(struct kiln_keys_client *client,
					const struct kiln_keys_ask *ask, struct kiln_error *err)
{
	struct kiln_keys_message m = {0};
	uint8_t digest[KILN_KEYS_HASH_LEN];
	if (kiln_keys_client_step(client) != KILN_KEYS_WANT_REQUEST)
		return kiln_fail(err, KILN_E_USAGE, "a session takes one request, once it is open");
	if (!in_bounds(ask))
		return kiln_fail(err, KILN_E_USAGE, "a request's field is out of its bounds");
	client->operation = (uint8_t)ask->operation;
	memcpy(client->key_id, ask->key_id, sizeof client->key_id);
	if (!prepare(client, ask))
		short_of_memory(client);
	else if (fill(client, ask, &m, digest))
		send_request(client, &m);
	kiln_wipe(&m, sizeof m);
	return KILN_OK;
}

/* ---- the second round ----------------------------------------------------------------------- */

static bool open_storage_key(struct kiln_keys_client *c, const uint8_t *wrapped,
			     uint8_t storage_key[32])
{
	if (kiln_keys_unwrap(c->master_key, c->answer.user_id, wrapped, storage_key))
		return true;
	kiln_keys_client_break(c, KILN_E_KEYS_STORED,
			       "the storage key that the server gave does not open");
	return false;
}

static void send_backup(struct kiln_keys_client *c, struct kiln_keys_message *m)
{
	const uint8_t context =
	    c->operation == KILN_KEYS_GENERATE ? KILN_KEYS_CLIENT_GENERATED : KILN_KEYS_IMPORTED;
	uint8_t storage_key[32], ad[KILN_KEYS_AD_MAX], plain[1 + KILN_KEYS_SECRET_MAX];
	uint8_t sealed[KILN_KEYS_SEALED_MAX];
	memcpy(c->key_id, m->key_id, sizeof c->key_id);
	if (!open_storage_key(c, m->wrapped, storage_key))
		return;
	const size_t ad_len = kiln_keys_backup_ad(c->answer.user_id, c->key_id, context, ad);
	plain[0] = (uint8_t)c->secret_len;
	memcpy(plain + 1, c->secret, c->secret_len);
	const size_t len = 1 + c->secret_len;
	m->backup = (struct kiln_keys_list){sealed, len + KILN_KEYS_SEAL_OVERHEAD};
	if (kiln_keys_seal(storage_key, ad, ad_len, plain, len, c->random, sealed))
		send_finish(c, m);
	else
		short_of_memory(c);
	kiln_wipe(storage_key, sizeof storage_key);
	kiln_wipe(plain, sizeof plain);
}

static bool make_room(struct kiln_keys_answer *a, size_t more)
{
	if (more == 0)
		return true;
	struct kiln_keys_audit *entries =
	    realloc(a->entries, (a->entry_count + more) * sizeof *entries);
	if (entries != NULL)
		a->entries = entries;
	return entries != NULL;
}

static bool has_too_many(const struct kiln_keys_client *c)
{
	return c->line_max > 0 && c->answer.entry_count > c->line_max;
}

/* A page of a log. Numbers rise, and what is to come is behind what came, and behind where the page
 * said that it would be. */
static bool take_page(struct kiln_keys_client *c, const struct kiln_keys_message *m)
{
	struct kiln_keys_answer *a = &c->answer;
	if (!make_room(a, m->entries.count)) {
		short_of_memory(c);
		return false;
	}
	const uint64_t began = c->line_min;
	bool ordered = true;
	for (size_t i = 0; i < m->entries.count; i++) {
		struct kiln_keys_audit *entry = &a->entries[a->entry_count++];
		kiln_keys_audit_read(m->entries.data + i * KILN_KEYS_AUDIT_LEN, entry);
		ordered = ordered && entry->number >= c->line_min && entry->number < UINT64_MAX;
		c->line_min = entry->number + 1;
	}
	const bool goes_on = m->next > began && m->next >= c->line_min;
	ordered = ordered && (m->next == 0 || goes_on) && !has_too_many(c);
	a->next = c->line_min = m->next;
	if (!ordered)
		kiln_keys_client_break(c, KILN_E_KEYS_PROTOCOL,
				       "the lines of the log are out of order, or too many");
	return ordered;
}

void kiln_keys_client_continue(struct kiln_keys_client *c, struct kiln_keys_message *m)
{
	if (m->operation != c->operation || ++c->pages > KILN_KEYS_AUDIT_PAGES_MAX) {
		kiln_keys_client_break(c, KILN_E_KEYS_PROTOCOL,
				       "the server goes on with what was not asked for");
		return;
	}
	if (c->operation == KILN_KEYS_AUDIT) {
		if (take_page(c, m))
			send_finish(c, m);
	} else if (c->operation == KILN_KEYS_CHANGE_PASSWORD) {
		memcpy(&c->registration_response, m->registration_response,
		       sizeof c->registration_response);
		memcpy(c->wrapped, m->wrapped, sizeof c->wrapped);
		c->stage = STAGE_STRETCH_NEXT;
	} else if (c->pages == 1) {
		send_backup(c, m);
	} else {
		kiln_keys_client_break(c, KILN_E_KEYS_PROTOCOL,
				       "the server asks for the same secret again");
	}
}

static bool wrap_anew(struct kiln_keys_client *c, const uint8_t export_key[64],
		      uint8_t wrapped[KILN_KEYS_WRAPPED_LEN])
{
	uint8_t storage_key[32], master_key[32];
	if (!open_storage_key(c, c->wrapped, storage_key))
		return false;
	const bool ok =
	    kiln_keys_master_key(export_key, master_key) &&
	    kiln_keys_wrap(master_key, c->answer.user_id, storage_key, c->random, wrapped);
	kiln_wipe(storage_key, sizeof storage_key);
	kiln_wipe(master_key, sizeof master_key);
	if (!ok)
		short_of_memory(c);
	return ok;
}

void kiln_keys_client_stretch_next(struct kiln_keys_client *c)
{
	struct kiln_keys_message m = {0};
	struct kiln_opaque_registration_record record;
	uint8_t export_key[KILN_OPAQUE_EXPORT_KEY_SIZE], context[KILN_KEYS_CONTEXT_MAX];
	const struct kiln_opaque_parameters parameters = kiln_keys_client_parameters(c, context);
	struct kiln_error err = {0};
	if (memcmp(c->registration_response.server_public_key, c->answer.server_key, 32) != 0) {
		kiln_keys_client_break(c, KILN_E_KEYS_SERVER,
				       "the server's key is not that of the login");
		return;
	}
	if (kiln_opaque_finalize_registration_request(
		&c->registration_state, password_bytes(&c->next_password), &c->next_password.ksf,
		&parameters, &c->registration_response, c->random, &record, export_key,
		&err) != KILN_OK) {
		kiln_keys_client_opaque_failed(c, &err);
		return;
	}
	memcpy(m.record, &record, sizeof m.record);
	if (wrap_anew(c, export_key, m.wrapped))
		send_finish(c, &m);
	kiln_wipe(export_key, sizeof export_key);
	kiln_wipe(&record, sizeof record);
	kiln_wipe(&m, sizeof m);
	kiln_wipe(&c->next_password, sizeof c->next_password);
}

/* ---- the answer ----------------------------------------------------------------------------- */

static void take_sealed(struct kiln_keys_client *c, const struct kiln_keys_message *m)
{
	uint8_t storage_key[32], ad[KILN_KEYS_AD_MAX], plain[1 + KILN_KEYS_SECRET_MAX] = {0};
	const size_t ad_len = kiln_keys_backup_ad(c->answer.user_id, m->key_id, m->context, ad);
	if (!open_storage_key(c, m->wrapped, storage_key))
		return;
	const bool ok =
	    m->data.count > KILN_KEYS_SEAL_OVERHEAD + 1 &&
	    kiln_keys_unseal(storage_key, ad, ad_len, m->data.data, m->data.count, plain) &&
	    plain[0] + 1u == m->data.count - KILN_KEYS_SEAL_OVERHEAD;
	if (ok) {
		c->answer.secret_len = plain[0];
		memcpy(c->answer.secret, plain + 1, plain[0]);
	} else {
		kiln_keys_client_break(c, KILN_E_KEYS_STORED,
				       "what the server gave does not open: it is damaged, or not "
				       "what was stored");
	}
	kiln_wipe(storage_key, sizeof storage_key);
	kiln_wipe(plain, sizeof plain);
}

static void take_key(struct kiln_keys_client *c, const struct kiln_keys_message *m)
{
	if (c->expected != 0 && m->kind != c->expected) {
		kiln_keys_client_break(
		    c, KILN_E_KEYS_STORED,
		    c->expected == KILN_KEYS_BACKUP
			? "what the server gave was not sealed here: it is not a "
			  "backup, and the server can have made it up"
			: "what the server gave is a key of another kind");
		return;
	}
	c->answer.kind = m->kind;
	c->answer.context = m->context;
	if (m->kind == KILN_KEYS_BACKUP) {
		take_sealed(c, m);
	} else if (m->data.count > KILN_KEYS_SECRET_MAX) {
		kiln_keys_client_break(c, KILN_E_KEYS_PROTOCOL, "the secret is too long");
	} else {
		memcpy(c->answer.secret, m->data.data, m->data.count);
		c->answer.secret_len = m->data.count;
	}
}

static bool names_key(uint8_t operation)
{
	return operation == KILN_KEYS_RETRIEVE || operation == KILN_KEYS_GENERATE ||
	       operation == KILN_KEYS_IMPORT;
}

void kiln_keys_client_finished(struct kiln_keys_client *c, struct kiln_keys_message *m)
{
	struct kiln_keys_answer *a = &c->answer;
	const bool two_rounds = c->operation == KILN_KEYS_GENERATE ||
				c->operation == KILN_KEYS_IMPORT ||
				c->operation == KILN_KEYS_CHANGE_PASSWORD;
	if (m->operation != c->operation || (two_rounds && c->pages == 0) ||
	    (names_key(c->operation) && memcmp(m->key_id, c->key_id, sizeof c->key_id) != 0)) {
		kiln_keys_client_break(c, KILN_E_KEYS_PROTOCOL,
				       "the server answers what was not asked");
		return;
	}
	c->unsure = false;
	memcpy(a->key_id, m->key_id, sizeof a->key_id);
	memcpy(a->public_key, m->public_key, sizeof a->public_key);
	memcpy(a->signature, m->signature, sizeof a->signature);
	c->stage = STAGE_DONE;
	if (c->operation == KILN_KEYS_RETRIEVE)
		take_key(c, m);
	if (c->operation == KILN_KEYS_AUDIT)
		(void)take_page(c, m);
	if (c->operation == KILN_KEYS_GENERATE) {
		memcpy(a->secret, c->secret, c->secret_len);
		a->secret_len = c->secret_len;
	}
	kiln_wipe(c->secret, sizeof c->secret);
	kiln_wipe(c->master_key, sizeof c->master_key);
}
