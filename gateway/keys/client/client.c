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
#include "keys/crypto.h"

#define SIGN_MAX  (64u << 20)
#define TOKEN_MAX 128u /* of its file */

struct run {
	struct kiln_keycli_options options;
	struct kiln_keycli_secret password, new_password;
	struct kiln_keys_ask ask;
	struct kiln_keycli_talk talk;
	uint8_t *input; /* secret, message or token */
	size_t input_len;
	uint8_t private_key[KILN_KEYS_SCALAR_LEN];
	struct kiln_keys_answer local; /* of --local alone */
	struct kiln_error err;
};

/* ---- what is asked -------------------------------------------------------------------------- */

static enum kiln_code bad_export(const char *path, struct kiln_error *err)
{
	return kiln_fail(err, KILN_E_CONFIG, "%.160s is not what `kiln keys export` wrote",
			 path != NULL ? path : "the standard input");
}

/* Out of the portable format: one byte of length, the secret, one byte of length, the rest. */
static enum kiln_code unpack_export(struct run *r)
{
	const size_t len = r->input_len > 0 ? r->input[0] : 0;
	if (len == 0 || r->input_len < len + 2 ||
	    r->input_len != len + 2 + (size_t)r->input[len + 1])
		return bad_export(r->options.in, &r->err);
	memmove(r->input, r->input + 1, len);
	r->input_len = len;
	return KILN_OK;
}

static enum kiln_code read_secret(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	enum kiln_code rc = kiln_keycli_read(o->in, o->exported ? 512 : KILN_KEYS_SECRET_MAX,
					     &r->input, &r->input_len, &r->err);
	if (rc == KILN_OK && o->exported)
		rc = unpack_export(r);
	if (rc != KILN_OK)
		return rc;
	if (r->input_len == 0)
		return kiln_fail(&r->err, KILN_E_CONFIG, "there is no secret to %s",
				 kiln_keycli_names[o->command]);
	r->ask.secret = r->input;
	r->ask.secret_len = r->input_len;
	return KILN_OK;
}

/* 32 bytes, or 64 hexadecimal digits. */
static enum kiln_code read_private_key(struct run *r)
{
	const enum kiln_code rc = read_secret(r);
	if (rc != KILN_OK)
		return rc;
	if (r->input_len != KILN_KEYS_SCALAR_LEN)
		return kiln_fail(&r->err, KILN_E_CONFIG,
				 "a signing key is a secp256k1 private key of 32 bytes; this has %zu",
				 r->input_len);
	memcpy(r->private_key, r->input, sizeof r->private_key);
	r->ask.private_key = r->private_key;
	return KILN_OK;
}

static enum kiln_code prepare_import(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	r->ask.operation = o->signing	  ? KILN_KEYS_IMPORT_SIGNING
			   : o->at_server ? KILN_KEYS_IMPORT_SERVER
					  : KILN_KEYS_IMPORT;
	return o->signing ? read_private_key(r) : read_secret(r);
}

static enum kiln_code prepare_sign(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	r->ask.operation = KILN_KEYS_SIGN;
	r->ask.is_digest = o->digest_text != NULL;
	if (r->ask.is_digest) {
		r->ask.text = o->digest;
		r->ask.text_len = sizeof o->digest;
		return KILN_OK;
	}
	const enum kiln_code rc =
	    kiln_keycli_read(o->in, SIGN_MAX, &r->input, &r->input_len, &r->err);
	r->ask.text = r->input;
	r->ask.text_len = r->input_len;
	return rc;
}

static enum kiln_code prepare_audit(struct run *r)
{
	static const enum kiln_keys_which words[] = {KILN_KEYS_AUDIT_ALL, KILN_KEYS_AUDIT_SYSTEM,
						     KILN_KEYS_AUDIT_KEYS};
	const struct kiln_keycli_options *o = &r->options;
	r->ask.operation = KILN_KEYS_AUDIT;
	r->ask.which = words[o->which];
	r->ask.after_ms = o->after_ms;
	r->ask.before_ms = o->before_ms;
	r->ask.key_ids = (const uint8_t(*)[KILN_KEYS_KEY_ID_LEN])o->key_ids;
	r->ask.key_id_count = o->key_id_count;
	return KILN_OK;
}

