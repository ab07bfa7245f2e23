/* SPDX-License-Identifier: Apache-2.0
 * Credentials: set, copied, wiped. */
#include "aws/credentials.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/bytes.h"

void kiln_aws_credentials_clear(struct kiln_aws_credentials *credentials)
{
	if (credentials->session_token != NULL) {
		kiln_wipe(credentials->session_token, strlen(credentials->session_token));
		free(credentials->session_token);
	}
	kiln_wipe(credentials, sizeof *credentials);
}

static const char *problem_of(const char *text, size_t max)
{
	if (text == NULL || text[0] == '\0')
		return "is missing";
	size_t len = strnlen(text, max + 1);
	if (len > max)
		return "is too long";
	return kiln_ascii_is_visible(text, len)
		   ? NULL
		   : "has a character that cannot be part of it (a blank or a line's end?)";
}

static enum kiln_code check(const char *what, const char *text, size_t max, struct kiln_error *err)
{
	const char *problem = problem_of(text, max);
	if (problem == NULL)
		return KILN_OK;
	return kiln_fail(err, KILN_E_CREDENTIALS, "the %s %s", what, problem);
}

/* A key id is part of the Authorization's grammar: no '/' or ',' in it. */
static enum kiln_code check_key_id(const char *text, size_t max, struct kiln_error *err)
{
	enum kiln_code code = check("access key id", text, max, err);
	for (; code == KILN_OK && *text != '\0'; text++)
		if (!((*text >= 'A' && *text <= 'Z') || (*text >= '0' && *text <= '9')))
			return kiln_fail(err, KILN_E_CREDENTIALS,
					 "the access key id is not made of capitals and digits");
	return code;
}

enum kiln_code kiln_aws_credentials_set(struct kiln_aws_credentials *out, const char *access_key_id,
					const char *secret_access_key, const char *token,
					int64_t expires_at, struct kiln_error *err)
{
	*out = (struct kiln_aws_credentials){0};
	const bool has_token = token != NULL && token[0] != '\0';
	enum kiln_code code = check_key_id(access_key_id, sizeof out->access_key_id - 1, err);
	if (code == KILN_OK)
		code = check("secret access key", secret_access_key,
			     sizeof out->secret_access_key - 1, err);
	if (code == KILN_OK && has_token)
		code = check("session token", token, KILN_AWS_TOKEN_MAX, err);
	if (code != KILN_OK)
		return code;
	if (has_token) {
		out->session_token = strdup(token);
		if (out->session_token == NULL)
			return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for credentials");
	}
	memcpy(out->access_key_id, access_key_id, strlen(access_key_id) + 1);
	memcpy(out->secret_access_key, secret_access_key, strlen(secret_access_key) + 1);
	out->expires_at = expires_at;
	return KILN_OK;
}

enum kiln_code kiln_aws_credentials_copy(struct kiln_aws_credentials *out,
					 const struct kiln_aws_credentials *from,
					 struct kiln_error *err)
{
	enum kiln_code code =
	    kiln_aws_credentials_set(out, from->access_key_id, from->secret_access_key,
				     from->session_token, from->expires_at, err);
	if (code == KILN_OK)
		memcpy(out->source, from->source, sizeof out->source);
	return code;
}
