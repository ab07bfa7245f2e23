/* SPDX-License-Identifier: Apache-2.0
 * Any text as Authorization. Run: fuzz_aws_authorization tests/fuzz/corpus/aws_authorization
 *
 * What is accepted must be its parts put together again, byte for byte; and of all texts only one
 * signature holds. */
#include "fuzz.h"

#include <stdio.h>

#include "aws/proof.h"
#include "aws/sigv4.h"

static void rebuild(const char *text, size_t len, const struct kiln_authorization *a)
{
	char again[2048];
	const int n = snprintf(
	    again, sizeof again,
	    "AWS4-HMAC-SHA256 Credential=%.*s/%.*s/%.*s/%.*s/aws4_request, SignedHeaders=%.*s, "
	    "Signature=%.*s",
	    (int)a->key_id.len, a->key_id.at, (int)a->date.len, a->date.at, (int)a->region.len,
	    a->region.at, (int)a->service.len, a->service.at, (int)a->signed_headers.len,
	    a->signed_headers.at, (int)a->signature.len, a->signature.at);
	require(n > 0 && (size_t)n == len && memcmp(again, text, len) == 0);
}

static void verify(const struct kiln_authorization *a)
{
	const struct kiln_sigv4_header headers[] = {
	    {kiln_slice_of("host"), kiln_slice_of("sts.us-east-1.amazonaws.com")},
	    {kiln_slice_of("x-amz-date"), kiln_slice_of("20260115T120000Z")}};
	const struct kiln_sigv4_request request = {
	    .method = kiln_slice_of("POST"), .headers = headers, .header_count = 2};
	(void)!kiln_sigv4_verify(&request, a, "20260115T120000Z", "secret", NULL);
}

static void check(const uint8_t *data, size_t size)
{
	struct kiln_aws_proof proof = {.body_len = 2};
	char token[] = "token", body[] = "{}";
	if (size > KILN_AWS_AUTHORIZATION_MAX || memchr(data, '\0', size) != NULL)
		return;
	(void)snprintf(proof.region, sizeof proof.region, "us-east-1");
	(void)snprintf(proof.date, sizeof proof.date, "20260115T120000Z");
	memcpy(proof.authorization, data, size);
	proof.token = token;
	proof.body = (uint8_t *)body;
	if (kiln_aws_proof_check(&proof, 1768478400, NULL) == KILN_OK)
		require(memcmp(kiln_aws_proof_signature(&proof) - 10, "Signature=", 10) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};
	struct kiln_authorization a;
	size_t len;
	char *text = (char *)fuzz_bytes(&in, size, &len);
	if (kiln_authorization_read(text, len, &a) == NULL) {
		rebuild(text, len, &a);
		verify(&a);
	}
	if (size > 0)
		check(data, size);
	free(text);
	return 0;
}
