/* SPDX-License-Identifier: Apache-2.0
 * The canonical request of Signature Version 4: method, path, query, headers, their names, and the
 * hash of the body, one a line. */
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>

#include "aws/sigv4.h"
#include "base/hex.h"

/* Resolves "//", "." and "..", as RFC 3986 section 5.2.4 but for empty segments, which go too. */
static void normalise(struct kiln_slice path, struct kiln_text *out)
{
	bool slash_at_end = true;
	for (size_t i = 0; i < path.len;) {
		const char *segment = path.at + i;
		const char *slash = memchr(segment, '/', path.len - i);
		const size_t len = slash != NULL ? (size_t)(slash - segment) : path.len - i;
		const bool up = len == 2 && memcmp(segment, "..", 2) == 0;
		const bool here = len == 0 || (len == 1 && segment[0] == '.');
		if (up) {
			while (out->len > 0 && out->data[--out->len] != '/')
				continue;
		} else if (!here) {
			kiln_text_char(out, '/');
			kiln_text_add(out, segment, len);
		}
		slash_at_end = slash != NULL || up || here;
		i += len + 1;
	}
	if (slash_at_end || out->len == 0)
		kiln_text_char(out, '/');
}

static void add_path(const struct kiln_sigv4_request *request, struct kiln_text *canonical)
{
	if (request->keep_path && request->path.len > 0) {
		kiln_text_encoded(canonical, request->path.at, request->path.len, true);
		return;
	}
	struct kiln_text plain = {0};
	normalise(request->path, &plain);
	if (plain.failed) {
		canonical->failed = true;
		canonical->too_long = plain.too_long;
	} else {
		kiln_text_encoded(canonical, plain.data, plain.len, true);
	}
	kiln_text_clear(&plain);
}

/* ------------------------------------------------------------------ query */

/* Decodes %XX and encodes again, so that every spelling of a text becomes the same. */
static void add_recoded(struct kiln_text *out, struct kiln_slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		uint8_t byte = (uint8_t)text.at[i];
		if (byte == '%' && text.len - i > 2 && kiln_hex_decode(text.at + i + 1, 2, &byte))
			i += 2;
		kiln_text_encoded(out, &byte, 1, false);
	}
}

/* Each pair is two strings, one behind the other: key, NUL, value, NUL. Encoded text has no NUL. */
static void add_pair(struct kiln_text *out, struct kiln_slice pair)
{
	const char *equals = memchr(pair.at, '=', pair.len);
	const size_t key = equals != NULL ? (size_t)(equals - pair.at) : pair.len;
	add_recoded(out, (struct kiln_slice){pair.at, key});
	kiln_text_char(out, '\0');
	if (equals != NULL)
		add_recoded(out, (struct kiln_slice){equals + 1, pair.len - key - 1});
	kiln_text_char(out, '\0');
}

static int compare_pairs(const void *a, const void *b)
{
	const char *const *left = a, *const *right = b;
	const int keys = strcmp(*left, *right);
	if (keys != 0)
		return keys;
	return strcmp(*left + strlen(*left) + 1, *right + strlen(*right) + 1);
}

static void add_sorted(struct kiln_text *canonical, const struct kiln_text *pairs, size_t count)
{
	const char *order[KILN_SIGV4_PAIRS_MAX];
	const char *p = pairs->data;
	for (size_t i = 0; i < count; i++) {
		order[i] = p;
		p += strlen(p) + 1;
		p += strlen(p) + 1;
	}
	qsort(order, count, sizeof order[0], compare_pairs);
	for (size_t i = 0; i < count; i++) {
		if (i > 0)
			kiln_text_char(canonical, '&');
		kiln_text_str(canonical, order[i]);
		kiln_text_char(canonical, '=');
		kiln_text_str(canonical, order[i] + strlen(order[i]) + 1);
	}
}

static enum kiln_code add_query(const struct kiln_sigv4_request *request,
				struct kiln_text *canonical, struct kiln_error *err)
{
	struct kiln_text pairs = {0};
	size_t count = 0;
	for (size_t i = 0; i < request->query.len;) {
		const char *at = request->query.at + i;
		const char *end = memchr(at, '&', request->query.len - i);
		const size_t len = end != NULL ? (size_t)(end - at) : request->query.len - i;
		i += len + 1;
		if (len == 0)
			continue;
		if (count++ == KILN_SIGV4_PAIRS_MAX) {
			kiln_text_clear(&pairs);
			return kiln_fail(err, KILN_E_LIMIT, "a query has more than %u parts",
					 KILN_SIGV4_PAIRS_MAX);
		}
		add_pair(&pairs, (struct kiln_slice){at, len});
	}
	enum kiln_code code = kiln_text_check(&pairs, "a query", err);
	if (code == KILN_OK && count > 0)
		add_sorted(canonical, &pairs, count);
	kiln_text_clear(&pairs);
	return code;
}

