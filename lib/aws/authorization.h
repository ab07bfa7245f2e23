/* SPDX-License-Identifier: Apache-2.0
 *
 * The Authorization header of Signature Version 4, read by a strict grammar:
 *
 *   AWS4-HMAC-SHA256 Credential=KEYID/YYYYMMDD/REGION/SERVICE/aws4_request, SignedHeaders=a;b,
 *   Signature=64-hex          (one line; a comma and one blank between the parts)
 */
#ifndef KILN_AWS_AUTHORIZATION_H
#define KILN_AWS_AUTHORIZATION_H

#include <kiln/error.h>

struct kiln_slice {
	const char *at;
	size_t len;
};

/* Slices of the text that was read. */
struct kiln_authorization {
	struct kiln_slice key_id;         /* 16 to 128 capitals and digits */
	struct kiln_slice date;           /* 8 digits */
	struct kiln_slice region;         /* 1 to 32 of a-z 0-9 - */
	struct kiln_slice service;        /* the same */
	struct kiln_slice signed_headers; /* lower case, sorted is not checked */
	struct kiln_slice signature;      /* 64 of 0-9 a-f */
};

/* NULL, or the rule that the text breaks. */
const char *kiln_authorization_read(const char *text, size_t len, struct kiln_authorization *out);

bool kiln_slice_is(struct kiln_slice slice, const char *text);

#endif
