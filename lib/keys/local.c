/* SPDX-License-Identifier: Apache-2.0
 * A file of secrets on the user's device; see local.h and docs/keys.md, "Local files". */
#include "keys/local.h"

#include <argon2.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "keys/crypto.h"

/* RFC 9106, its second recommendation. */
#define MEMORY_KIB  65536u
#define ITERATIONS  3u
#define PARALLELISM 4u

/* A file may ask for more, but not for what stops the machine. */
#define MEMORY_KIB_MAX  (1u << 20)
#define ITERATIONS_MAX  64u
#define PARALLELISM_MAX 16u

#define INFO "kiln-keys/1 local file"

static const char magic[16] = "kiln-keys local\1";

struct kiln_keys_local {
	uint8_t header[KILN_KEYS_LOCAL_HEADER_LEN];
	uint8_t key[32];
	struct kiln_keys_local_entry *entries;
	size_t count, room;
};

/* ---- the key -------------------------------------------------------------------------------- */

static const uint8_t *salt_of(const struct kiln_keys_local *local)
{
	return local->header + sizeof magic;
}

static uint32_t parameter(const struct kiln_keys_local *local, size_t n)
{
	return kiln_load_be32(local->header + sizeof magic + KILN_KEYS_LOCAL_SALT_LEN + 4 * n);
}

static enum kiln_code stretch(struct kiln_keys_local *local, struct kiln_opaque_bytes password,
			      struct kiln_error *err)
{
	uint8_t stretched[32];
	if (password.length == 0 || password.length > KILN_OPAQUE_PASSWORD_MAX)
		return kiln_fail(err, KILN_E_USAGE, "a password has 1 to %u bytes",
				 KILN_OPAQUE_PASSWORD_MAX);
	if (argon2id_hash_raw(parameter(local, 1), parameter(local, 0), parameter(local, 2),
			      password.data, password.length, salt_of(local),
			      KILN_KEYS_LOCAL_SALT_LEN, stretched, sizeof stretched) != ARGON2_OK)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory to stretch the password");
	kiln_keys_hkdf(stretched, sizeof stretched, NULL, 0, INFO, sizeof INFO - 1, local->key,
		       sizeof local->key);
	kiln_wipe(stretched, sizeof stretched);
	return KILN_OK;
}

static struct kiln_keys_local *allocate(struct kiln_error *err)
{
	struct kiln_keys_local *local = calloc(1, sizeof *local);
	if (local == NULL)
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a local file");
	return local;
}

struct kiln_keys_local *kiln_keys_local_new(struct kiln_opaque_bytes password,
					    const struct kiln_opaque_random *random,
					    struct kiln_error *err)
{
	struct kiln_keys_local *local = allocate(err);
	if (local == NULL)
		return NULL;
	uint8_t *p = local->header;
	memcpy(p, magic, sizeof magic);
	p += sizeof magic;
	enum kiln_code rc = KILN_OK;
	if (!kiln_keys_random(random, p, KILN_KEYS_LOCAL_SALT_LEN))
		rc = kiln_fail(err, KILN_E_SYSTEM, "no random bytes for a local file");
	p += KILN_KEYS_LOCAL_SALT_LEN;
	kiln_store_be32(p, MEMORY_KIB);
	kiln_store_be32(p + 4, ITERATIONS);
	kiln_store_be32(p + 8, PARALLELISM);
	if (rc == KILN_OK)
		rc = stretch(local, password, err);
	if (rc == KILN_OK)
		return local;
	kiln_keys_local_free(local);
	return NULL;
}

void kiln_keys_local_free(struct kiln_keys_local *local)
{
	if (local == NULL)
		return;
	if (local->entries != NULL)
		kiln_wipe(local->entries, local->room * sizeof *local->entries);
	free(local->entries);
	kiln_wipe(local, sizeof *local);
	free(local);
}

/* ---- entries -------------------------------------------------------------------------------- */

size_t kiln_keys_local_count(const struct kiln_keys_local *local)
{
	return local->count;
}

