/* SPDX-License-Identifier: Apache-2.0
 * AssumeRole and AssumeRoleWithWebIdentity: asking, and the credentials that come back. */
#include <stdio.h>
#include <string.h>

#include "aws/date.h"
#include "aws/role.h"
#include "aws/sigv4.h"
#include "aws/sts_answer.h"
#include "aws/sts_request.h"

#define FORM "application/x-www-form-urlencoded; charset=utf-8"

static void add_field(struct kiln_text *body, const char *name, const char *value)
{
	kiln_text_char(body, '&');
	kiln_text_str(body, name);
	kiln_text_char(body, '=');
	kiln_text_encoded(body, value, strlen(value), false);
}

static void write_body(const struct kiln_sts_assume *assume, struct kiln_text *body)
{
	kiln_text_str(body, assume->web_identity != NULL ? "Action=AssumeRoleWithWebIdentity"
							 : "Action=AssumeRole");
	add_field(body, "Version", "2011-06-15");
	add_field(body, "RoleArn", assume->role_arn);
	add_field(body, "RoleSessionName", assume->session_name);
	if (assume->external_id != NULL)
		add_field(body, "ExternalId", assume->external_id);
	if (assume->duration != 0) {
		char text[16];
		(void)snprintf(text, sizeof text, "%u", assume->duration);
		add_field(body, "DurationSeconds", text);
	}
	if (assume->web_identity != NULL)
		add_field(body, "WebIdentityToken", assume->web_identity);
}

static enum kiln_code sign(const struct kiln_sts_assume *assume,
			   const struct kiln_aws_credentials *credentials, const char *host,
			   const struct kiln_text *body, const char *date, struct kiln_text *out,
			   struct kiln_error *err)
{
	const char *token = credentials->session_token;
	const struct kiln_sigv4_header headers[] = {
	    {kiln_slice_of("content-type"), kiln_slice_of(FORM)},
	    {kiln_slice_of("host"), kiln_slice_of(host)},
	    {kiln_slice_of("x-amz-date"), kiln_slice_of(date)},
	    {kiln_slice_of("x-amz-security-token"), kiln_slice_of(token != NULL ? token : "")},
	};
	const struct kiln_sigv4_request request = {
	    .method = kiln_slice_of("POST"),
	    .path = kiln_slice_of("/"),
	    .headers = headers,
	    .header_count = token != NULL ? 4 : 3,
	    .body = (const uint8_t *)body->data,
	    .body_len = body->len,
	};
	const struct kiln_sigv4_scope scope = {date, assume->region, "sts"};
	const struct kiln_sigv4_keys keys = {credentials->access_key_id,
					     credentials->secret_access_key};
	return kiln_sigv4_sign(&request, &scope, &keys, out, err);
}

static enum kiln_code add_signature(const struct kiln_sts_assume *assume,
				    const struct kiln_aws_credentials *credentials,
				    const char *host, const struct kiln_text *body, int64_t now,
				    struct kiln_http_request *out, struct kiln_error *err)
{
	struct kiln_text authorization = {0};
	char date[17];
	kiln_aws_date_format(now, date);
	enum kiln_code code = sign(assume, credentials, host, body, date, &authorization, err);
	if (code == KILN_OK)
		code = kiln_http_request_header(out, "Authorization", authorization.data, err);
	if (code == KILN_OK)
		code = kiln_http_request_header(out, "X-Amz-Date", date, err);
	if (code == KILN_OK && credentials->session_token != NULL)
		code = kiln_http_request_header(out, "X-Amz-Security-Token",
						credentials->session_token, err);
	kiln_text_clear(&authorization);
	return code;
}

