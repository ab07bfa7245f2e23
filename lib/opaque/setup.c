/* SPDX-License-Identifier: Apache-2.0
 * A server's keys, RFC 9807 4 and 6.3.2.2. */
#include <string.h>

#include <sodium.h>

#include "base/bytes.h"
#include "opaque/burn.h"
#include "opaque/declassify.h"
#include "opaque/evaluate.h"
#include "opaque/group.h"
#include "opaque/hash.h"
#include "opaque/input.h"

_Static_assert(sizeof(struct kiln_opaque_setup) == KILN_OPAQUE_SETUP_SIZE, "setup");

enum kiln_code kiln_opaque_setup_generate(const struct kiln_opaque_random *random,
					  struct kiln_opaque_setup *setup, struct kiln_error *err)
{
	uint8_t seed[KILN_OPAQUE_SEED_SIZE];
	memset(setup, 0, sizeof *setup);
	enum kiln_code rc =
	    kiln_opaque_draw(random, setup->oprf_seed, sizeof setup->oprf_seed, err);
	if (rc == KILN_OK)
		rc = kiln_opaque_draw(random, seed, sizeof seed, err);
	if (rc == KILN_OK &&
	    !kiln_opaque_derive_key_pair(seed, setup->server_private_key, setup->server_public_key))
		rc = kiln_fail(err, KILN_E_SYSTEM, "OPAQUE: the drawn key is zero");
	kiln_wipe(seed, sizeof seed);
	if (rc != KILN_OK)
		kiln_wipe(setup, sizeof *setup);
	kiln_opaque_burn();
	return rc;
}

/* 0 < key < the group's order: what reduces to itself, and is not zero. */
static bool is_private_key(const uint8_t key[KILN_OPAQUE_SCALAR_SIZE])
{
	uint8_t wide[crypto_core_ristretto255_NONREDUCEDSCALARBYTES] = {0};
	uint8_t reduced[KILN_OPAQUE_SCALAR_SIZE];
	memcpy(wide, key, KILN_OPAQUE_SCALAR_SIZE);
	crypto_core_ristretto255_scalar_reduce(reduced, wide);
	int differs = sodium_memcmp(reduced, key, sizeof reduced);
	int zero = sodium_is_zero(key, KILN_OPAQUE_SCALAR_SIZE);
	kiln_wipe(wide, sizeof wide);
	kiln_wipe(reduced, sizeof reduced);
	KILN_DECLASSIFY(&differs, sizeof differs);
	KILN_DECLASSIFY(&zero, sizeof zero);
	return differs == 0 && zero == 0;
}

enum kiln_code kiln_opaque_public_key(const uint8_t private_key[KILN_OPAQUE_SCALAR_SIZE],
				      uint8_t public_key[KILN_OPAQUE_ELEMENT_SIZE],
				      struct kiln_error *err)
{
	memset(public_key, 0, KILN_OPAQUE_ELEMENT_SIZE);
	const bool ok =
	    is_private_key(private_key) && kiln_opaque_multiply_base(private_key, public_key);
	kiln_opaque_burn();
	if (!ok)
		return kiln_fail(err, KILN_E_OPAQUE_RECORD,
				 "OPAQUE: the server's private key is zero, or too large");
	KILN_DECLASSIFY(public_key, KILN_OPAQUE_ELEMENT_SIZE);
	return KILN_OK;
}

/* No credential identifier can lead to the same seeds: what is expanded for one ends in another
 * label (kiln_opaque_evaluate). The private key is thrown away; the envelope stays zero. */
static bool make_unknown(struct kiln_opaque_server *server)
{
	static const char key_label[] = "UnknownUserPrivateKey";
	static const char masking_label[] = "UnknownUserMaskingKey";
	uint8_t seed[KILN_OPAQUE_SEED_SIZE], private_key[KILN_OPAQUE_SCALAR_SIZE];
	kiln_opaque_expand(server->setup.oprf_seed, seed, sizeof seed,
			   KILN_OPAQUE_PARTS({key_label, sizeof key_label - 1}));
	kiln_opaque_expand(server->setup.oprf_seed, server->unknown.masking_key,
			   sizeof server->unknown.masking_key,
			   KILN_OPAQUE_PARTS({masking_label, sizeof masking_label - 1}));
	const bool ok =
	    kiln_opaque_derive_key_pair(seed, private_key, server->unknown.client_public_key);
	kiln_wipe(seed, sizeof seed);
	kiln_wipe(private_key, sizeof private_key);
	return ok;
}

enum kiln_code kiln_opaque_server_init(const struct kiln_opaque_setup *setup,
				       struct kiln_opaque_server *server, struct kiln_error *err)
{
	uint8_t public_key[KILN_OPAQUE_ELEMENT_SIZE];
	memset(server, 0, sizeof *server);
	/* Lets it choose the quickest code for this processor. */
	if (sodium_init() < 0)
		return kiln_fail(err, KILN_E_SYSTEM, "OPAQUE: libsodium does not start");
	const enum kiln_code rc =
	    kiln_opaque_public_key(setup->server_private_key, public_key, err);
	if (rc != KILN_OK)
		return rc;
	if (sodium_memcmp(public_key, setup->server_public_key, sizeof public_key) != 0)
		return kiln_fail(err, KILN_E_OPAQUE_RECORD,
				 "OPAQUE: the setup's public key does not belong to its private "
				 "key");
	server->setup = *setup;
	const bool ok = make_unknown(server);
	kiln_opaque_burn();
	if (ok)
		return KILN_OK;
	kiln_wipe(server, sizeof *server);
	return kiln_fail(err, KILN_E_OPAQUE_RECORD, "OPAQUE: the setup's seed is of no use");
}

bool kiln_opaque_evaluate(const struct kiln_opaque_server *server,
			  struct kiln_opaque_bytes credential_identifier,
			  const uint8_t blinded[KILN_OPAQUE_ELEMENT_SIZE],
			  uint8_t evaluated[KILN_OPAQUE_ELEMENT_SIZE])
{
	static const char label[] = "OprfKey", info[] = "OPAQUE-DeriveKeyPair";
	uint8_t seed[KILN_OPAQUE_SEED_SIZE], oprf_key[KILN_OPAQUE_SCALAR_SIZE];
	kiln_opaque_expand(server->setup.oprf_seed, seed, sizeof seed,
			   KILN_OPAQUE_PARTS(credential_identifier, {label, sizeof label - 1}));
	kiln_opaque_derive_scalar(seed, (struct kiln_opaque_bytes){info, sizeof info - 1},
				  oprf_key);
	const bool ok = kiln_opaque_multiply(oprf_key, blinded, evaluated);
	kiln_wipe(seed, sizeof seed);
	kiln_wipe(oprf_key, sizeof oprf_key);
	if (ok)
		KILN_DECLASSIFY(evaluated, KILN_OPAQUE_ELEMENT_SIZE);
	return ok;
}