static enum kiln_code prepare_token(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	if (o->token != NULL) {
		r->talk.token = (struct kiln_opaque_bytes){o->token, strlen(o->token)};
		return KILN_OK;
	}
	if (o->token_file == NULL)
		return KILN_OK;
	const enum kiln_code rc =
	    kiln_keycli_read(o->token_file, TOKEN_MAX, &r->input, &r->input_len, &r->err);
	if (rc == KILN_OK && r->input_len > 0 && r->input[r->input_len - 1] == '\n')
		r->input_len--;
	r->talk.token = (struct kiln_opaque_bytes){r->input, r->input_len};
	return rc;
}

static enum kiln_code prepare(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	memcpy(r->ask.key_id, o->key_ids[0], sizeof r->ask.key_id);
	switch (o->command) {
	case KILN_KEYCLI_REGISTER: return prepare_token(r);
	case KILN_KEYCLI_LOGIN_TEST: r->ask.operation = KILN_KEYS_NOTHING; break;
	case KILN_KEYCLI_GENERATE:
		r->ask.operation = o->signing	  ? KILN_KEYS_GENERATE_SIGNING
				   : o->at_server ? KILN_KEYS_GENERATE_SERVER
						  : KILN_KEYS_GENERATE;
		break;
	case KILN_KEYCLI_STORE:
	case KILN_KEYCLI_IMPORT: return prepare_import(r);
	case KILN_KEYCLI_RETRIEVE:
		r->ask.operation = KILN_KEYS_RETRIEVE;
		r->ask.intent = o->local != NULL || o->local_use ? KILN_KEYS_FOR_LOCAL_USE
								 : KILN_KEYS_FOR_NOTHING;
		break;
	case KILN_KEYCLI_EXPORT:
		r->ask.operation = KILN_KEYS_RETRIEVE;
		r->ask.intent = KILN_KEYS_FOR_EXPORT;
		break;
	case KILN_KEYCLI_AUDIT: return prepare_audit(r);
	case KILN_KEYCLI_DELETE: r->ask.operation = KILN_KEYS_DELETE; break;
	case KILN_KEYCLI_SIGN: return prepare_sign(r);
	case KILN_KEYCLI_PUBLIC_KEY: r->ask.operation = KILN_KEYS_PUBLIC_KEY; break;
	case KILN_KEYCLI_CHANGE_PASSWORD: r->ask.operation = KILN_KEYS_CHANGE_PASSWORD; break;
	case KILN_KEYCLI_COMMANDS: break;
	}
	return KILN_OK;
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
	if (rc != KILN_OK || o->command != KILN_KEYCLI_CHANGE_PASSWORD)
		return rc;
	rc = kiln_keycli_password(&o->new_password, "New password: ", true, &r->new_password,
				  &r->err);
	r->ask.new_password =
	    (struct kiln_opaque_bytes){r->new_password.data, r->new_password.len};
	r->ask.new_ksf = kiln_keycli_stretching(o);
	return rc;
}

/* ---- what came of it ------------------------------------------------------------------------ */

/* secret<1..255> associated_data<0..255>: what the client sealed it with, or would have. */
static size_t pack_export(const struct kiln_keys_answer *a, uint8_t out[512])
{
	uint8_t ad[KILN_KEYS_AD_MAX];
	const size_t ad_len = kiln_keys_backup_ad(a->user_id, a->key_id, a->context, ad);
	out[0] = (uint8_t)a->secret_len;
	memcpy(out + 1, a->secret, a->secret_len);
	out[1 + a->secret_len] = (uint8_t)ad_len;
	memcpy(out + 2 + a->secret_len, ad, ad_len);
	return 2 + a->secret_len + ad_len;
}

static enum kiln_code write_out(struct run *r, const struct kiln_keys_answer *a)
{
	const struct kiln_keycli_options *o = &r->options;
	uint8_t packed[512];
	enum kiln_code rc;
	if (o->command == KILN_KEYCLI_SIGN)
		return kiln_keycli_write(o->out, a->signature, sizeof a->signature, &r->err);
	if (o->command != KILN_KEYCLI_EXPORT)
		return kiln_keycli_write(o->out, a->secret, a->secret_len, &r->err);
	rc = kiln_keycli_write(o->out, packed, pack_export(a, packed), &r->err);
	kiln_wipe(packed, sizeof packed);
	return rc;
}

/* Printable as it is, or in hexadecimal. */
static bool is_text(const uint8_t *data, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (data[i] < 0x20 || data[i] > 0x7e)
			return false;
	return true;
}

