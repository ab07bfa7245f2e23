/* SPDX-License-Identifier: Apache-2.0
 * Signature Version 4: string to sign, signing key, Authorization; and its verification. */
#include "aws/sigv4.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hex.h"

#define ALGORITHM "AWS4-HMAC-SHA256"

static void add_scope(const struct kiln_sigv4_scope *scope, struct kiln_text *out)
{
	kiln_text_add(out, scope->date, 8);
	kiln_text_char(out, '/');
	kiln_text_str(out, scope->region);
	kiln_text_char(out, '/');
	kiln_text_str(out, scope->service);
	kiln_text_str(out, "/aws4_request");
}

void kiln_sigv4_string_to_sign(const struct kiln_text *canonical,
			       const struct kiln_sigv4_scope *scope, struct kiln_text *out)
{
	uint8_t hash[32];
	char hex[65];
	if (canonical->failed ||
	    EVP_Digest(canonical->data, canonical->len, hash, NULL, EVP_sha256(), NULL) != 1) {
		out->failed = true;
		return;
	}
	kiln_hex_encode(hash, sizeof hash, hex);
	kiln_text_str(out, ALGORITHM "\n");
	kiln_text_str(out, scope->date);
	kiln_text_char(out, '\n');
	add_scope(scope, out);
	kiln_text_char(out, '\n');
	kiln_text_str(out, hex);
}

static bool hmac(const uint8_t *key, size_t key_len, const void *data, size_t len, uint8_t out[32])
{
	return HMAC(EVP_sha256(), key, (int)key_len, data, len, out, NULL) != NULL;
}

/* HMAC(HMAC(HMAC(HMAC("AWS4" secret, day), region), service), "aws4_request") */
static bool signing_key(const struct kiln_sigv4_scope *scope, const char *secret, uint8_t key[32])
{
	char first[4 + 256 + 1];
	const int len = snprintf(first, sizeof first, "AWS4%s", secret);
	const bool fits = len > 0 && (size_t)len < sizeof first;
	const bool done = fits && hmac((uint8_t *)first, (size_t)len, scope->date, 8, key) &&
			  hmac(key, 32, scope->region, strlen(scope->region), key) &&
			  hmac(key, 32, scope->service, strlen(scope->service), key) &&
			  hmac(key, 32, "aws4_request", 12, key);
	kiln_wipe(first, sizeof first);
	return done;
}

enum kiln_code kiln_sigv4_signature(const struct kiln_text *string_to_sign,
				    const struct kiln_sigv4_scope *scope,
				    const char *secret_access_key, char out[65],
				    struct kiln_error *err)
{
	uint8_t key[32], signature[32];
	enum kiln_code code = kiln_text_check(string_to_sign, "a text to sign", err);
	if (code != KILN_OK)
		return code;
	if (signing_key(scope, secret_access_key, key) &&
	    hmac(key, sizeof key, string_to_sign->data, string_to_sign->len, signature))
		kiln_hex_encode(signature, sizeof signature, out);
	else
		code = kiln_fail(err, KILN_E_CREDENTIALS,
				 "the secret access key cannot be used to sign");
	kiln_wipe(key, sizeof key);
	return code;
}

/* Canonical request, string to sign, signature; names are those of the signed headers. */
static enum kiln_code sign(const struct kiln_sigv4_request *request,
			   const struct kiln_sigv4_scope *scope, const char *secret,
			   struct kiln_text *names, char signature[65], struct kiln_error *err)
{
	struct kiln_text canonical = {0}, to_sign = {0};
	enum kiln_code code = kiln_sigv4_canonical(request, &canonical, names, err);
	if (code == KILN_OK) {
		kiln_sigv4_string_to_sign(&canonical, scope, &to_sign);
		code = kiln_sigv4_signature(&to_sign, scope, secret, signature, err);
	}
	kiln_text_clear(&canonical);
	kiln_text_clear(&to_sign);
	return code;
}

