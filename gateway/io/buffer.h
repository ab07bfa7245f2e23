/* SPDX-License-Identifier: Apache-2.0
 *
 * The worker's buffers: all of one size, owned by the worker and lent to a connection only while it
 * has bytes on the way. They come in chunks, up to a limit; nothing is allocated otherwise.
 */
#ifndef KILN_IO_BUFFER_H
#define KILN_IO_BUFFER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kiln/error.h>

/* What one receive may bring: four full records. The rest of a buffer is room for io_uring's
 * message header and for the overhead of sealing those four records. */
#define KILN_BUFFER_PAYLOAD 65536u
#define KILN_BUFFER_SIZE    (KILN_BUFFER_PAYLOAD + 4096u)

struct kiln_buffer {
	uint8_t *base; /* KILN_BUFFER_SIZE bytes */
	uint8_t *data; /* where the content starts */
	uint32_t len;  /* bytes of content */
	uint16_t id;
	uint8_t type; /* record type of plain content from a TLS peer; 0: bytes of a stream */
	struct kiln_buffer *next;
};

struct kiln_pool {
	struct kiln_buffer *buffers; /* by id; limit of them */
	struct kiln_buffer *free;
	unsigned count, limit, in_use, peak;
	unsigned reserve; /* the last so many are not for receiving */
};

/* limit is rounded up to whole chunks and is at most 32768. */
enum kiln_code kiln_pool_init(struct kiln_pool *pool, size_t limit_bytes,
			      struct kiln_error *err) KILN_NODISCARD;
void kiln_pool_clear(struct kiln_pool *pool);

/* NULL when the limit is reached. The content is empty and starts at base. */
struct kiln_buffer *kiln_pool_take(struct kiln_pool *pool);

/* The same for what may come from outside at any rate: it leaves the reserve, so that what was
 * received can always be worked on, which is what gives buffers back. */
struct kiln_buffer *kiln_pool_take_to_receive(struct kiln_pool *pool);

/* True when kiln_pool_take has one. */
static inline bool kiln_pool_has(const struct kiln_pool *pool)
{
	return pool->in_use < pool->limit;
}

/* More than half is in use: time to be modest. */
static inline bool kiln_pool_is_tight(const struct kiln_pool *pool)
{
	return pool->in_use > pool->limit / 2;
}

void kiln_pool_put(struct kiln_pool *pool, struct kiln_buffer *buffer);

#endif
