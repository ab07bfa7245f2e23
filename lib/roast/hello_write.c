/* SPDX-License-Identifier: Apache-2.0
 * Writing a hello as Roast's own library writes it, but for the line feed; see hello.h. */
#include <openssl/rand.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "roast/base64.h"
#include "roast/hello.h"
#include "roast/writer.h"

_Static_assert(KILN_ROAST_MASK_LEN == crypto_secretbox_KEYBYTES, "the mask is a secretbox key");
_Static_assert(KILN_ROAST_NONCE_LEN == crypto_secretbox_NONCEBYTES, "and has its nonce");
_Static_assert(KILN_ROAST_TAG_LEN == crypto_secretbox_MACBYTES, "and its tag");

enum kiln_code kiln_roast_mask_random(struct kiln_roast_mask *mask, struct kiln_error *err)
{
	if (RAND_bytes(mask->key, sizeof mask->key) == 1 &&
	    RAND_bytes(mask->nonce, sizeof mask->nonce) == 1)
		return KILN_OK;
	return kiln_fail(err, KILN_E_SYSTEM, "no random bytes for a hello");
}

static enum kiln_code check_writable(const struct kiln_aws_proof *proof, struct kiln_error *err)
{
	if (proof->token == NULL || proof->token[0] == '\0')
		return kiln_fail(err, KILN_E_CREDENTIALS,
				 "the credentials have no session token, and Roast proves roles "
				 "only: keys of an IAM user cannot be used");
	if (proof->body_len > KILN_ROAST_PAYLOAD_MAX)
		return kiln_fail(err, KILN_E_LIMIT, "a payload of %zu bytes is larger than %u",
				 proof->body_len, KILN_ROAST_PAYLOAD_MAX);
	return KILN_OK;
}

static void put_fields(struct kiln_roast_writer *text, const struct kiln_aws_proof *proof,
		       const struct kiln_roast_mask *mask, const uint8_t *body, size_t body_len)
{
	kiln_roast_put(text, "{\"Body\":");
	kiln_roast_put_base64(text, body, body_len);
	kiln_roast_put(text, ",\"Mask\":");
	kiln_roast_put_base64(text, mask->key, sizeof mask->key);
	kiln_roast_put(text, ",\"Region\":");
	kiln_roast_put_string(text, proof->region);
	kiln_roast_put(text, ",\"AmzAuthorization\":");
	kiln_roast_put_string(text, proof->authorization);
	kiln_roast_put(text, ",\"XAmzSecurityToken\":");
	kiln_roast_put_string(text, proof->token);
	kiln_roast_put(text, ",\"XAmzDate\":");
	kiln_roast_put_string(text, proof->date);
	kiln_roast_put(text, "}");
}

enum kiln_code kiln_roast_hello_write(const struct kiln_aws_proof *proof,
				      const struct kiln_roast_mask *mask, char **out, size_t *len,
				      struct kiln_error *err)
{
	*out = NULL;
	*len = 0;
	const enum kiln_code rc = check_writable(proof, err);
	if (rc != KILN_OK)
		return rc;
	const size_t body_len = KILN_ROAST_BODY_MIN + proof->body_len;
	uint8_t *body = malloc(body_len);
	struct kiln_roast_writer text = {.data = malloc(KILN_ROAST_HELLO_MAX),
					 .cap = KILN_ROAST_HELLO_MAX};
	if (body == NULL || text.data == NULL) {
		free(body);
		free(text.data);
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a hello");
	}
	memcpy(body, mask->nonce, sizeof mask->nonce);
	static const uint8_t nothing[1];
	(void)crypto_secretbox_easy(body + KILN_ROAST_NONCE_LEN,
				    proof->body_len > 0 ? proof->body : nothing, proof->body_len,
				    mask->nonce, mask->key);
	put_fields(&text, proof, mask, body, body_len);
	free(body);
	if (text.failed) {
		free(text.data);
		return kiln_fail(err, KILN_E_CREDENTIALS,
				 "the proof does not fit into a hello of %u bytes of printable "
				 "text",
				 KILN_ROAST_HELLO_MAX);
	}
	char *fitted = realloc(text.data, text.len);
	*out = fitted != NULL ? fitted : text.data;
	*len = text.len;
	return KILN_OK;
}
