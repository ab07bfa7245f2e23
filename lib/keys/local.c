/* SPDX-License-Identifier: Apache-2.0
 * The local store: docs/keys.md, "The local store". RFC 9106, RFC 8439. */
#include <argon2.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "keys/crypto.h"

/* magic[8] salt[16] memory_kib u32 iterations u32 parallelism u32, then sealed, with these as
 * associated data: count u16, and of each key_id[16] kind u8 context u8 secret<1..255>. */
#define MAGIC      "KILNKEY1"
#define SALT_LEN   16u
#define HEADER_LEN (sizeof MAGIC - 1 + SALT_LEN + 12)
#define ENTRY_MAX  (KILN_KEYS_KEY_ID_LEN + 2 + 1 + KILN_KEYS_SECRET_MAX)

/* What a file may ask of Argon2id: a file of somebody else's must not cost everything. */
#define MEMORY_MAX      2097152u /* KiB */
#define ITERATIONS_MAX  64u
#define PARALLELISM_MAX 16u

_Static_assert(HEADER_LEN + KILN_KEYS_SEAL_OVERHEAD + 2 +
		       (size_t)KILN_KEYS_LOCAL_COUNT_MAX * ENTRY_MAX <=
		   KILN_KEYS_LOCAL_SIZE_MAX,
	       "the largest file");

struct kiln_keys_local {
	uint8_t header[HEADER_LEN];
	uint8_t key[32];
	struct kiln_keys_secret *secrets;
	size_t count, room;
};

struct cost {
	uint32_t memory_kib, iterations, parallelism;
};

static bool cost_of(const struct kiln_opaque_ksf *ksf, struct cost *cost)
{
	switch (ksf->profile) {
	case KILN_OPAQUE_KSF_DEFAULT: *cost = (struct cost){65536, 3, 4}; return true;
	case KILN_OPAQUE_KSF_RFC9807: *cost = (struct cost){2097152, 1, 4}; return true;
	case KILN_OPAQUE_KSF_SINGLE: *cost = (struct cost){65536, 2, 1}; return true;
	case KILN_OPAQUE_KSF_NONE: *cost = (struct cost){8, 1, 1}; return true;
	case KILN_OPAQUE_KSF_CUSTOM:
		*cost = (struct cost){ksf->memory_kib, ksf->iterations, ksf->parallelism};
		return true;
	}
	return false;
}

static bool cost_bearable(const struct cost *c)
{
	return c->parallelism >= 1 && c->parallelism <= PARALLELISM_MAX && c->iterations >= 1 &&
	       c->iterations <= ITERATIONS_MAX && c->memory_kib >= 8 * c->parallelism &&
	       c->memory_kib <= MEMORY_MAX;
}

static const uint8_t *salt_of(const uint8_t *header)
{
	return header + sizeof MAGIC - 1;
}

static struct cost read_cost(const uint8_t *header)
{
	const uint8_t *p = salt_of(header) + SALT_LEN;
	return (struct cost){kiln_load_be32(p), kiln_load_be32(p + 4), kiln_load_be32(p + 8)};
}

static enum kiln_code make_header(struct kiln_keys_local *local, const struct kiln_opaque_ksf *ksf,
				  struct kiln_error *err)
{
	static const struct kiln_opaque_ksf standard;
	struct cost cost;
	uint8_t *p = local->header;
	if (!cost_of(ksf != NULL ? ksf : &standard, &cost) || !cost_bearable(&cost))
		return kiln_fail(err, KILN_E_USAGE, "the cost of stretching is out of bounds");
	memcpy(p, MAGIC, sizeof MAGIC - 1);
	p += sizeof MAGIC - 1;
	randombytes_buf(p, SALT_LEN);
	p += SALT_LEN;
	kiln_store_be32(p, cost.memory_kib);
	kiln_store_be32(p + 4, cost.iterations);
	kiln_store_be32(p + 8, cost.parallelism);
	return KILN_OK;
}

static enum kiln_code stretch(struct kiln_keys_local *local, const void *password, size_t len,
			      struct kiln_error *err)
{
	const struct cost cost = read_cost(local->header);
	if (argon2id_hash_raw(cost.iterations, cost.memory_kib, cost.parallelism, password, len,
			      salt_of(local->header), SALT_LEN, local->key,
			      sizeof local->key) != ARGON2_OK)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory to stretch the password");
	return KILN_OK;
}

/* ---- reading -------------------------------------------------------------------------------- */

