/* SPDX-License-Identifier: Apache-2.0
 * Sealing, hashing and derivation; see crypto.h. RFC 8439, RFC 5869, FIPS 202. */
#include "keys/crypto.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <sodium.h>
#include <string.h>
#include <threads.h>

#include "base/bytes.h"

#define NONCE_LEN crypto_aead_chacha20poly1305_IETF_NPUBBYTES

_Static_assert(NONCE_LEN + crypto_aead_chacha20poly1305_IETF_ABYTES == KILN_KEYS_SEAL_OVERHEAD,
	       "nonce and tag");

bool kiln_keys_random(const struct kiln_opaque_random *random, void *out, size_t len)
{
	if (random != NULL)
		return random->fill(random->user, out, len);
	randombytes_buf(out, len);
	return true;
}

bool kiln_keys_seal(const uint8_t key[32], const void *ad, size_t ad_len, const void *plain,
		    size_t len, const struct kiln_opaque_random *random, uint8_t *out)
{
	if (!kiln_keys_random(random, out, NONCE_LEN))
		return false;
	return crypto_aead_chacha20poly1305_ietf_encrypt(out + NONCE_LEN, NULL, plain, len, ad,
							 ad_len, NULL, out, key) == 0;
}

bool kiln_keys_unseal(const uint8_t key[32], const void *ad, size_t ad_len, const uint8_t *sealed,
		      size_t len, uint8_t *out)
{
	if (len < KILN_KEYS_SEAL_OVERHEAD)
		return false;
	if (crypto_aead_chacha20poly1305_ietf_decrypt(
		out, NULL, NULL, sealed + NONCE_LEN, len - NONCE_LEN, ad, ad_len, sealed, key) == 0)
		return true;
	kiln_wipe(out, len - KILN_KEYS_SEAL_OVERHEAD);
	return false;
}

/* EVP_sha3_256() would be looked up anew by each hash, which costs as much as a short one. */
static EVP_MD *sha3_256;
static once_flag sha3_256_once = ONCE_FLAG_INIT;

static void fetch_sha3_256(void)
{
	sha3_256 = EVP_MD_fetch(NULL, "SHA3-256", NULL);
}

bool kiln_keys_sha3_256(const void *data, size_t len, uint8_t out[KILN_KEYS_HASH_LEN])
{
	call_once(&sha3_256_once, fetch_sha3_256);
	return sha3_256 != NULL && EVP_Digest(data, len, out, NULL, sha3_256, NULL) == 1;
}

bool kiln_keys_sha256(const void *data, size_t len, uint8_t out[KILN_KEYS_HASH_LEN])
{
	return crypto_hash_sha256(out, data, len) == 0;
}

static void expand_block(const uint8_t prk[32], const uint8_t *previous, const void *info,
			 size_t info_len, uint8_t counter, uint8_t block[32])
{
	crypto_auth_hmacsha256_state hmac;
	(void)crypto_auth_hmacsha256_init(&hmac, prk, 32);
	if (previous != NULL)
		(void)crypto_auth_hmacsha256_update(&hmac, previous, 32);
	(void)crypto_auth_hmacsha256_update(&hmac, info, info_len);
	(void)crypto_auth_hmacsha256_update(&hmac, &counter, 1);
	(void)crypto_auth_hmacsha256_final(&hmac, block);
	kiln_wipe(&hmac, sizeof hmac);
}

void kiln_keys_hkdf_extract(const void *ikm, size_t ikm_len, const void *salt, size_t salt_len,
			    uint8_t prk[32])
{
	crypto_auth_hmacsha256_state hmac;
	(void)crypto_auth_hmacsha256_init(&hmac, salt, salt_len);
	(void)crypto_auth_hmacsha256_update(&hmac, ikm, ikm_len);
	(void)crypto_auth_hmacsha256_final(&hmac, prk);
	kiln_wipe(&hmac, sizeof hmac);
}

void kiln_keys_hkdf_expand(const uint8_t prk[32], const void *info, size_t info_len, uint8_t *out,
			   size_t out_len)
{
	uint8_t block[2][32];
	for (unsigned i = 0; out_len > 0; i++) {
		const size_t some = out_len < 32 ? out_len : 32;
		expand_block(prk, i > 0 ? block[(i - 1) & 1] : NULL, info, info_len,
			     (uint8_t)(i + 1), block[i & 1]);
		memcpy(out, block[i & 1], some);
		out += some;
		out_len -= some;
	}
	kiln_wipe(block, sizeof block);
}

void kiln_keys_device(const uint8_t kept[KILN_KEYS_DEVICE_LEN], const char *server,
		      const uint8_t *name, size_t name_len, uint8_t device[KILN_KEYS_DEVICE_LEN])
{
	static const char salt[] = "kiln-keys/1", label[] = "device";
	const size_t server_len = strlen(server);
	uint8_t info[sizeof label + KILN_KEYS_NAME_MAX + KILN_KEYS_NAME_MAX], prk[32];
	uint8_t *p = info;
	memcpy(p, label, sizeof label - 1);
	p += sizeof label - 1;
	*p++ = (uint8_t)server_len;
	for (size_t i = 0; i < server_len; i++)
		*p++ = (uint8_t)(server[i] >= 'A' && server[i] <= 'Z' ? server[i] + 32 : server[i]);
	memcpy(p, name, name_len);
	p += name_len;
	kiln_keys_hkdf_extract(kept, KILN_KEYS_DEVICE_LEN, salt, sizeof salt - 1, prk);
	kiln_keys_hkdf_expand(prk, info, (size_t)(p - info), device, KILN_KEYS_DEVICE_LEN);
	kiln_wipe(prk, sizeof prk);
}