static struct kiln_keys_local_entry *find(const struct kiln_keys_local *local,
					  const uint8_t *key_id)
{
	for (size_t i = 0; i < local->count; i++)
		if (memcmp(local->entries[i].key_id, key_id, KILN_KEYS_KEY_ID_LEN) == 0)
			return &local->entries[i];
	return NULL;
}

const struct kiln_keys_local_entry *
kiln_keys_local_find(const struct kiln_keys_local *local,
		     const uint8_t key_id[KILN_KEYS_KEY_ID_LEN])
{
	return find(local, key_id);
}

/* Not realloc: what it leaves behind is not wiped. */
static bool make_room(struct kiln_keys_local *local)
{
	if (local->count < local->room)
		return true;
	const size_t room = local->room == 0 ? 16 : local->room * 2;
	struct kiln_keys_local_entry *entries = calloc(room, sizeof *entries);
	if (entries == NULL)
		return false;
	if (local->entries != NULL) {
		memcpy(entries, local->entries, local->count * sizeof *entries);
		kiln_wipe(local->entries, local->room * sizeof *entries);
	}
	free(local->entries);
	local->entries = entries;
	local->room = room;
	return true;
}

enum kiln_code kiln_keys_local_put(struct kiln_keys_local *local,
				   const struct kiln_keys_local_entry *entry,
				   struct kiln_error *err)
{
	struct kiln_keys_local_entry *at = find(local, entry->key_id);
	if (entry->secret_len == 0)
		return kiln_fail(err, KILN_E_USAGE, "a secret has at least one byte");
	if (at == NULL && local->count == KILN_KEYS_LOCAL_ENTRIES_MAX)
		return kiln_fail(err, KILN_E_LIMIT, "a local file holds at most %u secrets",
				 KILN_KEYS_LOCAL_ENTRIES_MAX);
	if (at == NULL && !make_room(local))
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a local file");
	if (at == NULL)
		at = &local->entries[local->count++];
	*at = *entry;
	return KILN_OK;
}

/* ---- bytes ---------------------------------------------------------------------------------- */

static uint8_t *write_entry(uint8_t *p, const struct kiln_keys_local_entry *e)
{
	memcpy(p, e->key_id, sizeof e->key_id);
	p += sizeof e->key_id;
	memcpy(p, e->user_id, sizeof e->user_id);
	p += sizeof e->user_id;
	*p++ = e->kind;
	*p++ = e->context;
	*p++ = e->secret_len;
	memcpy(p, e->secret, e->secret_len);
	return p + e->secret_len;
}

enum kiln_code kiln_keys_local_write(const struct kiln_keys_local *local,
				     const struct kiln_opaque_random *random, uint8_t **file,
				     size_t *len, struct kiln_error *err)
{
	const size_t most = 2 + local->count * KILN_KEYS_LOCAL_ENTRY_MAX;
	uint8_t *plain = calloc(1, most), *p = plain;
	*file = calloc(1, sizeof local->header + KILN_KEYS_SEAL_OVERHEAD + most);
	enum kiln_code rc = KILN_OK;
	if (plain == NULL || *file == NULL) {
		rc = kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a local file");
		goto out;
	}
	kiln_store_be16(p, (uint16_t)local->count);
	p += 2;
	for (size_t i = 0; i < local->count; i++)
		p = write_entry(p, &local->entries[i]);
	const size_t plain_len = (size_t)(p - plain);
	memcpy(*file, local->header, sizeof local->header);
	*len = sizeof local->header + KILN_KEYS_SEAL_OVERHEAD + plain_len;
	if (!kiln_keys_seal(local->key, local->header, sizeof local->header, plain, plain_len,
			    random, *file + sizeof local->header))
		rc = kiln_fail(err, KILN_E_SYSTEM, "a local file cannot be sealed");
out:
	if (plain != NULL)
		kiln_wipe(plain, most);
	free(plain);
	if (rc != KILN_OK) {
		free(*file);
		*file = NULL;
	}
	return rc;
}

