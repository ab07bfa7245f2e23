/* SPDX-License-Identifier: Apache-2.0
 * Sealing; see seal.h. */
#include "keys/store/seal.h"

#include <sodium.h>
#include <string.h>

#include "base/bytes.h"

#define NONCE crypto_aead_xchacha20poly1305_ietf_NPUBBYTES
#define TAG   crypto_aead_xchacha20poly1305_ietf_ABYTES
_Static_assert(KILN_STORE_SEAL_OVERHEAD == 1 + NONCE + TAG, "epoch, nonce, tag");

static const char domain[] = "kiln-store/1";

struct slot {
	bool used;
	uint8_t epoch;
	uint8_t key[crypto_aead_xchacha20poly1305_ietf_KEYBYTES];
};

struct kiln_sealer {
	uint8_t store_id[KILN_STORE_ID_LEN];
	uint8_t index[KILN_STORE_KEY_LEN];
	struct slot slots[2];
};

struct kiln_row kiln_row_of(enum kiln_store_table table, const void *id, size_t len)
{
	return kiln_row_of2(table, id, len, NULL, 0);
}

struct kiln_row kiln_row_of2(enum kiln_store_table table, const void *a, size_t a_len,
			     const void *b, size_t b_len)
{
	struct kiln_row row = {.table = (uint8_t)table};
	if (a_len > sizeof row.id || b_len > sizeof row.id - a_len)
		return row; /* no row has such a key: what is sealed does not open */
	if (a_len > 0)
		memcpy(row.id, a, a_len);
	if (b_len > 0)
		memcpy(row.id + a_len, b, b_len);
	row.len = (uint8_t)(a_len + b_len);
	return row;
}

struct kiln_sealer *kiln_sealer_new(const uint8_t store_id[KILN_STORE_ID_LEN],
				    struct kiln_error *err)
{
	/* sodium_malloc: between guard pages, locked where the limit allows, not dumped. */
	struct kiln_sealer *sealer = sodium_init() >= 0 ? sodium_malloc(sizeof *sealer) : NULL;
	if (sealer == NULL) {
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for the store's keys");
		return NULL;
	}
	memset(sealer, 0, sizeof *sealer);
	memcpy(sealer->store_id, store_id, KILN_STORE_ID_LEN);
	return sealer;
}

void kiln_sealer_free(struct kiln_sealer *sealer)
{
	sodium_free(sealer); /* wipes */
}

void kiln_sealer_add(struct kiln_sealer *sealer, uint8_t epoch,
		     const uint8_t key[KILN_STORE_KEY_LEN])
{
	crypto_generichash_state state;
	struct slot *slot = &sealer->slots[sealer->slots[0].used ? 1 : 0];
	slot->used = true;
	slot->epoch = epoch;
	(void)crypto_generichash_init(&state, key, KILN_STORE_KEY_LEN, sizeof slot->key);
	(void)crypto_generichash_update(&state, (const uint8_t *)domain, sizeof domain);
	(void)crypto_generichash_update(&state, sealer->store_id, KILN_STORE_ID_LEN);
	(void)crypto_generichash_final(&state, slot->key, sizeof slot->key);
	kiln_wipe(&state, sizeof state);
}

static const struct slot *slot_of(const struct kiln_sealer *sealer, uint8_t epoch)
{
	for (int i = 0; i < 2; i++)
		if (sealer->slots[i].used && sealer->slots[i].epoch == epoch)
			return &sealer->slots[i];
	return NULL;
}

bool kiln_sealer_has(const struct kiln_sealer *sealer, uint8_t epoch)
{
	return slot_of(sealer, epoch) != NULL;
}

void kiln_sealer_drop(struct kiln_sealer *sealer, uint8_t epoch)
{
	for (int i = 0; i < 2; i++)
		if (sealer->slots[i].used && sealer->slots[i].epoch == epoch)
			kiln_wipe(&sealer->slots[i], sizeof sealer->slots[i]);
}

uint8_t kiln_sealer_epoch(const struct kiln_sealer *sealer)
{
	uint8_t epoch = 0;
	for (int i = 0; i < 2; i++)
		if (sealer->slots[i].used && sealer->slots[i].epoch > epoch)
			epoch = sealer->slots[i].epoch;
	return epoch;
}

void kiln_sealer_set_index(struct kiln_sealer *sealer, const uint8_t key[KILN_STORE_KEY_LEN])
{
	memcpy(sealer->index, key, KILN_STORE_KEY_LEN);
}

