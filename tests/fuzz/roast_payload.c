/* SPDX-License-Identifier: Apache-2.0
 * Any bytes as the payload of a hello, of either role.
 * Run: fuzz_roast_payload tests/fuzz/corpus/roast_payload
 *
 * Looks for a payload that is read and breaks a limit, for one that passes for both roles, for one
 * that is good for anything before its CA is decoded, and for what a CA or a binding breaks then.
 */
#include "fuzz.h"

#include <openssl/err.h>

#include "roast/binding.h"
#include "roast/names.h"
#include "roast/payload.h"
#include "roast/trust.h"

#define NOW INT64_C(1767225600)

static void check_names(const struct kiln_roast_payload *payload)
{
	require(payload->name_count <= KILN_ROAST_NAMES_MAX);
	for (unsigned i = 0; i < payload->name_count; i++) {
		GENERAL_NAME *san = kiln_roast_name_to_san(payload->names[i]);
		require(san != NULL);
		GENERAL_NAME_free(san);
		require(payload->names[i][0] != '\0');
	}
}

/* The first root as a leaf of all of them: every check of a certificate sees it. */
static void check_roots(const struct kiln_roast_payload *payload)
{
	const struct kiln_roast_trust trust = {.peer = payload, .name = "192.0.2.1"};
	struct kiln_error err = {0};
	int x509_error = 0;
	require(payload->root_count >= 1 && payload->root_count <= KILN_ROAST_ROOTS_MAX);
	const enum kiln_code rc =
	    kiln_roast_trust_check(&trust, payload->roots[0], NOW, &x509_error, &err);
	require(rc == KILN_OK || (rc == err.code && x509_error != 0));
}

/* Nothing can be found good under a CA that was only read. */
static void check_undecoded(const struct kiln_roast_payload *payload)
{
	struct kiln_error err = {0};
	require(payload->pem != NULL && payload->pem_len > 0 &&
		payload->pem_len <= KILN_ROAST_PEM_MAX);
	require(payload->root_count == 0);
	require(kiln_roast_binding_check(payload, &err) == KILN_E_ROAST_BINDING);
}

static void decode(struct kiln_roast_payload *payload)
{
	struct kiln_error err = {0};
	const bool bound = payload->bound;
	const enum kiln_code rc = kiln_roast_payload_decode(payload, &err);
	require(rc == KILN_OK || rc == KILN_E_ROAST_HELLO);
	require(rc == err.code);
	if (rc != KILN_OK) {
		require(payload->root_count == 0 && payload->pem == NULL && !payload->bound);
		return;
	}
	require(payload->pem == NULL);
	check_roots(payload);
	if (bound)
		(void)kiln_roast_binding_check(payload, &err);
}

static bool read_as(const uint8_t *data, size_t size, enum kiln_role from)
{
	struct kiln_roast_payload payload;
	struct kiln_error err = {0};
	const enum kiln_code rc = kiln_roast_payload_read(data, size, from, &payload, &err);
	require(rc == KILN_OK || rc == KILN_E_ROAST_HELLO || rc == KILN_E_ROAST_BINDING);
	require(rc == err.code);
	if (rc == KILN_OK) {
		check_names(&payload);
		check_undecoded(&payload);
		decode(&payload);
	}
	kiln_roast_payload_clear(&payload);
	return rc == KILN_OK;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);
	require(copy != NULL);
	memcpy(copy, data, size);
	const bool client = read_as(copy, size, KILN_CLIENT);
	const bool server = read_as(copy, size, KILN_SERVER);
	require(!client || !server);
	require(ERR_peek_error() == 0);
	free(copy);
	return 0;
}
