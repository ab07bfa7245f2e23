/* SPDX-License-Identifier: Apache-2.0
 * The client's commands; see client.h. Each asks for the password, has one session, and says what
 * came of it. */
#include "keys/client/client.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/bytes.h"
#include "keys/client/local.h"
#include "keys/client/print.h"
#include "keys/client/talk.h"
#include "keys/export.h"

#define SIGN_MAX (64u << 20)

struct run {
	struct kiln_keycli_options options;
	struct kiln_keycli_secret password, new_password;
	struct kiln_keycli_talk talk;
	uint8_t *input; /* secret or message; NULL: none */
	size_t input_len;
	char token[KILN_KEYS_TOKEN_MAX + 1];

	/* what came of it */
	struct kiln_keys_secret secret;
	uint8_t public_key[KILN_KEYS_PUBLIC_LEN], signature[KILN_KEYS_SIGNATURE_LEN];
	uint8_t exported[KILN_KEYS_EXPORT_MAX];
	size_t exported_len;
	struct kiln_keys_audit *entries;
	size_t entry_count;
	uint64_t next; /* of the log; 0: this is all */
	uint32_t retry_after_ms;
	struct kiln_error err;
};

/* ---- what is read before anything is asked -------------------------------------------------- */

/* Out of the portable format. */
static enum kiln_code unpack_export(struct run *r)
{
	struct kiln_keys_exported exported;
	if (!kiln_keys_export_read(r->input, r->input_len, &exported))
		return kiln_fail(&r->err, KILN_E_CONFIG,
				 "%.160s is not what `kiln keys export` wrote",
				 r->options.in != NULL ? r->options.in : "the standard input");
	memmove(r->input, exported.secret, exported.secret_len);
	r->input_len = exported.secret_len;
	return KILN_OK;
}

static enum kiln_code read_secret(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	enum kiln_code rc =
	    kiln_keycli_read(o->in, o->exported ? KILN_KEYS_EXPORT_MAX : KILN_KEYS_SECRET_MAX,
			     &r->input, &r->input_len, &r->err);
	if (rc == KILN_OK && o->exported)
		rc = unpack_export(r);
	if (rc != KILN_OK)
		return rc;
	if (r->input_len == 0)
		return kiln_fail(&r->err, KILN_E_CONFIG, "there is no secret to %s",
				 kiln_keycli_names[o->command]);
	if (o->signing && r->input_len != KILN_KEYS_SCALAR_LEN)
		return kiln_fail(
		    &r->err, KILN_E_CONFIG,
		    "a signing key is a secp256k1 private key of 32 bytes; this has %zu",
		    r->input_len);
	return KILN_OK;
}

/* Before the password: who has no token need not think of one. */
static enum kiln_code read_token(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	struct kiln_keycli_secret token;
	if (o->token.file == NULL && o->token.fd == KILN_KEYCLI_NO_FD && !o->ask_token)
		return KILN_OK;
	const enum kiln_code rc = kiln_keycli_token(&o->token, &token, &r->err);
	if (rc == KILN_OK)
		memcpy(r->token, token.data, token.len);
	kiln_wipe(&token, sizeof token);
	return rc;
}

static enum kiln_code read_input(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	switch (o->command) {
	case KILN_KEYCLI_REGISTER: return read_token(r);
	case KILN_KEYCLI_STORE:
	case KILN_KEYCLI_IMPORT: return read_secret(r);
	case KILN_KEYCLI_SIGN:
		if (o->digest_text != NULL)
			return KILN_OK;
		return kiln_keycli_read(o->in, SIGN_MAX, &r->input, &r->input_len, &r->err);
	default: return KILN_OK;
	}
}

static enum kiln_code ask_passwords(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	char prompt[KILN_KEYS_NAME_MAX + 32];
	(void)snprintf(prompt, sizeof prompt, "%s of %.255s: ",
		       o->command == KILN_KEYCLI_REGISTER ? "New password" : "Password",
		       o->account != NULL ? o->account : o->local);
	enum kiln_code rc = kiln_keycli_password(
	    &o->password, prompt, o->command == KILN_KEYCLI_REGISTER, &r->password, &r->err);
	if (rc == KILN_OK && o->command == KILN_KEYCLI_CHANGE_PASSWORD)
		rc = kiln_keycli_password(&o->new_password, "New password: ", true,
					  &r->new_password, &r->err);
	return rc;
}

/* ---- what is asked -------------------------------------------------------------------------- */

static enum kiln_code generate(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	struct kiln_keys *keys = r->talk.keys;
	if (o->signing)
		return kiln_keys_generate_signing(keys, r->secret.key_id, r->public_key, &r->err);
	return kiln_keys_generate(keys, o->at_server ? KILN_KEYS_AT_SERVER : KILN_KEYS_BACKED_UP,
				  &r->secret, &r->err);
}

static enum kiln_code import(struct run *r)
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
static enum kiln_keys_kind expected_kind(const struct run *r)
{
	static const enum kiln_keys_kind words[] = {KILN_KEYS_BACKUP, KILN_KEYS_HELD,
						    KILN_KEYS_SIGNING, KILN_KEYS_ANY_KIND};
	return words[r->options.kind];
}

static enum kiln_code retrieve(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	const bool local = o->local != NULL || o->local_use;
	return kiln_keys_retrieve(r->talk.keys, o->key_ids[0], expected_kind(r),
				  local ? KILN_KEYS_FOR_LOCAL_USE : KILN_KEYS_FOR_NOTHING,
				  &r->secret, &r->err);
}