static void show_secret(struct kiln_keycli_answer *out, const struct kiln_keys_answer *a)
{
	char text[KILN_KEYS_SECRET_MAX + 1];
	if (is_text(a->secret, a->secret_len)) {
		memcpy(text, a->secret, a->secret_len);
		text[a->secret_len] = '\0';
		kiln_keycli_print_text(out, "secret", "secret", text);
		kiln_wipe(text, sizeof text);
	}
	kiln_keycli_print_hex(out, "secret_hex", "in hex", a->secret, a->secret_len);
}

static const char *kind_name(uint8_t kind)
{
	return kind == KILN_KEYS_BACKUP ? "sealed by its owner"
	       : kind == KILN_KEYS_HELD ? "held by the server"
	       : kind == KILN_KEYS_SIGNING ? "signing key"
					   : "unknown";
}

static void tell_kind(struct kiln_keycli_answer *out, const struct kiln_keys_answer *a)
{
	const char *context = kiln_keys_context_name(a->context);
	kiln_keycli_print_text(out, "kind", "kind", kind_name(a->kind));
	if (context != NULL)
		kiln_keycli_print_text(out, "context", "context", context);
}

static void tell_secret(struct run *r, struct kiln_keycli_answer *out,
			const struct kiln_keys_answer *a)
{
	const struct kiln_keycli_options *o = &r->options;
	if (o->show)
		show_secret(out, a);
	if (o->out != NULL)
		kiln_keycli_print_text(out, "written_to", "written to", o->out);
	if (o->local != NULL && (o->server != NULL || o->command != KILN_KEYCLI_RETRIEVE))
		kiln_keycli_print_text(out, "local", "local copy", o->local);
	if (!o->show && o->out == NULL && o->local == NULL && o->command == KILN_KEYCLI_RETRIEVE)
		kiln_keycli_print_say(out, "It opens, and has %zu bytes. --show prints it, --out "
					   "FILE writes it to a new file.",
				      a->secret_len);
}

static void tell(struct run *r, struct kiln_keycli_answer *out, const struct kiln_keys_answer *a)
{
	const struct kiln_keycli_options *o = &r->options;
	switch (o->command) {
	case KILN_KEYCLI_REGISTER:
	case KILN_KEYCLI_LOGIN_TEST:
		kiln_keycli_print_text(out, "account", "account", o->account);
		kiln_keycli_print_hex(out, "user_id", "user id", a->user_id, sizeof a->user_id);
		kiln_keycli_print_hex(out, "server_key", "server key", a->server_key,
				      sizeof a->server_key);
		kiln_keycli_print_say(
		    out, o->command == KILN_KEYCLI_REGISTER
			     ? "Registered. The password cannot be recovered by anybody."
			     : "The password is right, and the server is the one you registered "
			       "with.");
		break;
	case KILN_KEYCLI_RETRIEVE:
	case KILN_KEYCLI_EXPORT:
		kiln_keycli_print_hex(out, "key_id", "key", a->key_id, sizeof a->key_id);
		tell_kind(out, a);
		tell_secret(r, out, a);
		break;
	case KILN_KEYCLI_GENERATE:
	case KILN_KEYCLI_STORE:
	case KILN_KEYCLI_IMPORT:
		kiln_keycli_print_hex(out, "key_id", "key", a->key_id, sizeof a->key_id);
		if (o->signing)
			kiln_keycli_print_hex(out, "public_key", "public key", a->public_key,
					      sizeof a->public_key);
		else if (!o->at_server)
			tell_secret(r, out, a);
		break;
	case KILN_KEYCLI_AUDIT: kiln_keycli_print_audit(out, a->entries, a->entry_count); break;
	case KILN_KEYCLI_DELETE:
		kiln_keycli_print_hex(out, "key_id", "key", r->ask.key_id, sizeof r->ask.key_id);
		kiln_keycli_print_say(out, "Deleted. Nobody can read it at the server any more.");
		break;
	case KILN_KEYCLI_SIGN:
		kiln_keycli_print_hex(out, "key_id", "key", r->ask.key_id, sizeof r->ask.key_id);
		kiln_keycli_print_hex(out, "signature", "signature", a->signature,
				      sizeof a->signature);
		if (o->out != NULL)
			kiln_keycli_print_text(out, "written_to", "written to", o->out);
		break;
	case KILN_KEYCLI_PUBLIC_KEY:
		kiln_keycli_print_hex(out, "key_id", "key", r->ask.key_id, sizeof r->ask.key_id);
		kiln_keycli_print_hex(out, "public_key", "public key", a->public_key,
				      sizeof a->public_key);
		break;
	case KILN_KEYCLI_CHANGE_PASSWORD:
		kiln_keycli_print_text(out, "account", "account", o->account);
		kiln_keycli_print_say(out, "Changed. The old password is good for nothing now, but "
					   "for --local files that were made with it.");
		break;
	case KILN_KEYCLI_COMMANDS: break;
	}
}

