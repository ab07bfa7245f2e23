/* SPDX-License-Identifier: Apache-2.0
 * Reading STS's answers: is it one, and is it a refusal of ours or a failure of its own? */
#include "aws/sts_answer.h"

#include <stdio.h>
#include <string.h>

#include "aws/sts.h"
#include "base/bytes.h"

/* The service's code, letters only: it goes into logs. */
static void error_code(const struct kiln_http_answer *answer, char out[65])
{
	out[0] = '\0';
	if (!kiln_http_answer_is(answer, "application/json"))
		return;
	json_t *root = kiln_json_object(answer->body, answer->len, KILN_STS_ANSWER_MAX);
	const char *code = kiln_json_text(json_object_get(root, "Error"), "Code", 64);
	const char *letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz.";
	if (code != NULL && strspn(code, letters) == strlen(code))
		(void)snprintf(out, 65, "%s", code);
	json_decref(root);
}

static bool is_throttling(const char *code)
{
	static const char *const names[] = {"Throttling", "ThrottlingException",
					    "RequestLimitExceeded", "TooManyRequestsException",
					    "RequestThrottled"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(code, names[i]) == 0)
			return true;
	return false;
}

bool kiln_sts_throttled(const struct kiln_http_answer *answer)
{
	char code[65];
	if (answer->status == 429)
		return true;
	if (answer->status < 400)
		return false;
	error_code(answer, code);
	return is_throttling(code);
}

static enum kiln_code refusal(const struct kiln_http_answer *answer, enum kiln_code refused,
			      struct kiln_error *err)
{
	char code[65];
	if (answer->status == 0)
		return kiln_fail(err, KILN_E_STS, "STS gives no answer: %.150s", answer->problem);
	error_code(answer, code);
	if (answer->status == 429 || is_throttling(code))
		return kiln_fail(err, KILN_E_STS,
				 "STS throttles the signer's account: try again later");
	if (answer->status >= 500)
		return kiln_fail(err, KILN_E_STS, "STS fails with status %d%s%s: try again later",
				 answer->status, code[0] != '\0' ? " " : "", code);
	if (answer->status >= 300 && answer->status < 400)
		return kiln_fail(err, KILN_E_STS,
				 "STS answers with a redirect (status %d), which is not followed",
				 answer->status);
	if (answer->status >= 400 && code[0] != '\0')
		return kiln_fail(err, refused, "STS refuses it: %s (status %d)", code,
				 answer->status);
	return kiln_fail(err, KILN_E_STS, "STS answers with status %d, which says nothing",
			 answer->status);
}

static enum kiln_code bad_form(struct kiln_error *err, const char *why)
{
	return kiln_fail(err, KILN_E_STS, "STS's answer is not of its own form: %s", why);
}

enum kiln_code kiln_sts_result(const struct kiln_http_answer *answer, const char *action,
			       enum kiln_code refused, json_t **root, const json_t **result,
			       struct kiln_error *err)
{
	char name[64];
	*root = NULL;
	if (answer->status != 200)
		return refusal(answer, refused, err);
	if (!kiln_http_answer_is(answer, "application/json"))
		return bad_form(err, "it is no JSON");
	*root = kiln_json_object(answer->body, answer->len, KILN_STS_ANSWER_MAX);
	if (*root == NULL)
		return bad_form(err, "it is not one JSON object with each key once");
	(void)snprintf(name, sizeof name, "%.40sResponse", action);
	const json_t *response = json_object_get(*root, name);
	if (response == NULL || json_object_size(*root) != 1)
		return bad_form(err, "it answers another question");
	(void)snprintf(name, sizeof name, "%.40sResult", action);
	*result = json_object_get(response, name);
	if (!json_is_object(*result))
		return bad_form(err, "it has no result");
	return KILN_OK;
}