/* The secret is in the export, too. */
static enum kiln_code export_key(struct run *r)
{
	const uint8_t *key_id = r->options.key_ids[0];
	struct kiln_keys_exported exported;
	const enum kiln_code rc = kiln_keys_export(r->talk.keys, key_id, expected_kind(r),
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

static enum kiln_code sign(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	const bool digest = o->digest_text != NULL;
	return kiln_keys_sign(r->talk.keys, o->key_ids[0], digest ? o->digest : r->input,
			      digest ? sizeof o->digest : r->input_len, digest, r->signature,
			      &r->err);
}

static enum kiln_code audit(struct run *r)
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

static enum kiln_code change_password(struct run *r)
{
	const struct kiln_opaque_ksf ksf = kiln_keycli_stretching(&r->options);
	return kiln_keys_change_password(r->talk.keys, r->new_password.data, r->new_password.len,
					 &ksf, &r->err);
}

static enum kiln_code ask(struct run *r)
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

/* ---- what came of it ------------------------------------------------------------------------ */

static enum kiln_code write_out(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	if (o->out == NULL)
		return KILN_OK;
	if (o->command == KILN_KEYCLI_SIGN)
		return kiln_keycli_write(o->out, r->signature, sizeof r->signature, &r->err);
	if (o->command == KILN_KEYCLI_EXPORT)
		return kiln_keycli_write(o->out, r->exported, r->exported_len, &r->err);
	return kiln_keycli_write(o->out, r->secret.data, r->secret.len, &r->err);
}

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

static void tell_secret(struct run *r, struct kiln_keycli_answer *out)
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

static void tell_account(const struct run *r, struct kiln_keycli_answer *out, const char *what)
{
	kiln_keycli_print_text(out, "account", "account", r->options.account);
	kiln_keycli_print_hex(out, "user_id", "user id", kiln_keys_user_id(r->talk.keys),
			      KILN_KEYS_USER_ID_LEN);
	kiln_keycli_print_hex(out, "server_key", "server key", kiln_keys_server_key(r->talk.keys),
			      KILN_OPAQUE_ELEMENT_SIZE);
	kiln_keycli_print_say(out, "%s", what);
}

static void tell_key(const struct run *r, struct kiln_keycli_answer *out)
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

static void tell(struct run *r, struct kiln_keycli_answer *out)
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

/* ---- a command ------------------------------------------------------------------------------ */

/* A wait that was too long comes as KILN_E_AGAIN of the connection. */
static enum kiln_code time_over(struct run *r, enum kiln_code rc)
{
	if (rc != KILN_E_AGAIN)
		return rc;
	return kiln_fail(&r->err, KILN_E_TIMEOUT, "the server did not answer in time (--timeout)");
}

static enum kiln_code have_session(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	enum kiln_code rc = KILN_OK;
	if (o->local != NULL)
		rc = kiln_keycli_local_check(o, &r->password, &r->err);
	if (rc == KILN_OK)
		rc = kiln_keycli_open(&r->talk, o, &r->password, &r->err);
	if (rc == KILN_OK)
		rc = time_over(r, ask(r));
	if (r->talk.keys != NULL)
		r->retry_after_ms = kiln_keys_retry_after_ms(r->talk.keys);
	if (rc == KILN_OK && o->local != NULL)
		rc = kiln_keycli_local_add(o, &r->password, &r->secret, &r->err);
	return rc;
}

/* Found out before anything is done at the server, rather than behind it. */
static enum kiln_code check_out(struct run *r)
{
	struct stat file;
	if (r->options.out == NULL || lstat(r->options.out, &file) != 0)
		return KILN_OK;
	return kiln_fail(&r->err, KILN_E_CONFIG, "%.160s exists, and is not overwritten",
			 r->options.out);
}

static enum kiln_code work(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	struct kiln_keycli_answer out;
	enum kiln_code rc = check_out(r);
	if (rc == KILN_OK)
		rc = read_input(r);
	if (rc == KILN_OK)
		rc = ask_passwords(r);
	if (rc == KILN_OK && o->server != NULL)
		rc = have_session(r);
	else if (rc == KILN_OK) /* what an earlier command has put there */
		rc = kiln_keycli_local_get(o, &r->password, o->key_ids[0], &r->secret, &r->err);
	if (rc == KILN_OK)
		rc = write_out(r);
	if (rc != KILN_OK)
		return rc;
	kiln_keycli_print_begin(&out, o);
	tell(r, &out);
	if (kiln_keycli_print_end(&out))
		return KILN_OK;
	return kiln_fail(&r->err, KILN_E_SYSTEM, "the standard output does not take the answer");
}

/* Secrets are in this process for a moment: not in a core dump, nor for a tracer. */
static void harden(void)
{
	const struct rlimit no_core = {0, 0};
	(void)setrlimit(RLIMIT_CORE, &no_core);
#ifndef KILN_SANITIZED /* the leak sanitizer traces its own process */
	(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	(void)signal(SIGPIPE, SIG_IGN);
}

static void clear(struct run *r)
{
	kiln_keycli_close(&r->talk);
	free(r->entries);
	if (r->input != NULL)
		kiln_wipe(r->input, r->input_len);
	free(r->input);
	kiln_wipe(r, sizeof *r);
}

int kiln_keycli_main(int argc, char **argv)
{
	static struct run run;
	enum kiln_keycli_command command;
	int status = 0;
	if (!kiln_keycli_find(argv[0], &command))
		return 2;
	if (kiln_keycli_options_read(&run.options, command, argc, argv, &run.err) != KILN_OK)
		return kiln_keycli_print_error(&run.options, &run.err, 0);
	if (run.options.help) {
		kiln_keycli_help(command);
		return 0;
	}
	harden();
	if (work(&run) != KILN_OK)
		status = kiln_keycli_print_error(&run.options, &run.err, run.retry_after_ms);
	clear(&run);
	return status;
}
