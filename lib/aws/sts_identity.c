/* SPDX-License-Identifier: Apache-2.0
 * GetCallerIdentity: showing a proof to STS, and who STS says made it. */
#include <stdio.h>
#include <string.h>

#include "aws/role.h"
#include "aws/sts_answer.h"
#include "aws/sts_request.h"
#include "base/ascii.h"

/* Nothing but the four values is the peer's. The Host is the signed one, also where an override
 * sends the request elsewhere. */
static enum kiln_code add_headers(struct kiln_http_request *out, const char *host,
				  const struct kiln_aws_proof *proof, struct kiln_error *err)
{
	const struct {
		const char *name, *value;
	} headers[] = {
	    {"Host", host},
	    {"Authorization", proof->authorization},
	    {"X-Amz-Date", proof->date},
	    {"X-Amz-Security-Token", proof->token},
	    {"Accept", "application/json"},
	    {"Content-Type", NULL}, /* with a form's type, STS would read the body */
	    {"Expect", NULL},
	};
	for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
		enum kiln_code code =
		    kiln_http_request_header(out, headers[i].name, headers[i].value, err);
		if (code != KILN_OK)
			return code;
	}
	return KILN_OK;
}

enum kiln_code kiln_sts_identity_request(const struct kiln_sts_endpoints *endpoints,
					 const struct kiln_aws_proof *proof,
					 struct kiln_http_request *out, struct kiln_error *err)
{
	char host[KILN_STS_HOST_MAX], base[KILN_STS_URL_MAX], unused[KILN_STS_URL_MAX];
	char url[KILN_STS_URL_MAX + 64];
	*out = (struct kiln_http_request){0};
	kiln_sts_proof_host(proof->region, host);
	(void)snprintf(base, sizeof base, "https://%s", host);
	if (endpoints->override[0] != '\0') {
		enum kiln_code code = kiln_sts_url(endpoints, proof->region, base, unused, err);
		if (code != KILN_OK)
			return code;
	}
	(void)snprintf(url, sizeof url, "%s/?" KILN_STS_IDENTITY_QUERY, base);
	enum kiln_code code = kiln_http_request_init(out, "POST", url, err);
	if (code == KILN_OK)
		code = add_headers(out, host, proof, err);
	if (code == KILN_OK)
		code = kiln_http_request_body(out, proof->body, proof->body_len, err);
	out->timeout_ms = KILN_STS_TIMEOUT_MS;
	out->answer_max = KILN_STS_ANSWER_MAX;
	if (code != KILN_OK)
		kiln_http_request_clear(out);
	return code;
}

static const char *fill(const json_t *result, struct kiln_sts_identity *out)
{
	const char *arn = kiln_json_text(result, "Arn", sizeof out->arn - 1);
	const char *account = kiln_json_text(result, "Account", sizeof out->account - 1);
	const char *user = kiln_json_text(result, "UserId", sizeof out->user_id - 1);
	char of_arn[13];
	if (arn == NULL || account == NULL || user == NULL)
		return "Arn, Account or UserId is missing";
	if (!kiln_ascii_is_visible(arn, strlen(arn)) || !kiln_ascii_is_visible(user, strlen(user)))
		return "Arn or UserId is not printable";
	if (!kiln_aws_account_of(arn, strlen(arn), of_arn))
		return "Arn names no caller";
	if (strcmp(of_arn, account) != 0)
		return "Account is not the one in Arn";
	(void)snprintf(out->arn, sizeof out->arn, "%s", arn);
	(void)snprintf(out->account, sizeof out->account, "%s", account);
	(void)snprintf(out->user_id, sizeof out->user_id, "%s", user);
	return NULL;
}

enum kiln_code kiln_sts_identity_read(const struct kiln_http_answer *answer,
				      struct kiln_sts_identity *out, struct kiln_error *err)
{
	json_t *root;
	const json_t *result = NULL;
	memset(out, 0, sizeof *out);
	enum kiln_code code =
	    kiln_sts_result(answer, "GetCallerIdentity", KILN_E_ROAST_PROOF, &root, &result, err);
	if (code == KILN_OK) {
		const char *problem = fill(result, out);
		if (problem != NULL)
			code = kiln_fail(err, KILN_E_STS, "STS's answer is not of its own form: %s",
					 problem);
	}
	json_decref(root);
	return code;
}