bool kiln_keys_master_key(const uint8_t export_key[64], uint8_t master_key[32])
{
	static const char label[] = "OPAQUE-derived Lock Keeper master key";
	uint8_t ikm[64], info[sizeof label - 1];
	char hash[] = "SHA3-256"; /* OSSL_PARAM takes no const */
	memcpy(ikm, export_key, sizeof ikm);
	memcpy(info, label, sizeof info);
	const OSSL_PARAM params[] = {
	    OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, hash, 0),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, ikm, sizeof ikm),
	    OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, sizeof info),
	    OSSL_PARAM_construct_end(),
	};
	EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
	EVP_KDF_CTX *ctx = kdf != NULL ? EVP_KDF_CTX_new(kdf) : NULL;
	const bool ok = ctx != NULL && EVP_KDF_derive(ctx, master_key, 32, params) == 1;
	EVP_KDF_CTX_free(ctx);
	EVP_KDF_free(kdf);
	kiln_wipe(ikm, sizeof ikm);
	return ok;
}

bool kiln_keys_make_id(const uint8_t user_id[KILN_KEYS_USER_ID_LEN], const uint8_t random[32],
		       uint8_t key_id[KILN_KEYS_KEY_ID_LEN])
{
	static const char domain[] = KILN_KEYS_PROTOCOL " key id";
	uint8_t input[1 + sizeof domain - 1 + 1 + 32 + 1 + 32], hash[KILN_KEYS_HASH_LEN];
	uint8_t *p = input;
	*p++ = sizeof domain - 1;
	memcpy(p, domain, sizeof domain - 1);
	p += sizeof domain - 1;
	*p++ = 16;
	memcpy(p, user_id, 32);
	p += 32;
	*p++ = 32;
	memcpy(p, random, 32);
	if (!kiln_keys_sha3_256(input, sizeof input, hash))
		return false;
	memcpy(key_id, hash, KILN_KEYS_KEY_ID_LEN);
	return true;
}

bool kiln_keys_equal(const void *a, const void *b, size_t len)
{
	return sodium_memcmp(a, b, len) == 0;
}

const char *kiln_keys_context_name(uint8_t context)
{
	switch (context) {
	case KILN_KEYS_CLIENT_GENERATED: return "client-generated";
	case KILN_KEYS_SERVER_GENERATED: return "server-generated";
	case KILN_KEYS_IMPORTED: return "imported key";
	default: return NULL;
	}
}

size_t kiln_keys_backup_ad(const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
			   const uint8_t key_id[KILN_KEYS_KEY_ID_LEN], uint8_t context,
			   uint8_t ad[KILN_KEYS_AD_MAX])
{
	const char *name = kiln_keys_context_name(context);
	const size_t len = name != NULL ? strlen(name) : 0;
	memcpy(ad, user_id, KILN_KEYS_USER_ID_LEN);
	memcpy(ad + KILN_KEYS_USER_ID_LEN, key_id, KILN_KEYS_KEY_ID_LEN);
	for (size_t i = 0; i < len; i++)
		ad[KILN_KEYS_USER_ID_LEN + KILN_KEYS_KEY_ID_LEN + i] = (uint8_t)name[i];
	return KILN_KEYS_USER_ID_LEN + KILN_KEYS_KEY_ID_LEN + len;
}

#define WRAP_LABEL "storage key"
#define WRAP_AD    (KILN_KEYS_USER_ID_LEN + sizeof WRAP_LABEL - 1)

static void wrap_ad(const uint8_t user_id[KILN_KEYS_USER_ID_LEN], uint8_t ad[WRAP_AD])
{
	memcpy(ad, user_id, KILN_KEYS_USER_ID_LEN);
	memcpy(ad + KILN_KEYS_USER_ID_LEN, WRAP_LABEL, sizeof WRAP_LABEL - 1);
}

bool kiln_keys_wrap(const uint8_t master_key[32], const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
		    const uint8_t storage_key[32], const struct kiln_opaque_random *random,
		    uint8_t wrapped[KILN_KEYS_WRAPPED_LEN])
{
	uint8_t ad[WRAP_AD];
	wrap_ad(user_id, ad);
	return kiln_keys_seal(master_key, ad, sizeof ad, storage_key, 32, random, wrapped);
}

bool kiln_keys_unwrap(const uint8_t master_key[32], const uint8_t user_id[KILN_KEYS_USER_ID_LEN],
		      const uint8_t wrapped[KILN_KEYS_WRAPPED_LEN], uint8_t storage_key[32])
{
	uint8_t ad[WRAP_AD];
	wrap_ad(user_id, ad);
	return kiln_keys_unseal(master_key, ad, sizeof ad, wrapped, KILN_KEYS_WRAPPED_LEN,
				storage_key);
}
