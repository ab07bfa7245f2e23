/* SPDX-License-Identifier: Apache-2.0
 * Reading credentials from JSON; see credentials_json.h. */
#include "aws/credentials_json.h"

#include <string.h>

#include "aws/date.h"
#include "aws/json.h"

static enum kiln_code refuse(struct kiln_error *err, const char *why)
{
	return kiln_fail(err, KILN_E_CREDENTIALS, "the credentials' JSON is refused: %s", why);
}

/* The metadata service says 200 also to failures, with Code and Message instead of keys. */
static const char *head_problem(enum kiln_credentials_form form, const json_t *root)
{
	if (form == KILN_CREDENTIALS_PROCESS &&
	    json_integer_value(json_object_get(root, "Version")) != 1)
		return "its Version is not 1";
	if (form == KILN_CREDENTIALS_IMDS) {
		const char *code = kiln_json_text(root, "Code", 64);
		if (code == NULL || strcmp(code, "Success") != 0)
			return "its Code is not Success";
	}
	return NULL;
}

static const char *expiry_problem(enum kiln_credentials_form form, const json_t *root,
				  int64_t *expires_at)
{
	*expires_at = 0;
	const json_t *value = json_object_get(root, "Expiration");
	if (value == NULL || json_is_null(value))
		return form == KILN_CREDENTIALS_PROCESS ? NULL : "Expiration is missing";
	if (!json_is_string(value) ||
	    !kiln_iso_date_parse(json_string_value(value), json_string_length(value), expires_at))
		return "Expiration is no date";
	return NULL;
}

static enum kiln_code read_root(enum kiln_credentials_form form, const json_t *root,
				struct kiln_aws_credentials *out, struct kiln_error *err)
{
	int64_t expires_at;
	const bool process = form == KILN_CREDENTIALS_PROCESS;
	const char *name = process ? "SessionToken" : "Token";
	const char *token = kiln_json_text(root, name, KILN_AWS_TOKEN_MAX);
	const json_t *value = json_object_get(root, name);
	const char *problem = head_problem(form, root);
	if (problem == NULL)
		problem = expiry_problem(form, root, &expires_at);
	if (problem == NULL && token == NULL && !process)
		problem = "Token is missing or too long";
	if (problem == NULL && token == NULL && value != NULL && !json_is_null(value) &&
	    json_string_length(value) != 0)
		problem = "SessionToken is too long";
	if (problem != NULL)
		return refuse(err, problem);
	return kiln_aws_credentials_set(out, kiln_json_text(root, "AccessKeyId", 128),
					kiln_json_text(root, "SecretAccessKey", 256), token,
					expires_at, err);
}

enum kiln_code kiln_credentials_read(enum kiln_credentials_form form, const uint8_t *data,
				     size_t len, struct kiln_aws_credentials *out,
				     struct kiln_error *err)
{
	*out = (struct kiln_aws_credentials){0};
	while (len > 0 && (*data == ' ' || *data == '\t' || *data == '\r' || *data == '\n'))
		data++, len--;
	json_t *root = kiln_json_object(data, len, KILN_CREDENTIALS_JSON_MAX);
	if (root == NULL)
		return refuse(err, "it is not one JSON object with each key once");
	enum kiln_code code = read_root(form, root, out, err);
	kiln_json_wipe(root);
	return code;
}
