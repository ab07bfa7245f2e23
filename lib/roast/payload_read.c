/* SPDX-License-Identifier: Apache-2.0
 * Reading a payload; see payload.h. */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "roast/json.h"
#include "roast/payload.h"
#include "roast/scan.h"

static const char *const keys[] = {"ClientCA", "ServerCA", "ServerHostnames", "Kiln", NULL};
static const char *const binding_keys[] = {"v", "role", "nonce", "hello", "sig", NULL};

static const char begin[] = "-----BEGIN CERTIFICATE-----";

/* NOLINTNEXTLINE(readability-non-const-parameter): OpenSSL's type */
static int no_passphrase(char *buf, int size, int rwflag, void *data)
{
	(void)buf, (void)size, (void)rwflag, (void)data;
	return 0;
}

static const char *authority_key(enum kiln_role from)
{
	return from == KILN_CLIENT ? "ClientCA" : "ServerCA";
}

static enum kiln_code too_many_roots(const char *key, struct kiln_error *err)
{
	return kiln_fail(err, KILN_E_ROAST_HELLO, "%s holds more than %u certificates", key,
			 KILN_ROAST_ROOTS_MAX);
}

static enum kiln_code check_pem(const uint8_t *pem, size_t len, const char *key,
				struct kiln_error *err)
{
	const size_t mark = sizeof begin - 1;
	if (len < mark || memcmp(pem, begin, mark) != 0)
		return kiln_fail(err, KILN_E_ROAST_HELLO, "%s holds no PEM certificate", key);
	unsigned count = 0;
	const uint8_t *at = pem, *const end = pem + len;
	while ((at = memmem(at, (size_t)(end - at), begin, mark)) != NULL) {
		at += mark;
		if (++count > KILN_ROAST_ROOTS_MAX)
			return too_many_roots(key, err);
	}
	return KILN_OK;
}

