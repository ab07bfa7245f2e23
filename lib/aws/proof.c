/* SPDX-License-Identifier: Apache-2.0
 * Making and checking proofs of identity; see proof.h. */
#include "aws/proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aws/date.h"
#include "aws/region.h"
#include "aws/sigv4.h"
#include "aws/sts_request.h"
#include "base/ascii.h"
#include "base/bytes.h"

#define SIGNED_HEADERS      "host;x-amz-date;x-amz-security-token"
#define SIGNED_HEADERS_BODY "content-length;" SIGNED_HEADERS

void kiln_aws_proof_clear(struct kiln_aws_proof *proof)
{
	if (proof->token != NULL) {
		kiln_wipe(proof->token, strlen(proof->token));
		free(proof->token);
	}
	free(proof->body);
	kiln_wipe(proof, sizeof *proof);
}

/* Whoever is shown a proof may send it to STS as a form, for the Content-Type is not signed. What
 * begins a second field of a form is a '&'; in a string of JSON it is written \u0026. */
static const char *body_problem(const uint8_t *body, size_t len)
{
	if (len > 0 && body[0] != '{')
		return "its body does not begin with '{'";
	if (len > 0 && memchr(body, '&', len) != NULL)
		return "its body has a '&', as a form has";
	return NULL;
}

/* ------------------------------------------------------------------ making one */

static enum kiln_code sign(const struct kiln_aws_credentials *credentials,
			   struct kiln_aws_proof *proof, struct kiln_error *err)
{
	char host[KILN_STS_HOST_MAX], length[24];
	kiln_sts_proof_host(proof->region, host);
	(void)snprintf(length, sizeof length, "%zu", proof->body_len);
	const struct kiln_sigv4_header headers[] = {
	    {kiln_slice_of("host"), kiln_slice_of(host)},
	    {kiln_slice_of("x-amz-date"), kiln_slice_of(proof->date)},
	    {kiln_slice_of("x-amz-security-token"), kiln_slice_of(proof->token)},
	    {kiln_slice_of("content-length"), kiln_slice_of(length)},
	};
	const struct kiln_sigv4_request request = {
	    .method = kiln_slice_of("POST"),
	    .path = kiln_slice_of("/"),
	    .query = kiln_slice_of(KILN_STS_IDENTITY_QUERY),
	    .headers = headers,
	    .header_count = proof->body_len > 0 ? 4 : 3,
	    .body = proof->body,
	    .body_len = proof->body_len,
	};
	const struct kiln_sigv4_scope scope = {proof->date, proof->region, "sts"};
	const struct kiln_sigv4_keys keys = {credentials->access_key_id,
					     credentials->secret_access_key};
	struct kiln_text text = {.max = KILN_AWS_AUTHORIZATION_MAX};
	enum kiln_code code = kiln_sigv4_sign(&request, &scope, &keys, &text, err);
	if (code == KILN_OK)
		memcpy(proof->authorization, text.data, text.len + 1);
	kiln_text_clear(&text);
	return code;
}

static enum kiln_code can_prove(const struct kiln_aws_credentials *credentials, const char *region,
				const void *body, size_t len, struct kiln_error *err)
{
	if (credentials->session_token == NULL)
		return kiln_fail(
		    err, KILN_E_CREDENTIALS,
		    "the credentials from %s have no session token: they are a user's, and "
		    "only a role can be proved",
		    credentials->source);
	if (kiln_aws_region_known(region) == NULL)
		return kiln_fail(err, KILN_E_CONFIG, "'%.40s' is no region of AWS", region);
	if (len > KILN_AWS_BODY_MAX)
		return kiln_fail(err, KILN_E_LIMIT, "%zu bytes are too many to be signed", len);
	const char *problem = body_problem(body, len);
	if (problem != NULL)
		return kiln_fail(err, KILN_E_USAGE, "a proof of identity is not signed: %s",
				 problem);
	return KILN_OK;
}

