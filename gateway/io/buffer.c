/* SPDX-License-Identifier: Apache-2.0
 * The buffer pool; see buffer.h. */
#include "io/buffer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define CHUNK ((size_t)32)

enum kiln_code kiln_pool_init(struct kiln_pool *pool, size_t limit_bytes, struct kiln_error *err)
{
	memset(pool, 0, sizeof *pool);
	size_t limit = (limit_bytes + KILN_BUFFER_SIZE - 1) / KILN_BUFFER_SIZE;
	limit = (limit + CHUNK - 1) / CHUNK * CHUNK;
	if (limit < 2 * CHUNK)
		limit = 2 * CHUNK;
	if (limit > 32768)
		limit = 32768;
	pool->limit = (unsigned)limit;
	pool->reserve = pool->limit / 8;
	pool->buffers = calloc(limit, sizeof *pool->buffers);
	if (pool->buffers == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for %zu buffers", limit);
	return KILN_OK;
}

static bool grow(struct kiln_pool *pool)
{
	if (pool->count + CHUNK > pool->limit)
		return false;
	/* Plaintext passes through: kept out of core dumps, should one ever be allowed. */
	uint8_t *memory = mmap(NULL, CHUNK * KILN_BUFFER_SIZE, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		return false;
	(void)madvise(memory, CHUNK * KILN_BUFFER_SIZE, MADV_DONTDUMP);
	for (unsigned i = 0; i < CHUNK; i++) {
		struct kiln_buffer *buffer = &pool->buffers[pool->count];
		buffer->base = memory + (size_t)i * KILN_BUFFER_SIZE;
		buffer->id = (uint16_t)pool->count++;
		buffer->next = pool->free;
		pool->free = buffer;
	}
	return true;
}

struct kiln_buffer *kiln_pool_take(struct kiln_pool *pool)
{
	if (pool->free == NULL && !grow(pool))
		return NULL;
	struct kiln_buffer *buffer = pool->free;
	pool->free = buffer->next;
	buffer->next = NULL;
	buffer->data = buffer->base;
	buffer->len = 0;
	buffer->type = 0;
	if (++pool->in_use > pool->peak)
		pool->peak = pool->in_use;
	return buffer;
}

struct kiln_buffer *kiln_pool_take_to_receive(struct kiln_pool *pool)
{
	return pool->in_use + pool->reserve < pool->limit ? kiln_pool_take(pool) : NULL;
}

void kiln_pool_put(struct kiln_pool *pool, struct kiln_buffer *buffer)
{
	buffer->next = pool->free;
	pool->free = buffer;
	pool->in_use--;
}

void kiln_pool_clear(struct kiln_pool *pool)
{
	for (unsigned i = 0; i < pool->count; i += CHUNK)
		(void)munmap(pool->buffers[i].base, CHUNK * KILN_BUFFER_SIZE);
	free(pool->buffers);
	memset(pool, 0, sizeof *pool);
}