static enum kiln_code build(const struct kiln_sts_endpoints *endpoints,
			    const struct kiln_sts_assume *assume,
			    const struct kiln_aws_credentials *credentials, int64_t now,
			    const struct kiln_text *body, struct kiln_http_request *out,
			    struct kiln_error *err)
{
	char url[KILN_STS_URL_MAX], host[KILN_STS_URL_MAX], slashed[KILN_STS_URL_MAX + 1];
	enum kiln_code code = kiln_sts_url(endpoints, assume->region, url, host, err);
	if (code != KILN_OK)
		return code;
	(void)snprintf(slashed, sizeof slashed, "%s/", url);
	code = kiln_http_request_init(out, "POST", slashed, err);
	if (code == KILN_OK)
		code = kiln_http_request_header(out, "Content-Type", FORM, err);
	if (code == KILN_OK)
		code = kiln_http_request_header(out, "Accept", "application/json", err);
	if (code == KILN_OK)
		code = kiln_http_request_header(out, "Expect", NULL, err);
	if (code == KILN_OK && assume->web_identity == NULL)
		code = add_signature(assume, credentials, host, body, now, out, err);
	if (code == KILN_OK)
		code = kiln_http_request_body(out, body->data, body->len, err);
	out->timeout_ms = KILN_STS_TIMEOUT_MS;
	out->answer_max = KILN_STS_ANSWER_MAX;
	return code;
}

enum kiln_code kiln_sts_assume_request(const struct kiln_sts_endpoints *endpoints,
				       const struct kiln_sts_assume *assume,
				       const struct kiln_aws_credentials *credentials, int64_t now,
				       struct kiln_http_request *out, struct kiln_error *err)
{
	*out = (struct kiln_http_request){0};
	if (!kiln_aws_is_name(assume->session_name, strlen(assume->session_name),
			      KILN_AWS_SESSION_MAX))
		return kiln_fail(
		    err, KILN_E_CONFIG,
		    "'%.70s' is no name for a role's session (1 to 64 of A-Z a-z 0-9 and "
		    "_+=,.@-)",
		    assume->session_name);
	struct kiln_text body = {0};
	write_body(assume, &body);
	enum kiln_code code = kiln_text_check(&body, "a request to STS", err);
	if (code == KILN_OK)
		code = build(endpoints, assume, credentials, now, &body, out, err);
	kiln_text_clear(&body);
	if (code != KILN_OK)
		kiln_http_request_clear(out);
	return code;
}

/* STS's JSON has the expiry as a number of seconds; its XML, and other services, as a date. */
static bool expiry_of(const json_t *credentials, int64_t *expires_at)
{
	const json_t *value = json_object_get(credentials, "Expiration");
	if (json_is_string(value))
		return kiln_iso_date_parse(json_string_value(value), json_string_length(value),
					   expires_at);
	const double seconds = json_number_value(value);
	if (!json_is_number(value) || !(seconds >= 1 && seconds < 253402300800.0))
		return false;
	*expires_at = (int64_t)seconds;
	return true;
}

enum kiln_code kiln_sts_assume_read(const struct kiln_http_answer *answer, bool web_identity,
				    struct kiln_aws_credentials *out, struct kiln_error *err)
{
	json_t *root;
	const json_t *result = NULL;
	*out = (struct kiln_aws_credentials){0};
	enum kiln_code code =
	    kiln_sts_result(answer, web_identity ? "AssumeRoleWithWebIdentity" : "AssumeRole",
			    KILN_E_CREDENTIALS, &root, &result, err);
	if (code == KILN_OK) {
		const json_t *keys = json_object_get(result, "Credentials");
		const char *token = kiln_json_text(keys, "SessionToken", KILN_AWS_TOKEN_MAX);
		int64_t expires_at;
		if (token == NULL || !expiry_of(keys, &expires_at))
			code = kiln_fail(err, KILN_E_STS,
					 "STS's answer is not of its own form: SessionToken or "
					 "Expiration is missing or wrong");
		else
			code = kiln_aws_credentials_set(
			    out, kiln_json_text(keys, "AccessKeyId", 128),
			    kiln_json_text(keys, "SecretAccessKey", 256), token, expires_at, err);
	}
	kiln_json_wipe(root);
	return code;
}