/* ------------------------------------------------------------------ headers */

static int lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : (unsigned char)c;
}

static int compare_names(struct kiln_slice a, struct kiln_slice b)
{
	for (size_t i = 0; i < a.len && i < b.len; i++)
		if (lower(a.at[i]) != lower(b.at[i]))
			return lower(a.at[i]) - lower(b.at[i]);
	return a.len < b.len ? -1 : a.len > b.len ? 1 : 0;
}

static int compare_headers(const void *a, const void *b)
{
	const struct kiln_sigv4_header *const *left = a, *const *right = b;
	const int names = compare_names((*left)->name, (*right)->name);
	if (names != 0)
		return names;
	return *left < *right ? -1 : 1; /* the same name: in the order they came */
}

static void add_name(struct kiln_text *out, struct kiln_slice name)
{
	for (size_t i = 0; i < name.len; i++)
		kiln_text_char(out, (char)lower(name.at[i]));
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Trimmed, and every run of blanks one blank. */
static void add_value(struct kiln_text *out, struct kiln_slice value)
{
	bool blank = false, begun = false;
	for (size_t i = 0; i < value.len; i++) {
		if (is_blank(value.at[i])) {
			blank = true;
			continue;
		}
		if (blank && begun)
			kiln_text_char(out, ' ');
		kiln_text_char(out, value.at[i]);
		begun = true;
		blank = false;
	}
}

static enum kiln_code add_headers(const struct kiln_sigv4_request *request,
				  struct kiln_text *canonical, struct kiln_text *names,
				  struct kiln_error *err)
{
	const struct kiln_sigv4_header *order[KILN_SIGV4_HEADERS_MAX];
	if (request->header_count > KILN_SIGV4_HEADERS_MAX)
		return kiln_fail(err, KILN_E_LIMIT, "more than %u headers are signed",
				 KILN_SIGV4_HEADERS_MAX);
	for (size_t i = 0; i < request->header_count; i++)
		order[i] = &request->headers[i];
	qsort(order, request->header_count, sizeof(struct kiln_sigv4_header *), compare_headers);
	for (size_t i = 0; i < request->header_count; i++) {
		const bool again = i > 0 && compare_names(order[i - 1]->name, order[i]->name) == 0;
		if (again) {
			canonical->len -= canonical->failed ? 0 : 1; /* the line goes on */
			kiln_text_char(canonical, ',');
		} else {
			if (i > 0)
				kiln_text_char(names, ';');
			add_name(names, order[i]->name);
			add_name(canonical, order[i]->name);
			kiln_text_char(canonical, ':');
		}
		add_value(canonical, order[i]->value);
		kiln_text_char(canonical, '\n');
	}
	return KILN_OK;
}

static void add_body_hash(const struct kiln_sigv4_request *request, struct kiln_text *canonical)
{
	uint8_t hash[32];
	char hex[65];
	if (EVP_Digest(request->body, request->body_len, hash, NULL, EVP_sha256(), NULL) != 1) {
		canonical->failed = true;
		return;
	}
	kiln_hex_encode(hash, sizeof hash, hex);
	kiln_text_str(canonical, hex);
}

enum kiln_code kiln_sigv4_canonical(const struct kiln_sigv4_request *request,
				    struct kiln_text *canonical, struct kiln_text *signed_headers,
				    struct kiln_error *err)
{
	kiln_text_add(canonical, request->method.at, request->method.len);
	kiln_text_char(canonical, '\n');
	add_path(request, canonical);
	kiln_text_char(canonical, '\n');
	enum kiln_code code = add_query(request, canonical, err);
	if (code != KILN_OK)
		return code;
	kiln_text_char(canonical, '\n');
	code = add_headers(request, canonical, signed_headers, err);
	if (code != KILN_OK)
		return code;
	kiln_text_char(canonical, '\n');
	if (!signed_headers->failed && signed_headers->data != NULL)
		kiln_text_str(canonical, signed_headers->data);
	kiln_text_char(canonical, '\n');
	add_body_hash(request, canonical);
	code = kiln_text_check(signed_headers, "the list of signed headers", err);
	return code != KILN_OK ? code : kiln_text_check(canonical, "a request to sign", err);
}