static enum kiln_code read_roots(struct kiln_roast_payload *out, const char *key,
				 struct kiln_error *err)
{
	BIO *bio = BIO_new_mem_buf(out->pem, (int)out->pem_len);
	if (bio == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for %s", key);
	X509 *cert;
	bool too_many = false;
	while (!too_many && (cert = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL) {
		too_many = out->root_count == KILN_ROAST_ROOTS_MAX;
		if (too_many)
			X509_free(cert);
		else
			out->roots[out->root_count++] = cert;
	}
	const unsigned long last = ERR_peek_last_error();
	const bool ended =
	    ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
	ERR_clear_error();
	BIO_free(bio);
	if (too_many) /* under another label than the usual one */
		return too_many_roots(key, err);
	if (!ended || out->root_count == 0)
		return kiln_fail(err, KILN_E_ROAST_HELLO, "certificate %u in %s cannot be read",
				 out->root_count + 1, key);
	return KILN_OK;
}

/* Keeps the text in as much memory as it needs: the peer may wait long for STS. */
static void keep_pem(struct kiln_roast_payload *out, uint8_t *pem, size_t len)
{
	uint8_t *small = realloc(pem, len);
	out->pem = small != NULL ? small : pem;
	out->pem_len = len;
}

/* A hello of the other side, or one that could pass for both, is somebody's trick. */
static enum kiln_code read_authority(const json_t *root, struct kiln_roast_payload *out,
				     struct kiln_error *err)
{
	const bool client = out->from == KILN_CLIENT;
	const char *key = authority_key(out->from);
	if (json_object_get(root, authority_key(client ? KILN_SERVER : KILN_CLIENT)) != NULL)
		return kiln_fail(err, KILN_E_ROAST_HELLO, "it is the hello of a %s, sent as a %s",
				 client ? "server" : "client", client ? "client" : "server");
	uint8_t *pem = malloc(KILN_ROAST_PEM_MAX);
	if (pem == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a payload");
	size_t len;
	enum kiln_code rc = kiln_roast_json_bytes(root, key, pem, 1, KILN_ROAST_PEM_MAX, &len, err);
	if (rc == KILN_OK)
		rc = check_pem(pem, len, key, err);
	if (rc == KILN_OK)
		keep_pem(out, pem, len);
	else
		free(pem);
	return rc;
}

static enum kiln_code read_name(const json_t *value, char out[KILN_ROAST_NAME_MAX + 1],
				struct kiln_error *err)
{
	const char *text = json_string_value(value);
	const size_t len = json_string_length(value);
	if (text == NULL || len == 0 || len > KILN_ROAST_NAME_MAX ||
	    !kiln_ascii_is_printable(text, len))
		return kiln_fail(err, KILN_E_ROAST_HELLO,
				 "a name in ServerHostnames is not 1 to %u bytes of printable "
				 "ASCII",
				 KILN_ROAST_NAME_MAX);
	memcpy(out, text, len + 1);
	return KILN_OK;
}

/* Missing and null mean none: Go writes null for an empty list. */
static enum kiln_code read_names(const json_t *root, struct kiln_roast_payload *out,
				 struct kiln_error *err)
{
	const json_t *names = json_object_get(root, "ServerHostnames");
	if (out->from != KILN_CLIENT || names == NULL || json_is_null(names))
		return KILN_OK;
	if (!json_is_array(names))
		return kiln_fail(err, KILN_E_ROAST_HELLO, "ServerHostnames is no list");
	if (json_array_size(names) > KILN_ROAST_NAMES_MAX)
		return kiln_fail(err, KILN_E_ROAST_HELLO, "ServerHostnames has more than %u names",
				 KILN_ROAST_NAMES_MAX);
	enum kiln_code rc = KILN_OK;
	for (size_t i = 0; i < json_array_size(names) && rc == KILN_OK; i++)
		rc = read_name(json_array_get(names, i), out->names[out->name_count++], err);
	return rc;
}

static enum kiln_code read_role(const json_t *binding, char out[KILN_AWS_ROLE_ARN_MAX],
				struct kiln_error *err)
{
	size_t len;
	const char *role =
	    kiln_roast_json_string(binding, "role", KILN_AWS_ROLE_ARN_MAX - 1, &len, err);
	if (role == NULL)
		return KILN_E_ROAST_HELLO;
	if (len == 0 || !kiln_ascii_is_printable(role, len))
		return kiln_fail(err, KILN_E_ROAST_HELLO, "role is no ARN");
	memcpy(out, role, len + 1);
	return KILN_OK;
}

static enum kiln_code read_binding(const json_t *binding, enum kiln_role from,
				   struct kiln_roast_binding *out, struct kiln_error *err)
{
	size_t len;
	enum kiln_code rc = read_role(binding, out->role, err);
	if (rc == KILN_OK)
		rc = kiln_roast_json_bytes(binding, "nonce", out->nonce, sizeof out->nonce,
					   sizeof out->nonce, &len, err);
	if (rc == KILN_OK && from == KILN_SERVER)
		rc = kiln_roast_json_bytes(binding, "hello", out->hello, sizeof out->hello,
					   sizeof out->hello, &len, err);
	if (rc == KILN_OK)
		rc = kiln_roast_json_bytes(binding, "sig", out->sig, 1, sizeof out->sig,
					   &out->sig_len, err);
	return rc;
}

static enum kiln_code read_extension(const json_t *root, struct kiln_roast_payload *out,
				     struct kiln_error *err)
{
	json_t *binding = json_object_get(root, "Kiln");
	if (binding == NULL)
		return KILN_OK;
	struct kiln_error inner = {0};
	const json_t *version = json_object_get(binding, "v");
	if (!json_is_object(binding) || !json_is_integer(version) ||
	    json_integer_value(version) != KILN_ROAST_BINDING_VERSION)
		return kiln_fail(err, KILN_E_ROAST_BINDING,
				 "its binding is not of version %d, the only one known here",
				 KILN_ROAST_BINDING_VERSION);
	if (kiln_roast_json_check_keys(binding, binding_keys, &inner) != KILN_OK ||
	    read_binding(binding, out->from, &out->binding, &inner) != KILN_OK)
		return kiln_fail(err, KILN_E_ROAST_BINDING, "in its binding, %.200s",
				 inner.message);
	out->bound = true;
	return KILN_OK;
}

/* Lengths, depth and the number of values are bounded before the parser sees a byte; behind the
 * object there may be white space only. */
static enum kiln_code scan(const uint8_t *data, size_t len, struct kiln_error *err)
{
	struct kiln_roast_scan scan;
	size_t skipped, taken;
	kiln_roast_scan_start(&scan, KILN_ROAST_PAYLOAD_MAX);
	const enum kiln_code rc = kiln_roast_scan_feed(&scan, data, len, &skipped, &taken, err);
	if (rc != KILN_OK)
		return rc;
	for (size_t i = skipped + taken; i < len; i++)
		if (!kiln_roast_is_blank(data[i]))
			return kiln_fail(err, KILN_E_ROAST_HELLO,
					 "bytes stand behind the JSON object");
	return scan.complete ? KILN_OK
			     : kiln_fail(err, KILN_E_ROAST_HELLO, "its JSON object has no end");
}

static enum kiln_code refuse(struct kiln_roast_payload *payload, const struct kiln_error *inner,
			     struct kiln_error *err)
{
	kiln_roast_payload_clear(payload);
	return kiln_fail(err, inner->code, "in its payload, %.220s", inner->message);
}

enum kiln_code kiln_roast_payload_read(const void *data, size_t len, enum kiln_role from,
				       struct kiln_roast_payload *out, struct kiln_error *err)
{
	memset(out, 0, sizeof *out);
	out->from = from;
	struct kiln_error inner = {0};
	json_t *root = NULL;
	enum kiln_code rc = scan(data, len, &inner);
	if (rc == KILN_OK) {
		root = kiln_roast_json_read(data, len, keys, &inner);
		rc = root != NULL ? KILN_OK : inner.code;
	}
	if (rc == KILN_OK)
		rc = read_authority(root, out, &inner);
	if (rc == KILN_OK)
		rc = read_names(root, out, &inner);
	if (rc == KILN_OK)
		rc = read_extension(root, out, &inner);
	json_decref(root);
	return rc == KILN_OK ? rc : refuse(out, &inner, err);
}

enum kiln_code kiln_roast_payload_decode(struct kiln_roast_payload *payload, struct kiln_error *err)
{
	struct kiln_error inner = {0};
	if (payload->pem == NULL || payload->root_count > 0)
		return kiln_fail(err, KILN_E_USAGE, "Roast: a payload that has no CA to decode");
	if (read_roots(payload, authority_key(payload->from), &inner) != KILN_OK)
		return refuse(payload, &inner, err);
	free(payload->pem);
	payload->pem = NULL;
	payload->pem_len = 0;
	return KILN_OK;
}

void kiln_roast_payload_clear(struct kiln_roast_payload *payload)
{
	for (unsigned i = 0; i < payload->root_count; i++)
		X509_free(payload->roots[i]);
	free(payload->pem);
	memset(payload, 0, sizeof *payload);
}