struct associated {
	uint8_t bytes[sizeof domain + KILN_STORE_ID_LEN + 3 + KILN_STORE_ROW_ID_MAX];
	size_t len;
};

static void associate(const struct kiln_sealer *sealer, const struct kiln_row *row, uint8_t epoch,
		      struct associated *ad)
{
	uint8_t *p = ad->bytes;
	memcpy(p, domain, sizeof domain);
	p += sizeof domain;
	memcpy(p, sealer->store_id, KILN_STORE_ID_LEN);
	p += KILN_STORE_ID_LEN;
	*p++ = epoch;
	*p++ = row->table;
	*p++ = row->len;
	memcpy(p, row->id, row->len);
	ad->len = (size_t)(p - ad->bytes) + row->len;
}

void kiln_seal(const struct kiln_sealer *sealer, const struct kiln_row *row, const void *plain,
	       size_t len, uint8_t *out)
{
	struct associated ad;
	const struct slot *slot = slot_of(sealer, kiln_sealer_epoch(sealer));
	out[0] = slot->epoch;
	randombytes_buf(out + 1, NONCE);
	associate(sealer, row, slot->epoch, &ad);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(
	    out + 1 + NONCE, NULL, plain, len, ad.bytes, ad.len, NULL, out + 1, slot->key);
}

bool kiln_unseal(const struct kiln_sealer *sealer, const struct kiln_row *row,
		 const uint8_t *sealed, size_t len, void *out, size_t max, size_t *out_len)
{
	struct associated ad;
	*out_len = 0;
	const struct slot *slot =
	    len >= KILN_STORE_SEAL_OVERHEAD ? slot_of(sealer, sealed[0]) : NULL;
	bool good = slot != NULL && len - KILN_STORE_SEAL_OVERHEAD <= max;
	if (good) {
		associate(sealer, row, sealed[0], &ad);
		good = crypto_aead_xchacha20poly1305_ietf_decrypt(
			   out, NULL, NULL, sealed + 1 + NONCE, len - 1 - NONCE, ad.bytes, ad.len,
			   sealed + 1, slot->key) == 0;
	}
	if (good)
		*out_len = len - KILN_STORE_SEAL_OVERHEAD;
	else
		kiln_wipe(out, max);
	return good;
}

bool kiln_unseal_exactly(const struct kiln_sealer *sealer, const struct kiln_row *row,
			 const uint8_t *sealed, size_t sealed_len, void *out, size_t len)
{
	size_t got;
	return sealed_len == len + KILN_STORE_SEAL_OVERHEAD &&
	       kiln_unseal(sealer, row, sealed, sealed_len, out, len, &got);
}

void kiln_sealer_hash(const struct kiln_sealer *sealer, enum kiln_store_table what, const void *a,
		      size_t a_len, const void *b, size_t b_len, uint8_t out[KILN_STORE_HASH_LEN])
{
	crypto_generichash_state state;
	const uint8_t head[3] = {(uint8_t)what, (uint8_t)(a_len >> 8), (uint8_t)a_len};
	(void)crypto_generichash_init(&state, sealer->index, KILN_STORE_KEY_LEN,
				      KILN_STORE_HASH_LEN);
	(void)crypto_generichash_update(&state, head, sizeof head);
	(void)crypto_generichash_update(&state, a, a_len);
	if (b_len > 0)
		(void)crypto_generichash_update(&state, b, b_len);
	(void)crypto_generichash_final(&state, out, KILN_STORE_HASH_LEN);
	kiln_wipe(&state, sizeof state);
}

void kiln_sealer_mac(const struct kiln_sealer *sealer, const void *data, size_t len,
		     uint8_t mac[KILN_STORE_MAC_LEN])
{
	crypto_generichash_state state;
	(void)crypto_generichash_init(&state, sealer->index, KILN_STORE_KEY_LEN,
				      KILN_STORE_MAC_LEN);
	(void)crypto_generichash_update(&state, (const uint8_t *)domain, sizeof domain);
	(void)crypto_generichash_update(&state, sealer->store_id, KILN_STORE_ID_LEN);
	(void)crypto_generichash_update(&state, data, len);
	(void)crypto_generichash_final(&state, mac, KILN_STORE_MAC_LEN);
	kiln_wipe(&state, sizeof state);
}
