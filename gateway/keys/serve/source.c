/* SPDX-License-Identifier: Apache-2.0
 * How many connections each source has: a few strangers must not hold all that there are. */
#include <netinet/in.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "keys/limit.h"
#include "keys/serve/keyd.h"

struct kiln_keyd_source {
	uint8_t prefix[KILN_KEYS_SOURCE_LEN];
	uint64_t connections;
	struct kiln_keyd_source *next; /* in its bucket */
};

bool kiln_keyd_find_source(const struct kiln_handoff_info *info,
			   uint8_t source[KILN_KEYS_SOURCE_LEN])
{
	static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
	const struct sockaddr_storage *from =
	    info->client.ss_family != AF_UNSPEC ? &info->client : &info->peer;
	memset(source, 0, KILN_KEYS_SOURCE_LEN);
	if (from->ss_family == AF_INET6) {
		memcpy(source, &((const struct sockaddr_in6 *)from)->sin6_addr, 16);
		return true;
	}
	if (from->ss_family != AF_INET)
		return false;
	memcpy(source, mapped, sizeof mapped);
	memcpy(source + sizeof mapped, &((const struct sockaddr_in *)from)->sin_addr, 4);
	return true;
}

enum kiln_code kiln_keyd_sources_open(struct kiln_keyd *keyd, struct kiln_error *err)
{
	struct kiln_keyd_sources *sources = &keyd->sources;
	uint32_t size = 64;
	while (size < keyd->max_connections && size < 1u << 20)
		size *= 2;
	randombytes_buf(sources->hash_key, sizeof sources->hash_key);
	sources->mask = size - 1;
	sources->buckets = calloc(size, sizeof(struct kiln_keyd_source *));
	return sources->buckets != NULL
		   ? KILN_OK
		   : kiln_fail(err, KILN_E_NO_MEMORY, "no memory for --max-connections");
}

/* Strangers choose the addresses, not the buckets. */
static struct kiln_keyd_source **bucket_of(struct kiln_keyd_sources *sources,
					   const uint8_t prefix[KILN_KEYS_SOURCE_LEN])
{
	uint8_t hash[crypto_shorthash_BYTES];
	uint32_t index;
	_Static_assert(sizeof sources->hash_key == crypto_shorthash_KEYBYTES, "a key of its size");
	(void)crypto_shorthash(hash, prefix, KILN_KEYS_SOURCE_LEN, sources->hash_key);
	memcpy(&index, hash, sizeof index);
	return &sources->buckets[index & sources->mask];
}

enum kiln_code kiln_keyd_source_enter(struct kiln_keyd *keyd,
				      const uint8_t address[KILN_KEYS_SOURCE_LEN],
				      struct kiln_keyd_source **source)
{
	uint8_t prefix[KILN_KEYS_SOURCE_LEN];
	kiln_keys_source_prefix(address, prefix);
	struct kiln_keyd_source **bucket = bucket_of(&keyd->sources, prefix), *s = *bucket;
	while (s != NULL && memcmp(s->prefix, prefix, sizeof prefix) != 0)
		s = s->next;
	if (s != NULL && s->connections >= keyd->max_per_source)
		return KILN_E_LIMIT;
	if (s == NULL) {
		s = calloc(1, sizeof *s);
		if (s == NULL)
			return KILN_E_NO_MEMORY;
		memcpy(s->prefix, prefix, sizeof prefix);
		s->next = *bucket;
		*bucket = s;
	}
	s->connections++;
	*source = s;
	return KILN_OK;
}

void kiln_keyd_source_leave(struct kiln_keyd *keyd, struct kiln_keyd_source *source)
{
	if (source == NULL || --source->connections > 0)
		return;
	struct kiln_keyd_source **at = bucket_of(&keyd->sources, source->prefix);
	while (*at != source)
		at = &(*at)->next;
	*at = source->next;
	free(source);
}

void kiln_keyd_sources_close(struct kiln_keyd *keyd)
{
	free(keyd->sources.buckets); /* whoever was counted has left */
	keyd->sources.buckets = NULL;
}
