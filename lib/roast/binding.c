/* SPDX-License-Identifier: Apache-2.0
 * The binding's signature; docs/roast.md, "The binding". */
#include "roast/binding.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <string.h>

#include "base/bytes.h"

/* What is signed: fields in a fixed order, each behind its length as four bytes, big-endian. */
struct encoding {
	uint8_t data[4096];
	size_t len;
};

_Static_assert(8 * (KILN_ROAST_NAME_MAX + 4) + KILN_AWS_ROLE_ARN_MAX + 512 <
		   sizeof((struct encoding *)NULL)->data,
	       "the longest encoding fits");

static void put_number(struct encoding *e, size_t number)
{
	kiln_store_be16(e->data + e->len, 0);
	kiln_store_be16(e->data + e->len + 2, (uint16_t)number);
	e->len += 4;
}

static void put(struct encoding *e, const void *data, size_t len)
{
	put_number(e, len);
	memcpy(e->data + e->len, data, len);
	e->len += len;
}

static void put_text(struct encoding *e, const char *text)
{
	put(e, text, strlen(text));
}

static bool encode(const struct kiln_roast_payload *payload, struct encoding *e)
{
	const struct kiln_roast_binding *binding = &payload->binding;
	uint8_t ca[KILN_ROAST_HASH_LEN];
	unsigned len = 0;
	e->len = 0;
	/* Of all of the certificate's DER, and not of one of several certificates. */
	if (payload->root_count != 1 ||
	    X509_digest(payload->roots[0], EVP_sha256(), ca, &len) != 1 || len != sizeof ca)
		return false;
	put_text(e, "kiln roast binding");
	put_text(e, payload->from == KILN_CLIENT ? "client" : "server");
	put_text(e, "1");
	put_text(e, binding->role);
	put(e, binding->nonce, sizeof binding->nonce);
	put(e, ca, sizeof ca);
	if (payload->from == KILN_SERVER) {
		put(e, binding->hello, sizeof binding->hello);
		return true;
	}
	put_number(e, payload->name_count);
	for (unsigned i = 0; i < payload->name_count; i++)
		put_text(e, payload->names[i]);
	return true;
}

static bool sign(const struct encoding *e, EVP_PKEY *key, struct kiln_roast_binding *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	out->sig_len = sizeof out->sig;
	const bool ok = ctx != NULL &&
			EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
			EVP_DigestSign(ctx, out->sig, &out->sig_len, e->data, e->len) == 1;
	EVP_MD_CTX_free(ctx);
	return ok;
}

static bool verify(const struct encoding *e, EVP_PKEY *key, const struct kiln_roast_binding *in)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	const bool ok = ctx != NULL &&
			EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
			EVP_DigestVerify(ctx, in->sig, in->sig_len, e->data, e->len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ok;
}

static bool is_p256(const EVP_PKEY *key)
{
	char group[32];
	size_t len;
	return key != NULL && EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
	       EVP_PKEY_get_group_name(key, group, sizeof group, &len) == 1 &&
	       strcmp(group, "prime256v1") == 0;
}

enum kiln_code kiln_roast_binding_sign(struct kiln_roast_payload *payload,
				       const struct kiln_roast_authority *authority,
				       struct kiln_error *err)
{
	struct encoding e;
	struct kiln_roast_binding *binding = &payload->binding;
	payload->bound = RAND_bytes(binding->nonce, sizeof binding->nonce) == 1 &&
			 encode(payload, &e) && sign(&e, authority->ca_key, binding);
	if (payload->bound)
		return KILN_OK;
	ERR_clear_error();
	return kiln_fail(err, KILN_E_NO_MEMORY, "OpenSSL could not sign the binding");
}

enum kiln_code kiln_roast_binding_answers(const struct kiln_roast_payload *payload,
					  const uint8_t hello[KILN_ROAST_HASH_LEN],
					  struct kiln_error *err)
{
	if (payload->from == KILN_CLIENT ||
	    CRYPTO_memcmp(payload->binding.hello, hello, KILN_ROAST_HASH_LEN) == 0)
		return KILN_OK;
	return kiln_fail(err, KILN_E_ROAST_BINDING,
			 "its binding answers another client hello than ours");
}

enum kiln_code kiln_roast_binding_check(const struct kiln_roast_payload *payload,
					struct kiln_error *err)
{
	struct encoding e;
	if (payload->root_count != 1)
		return kiln_fail(err, KILN_E_ROAST_BINDING,
				 "its binding is for one CA, and the payload has %u",
				 payload->root_count);
	EVP_PKEY *key = X509_get0_pubkey(payload->roots[0]);
	const bool p256 = is_p256(key);
	ERR_clear_error(); /* of a key that cannot be read */
	if (!p256)
		return kiln_fail(err, KILN_E_ROAST_BINDING,
				 "its binding needs a CA with a P-256 key");
	if (!encode(payload, &e) || !verify(&e, key, &payload->binding))
		return kiln_fail(err, KILN_E_ROAST_BINDING,
				 "its binding is not signed by the CA in the payload");
	return KILN_OK;
}

enum kiln_code kiln_roast_binding_names(const struct kiln_roast_binding *binding,
					const struct kiln_aws_role *proved, struct kiln_error *err)
{
	char arn[KILN_AWS_ROLE_ARN_MAX];
	kiln_aws_role_format(proved, arn);
	if (strcmp(arn, binding->role) == 0)
		return KILN_OK;
	return kiln_fail(err, KILN_E_ROAST_BINDING,
			 "its payload was made by %.90s and signed by %.90s: somebody stands in "
			 "between",
			 binding->role, arn);
}