static bool read_entry(const uint8_t **p, size_t *left, struct kiln_keys_secret *secret)
{
	const size_t fixed = KILN_KEYS_KEY_ID_LEN + 3;
	if (*left < fixed)
		return false;
	memcpy(secret->key_id, *p, KILN_KEYS_KEY_ID_LEN);
	secret->kind = (*p)[KILN_KEYS_KEY_ID_LEN];
	secret->context = (*p)[KILN_KEYS_KEY_ID_LEN + 1];
	secret->len = (*p)[KILN_KEYS_KEY_ID_LEN + 2];
	if (secret->len == 0 || *left - fixed < secret->len)
		return false;
	memcpy(secret->data, *p + fixed, secret->len);
	*p += fixed + secret->len;
	*left -= fixed + secret->len;
	return true;
}

static enum kiln_code read_entries(struct kiln_keys_local *local, const uint8_t *plain, size_t len,
				   struct kiln_error *err)
{
	struct kiln_keys_secret secret;
	enum kiln_code rc = KILN_OK;
	const size_t count = len >= 2 ? kiln_load_be16(plain) : SIZE_MAX;
	const uint8_t *p = plain + 2;
	size_t left = len - 2;
	memset(&secret, 0, sizeof secret);
	for (size_t i = 0; rc == KILN_OK && i < count; i++) {
		if (count == SIZE_MAX || !read_entry(&p, &left, &secret))
			rc = kiln_fail(err, KILN_E_KEYS_STORED, "the local store breaks its form");
		else
			rc = kiln_keys_local_put(local, &secret, err);
	}
	if (rc == KILN_OK && (left != 0 || local->count != count))
		rc = kiln_fail(err, KILN_E_KEYS_STORED, "the local store breaks its form");
	kiln_wipe(&secret, sizeof secret);
	return rc;
}

