/* SPDX-License-Identifier: Apache-2.0
 * A server's login state, sealed: XChaCha20-Poly1305, whose nonce is long enough to be drawn. */
#include <string.h>

#include <sodium.h>

#include "base/bytes.h"
#include "opaque/burn.h"
#include "opaque/declassify.h"
#include "opaque/input.h"

#define VERSION   1u
#define HEAD_SIZE 9u /* version and creation time: authenticated with what it is bound to */

_Static_assert(sizeof(struct kiln_opaque_sealed_state) == KILN_OPAQUE_SEALED_STATE_SIZE, "sealed");
_Static_assert(sizeof((struct kiln_opaque_sealed_state *)0)->sealed ==
		   sizeof(struct kiln_opaque_server_state),
	       "state");
_Static_assert(sizeof((struct kiln_opaque_sealed_state *)0)->nonce ==
		   crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	       "nonce");
_Static_assert(sizeof((struct kiln_opaque_sealed_state *)0)->tag ==
		   crypto_aead_xchacha20poly1305_ietf_ABYTES,
	       "tag");
_Static_assert(KILN_OPAQUE_SEAL_KEY_SIZE == crypto_aead_xchacha20poly1305_ietf_KEYBYTES, "key");

struct associated {
	uint8_t bytes[HEAD_SIZE + KILN_OPAQUE_BOUND_MAX];
	size_t length;
};

static enum kiln_code associate(const struct kiln_opaque_sealed_state *sealed,
				struct kiln_opaque_bytes bound, struct associated *out,
				struct kiln_error *err)
{
	out->length = 0;
	if (bound.length > KILN_OPAQUE_BOUND_MAX || (bound.data == NULL && bound.length > 0))
		return kiln_fail(err, KILN_E_USAGE,
				 "OPAQUE: a state cannot be bound to more than %u bytes",
				 KILN_OPAQUE_BOUND_MAX);
	memcpy(out->bytes, sealed, HEAD_SIZE);
	if (bound.length > 0)
		memcpy(out->bytes + HEAD_SIZE, bound.data, bound.length);
	out->length = HEAD_SIZE + bound.length;
	return KILN_OK;
}

enum kiln_code kiln_opaque_state_seal(const uint8_t key[KILN_OPAQUE_SEAL_KEY_SIZE],
				      struct kiln_opaque_bytes bound, uint64_t now_ms,
				      const struct kiln_opaque_server_state *state,
				      const struct kiln_opaque_random *random,
				      struct kiln_opaque_sealed_state *sealed,
				      struct kiln_error *err)
{
	struct associated associated;
	memset(sealed, 0, sizeof *sealed);
	sealed->version = VERSION;
	kiln_store_be64(sealed->created_ms, now_ms);
	enum kiln_code rc = associate(sealed, bound, &associated, err);
	if (rc == KILN_OK &&
	    kiln_opaque_is_empty(state->expected_client_mac, sizeof state->expected_client_mac))
		rc =
		    kiln_fail(err, KILN_E_USAGE,
			      "OPAQUE: there is no state to be sealed: it was used, or never made");
	if (rc == KILN_OK)
		rc = kiln_opaque_draw(random, sealed->nonce, sizeof sealed->nonce, err);
	if (rc == KILN_OK &&
	    crypto_aead_xchacha20poly1305_ietf_encrypt_detached(
		sealed->sealed, sealed->tag, NULL, (const uint8_t *)state, sizeof *state,
		associated.bytes, associated.length, NULL, sealed->nonce, key) != 0)
		rc = kiln_fail(err, KILN_E_SYSTEM, "OPAQUE: a state cannot be sealed");
	kiln_opaque_burn();
	if (rc != KILN_OK) {
		kiln_wipe(sealed, sizeof *sealed);
		return rc;
	}
	KILN_DECLASSIFY(sealed, sizeof *sealed);
	return KILN_OK;
}

enum kiln_code kiln_opaque_state_open(const uint8_t key[KILN_OPAQUE_SEAL_KEY_SIZE],
				      struct kiln_opaque_bytes bound, uint64_t now_ms,
				      uint64_t max_age_ms,
				      const struct kiln_opaque_sealed_state *sealed,
				      struct kiln_opaque_server_state *state,
				      struct kiln_error *err)
{
	struct associated associated;
	memset(state, 0, sizeof *state);
	const enum kiln_code rc = associate(sealed, bound, &associated, err);
	if (rc != KILN_OK)
		return rc;
	int refused = crypto_aead_xchacha20poly1305_ietf_decrypt_detached(
	    (uint8_t *)state, NULL, sealed->sealed, sizeof sealed->sealed, sealed->tag,
	    associated.bytes, associated.length, sealed->nonce, key);
	kiln_opaque_burn();
	KILN_DECLASSIFY(&refused, sizeof refused);
	if (refused != 0 || sealed->version != VERSION) {
		kiln_wipe(state, sizeof *state);
		return kiln_fail(err, KILN_E_OPAQUE_STATE,
				 "OPAQUE: a sealed state was altered, or belongs to something "
				 "else");
	}
	const uint64_t created_ms = kiln_load_be64(sealed->created_ms);
	const uint64_t age_ms = created_ms < now_ms ? now_ms - created_ms : created_ms - now_ms;
	if (age_ms <= max_age_ms)
		return KILN_OK;
	kiln_wipe(state, sizeof *state);
	return kiln_fail(err, KILN_E_TIMEOUT,
			 "OPAQUE: a sealed state is too old, or from the future: by more than %llu "
			 "ms",
			 (unsigned long long)max_age_ms);
}
