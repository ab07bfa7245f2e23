/* SPDX-License-Identifier: Apache-2.0
 * Reading a hello: sizes first, then the mask; see hello.h. */
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/bytes.h"
#include "roast/base64.h"
#include "roast/hello.h"
#include "roast/json.h"

#define BODY_MAX (KILN_ROAST_BODY_MIN + KILN_ROAST_PAYLOAD_MAX)

static const char *const keys[] = {
    "Body", "Mask", "Region", "AmzAuthorization", "XAmzSecurityToken", "XAmzDate", NULL};

/* Text that becomes part of an HTTP request: no CR, no LF, nothing that is not printable. */
static enum kiln_code header_text(const json_t *hello, const char *key, size_t max,
				  const char **out, struct kiln_error *err)
{
	size_t len;
	*out = kiln_roast_json_string(hello, key, max, &len, err);
	if (*out == NULL)
		return KILN_E_ROAST_HELLO;
	if (len == 0)
		return kiln_fail(err, KILN_E_ROAST_HELLO, "%s is empty", key);
	if (!kiln_ascii_is_printable(*out, len))
		return kiln_fail(err, KILN_E_ROAST_HELLO,
				 "%s holds bytes that are not printable ASCII", key);
	return KILN_OK;
}

static enum kiln_code copy_text(const json_t *hello, const char *key, char *out, size_t size,
				struct kiln_error *err)
{
	const char *text;
	const enum kiln_code rc = header_text(hello, key, size - 1, &text, err);
	if (rc == KILN_OK)
		memcpy(out, text, strlen(text) + 1);
	return rc;
}

static enum kiln_code read_texts(const json_t *hello, struct kiln_aws_proof *out,
				 struct kiln_error *err)
{
	const char *token;
	enum kiln_code rc = copy_text(hello, "Region", out->region, sizeof out->region, err);
	if (rc == KILN_OK)
		rc = copy_text(hello, "AmzAuthorization", out->authorization,
			       sizeof out->authorization, err);
	if (rc == KILN_OK)
		rc = copy_text(hello, "XAmzDate", out->date, sizeof out->date, err);
	if (rc == KILN_OK)
		rc = header_text(hello, "XAmzSecurityToken", KILN_AWS_TOKEN_MAX, &token, err);
	if (rc != KILN_OK)
		return rc;
	out->token = strdup(token);
	return out->token != NULL ? KILN_OK
				  : kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a hello");
}

/* The real library panics on a Body shorter than its nonce: lengths before anything else. */
static enum kiln_code read_masked(const json_t *hello, uint8_t *body, size_t *body_len,
				  uint8_t key[KILN_ROAST_MASK_LEN], struct kiln_error *err)
{
	size_t key_len;
	enum kiln_code rc = kiln_roast_json_bytes(hello, "Mask", key, KILN_ROAST_MASK_LEN,
						  KILN_ROAST_MASK_LEN, &key_len, err);
	if (rc == KILN_OK)
		rc = kiln_roast_json_bytes(hello, "Body", body, KILN_ROAST_BODY_MIN, BODY_MAX,
					   body_len, err);
	return rc;
}

static enum kiln_code unmask(const uint8_t *body, size_t body_len,
			     const uint8_t key[KILN_ROAST_MASK_LEN], struct kiln_aws_proof *out,
			     struct kiln_error *err)
{
	const uint8_t *box = body + KILN_ROAST_NONCE_LEN;
	const size_t box_len = body_len - KILN_ROAST_NONCE_LEN;
	const size_t payload_len = box_len - KILN_ROAST_TAG_LEN;
	uint8_t *payload = malloc(payload_len + 1);
	if (payload == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a hello");
	if (crypto_secretbox_open_easy(payload, box, box_len, body, key) != 0) {
		free(payload);
		return kiln_fail(err, KILN_E_ROAST_HELLO, "Body does not open under Mask");
	}
	if (payload_len == 0) {
		free(payload);
		return KILN_OK;
	}
	out->body = payload;
	out->body_len = payload_len;
	return KILN_OK;
}

static enum kiln_code read_fields(const json_t *hello, uint8_t *body, struct kiln_aws_proof *out,
				  struct kiln_error *err)
{
	uint8_t key[KILN_ROAST_MASK_LEN];
	size_t body_len;
	enum kiln_code rc = read_masked(hello, body, &body_len, key, err);
	if (rc == KILN_OK)
		rc = read_texts(hello, out, err);
	if (rc == KILN_OK)
		rc = unmask(body, body_len, key, out, err);
	return rc;
}

enum kiln_code kiln_roast_hello_read(const void *object, size_t len, struct kiln_aws_proof *out,
				     struct kiln_error *err)
{
	memset(out, 0, sizeof *out);
	if (len > KILN_ROAST_HELLO_MAX)
		return kiln_fail(err, KILN_E_ROAST_HELLO, "it is longer than %u bytes",
				 KILN_ROAST_HELLO_MAX);
	json_t *hello = kiln_roast_json_read(object, len, keys, err);
	if (hello == NULL)
		return KILN_E_ROAST_HELLO;
	uint8_t *body = malloc(BODY_MAX);
	const enum kiln_code rc = body != NULL
				      ? read_fields(hello, body, out, err)
				      : kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a hello");
	free(body);
	json_decref(hello);
	if (rc != KILN_OK)
		kiln_aws_proof_clear(out);
	return rc;
}
