/* SPDX-License-Identifier: Apache-2.0
 * Reading Authorization; see authorization.h. One grammar, no alternatives: what STS might take for
 * something else than we do must not reach it. */
#include "aws/authorization.h"

#include <string.h>

static bool skip(struct kiln_slice *in, const char *text)
{
	const size_t len = strlen(text);
	if (in->len < len || memcmp(in->at, text, len) != 0)
		return false;
	in->at += len;
	in->len -= len;
	return true;
}

static bool is_upper(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return (c >= 'a' && c <= 'z') || is_digit(c) || c == '-';
}

static bool is_header_list(char c)
{
	return is_lower(c) || c == ';' || c == '_' || c == '.';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool take(struct kiln_slice *in, bool (*is)(char), size_t min, size_t max,
		 struct kiln_slice *out)
{
	size_t n = 0;
	while (n < in->len && n <= max && is(in->at[n]))
		n++;
	*out = (struct kiln_slice){in->at, n};
	in->at += n;
	in->len -= n;
	return n >= min && n <= max;
}

const char *kiln_authorization_read(const char *text, size_t len, struct kiln_authorization *out)
{
	struct kiln_slice in = {text, len};
	if (!skip(&in, "AWS4-HMAC-SHA256 "))
		return "the algorithm is not AWS4-HMAC-SHA256";
	if (!skip(&in, "Credential=") || !take(&in, is_upper, 16, 128, &out->key_id) ||
	    !skip(&in, "/"))
		return "Credential does not begin with an access key id";
	if (!take(&in, is_digit, 8, 8, &out->date) || !skip(&in, "/"))
		return "the scope has no date of 8 digits";
	if (!take(&in, is_lower, 1, 32, &out->region) || !skip(&in, "/"))
		return "the scope has no region";
	if (!take(&in, is_lower, 1, 32, &out->service) || !skip(&in, "/"))
		return "the scope has no service";
	if (!skip(&in, "aws4_request, "))
		return "the scope does not end with aws4_request";
	if (!skip(&in, "SignedHeaders=") ||
	    !take(&in, is_header_list, 1, 512, &out->signed_headers) || !skip(&in, ", "))
		return "SignedHeaders is missing or holds other characters than header names have";
	if (!skip(&in, "Signature=") || !take(&in, is_hex, 64, 64, &out->signature))
		return "Signature is not 64 hexadecimal digits in lower case";
	return in.len == 0 ? NULL : "something follows the signature";
}

bool kiln_slice_is(struct kiln_slice slice, const char *text)
{
	return slice.len == strlen(text) && memcmp(slice.at, text, slice.len) == 0;
}