/* ---- a command ------------------------------------------------------------------------------ */

/* Without the server: what an earlier command has put there. */
static bool offline(const struct run *r)
{
	return r->options.server == NULL;
}

/* The server's answer, and what the server does not know. */
static enum kiln_code keep_locally(struct run *r)
{
	struct kiln_keys_answer *a = &r->local;
	*a = *kiln_keys_client_answer(r->talk.client);
	a->entries = NULL;
	if (r->options.command != KILN_KEYCLI_RETRIEVE) {
		a->kind = KILN_KEYS_BACKUP;
		a->context = KILN_KEYS_CLIENT_GENERATED;
	}
	if (r->ask.operation == KILN_KEYS_IMPORT) {
		a->context = KILN_KEYS_IMPORTED;
		memcpy(a->secret, r->ask.secret, r->ask.secret_len);
		a->secret_len = r->ask.secret_len;
	}
	return kiln_keycli_local_add(&r->options, &r->password, a, &r->err);
}

static enum kiln_code have_session(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	enum kiln_code rc = KILN_OK;
	if (o->local != NULL)
		rc = kiln_keycli_local_check(o, &r->password, &r->err);
	r->talk.options = o;
	r->talk.password = &r->password;
	r->talk.ask = o->command == KILN_KEYCLI_REGISTER ? NULL : &r->ask;
	if (rc == KILN_OK)
		rc = kiln_keycli_talk(&r->talk, &r->err);
	if (rc == KILN_OK && o->local != NULL)
		rc = keep_locally(r);
	return rc;
}

/* Found out before anything is done at the server, rather than behind it. */
static enum kiln_code check_out(const struct run *r, struct kiln_error *err)
{
	struct stat file;
	if (r->options.out == NULL || lstat(r->options.out, &file) != 0)
		return KILN_OK;
	return kiln_fail(err, KILN_E_CONFIG, "%.160s exists, and is not overwritten",
			 r->options.out);
}

static enum kiln_code work(struct run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	struct kiln_keycli_answer out;
	const struct kiln_keys_answer *answer = &r->local;
	enum kiln_code rc = check_out(r, &r->err);
	if (rc == KILN_OK)
		rc = prepare(r);
	if (rc == KILN_OK)
		rc = ask_passwords(r);
	if (rc == KILN_OK)
		rc = offline(r) ? kiln_keycli_local_get(o, &r->password, o->key_ids[0], &r->local,
							&r->err)
				: have_session(r);
	if (rc != KILN_OK)
		return rc;
	if (!offline(r))
		answer = kiln_keys_client_answer(r->talk.client);
	if (o->out != NULL)
		rc = write_out(r, answer);
	if (rc != KILN_OK)
		return rc;
	kiln_keycli_print_begin(&out, o);
	tell(r, &out, answer);
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
	kiln_keycli_talk_clear(&r->talk);
	if (r->input != NULL)
		kiln_wipe(r->input, r->input_len);
	free(r->input);
	kiln_wipe(r, sizeof *r);
}

bool kiln_keycli_main(int argc, char **argv, int *status)
{
	static struct run run;
	enum kiln_keycli_command command;
	if (!kiln_keycli_find(argv[0], &command))
		return false;
	if (kiln_keycli_options_read(&run.options, command, argc, argv, &run.err) != KILN_OK) {
		*status = kiln_keycli_print_error(&run.options, &run.err, 0);
		return true;
	}
	*status = 0;
	if (run.options.help) {
		kiln_keycli_help(command);
		return true;
	}
	harden();
	if (work(&run) != KILN_OK)
		*status = kiln_keycli_print_error(&run.options, &run.err, run.talk.retry_after_ms);
	clear(&run);
	return true;
}
