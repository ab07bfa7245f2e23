/* SPDX-License-Identifier: Apache-2.0
 * Signing keys at the key server: secp256k1. docs/keys.md, "Operations". */
#include <string.h>

#include "keys/crypto.h"
#include "keys/server_inner.h"

static enum kiln_keys_error store_scalar(struct turn *turn, uint8_t context)
{
	turn->key.kind = KILN_KEYS_SIGNING;
	turn->key.context = context;
	turn->key.data_len = KILN_KEYS_SCALAR_LEN;
	if (!kiln_keys_ec_public(turn->key.data, turn->out.public_key))
		return KILN_KEYS_BUSY;
	return kiln_keys_store_new(turn);
}

enum kiln_keys_error kiln_keys_do_generate_signing(struct turn *turn, struct kiln_keys_user *user)
{
	(void)user;
	if (!kiln_keys_scalar_generate(turn->server->options.random, turn->key.data))
		return KILN_KEYS_BUSY;
	return store_scalar(turn, KILN_KEYS_SERVER_GENERATED);
}

enum kiln_keys_error kiln_keys_do_import_signing(struct turn *turn, struct kiln_keys_user *user)
{
	(void)user;
	if (!kiln_keys_scalar_valid(turn->in.private_key))
		return KILN_KEYS_INVALID_KEY;
	memcpy(turn->key.data, turn->in.private_key, KILN_KEYS_SCALAR_LEN);
	return store_scalar(turn, KILN_KEYS_IMPORTED);
}

static enum kiln_keys_error get_signing(struct turn *turn)
{
	const enum kiln_keys_error rc = kiln_keys_get_key(turn);
	if (rc != KILN_KEYS_SUCCESS)
		return rc;
	return turn->key.kind == KILN_KEYS_SIGNING ? KILN_KEYS_SUCCESS : KILN_KEYS_WRONG_KIND;
}

enum kiln_keys_error kiln_keys_do_sign(struct turn *turn, struct kiln_keys_user *user)
{
	uint8_t digest[KILN_KEYS_HASH_LEN];
	const struct kiln_keys_list *text = &turn->in.text;
	(void)user;
	if (turn->in.form == KILN_KEYS_SIGN_DIGEST && text->count == sizeof digest)
		memcpy(digest, text->data, sizeof digest);
	else if (turn->in.form != KILN_KEYS_SIGN_MESSAGE ||
		 !kiln_keys_sha256(text->data, text->count, digest))
		return KILN_KEYS_MALFORMED;
	const enum kiln_keys_error rc = get_signing(turn);
	if (rc != KILN_KEYS_SUCCESS)
		return rc;
	return kiln_keys_ec_sign(turn->key.data, digest, turn->out.signature) ? KILN_KEYS_SUCCESS
									      : KILN_KEYS_BUSY;
}

enum kiln_keys_error kiln_keys_do_public_key(struct turn *turn, struct kiln_keys_user *user)
{
	const enum kiln_keys_error rc = get_signing(turn);
	(void)user;
	if (rc != KILN_KEYS_SUCCESS)
		return rc;
	return kiln_keys_ec_public(turn->key.data, turn->out.public_key) ? KILN_KEYS_SUCCESS
									 : KILN_KEYS_BUSY;
}
