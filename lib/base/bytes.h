/* SPDX-License-Identifier: Apache-2.0
 *
 * Big-endian integers and the wiping of secrets: the two things every protocol file needs.
 */
#ifndef KILN_BASE_BYTES_H
#define KILN_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t kiln_load_be16(const uint8_t *p)
{
	return (uint16_t)((p[0] << 8) | p[1]);
}

static inline uint32_t kiln_load_be24(const uint8_t *p)
{
	return ((uint32_t)p[0] << 16) | ((uint32_t)p[1] << 8) | p[2];
}

static inline uint32_t kiln_load_be32(const uint8_t *p)
{
	return ((uint32_t)p[0] << 24) | kiln_load_be24(p + 1);
}

static inline uint64_t kiln_load_be64(const uint8_t *p)
{
	return ((uint64_t)kiln_load_be32(p) << 32) | kiln_load_be32(p + 4);
}

static inline void kiln_store_be16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static inline void kiln_store_be32(uint8_t *p, uint32_t v)
{
	kiln_store_be16(p, (uint16_t)(v >> 16));
	kiln_store_be16(p + 2, (uint16_t)v);
}

static inline void kiln_store_be64(uint8_t *p, uint64_t v)
{
	for (int i = 7; i >= 0; i--) {
		p[i] = (uint8_t)v;
		v >>= 8;
	}
}

/* explicit_bzero is the C library's promise that the compiler keeps the store. The empty statement
 * makes it forget what p points to: where that is a struct's first member, gcc (12) takes its size
 * for the struct's, and warns of an overflow. */
static inline void kiln_wipe(void *p, size_t len)
{
	__asm__("" : "+r"(p));
	explicit_bzero(p, len);
}

#endif
