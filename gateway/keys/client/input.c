/* SPDX-License-Identifier: Apache-2.0
 * What a command reads before anything is asked of the server; see run.h. */
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "keys/client/run.h"

#define SIGN_MAX (64u << 20)

/* Out of the portable format. */
static enum kiln_code unpack_export(struct kiln_keycli_run *r)
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

static enum kiln_code read_secret(struct kiln_keycli_run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	r->input_size = o->exported ? KILN_KEYS_EXPORT_MAX : KILN_KEYS_SECRET_MAX;
	enum kiln_code rc = kiln_keycli_read(o->in, "The secret: ", r->input_size, &r->input,
					     &r->input_len, &r->err);
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
static enum kiln_code read_token(struct kiln_keycli_run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	struct kiln_keycli_secret token;
	if (o->token.file == NULL && o->token.fd == KILN_KEYCLI_NO_FD && !o->ask_token)
		return KILN_OK;
	enum kiln_code rc = kiln_keycli_token(&o->token, &token, &r->err);
	if (rc == KILN_OK && memchr(token.data, 0, token.len) != NULL)
		rc = kiln_fail(&r->err, KILN_E_CONFIG, "a registration token has no zero bytes");
	if (rc == KILN_OK)
		memcpy(r->token, token.data, token.len);
	kiln_wipe(&token, sizeof token);
	return rc;
}

enum kiln_code kiln_keycli_input(struct kiln_keycli_run *r)
{
	const struct kiln_keycli_options *o = &r->options;
	switch (o->command) {
	case KILN_KEYCLI_REGISTER: return read_token(r);
	case KILN_KEYCLI_STORE:
	case KILN_KEYCLI_IMPORT: return read_secret(r);
	case KILN_KEYCLI_SIGN:
		if (o->digest_text != NULL)
			return KILN_OK;
		r->input_size = SIGN_MAX;
		return kiln_keycli_read(o->in, NULL, SIGN_MAX, &r->input, &r->input_len, &r->err);
	default: return KILN_OK;
	}
}

enum kiln_code kiln_keycli_passwords(struct kiln_keycli_run *r)
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
