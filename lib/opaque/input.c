/* SPDX-License-Identifier: Apache-2.0
 * Bounds, defaults and randomness of the calls in kiln/opaque.h. */
#include "opaque/input.h"

#include <openssl/rand.h>
#include <sodium.h>

#include "base/bytes.h"
#include "opaque/declassify.h"

static enum kiln_code check_length(const char *name, struct kiln_opaque_bytes bytes, size_t least,
				   size_t most, struct kiln_error *err)
{
	if (bytes.length < least || bytes.length > most || (bytes.data == NULL && bytes.length > 0))
		return kiln_fail(err, KILN_E_USAGE,
				 "OPAQUE: the %s must have %zu to %zu bytes, and has %zu", name,
				 least, most, bytes.length);
	return KILN_OK;
}

enum kiln_code kiln_opaque_check_password(struct kiln_opaque_bytes password, struct kiln_error *err)
{
	return check_length("password", password, 1, KILN_OPAQUE_PASSWORD_MAX, err);
}

enum kiln_code kiln_opaque_check_credential(struct kiln_opaque_bytes credential_identifier,
					    struct kiln_error *err)
{
	return check_length("credential identifier", credential_identifier, 1,
			    KILN_OPAQUE_CREDENTIAL_MAX, err);
}

enum kiln_code kiln_opaque_take_parameters(const struct kiln_opaque_parameters *parameters,
					   struct kiln_opaque_parameters *out,
					   struct kiln_error *err)
{
	static const struct kiln_opaque_parameters none;
	enum kiln_code rc;
	*out = parameters != NULL ? *parameters : none;
	if ((rc = check_length("context", out->context, 0, KILN_OPAQUE_CONTEXT_MAX, err)) ||
	    (rc = check_length("client's identity", out->client_identity, 0,
			       KILN_OPAQUE_IDENTITY_MAX, err)))
		return rc;
	return check_length("server's identity", out->server_identity, 0, KILN_OPAQUE_IDENTITY_MAX,
			    err);
}

enum kiln_code kiln_opaque_draw(const struct kiln_opaque_random *random, void *out, size_t length,
				struct kiln_error *err)
{
	const bool ok = random != NULL ? random->fill(random->user, out, length)
				       : RAND_priv_bytes(out, (int)length) == 1;
	if (!ok)
		return kiln_fail(err, KILN_E_SYSTEM, "OPAQUE: there is no randomness to be had");
	return KILN_OK;
}

enum kiln_code kiln_opaque_draw_scalar(const struct kiln_opaque_random *random,
				       uint8_t scalar[KILN_OPAQUE_SCALAR_SIZE],
				       struct kiln_error *err)
{
	uint8_t wide[crypto_core_ristretto255_NONREDUCEDSCALARBYTES];
	const enum kiln_code rc = kiln_opaque_draw(random, wide, sizeof wide, err);
	if (rc == KILN_OK)
		crypto_core_ristretto255_scalar_reduce(scalar, wide);
	kiln_wipe(wide, sizeof wide);
	return rc;
}

bool kiln_opaque_is_empty(const uint8_t *secret, size_t length)
{
	int empty = sodium_is_zero(secret, length);
	KILN_DECLASSIFY(&empty, sizeof empty);
	return empty != 0;
}

enum kiln_code kiln_opaque_bad_element(const char *name, struct kiln_error *err)
{
	return kiln_fail(err, KILN_E_OPAQUE_MESSAGE,
			 "OPAQUE: the peer's %s is no element of ristretto255, or its identity",
			 name);
}

void kiln_opaque_wipe(void *p, size_t length)
{
	if (length > 0)
		kiln_wipe(p, length);
}
