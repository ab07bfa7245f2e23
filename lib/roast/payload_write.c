/* SPDX-License-Identifier: Apache-2.0
 * Writing a payload as Roast's own library writes it; see payload.h. */
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "roast/payload.h"
#include "roast/writer.h"

static void put_authority(struct kiln_roast_writer *text, const struct kiln_roast_payload *payload)
{
	BIO *pem = BIO_new(BIO_s_mem());
	const uint8_t *data = NULL;
	long len = 0;
	if (pem != NULL && payload->root_count == 1 &&
	    PEM_write_bio_X509(pem, payload->roots[0]) == 1)
		len = BIO_get_mem_data(pem, &data);
	if (len <= 0)
		text->failed = true;
	else
		kiln_roast_put_base64(text, data, (size_t)len);
	BIO_free(pem);
}

static void put_binding(struct kiln_roast_writer *text, const struct kiln_roast_payload *payload)
{
	const struct kiln_roast_binding *binding = &payload->binding;
	kiln_roast_put(text, ",\"Kiln\":{\"v\":1,\"role\":");
	kiln_roast_put_string(text, binding->role);
	kiln_roast_put(text, ",\"nonce\":");
	kiln_roast_put_base64(text, binding->nonce, sizeof binding->nonce);
	if (payload->from == KILN_SERVER) {
		kiln_roast_put(text, ",\"hello\":");
		kiln_roast_put_base64(text, binding->hello, sizeof binding->hello);
	}
	kiln_roast_put(text, ",\"sig\":");
	kiln_roast_put_base64(text, binding->sig, binding->sig_len);
	kiln_roast_put(text, "}");
}

static void put_names(struct kiln_roast_writer *text, const struct kiln_roast_payload *payload)
{
	kiln_roast_put(text, ",\"ServerHostnames\":[");
	for (unsigned i = 0; i < payload->name_count; i++) {
		kiln_roast_put(text, i > 0 ? "," : "");
		kiln_roast_put_string(text, payload->names[i]);
	}
	kiln_roast_put(text, "]");
}

enum kiln_code kiln_roast_payload_write(const struct kiln_roast_payload *payload, uint8_t **out,
					size_t *len, struct kiln_error *err)
{
	struct kiln_roast_writer text = {.data = malloc(KILN_ROAST_PAYLOAD_MAX),
					 .cap = KILN_ROAST_PAYLOAD_MAX};
	*out = NULL;
	*len = 0;
	if (text.data == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a payload");
	kiln_roast_put(&text, payload->from == KILN_CLIENT ? "{\"ClientCA\":" : "{\"ServerCA\":");
	put_authority(&text, payload);
	if (payload->from == KILN_CLIENT)
		put_names(&text, payload);
	if (payload->bound)
		put_binding(&text, payload);
	kiln_roast_put(&text, "}");
	if (text.failed) {
		free(text.data);
		return kiln_fail(err, KILN_E_USAGE,
				 "a payload cannot be written: a name in it is "
				 "not printable ASCII, or OpenSSL failed");
	}
	*out = (uint8_t *)text.data;
	*len = text.len;
	return KILN_OK;
}