enum kiln_code kiln_sigv4_sign(const struct kiln_sigv4_request *request,
			       const struct kiln_sigv4_scope *scope,
			       const struct kiln_sigv4_keys *keys, struct kiln_text *authorization,
			       struct kiln_error *err)
{
	struct kiln_text names = {0};
	char signature[65];
	enum kiln_code code = sign(request, scope, keys->secret_access_key, &names, signature, err);
	if (code == KILN_OK) {
		kiln_text_str(authorization, ALGORITHM " Credential=");
		kiln_text_str(authorization, keys->access_key_id);
		kiln_text_char(authorization, '/');
		add_scope(scope, authorization);
		kiln_text_str(authorization, ", SignedHeaders=");
		kiln_text_add(authorization, names.data, names.len);
		kiln_text_str(authorization, ", Signature=");
		kiln_text_str(authorization, signature);
		code = kiln_text_check(authorization, "an Authorization", err);
	}
	kiln_text_clear(&names);
	return code;
}

/* ------------------------------------------------------------------ verification */

static bool same_name(struct kiln_slice sent, const char *name, size_t len)
{
	if (sent.len != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		const char c = sent.at[i];
		if ((c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c) != name[i])
			return false;
	}
	return true;
}

/* The headers that the list names, all of each name. false: one did not come, or too many did. */
static bool choose(const struct kiln_sigv4_request *request, struct kiln_slice list,
		   struct kiln_sigv4_header chosen[KILN_SIGV4_HEADERS_MAX], size_t *count)
{
	*count = 0;
	for (size_t at = 0; at <= list.len;) {
		const char *name = list.at + at;
		const char *end = memchr(name, ';', list.len - at);
		const size_t len = end != NULL ? (size_t)(end - name) : list.len - at;
		const size_t before = *count;
		for (size_t i = 0; i < request->header_count; i++) {
			if (!same_name(request->headers[i].name, name, len))
				continue;
			if (*count == KILN_SIGV4_HEADERS_MAX)
				return false;
			chosen[(*count)++] = request->headers[i];
		}
		if (*count == before)
			return false;
		at += len + 1;
	}
	return true;
}

static bool copy(char *out, size_t room, struct kiln_slice slice)
{
	if (slice.len >= room)
		return false;
	memcpy(out, slice.at, slice.len);
	out[slice.len] = '\0';
	return true;
}

static enum kiln_code refuse(struct kiln_error *err, const char *rule)
{
	return kiln_fail(err, KILN_E_ROAST_PROOF, "the signature does not hold: %s", rule);
}

enum kiln_code kiln_sigv4_verify(const struct kiln_sigv4_request *request,
				 const struct kiln_authorization *authorization, const char *date,
				 const char *secret_access_key, struct kiln_error *err)
{
	struct kiln_sigv4_header chosen[KILN_SIGV4_HEADERS_MAX];
	struct kiln_sigv4_request same = *request;
	char region[33], service[33], signature[65];
	if (strlen(date) != 16 || memcmp(date, authorization->date.at, 8) != 0)
		return refuse(err, "the day of its scope is not that of X-Amz-Date");
	if (!copy(region, sizeof region, authorization->region) ||
	    !copy(service, sizeof service, authorization->service))
		return refuse(err, "its scope is too long");
	if (!choose(request, authorization->signed_headers, chosen, &same.header_count))
		return refuse(err, "a signed header did not come");
	same.headers = chosen;
	const struct kiln_sigv4_scope scope = {date, region, service};
	struct kiln_text names = {0};
	enum kiln_code code = sign(&same, &scope, secret_access_key, &names, signature, err);
	if (code == KILN_OK &&
	    (names.len != authorization->signed_headers.len ||
	     memcmp(names.data, authorization->signed_headers.at, names.len) != 0))
		code = refuse(err, "its headers are not sorted, or named twice");
	if (code == KILN_OK &&
	    CRYPTO_memcmp(signature, authorization->signature.at, sizeof signature - 1) != 0)
		code = refuse(err, "it is another's, or something signed was changed");
	kiln_text_clear(&names);
	kiln_wipe(signature, sizeof signature);
	return code;
}
