/* SPDX-License-Identifier: Apache-2.0
 *
 * AWS Signature Version 4 over a request description: signing, and verifying by signing again.
 * Nothing is read but the arguments; the time is X-Amz-Date's text.
 */
#ifndef KILN_AWS_SIGV4_H
#define KILN_AWS_SIGV4_H

#include "aws/authorization.h"
#include "aws/text.h"

#define KILN_SIGV4_HEADERS_MAX 64u
#define KILN_SIGV4_PAIRS_MAX   64u /* of the query */

struct kiln_sigv4_header {
	struct kiln_slice name, value;
};

struct kiln_sigv4_request {
	struct kiln_slice method;
	struct kiln_slice path;                  /* as on the request line; empty is "/" */
	struct kiln_slice query;                 /* as on the request line, without '?' */
	bool keep_path;                          /* do not resolve "//", "." and ".." (S3's way) */
	const struct kiln_sigv4_header *headers; /* just those that are signed */
	size_t header_count;
	const uint8_t *body;
	size_t body_len;
};

struct kiln_sigv4_scope {
	const char *date; /* X-Amz-Date: 20260115T120000Z */
	const char *region;
	const char *service;
};

struct kiln_sigv4_keys {
	const char *access_key_id;
	const char *secret_access_key;
};

static inline struct kiln_slice kiln_slice_of(const char *text)
{
	return (struct kiln_slice){text, __builtin_strlen(text)};
}

/* The canonical request, and the names in it ("host;x-amz-date"). KILN_E_LIMIT for more headers or
 * query pairs than the limits. The texts are appended to. */
KILN_NODISCARD enum kiln_code kiln_sigv4_canonical(const struct kiln_sigv4_request *request,
						   struct kiln_text *canonical,
						   struct kiln_text *signed_headers,
						   struct kiln_error *err);

/* "AWS4-HMAC-SHA256\nDATE\nSCOPE\nHASH", appended. */
void kiln_sigv4_string_to_sign(const struct kiln_text *canonical,
			       const struct kiln_sigv4_scope *scope, struct kiln_text *out);

/* 64 hexadecimal digits and a NUL. */
KILN_NODISCARD enum kiln_code kiln_sigv4_signature(const struct kiln_text *string_to_sign,
						   const struct kiln_sigv4_scope *scope,
						   const char *secret_access_key, char out[65],
						   struct kiln_error *err);

/* The whole: appends the value of the Authorization header. */
KILN_NODISCARD enum kiln_code kiln_sigv4_sign(const struct kiln_sigv4_request *request,
					      const struct kiln_sigv4_scope *scope,
					      const struct kiln_sigv4_keys *keys,
					      struct kiln_text *authorization,
					      struct kiln_error *err);

/* For who holds the secret: request->headers are all that came; those that the Authorization names
 * are used, and each must be there. date is X-Amz-Date as it came; the scope's day must be its. The
 * comparison takes the same time wherever it differs. KILN_E_ROAST_PROOF with the rule otherwise.
 * Which region and service are right, and how old a date may be, is the caller's to say. */
KILN_NODISCARD enum kiln_code kiln_sigv4_verify(const struct kiln_sigv4_request *request,
						const struct kiln_authorization *authorization,
						const char *date, const char *secret_access_key,
						struct kiln_error *err);

#endif
