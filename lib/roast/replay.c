/* SPDX-License-Identifier: Apache-2.0
 * The replay cache: slots in order of arrival, and a hash table into them; see replay.h. */
#include "roast/replay.h"

#include <openssl/rand.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/hex.h"

#define NONE    UINT32_MAX
#define KEY_LEN 32u

struct slot {
	uint8_t key[KEY_LEN];
	int64_t entered;
	uint32_t next;         /* in its bucket; in the list of free slots */
	uint32_t older, newer; /* in the order of arrival */
};

struct kiln_roast_replay {
	struct slot *slots;
	uint32_t *buckets; /* heads of chains */
	uint32_t capacity, mask;
	uint32_t oldest, newest, free;
	uint32_t touched; /* slots that were ever used: memory beyond is not even mapped */
	struct kiln_roast_replay_count count;
	uint8_t seed[crypto_shorthash_KEYBYTES]; /* peers choose the keys, not the buckets */
};

struct kiln_roast_replay *kiln_roast_replay_new(uint32_t capacity, struct kiln_error *err)
{
	struct kiln_roast_replay *c = NULL;
	uint32_t buckets = 1;
	if (capacity == 0 || capacity > KILN_ROAST_REPLAY_MAX) {
		(void)kiln_fail(err, KILN_E_CONFIG,
				"a replay cache has room for 1 to %u signatures",
				KILN_ROAST_REPLAY_MAX);
		return NULL;
	}
	while (buckets < capacity)
		buckets *= 2;
	c = calloc(1, sizeof *c);
	if (c != NULL) {
		c->slots = calloc(capacity, sizeof *c->slots);
		c->buckets = malloc(buckets * sizeof *c->buckets);
	}
	if (c == NULL || c->slots == NULL || c->buckets == NULL ||
	    RAND_bytes(c->seed, sizeof c->seed) != 1) {
		kiln_roast_replay_free(c);
		(void)kiln_fail(err, KILN_E_NO_MEMORY, "no memory for %u signatures", capacity);
		return NULL;
	}
	memset(c->buckets, 0xff, buckets * sizeof *c->buckets);
	c->capacity = capacity;
	c->mask = buckets - 1;
	c->oldest = c->newest = c->free = NONE;
	return c;
}

void kiln_roast_replay_free(struct kiln_roast_replay *cache)
{
	if (cache == NULL)
		return;
	free(cache->slots);
	free(cache->buckets);
	free(cache);
}

static bool read_key(const char *signature, uint8_t key[KEY_LEN])
{
	return kiln_hex_decode(signature, (size_t)2 * KEY_LEN, key);
}

/* Where the index of the key's slot stands, or of the chain's end. */
static uint32_t *find(struct kiln_roast_replay *c, const uint8_t key[KEY_LEN])
{
	uint8_t hash[crypto_shorthash_BYTES];
	uint32_t bucket;
	(void)crypto_shorthash(hash, key, KEY_LEN, c->seed);
	memcpy(&bucket, hash, sizeof bucket);
	uint32_t *at = &c->buckets[bucket & c->mask];
	while (*at != NONE && memcmp(c->slots[*at].key, key, KEY_LEN) != 0)
		at = &c->slots[*at].next;
	return at;
}

/* Takes the slot that *at leads to out of its bucket and out of the order. */
static void take_out(struct kiln_roast_replay *c, uint32_t *at)
{
	const uint32_t index = *at;
	struct slot *slot = &c->slots[index];
	*at = slot->next;
	*(slot->older != NONE ? &c->slots[slot->older].newer : &c->oldest) = slot->newer;
	*(slot->newer != NONE ? &c->slots[slot->newer].older : &c->newest) = slot->older;
	slot->next = c->free;
	c->free = index;
	c->count.kept--;
}

static void drop_oldest(struct kiln_roast_replay *c)
{
	take_out(c, find(c, c->slots[c->oldest].key));
}

/* Room for one more: a free slot, a new one, or the oldest's. */
static uint32_t make_room(struct kiln_roast_replay *c)
{
	if (c->free == NONE && c->touched < c->capacity)
		return c->touched++;
	if (c->free == NONE) {
		drop_oldest(c);
		c->count.evicted++;
	}
	const uint32_t index = c->free;
	c->free = c->slots[index].next;
	return index;
}

static void put_in(struct kiln_roast_replay *c, const uint8_t key[KEY_LEN], int64_t now)
{
	const uint32_t index = make_room(c);
	struct slot *slot = &c->slots[index];
	memcpy(slot->key, key, KEY_LEN);
	slot->entered = now;
	slot->next = slot->newer = NONE;
	slot->older = c->newest;
	*find(c, key) = index;
	*(c->newest != NONE ? &c->slots[c->newest].newer : &c->oldest) = index;
	c->newest = index;
	c->count.kept++;
}

enum kiln_code kiln_roast_replay_enter(struct kiln_roast_replay *c, const char *signature,
				       int64_t now, struct kiln_error *err)
{
	uint8_t key[KEY_LEN];
	if (!read_key(signature, key))
		return kiln_fail(err, KILN_E_ROAST_PROOF,
				 "the signature is not 64 hexadecimal digits");
	while (c->oldest != NONE && now - c->slots[c->oldest].entered >= KILN_ROAST_REPLAY_WINDOW)
		drop_oldest(c);
	if (*find(c, key) != NONE) {
		c->count.refused++;
		return kiln_fail(err, KILN_E_ROAST_PROOF,
				 "the same signed proof was used before: it is a replay");
	}
	put_in(c, key, now);
	return KILN_OK;
}

void kiln_roast_replay_forget(struct kiln_roast_replay *c, const char *signature)
{
	uint8_t key[KEY_LEN];
	uint32_t *at = read_key(signature, key) ? find(c, key) : NULL;
	if (at != NULL && *at != NONE)
		take_out(c, at);
}

struct kiln_roast_replay_count kiln_roast_replay_count(const struct kiln_roast_replay *cache)
{
	return cache->count;
}
