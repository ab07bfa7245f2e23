/* SPDX-License-Identifier: Apache-2.0
 * One direction of a connection after its handshake: secret, key, sequence number, key updates.
 * RFC 8446 5.3, 5.5 and 7.2. */
#include <openssl/evp.h>
#include <stdatomic.h>

#include "base/bytes.h"
#include "tls/secret.h"
#include "tls/traffic.h"

static const EVP_CIPHER *fetch_cipher(const struct kiln_suite *suite)
{
	/* Fetched once per process and kept: the fetch costs more than sealing a record. Threads
	 * that come at once each fetch; the first one's stays. */
	static _Atomic(EVP_CIPHER *) cache[3];
	size_t count;
	_Atomic(EVP_CIPHER *) *slot = &cache[suite - kiln_suites(&count)];
	EVP_CIPHER *known = *slot;
	if (known != NULL)
		return known;
	EVP_CIPHER *fetched = EVP_CIPHER_fetch(NULL, suite->evp_name, NULL);
	if (fetched == NULL || atomic_compare_exchange_strong(slot, &known, fetched))
		return fetched;
	EVP_CIPHER_free(fetched);
	return known;
}

static enum kiln_code set_keys(struct kiln_traffic *traffic, struct kiln_error *err)
{
	struct kiln_traffic_keys keys;
	enum kiln_code rc = kiln_derive_keys(traffic->suite, traffic->secret, &keys, err);
	if (rc != KILN_OK)
		goto out;
	memcpy(traffic->iv, keys.iv, sizeof traffic->iv);
	const EVP_CIPHER *cipher = fetch_cipher(traffic->suite);
	if (traffic->cipher == NULL)
		traffic->cipher = EVP_CIPHER_CTX_new();
	/* The direction (seal or open) is chosen with the first record: a traffic half does one. */
	if (cipher == NULL || traffic->cipher == NULL ||
	    EVP_CipherInit_ex2(traffic->cipher, cipher, keys.key, NULL, -1, NULL) != 1)
		rc = kiln_fail(err, KILN_E_NO_MEMORY, "cannot set up %s", traffic->suite->evp_name);
out:
	kiln_wipe(&keys, sizeof keys);
	return rc;
}

enum kiln_code kiln_traffic_init(struct kiln_traffic *traffic, uint16_t suite,
				 const uint8_t *secret, uint64_t sequence, struct kiln_error *err)
{
	memset(traffic, 0, sizeof *traffic);
	traffic->suite = kiln_suite_find(suite);
	if (traffic->suite == NULL)
		return kiln_fail(err, KILN_E_UNSUPPORTED, "cipher suite 0x%04x is not supported",
				 suite);
	memcpy(traffic->secret, secret, traffic->suite->hash_len);
	traffic->sequence = sequence;
	traffic->records = sequence;
	/* Keys are changed well before their end, so that a record miscounted never matters. */
	traffic->limit = traffic->suite->record_limit / 4 * 3;
	traffic->where = KILN_IN_USER;
	enum kiln_code rc = set_keys(traffic, err);
	if (rc != KILN_OK)
		kiln_traffic_clear(traffic);
	return rc;
}

void kiln_traffic_release_cipher(struct kiln_traffic *traffic)
{
	EVP_CIPHER_CTX_free(traffic->cipher);
	traffic->cipher = NULL;
}

void kiln_traffic_clear(struct kiln_traffic *traffic)
{
	kiln_traffic_release_cipher(traffic);
	kiln_wipe(traffic, sizeof *traffic);
}

enum kiln_code kiln_traffic_update(struct kiln_traffic *traffic, struct kiln_error *err)
{
	uint8_t next[KILN_SECRET_MAX];
	const struct kiln_suite *suite = traffic->suite;
	enum kiln_code rc =
	    kiln_expand_label(suite, traffic->secret, "traffic upd", next, suite->hash_len, err);
	if (rc == KILN_OK) {
		memcpy(traffic->secret, next, suite->hash_len);
		traffic->sequence = 0;
		traffic->records = 0;
		traffic->key_updates++;
		if (traffic->where == KILN_IN_USER)
			rc = set_keys(traffic, err);
	}
	kiln_wipe(next, sizeof next);
	return rc;
}

void kiln_traffic_count(struct kiln_traffic *traffic, size_t bytes)
{
	traffic->records += (bytes + KILN_RECORD_PLAIN_MAX - 1) / KILN_RECORD_PLAIN_MAX;
}

bool kiln_traffic_exhausted(const struct kiln_traffic *traffic)
{
	return traffic->records >= traffic->limit;
}