static enum kiln_code read_file(struct kiln_keys_local *local, const uint8_t *file, size_t len,
				const void *password, size_t password_len, struct kiln_error *err)
{
	const size_t plain_min = HEADER_LEN + KILN_KEYS_SEAL_OVERHEAD + 2;
	if (len < plain_min || len > KILN_KEYS_LOCAL_SIZE_MAX ||
	    memcmp(file, MAGIC, sizeof MAGIC - 1) != 0)
		return kiln_fail(err, KILN_E_KEYS_STORED, "this is no local store");
	memcpy(local->header, file, HEADER_LEN);
	const struct cost cost = read_cost(local->header);
	if (!cost_bearable(&cost))
		return kiln_fail(err, KILN_E_KEYS_STORED,
				 "the local store asks for stretching out of bounds");
	enum kiln_code rc = stretch(local, password, password_len, err);
	if (rc != KILN_OK)
		return rc;
	const size_t sealed = len - HEADER_LEN, plain_len = sealed - KILN_KEYS_SEAL_OVERHEAD;
	uint8_t *plain = malloc(plain_len);
	if (plain == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a local store");
	if (kiln_keys_unseal(local->key, local->header, HEADER_LEN, file + HEADER_LEN, sealed,
			     plain))
		rc = read_entries(local, plain, plain_len, err);
	else
		rc = kiln_fail(err, KILN_E_KEYS_PASSWORD,
			       "the password is wrong, or the local store was altered");
	kiln_wipe(plain, plain_len);
	free(plain);
	return rc;
}

enum kiln_code kiln_keys_local_open(const void *file, size_t len, const void *password,
				    size_t password_len, const struct kiln_opaque_ksf *ksf,
				    struct kiln_keys_local **local, struct kiln_error *err)
{
	enum kiln_code rc = KILN_OK;
	*local = NULL;
	if (password_len == 0 || password_len > KILN_OPAQUE_PASSWORD_MAX)
		return kiln_fail(err, KILN_E_USAGE, "a password has 1 to %u bytes",
				 KILN_OPAQUE_PASSWORD_MAX);
	struct kiln_keys_local *new = calloc(1, sizeof *new);
	if (new == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a local store");
	if (sodium_init() < 0)
		rc = kiln_fail(err, KILN_E_SYSTEM, "libsodium cannot start");
	else if (len > 0)
		rc = read_file(new, file, len, password, password_len, err);
	else if ((rc = make_header(new, ksf, err)) == KILN_OK)
		rc = stretch(new, password, password_len, err);
	if (rc == KILN_OK)
		*local = new;
	else
		kiln_keys_local_free(new);
	return rc;
}

void kiln_keys_local_free(struct kiln_keys_local *local)
{
	if (local == NULL)
		return;
	if (local->secrets != NULL)
		kiln_wipe(local->secrets, local->room * sizeof *local->secrets);
	free(local->secrets);
	kiln_wipe(local, sizeof *local);
	free(local);
}

/* ---- what is in it -------------------------------------------------------------------------- */

size_t kiln_keys_local_count(const struct kiln_keys_local *local)
{
	return local->count;
}

const struct kiln_keys_secret *kiln_keys_local_get(const struct kiln_keys_local *local,
						   size_t index)
{
	return index < local->count ? &local->secrets[index] : NULL;
}

static size_t find(const struct kiln_keys_local *local, const uint8_t *key_id)
{
	size_t i = 0;
	while (i < local->count &&
	       memcmp(local->secrets[i].key_id, key_id, KILN_KEYS_KEY_ID_LEN) != 0)
		i++;
	return i;
}

const struct kiln_keys_secret *kiln_keys_local_find(const struct kiln_keys_local *local,
						    const uint8_t key_id[KILN_KEYS_KEY_ID_LEN])
{
	return kiln_keys_local_get(local, find(local, key_id));
}

/* A copy, not realloc: nothing secret is left behind. */
static bool grow(struct kiln_keys_local *local)
{
	const size_t room = local->room > 0 ? 2 * local->room : 8;
	struct kiln_keys_secret *more = calloc(room, sizeof *more);
	if (more == NULL)
		return false;
	if (local->secrets != NULL) {
		memcpy(more, local->secrets, local->count * sizeof *more);
		kiln_wipe(local->secrets, local->room * sizeof *more);
	}
	free(local->secrets);
	local->secrets = more;
	local->room = room;
	return true;
}

enum kiln_code kiln_keys_local_put(struct kiln_keys_local *local,
				   const struct kiln_keys_secret *secret, struct kiln_error *err)
{
	const size_t at = find(local, secret->key_id);
	if (secret->len == 0 || secret->len > KILN_KEYS_SECRET_MAX)
		return kiln_fail(err, KILN_E_USAGE, "a secret has 1 to %d bytes",
				 KILN_KEYS_SECRET_MAX);
	if (at == KILN_KEYS_LOCAL_COUNT_MAX)
		return kiln_fail(err, KILN_E_LIMIT, "a local store has room for %u secrets",
				 KILN_KEYS_LOCAL_COUNT_MAX);
	if (at == local->room && !grow(local))
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a secret");
	local->secrets[at] = *secret;
	local->count += at == local->count;
	return KILN_OK;
}

bool kiln_keys_local_remove(struct kiln_keys_local *local,
			    const uint8_t key_id[KILN_KEYS_KEY_ID_LEN])
{
	const size_t at = find(local, key_id);
	if (at == local->count)
		return false;
	local->count--;
	memmove(&local->secrets[at], &local->secrets[at + 1],
		(local->count - at) * sizeof *local->secrets);
	kiln_wipe(&local->secrets[local->count], sizeof *local->secrets);
	return true;
}

/* ---- writing -------------------------------------------------------------------------------- */

static size_t write_entries(const struct kiln_keys_local *local, uint8_t *plain)
{
	uint8_t *p = plain + 2;
	kiln_store_be16(plain, (uint16_t)local->count);
	for (size_t i = 0; i < local->count; i++) {
		const struct kiln_keys_secret *s = &local->secrets[i];
		memcpy(p, s->key_id, KILN_KEYS_KEY_ID_LEN);
		p += KILN_KEYS_KEY_ID_LEN;
		*p++ = s->kind;
		*p++ = s->context;
		*p++ = (uint8_t)s->len;
		memcpy(p, s->data, s->len);
		p += s->len;
	}
	return (size_t)(p - plain);
}

enum kiln_code kiln_keys_local_seal(struct kiln_keys_local *local, uint8_t **file, size_t *len,
				    struct kiln_error *err)
{
	const size_t plain_max = 2 + local->count * ENTRY_MAX;
	uint8_t *plain = malloc(plain_max);
	uint8_t *out = malloc(HEADER_LEN + plain_max + KILN_KEYS_SEAL_OVERHEAD);
	bool ok = plain != NULL && out != NULL;
	*file = NULL;
	*len = 0;
	if (ok) {
		const size_t plain_len = write_entries(local, plain);
		memcpy(out, local->header, HEADER_LEN);
		ok = kiln_keys_seal(local->key, local->header, HEADER_LEN, plain, plain_len, NULL,
				    out + HEADER_LEN);
		*len = HEADER_LEN + plain_len + KILN_KEYS_SEAL_OVERHEAD;
		kiln_wipe(plain, plain_max);
	}
	free(plain);
	if (!ok) {
		free(out);
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a local store");
	}
	*file = out;
	return KILN_OK;
}