/* False: it breaks the form. */
static bool read_entry(const uint8_t **p, const uint8_t *end, struct kiln_keys_local_entry *e)
{
	const size_t fixed = sizeof e->key_id + sizeof e->user_id + 3;
	if ((size_t)(end - *p) < fixed)
		return false;
	memcpy(e->key_id, *p, sizeof e->key_id);
	memcpy(e->user_id, *p + sizeof e->key_id, sizeof e->user_id);
	e->kind = (*p)[fixed - 3];
	e->context = (*p)[fixed - 2];
	e->secret_len = (*p)[fixed - 1];
	*p += fixed;
	if (e->secret_len == 0 || (size_t)(end - *p) < e->secret_len)
		return false;
	memcpy(e->secret, *p, e->secret_len);
	*p += e->secret_len;
	return true;
}

static enum kiln_code read_entries(struct kiln_keys_local *local, const uint8_t *plain, size_t len,
				   struct kiln_error *err)
{
	struct kiln_keys_local_entry entry;
	const uint8_t *p = plain + 2, *end = plain + len;
	const size_t count = kiln_load_be16(plain);
	enum kiln_code rc = KILN_OK;
	for (size_t i = 0; rc == KILN_OK && i < count; i++) {
		memset(&entry, 0, sizeof entry);
		rc = read_entry(&p, end, &entry)
			 ? kiln_keys_local_put(local, &entry, err)
			 : kiln_fail(err, KILN_E_KEYS_STORED, "the local file's content is damaged");
	}
	if (rc == KILN_OK && p != end)
		rc = kiln_fail(err, KILN_E_KEYS_STORED, "the local file's content is damaged");
	kiln_wipe(&entry, sizeof entry);
	return rc;
}

static enum kiln_code unseal(struct kiln_keys_local *local, const uint8_t *sealed, size_t len,
			     struct kiln_error *err)
{
	const size_t plain_len = len - KILN_KEYS_SEAL_OVERHEAD;
	uint8_t *plain = calloc(1, plain_len);
	enum kiln_code rc;
	if (plain == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for a local file");
	if (kiln_keys_unseal(local->key, local->header, sizeof local->header, sealed, len, plain))
		rc = read_entries(local, plain, plain_len, err);
	else
		rc = kiln_fail(err, KILN_E_KEYS_PASSWORD,
			       "the local file does not open: it has another password, or was "
			       "altered");
	kiln_wipe(plain, plain_len);
	free(plain);
	return rc;
}

static bool header_good(const struct kiln_keys_local *local)
{
	const uint32_t memory = parameter(local, 0), iterations = parameter(local, 1),
		       lanes = parameter(local, 2);
	return memcmp(local->header, magic, sizeof magic) == 0 && lanes >= 1 &&
	       lanes <= PARALLELISM_MAX && iterations >= 1 && iterations <= ITERATIONS_MAX &&
	       memory >= 8 * lanes && memory <= MEMORY_KIB_MAX;
}

struct kiln_keys_local *kiln_keys_local_open(const uint8_t *file, size_t len,
					     struct kiln_opaque_bytes password,
					     struct kiln_error *err)
{
	struct kiln_keys_local *local = allocate(err);
	if (local == NULL)
		return NULL;
	enum kiln_code rc = KILN_OK;
	if (len >= sizeof local->header)
		memcpy(local->header, file, sizeof local->header);
	if (len < sizeof local->header + KILN_KEYS_SEAL_OVERHEAD + 2 ||
	    len > KILN_KEYS_LOCAL_FILE_MAX || !header_good(local))
		rc = kiln_fail(err, KILN_E_KEYS_STORED, "this is no local file of `kiln keys`");
	if (rc == KILN_OK)
		rc = stretch(local, password, err);
	if (rc == KILN_OK)
		rc = unseal(local, file + sizeof local->header, len - sizeof local->header, err);
	if (rc == KILN_OK)
		return local;
	kiln_keys_local_free(local);
	return NULL;
}
