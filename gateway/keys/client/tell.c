/* SPDX-License-Identifier: Apache-2.0
 * What a command says when it was done; see run.h. */
#include <string.h>

#include "base/bytes.h"
#include "keys/client/run.h"

/* Printable as it is, or in hexadecimal. */
static bool is_text(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] < 0x20 || data[i] > 0x7e)
			return false;
	return true;
}

static void show_secret(struct kiln_keycli_answer *out, const struct kiln_keys_secret *s)
{
	char text[KILN_KEYS_SECRET_MAX + 1];
	if (is_text(s->data, s->len)) {
		memcpy(text, s->data, s->len);
		text[s->len] = '\0';
		kiln_keycli_print_text(out, "secret", "secret", text);
		kiln_wipe(text, sizeof text);
	}
	kiln_keycli_print_hex(out, "secret_hex", "in hex", s->data, s->len);
}

static const char *kind_name(uint8_t kind)
{
	switch (kind) {
	case KILN_KEYS_BACKUP: return "sealed by its owner";
	case KILN_KEYS_HELD: return "held by the server";
	case KILN_KEYS_SIGNING: return "signing key";
	default: return "unknown";
	}
}

static void tell_kind(struct kiln_keycli_answer *out, const struct kiln_keys_secret *s)
{
	const char *context = kiln_keys_context_name(s->context);
	if (s->kind != 0)
		kiln_keycli_print_text(out, "kind", "kind", kind_name(s->kind));
	if (context != NULL)
		kiln_keycli_print_text(out, "context", "context", context);
}

static void tell_secret(struct kiln_keycli_run *r, struct kiln_keycli_answer *out)
{
	const struct kiln_keycli_options *o = &r->options;
	kiln_keycli_print_hex(out, "key_id", "key", r->secret.key_id, sizeof r->secret.key_id);
	if (o->signing)
		kiln_keycli_print_hex(out, "public_key", "public key", r->public_key,
				      sizeof r->public_key);
	else if (o->command == KILN_KEYCLI_RETRIEVE)
		tell_kind(out, &r->secret);
	if (o->show)
		show_secret(out, &r->secret);
	if (o->out != NULL)
		kiln_keycli_print_text(out, "written_to", "written to", o->out);
	if (o->local != NULL && o->server != NULL)
		kiln_keycli_print_text(out, "local", "local copy", o->local);
	if (!o->show && o->out == NULL && o->command == KILN_KEYCLI_RETRIEVE &&
	    (o->local == NULL || o->server == NULL))
		kiln_keycli_print_say(out,
				      "It opens, and has %zu bytes. --show prints it, --out FILE "
				      "writes it to a new file.",
				      r->secret.len);
}

static void tell_account(const struct kiln_keycli_run *r, struct kiln_keycli_answer *out,
			 const char *what)
{
	kiln_keycli_print_text(out, "account", "account", r->options.account);
	kiln_keycli_print_hex(out, "user_id", "user id", kiln_keys_user_id(r->talk.keys),
			      KILN_KEYS_USER_ID_LEN);
	kiln_keycli_print_hex(out, "server_key", "server key", kiln_keys_server_key(r->talk.keys),
			      KILN_OPAQUE_ELEMENT_SIZE);
	kiln_keycli_print_say(out, "%s", what);
}

static void tell_key(const struct kiln_keycli_run *r, struct kiln_keycli_answer *out)
{
	const uint8_t *key_id = r->options.key_ids[0];
	kiln_keycli_print_hex(out, "key_id", "key", key_id, KILN_KEYS_KEY_ID_LEN);
	if (r->options.command == KILN_KEYCLI_DELETE)
		kiln_keycli_print_say(out, "Deleted. Nobody can read it at the server any more.");
	else if (r->options.command == KILN_KEYCLI_PUBLIC_KEY)
		kiln_keycli_print_hex(out, "public_key", "public key", r->public_key,
				      sizeof r->public_key);
	else
		kiln_keycli_print_hex(out, "signature", "signature", r->signature,
				      sizeof r->signature);
	if (r->options.out != NULL)
		kiln_keycli_print_text(out, "written_to", "written to", r->options.out);
}

void kiln_keycli_tell(struct kiln_keycli_run *r, struct kiln_keycli_answer *out)
{
	switch (r->options.command) {
	case KILN_KEYCLI_REGISTER:
		tell_account(r, out, "Registered. The password cannot be recovered by anybody.");
		break;
	case KILN_KEYCLI_LOGIN_TEST:
		tell_account(r, out,
			     "The password is right, and the server is the one of the "
			     "registration.");
		break;
	case KILN_KEYCLI_CHANGE_PASSWORD:
		tell_account(r, out,
			     "Changed. The old password opens nothing now but --local files that "
			     "were made with it.");
		break;
	case KILN_KEYCLI_GENERATE:
	case KILN_KEYCLI_STORE:
	case KILN_KEYCLI_IMPORT:
	case KILN_KEYCLI_RETRIEVE:
	case KILN_KEYCLI_EXPORT: tell_secret(r, out); break;
	case KILN_KEYCLI_AUDIT:
		kiln_keycli_print_audit(out, r->entries, r->entry_count, r->next);
		break;
	case KILN_KEYCLI_DELETE:
	case KILN_KEYCLI_SIGN:
	case KILN_KEYCLI_PUBLIC_KEY: tell_key(r, out); break;
	case KILN_KEYCLI_COMMANDS: break;
	}
}
