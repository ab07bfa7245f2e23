/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as a client's hello, in pieces, to a server's machine and to the reader behind it.
 * Run: fuzz_roast_hello tests/fuzz/corpus/roast_hello
 *
 * Looks for input that is consumed beyond the object, for a question about a proof that breaks a
 * limit, for a second answer when the same bytes come in other pieces, and, when STS has vouched
 * for the sender, for a payload that is let through and should not be. */
#include "fuzz.h"

#include "roast/hello.h"
#include "roast/roast.h"
#include "roast/scan.h"

#define NOW INT64_C(1767225600)

static const struct kiln_aws_role allowed = {
    .partition = "aws", .account = "123456789012", .name = "ClientRole"};

static void check_proof(const struct kiln_aws_proof *proof)
{
	require(proof->token != NULL && strlen(proof->token) <= KILN_AWS_TOKEN_MAX);
	require(proof->body_len <= KILN_ROAST_PAYLOAD_MAX);
	for (const char *p = proof->token; *p != '\0'; p++)
		require(*p >= 0x20 && *p <= 0x7e);
	for (const char *p = proof->authorization; *p != '\0'; p++)
		require(*p >= 0x20 && *p <= 0x7e);
}

/* STS says that it is whom we allow: now its CA and its binding have to be good. */
static void vouch(struct kiln_roast *roast)
{
	struct kiln_error err = {0};
	const enum kiln_roast_step step = kiln_roast_verified(roast, &allowed, "s", 0, &err);
	if (step == KILN_ROAST_ASK)
		require(kiln_roast_question(roast)->ask == KILN_ROAST_PROVE);
	else
		require(step == KILN_ROAST_FAILED &&
			(err.code == KILN_E_ROAST_HELLO || err.code == KILN_E_ROAST_BINDING));
}

/* Returns what the machine came to, and how many bytes it took. */
static enum kiln_roast_step run(const uint8_t *data, size_t size, size_t chunk, size_t *used)
{
	const struct kiln_roast_options options = {
	    .role = KILN_SERVER, .allowed = &allowed, .allowed_count = 1};
	struct kiln_error err = {0};
	struct kiln_roast *roast = kiln_roast_new(&options, NOW, 0, &err);
	enum kiln_roast_step step = KILN_ROAST_NEED_INPUT;
	require(roast != NULL);
	*used = 0;
	while (step == KILN_ROAST_NEED_INPUT && *used < size) {
		const size_t some = size - *used < chunk ? size - *used : chunk;
		size_t consumed;
		uint8_t *copy = malloc(some);
		require(copy != NULL);
		memcpy(copy, data + *used, some);
		step = kiln_roast_step(roast, copy, some, &consumed, 0, &err);
		free(copy);
		require(consumed <= some && (step != KILN_ROAST_NEED_INPUT || consumed == some));
		*used += consumed;
	}
	if (step == KILN_ROAST_FAILED)
		require(err.code == KILN_E_ROAST_HELLO || err.code == KILN_E_ROAST_PROOF ||
			err.code == KILN_E_ROAST_BINDING || err.code == KILN_E_ACCESS_DENIED);
	if (step == KILN_ROAST_ASK) {
		check_proof(kiln_roast_question(roast)->proof);
		vouch(roast);
	}
	kiln_roast_free(roast);
	return step;
}

static void read_alone(const uint8_t *data, size_t size)
{
	struct kiln_aws_proof proof;
	struct kiln_error err = {0};
	if (kiln_roast_hello_read(data, size, &proof, &err) == KILN_OK)
		check_proof(&proof);
	else
		require(err.code == KILN_E_ROAST_HELLO && proof.token == NULL &&
			proof.body == NULL);
	kiln_aws_proof_clear(&proof);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	size_t whole, pieces;
	const size_t chunk = 1 + data[0];
	const enum kiln_roast_step a = run(data + 1, size - 1, SIZE_MAX, &whole);
	const enum kiln_roast_step b = run(data + 1, size - 1, chunk, &pieces);
	require(a == b);
	/* White space behind the hello is taken with it when it comes with it. */
	require(a != KILN_ROAST_ASK || pieces <= whole);
	read_alone(data + 1, size - 1);
	return 0;
}
