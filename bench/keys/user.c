/* SPDX-License-Identifier: Apache-2.0
 * A client without a password: see user.h; RFC 9807 6.4.3. */
#include "user.h"

#include <stdio.h>
#include <string.h>

#include "opaque/envelope.h"
#include "opaque/group.h"
#include "opaque/schedule.h"

bool bench_user_init(struct bench_user *user)
{
	uint8_t seed[KILN_OPAQUE_SEED_SIZE];
	uint8_t public_key[KILN_OPAQUE_ELEMENT_SIZE];
	memset(user, 0, sizeof *user);
	memset(seed, 'k', sizeof seed);
	if (!kiln_opaque_derive_key_pair(seed, user->private_key, public_key))
		return false;
	/* Any element will do for a blinded password. */
	memcpy(user->request.blinded_message, public_key, sizeof public_key);
	memcpy(user->record.client_public_key, public_key, sizeof public_key);
	memset(user->record.masking_key, 'm', sizeof user->record.masking_key);
	memset(&user->record.envelope, 'e', sizeof user->record.envelope);
	memcpy(user->ke1.blinded_message, public_key, sizeof public_key);
	memset(user->ke1.client_nonce, 'n', sizeof user->ke1.client_nonce);
	memcpy(user->ke1.client_public_keyshare, public_key, sizeof public_key);
	return true;
}

static bool meet_server(struct bench_user *user, const uint8_t key[KILN_OPAQUE_ELEMENT_SIZE])
{
	if (user->knows_server && memcmp(user->server_key, key, sizeof user->server_key) == 0)
		return true;
	memcpy(user->server_key, key, sizeof user->server_key);
	user->knows_server = kiln_opaque_multiply(user->private_key, key, user->with_server);
	return user->knows_server;
}

static struct kiln_opaque_bytes or_key(struct kiln_opaque_bytes identity, const uint8_t *key)
{
	return identity.length > 0 ? identity
				   : (struct kiln_opaque_bytes){key, KILN_OPAQUE_ELEMENT_SIZE};
}

bool bench_user_finish(struct bench_user *user, const struct kiln_opaque_parameters *parameters,
		       const struct kiln_opaque_ke2 *ke2, struct kiln_opaque_ke3 *ke3,
		       uint8_t session_key[KILN_OPAQUE_SESSION_KEY_SIZE])
{
	struct kiln_opaque_response response;
	struct kiln_opaque_products products;
	struct kiln_opaque_keys keys;
	kiln_opaque_mask(user->record.masking_key, ke2->masking_nonce, ke2->masked_response,
			 &response);
	if (!meet_server(user, response.server_public_key) ||
	    !kiln_opaque_multiply(user->private_key, ke2->server_public_keyshare,
				  products.ephemeral))
		return false;
	memcpy(products.server, user->with_server, sizeof products.server);
	memcpy(products.client, products.ephemeral, sizeof products.client);
	const struct kiln_opaque_transcript transcript = {
	    .context = parameters->context,
	    .client_identity = or_key(parameters->client_identity, user->record.client_public_key),
	    .server_identity = or_key(parameters->server_identity, user->server_key),
	    .ke1 = &user->ke1,
	    .ke2 = ke2,
	};
	kiln_opaque_schedule(&transcript, &products, &keys);
	memcpy(ke3->client_mac, keys.client_mac, sizeof ke3->client_mac);
	memcpy(session_key, keys.session_key, KILN_OPAQUE_SESSION_KEY_SIZE);
	return memcmp(keys.server_mac, ke2->server_mac, sizeof keys.server_mac) == 0;
}

size_t bench_user_name(unsigned long long n, const char *prefix, char out[BENCH_NAME_SIZE])
{
	return (size_t)snprintf(out, BENCH_NAME_SIZE, "%.24s%llu@example.org", prefix, n);
}