enum kiln_code kiln_aws_prove(const struct kiln_aws_credentials *credentials, const char *region,
			      int64_t now, const void *body, size_t len, struct kiln_aws_proof *out,
			      struct kiln_error *err)
{
	*out = (struct kiln_aws_proof){0};
	enum kiln_code code = can_prove(credentials, region, body, len, err);
	if (code != KILN_OK)
		return code;
	(void)snprintf(out->region, sizeof out->region, "%s", region);
	kiln_aws_date_format(now, out->date);
	out->token = strdup(credentials->session_token);
	out->body = len > 0 ? malloc(len) : NULL;
	if (out->token == NULL || (len > 0 && out->body == NULL)) {
		kiln_aws_proof_clear(out);
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a proof of identity");
	}
	if (len > 0)
		memcpy(out->body, body, len);
	out->body_len = len;
	code = sign(credentials, out, err);
	if (code != KILN_OK)
		kiln_aws_proof_clear(out);
	return code;
}

/* ------------------------------------------------------------------ checking one */

static const char *token_problem(const struct kiln_aws_proof *proof)
{
	if (proof->token == NULL || proof->token[0] == '\0')
		return "it has no session token, so its signer is no role";
	if (strnlen(proof->token, KILN_AWS_TOKEN_MAX + 1) > KILN_AWS_TOKEN_MAX)
		return "its session token is too long";
	return kiln_ascii_is_visible(proof->token, strlen(proof->token))
		   ? NULL
		   : "its session token is not printable";
}

static const char *date_problem(const struct kiln_aws_proof *proof, int64_t now)
{
	int64_t signed_at;
	if (memchr(proof->date, '\0', sizeof proof->date) == NULL ||
	    !kiln_aws_date_parse(proof->date, strlen(proof->date), &signed_at))
		return "X-Amz-Date is no date";
	if (signed_at < now - KILN_AWS_PROOF_WINDOW)
		return "it was signed more than 5 minutes ago (or a clock is wrong)";
	if (signed_at > now + KILN_AWS_PROOF_WINDOW)
		return "it was signed more than 5 minutes in the future (or a clock is wrong)";
	return NULL;
}

static const char *authorization_problem(const struct kiln_aws_proof *proof)
{
	struct kiln_authorization a;
	const size_t len = strnlen(proof->authorization, sizeof proof->authorization);
	const char *problem = kiln_authorization_read(proof->authorization, len, &a);
	if (problem != NULL)
		return problem;
	if (memcmp(a.key_id.at, "ASIA", 4) != 0 && memcmp(a.key_id.at, "AKIA", 4) != 0)
		return "its access key id is not of AWS's form";
	if (memcmp(a.date.at, proof->date, 8) != 0)
		return "the day of its scope is not that of X-Amz-Date";
	if (!kiln_slice_is(a.region, proof->region))
		return "the region of its scope is not the region that it names";
	if (!kiln_slice_is(a.service, "sts"))
		return "it is signed for another service than sts";
	if (!kiln_slice_is(a.signed_headers,
			   proof->body_len > 0 ? SIGNED_HEADERS_BODY : SIGNED_HEADERS))
		return "it signs other headers than a proof signs";
	return NULL;
}

static const char *problem_of(const struct kiln_aws_proof *proof, int64_t now)
{
	if (memchr(proof->region, '\0', sizeof proof->region) == NULL ||
	    kiln_aws_region_known(proof->region) == NULL)
		return "it names no region of AWS";
	const char *problem = token_problem(proof);
	if (problem == NULL)
		problem = proof->body_len > KILN_AWS_BODY_MAX
			      ? "its body is too long"
			      : body_problem(proof->body, proof->body_len);
	if (problem == NULL)
		problem = date_problem(proof, now);
	return problem != NULL ? problem : authorization_problem(proof);
}

enum kiln_code kiln_aws_proof_check(const struct kiln_aws_proof *proof, int64_t now,
				    struct kiln_error *err)
{
	const char *problem = problem_of(proof, now);
	if (problem != NULL)
		return kiln_fail(err, KILN_E_ROAST_PROOF, "the proof of identity is refused: %s",
				 problem);
	return KILN_OK;
}

const char *kiln_aws_proof_signature(const struct kiln_aws_proof *proof)
{
	return proof->authorization + strlen(proof->authorization) - KILN_AWS_SIGNATURE_LEN;
}

void kiln_aws_proof_key_id(const struct kiln_aws_proof *proof, char out[129])
{
	struct kiln_authorization a;
	out[0] = '\0';
	if (kiln_authorization_read(proof->authorization, strlen(proof->authorization), &a) == NULL)
		(void)snprintf(out, 129, "%.*s", (int)a.key_id.len, a.key_id.at);
}
