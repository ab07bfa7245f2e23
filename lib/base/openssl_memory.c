/* SPDX-License-Identifier: Apache-2.0
 * The allocator under OpenSSL; see openssl_memory.h. */
#include "base/openssl_memory.h"

#include <malloc.h>
#include <stdlib.h>

#include <openssl/crypto.h>

#include "base/bytes.h"

static _Thread_local unsigned wiping;

static void *take(size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return malloc(size);
}

static void give_back(void *block, const char *file, int line)
{
	(void)file, (void)line;
	if (block != NULL && wiping > 0)
		kiln_wipe(block, malloc_usable_size(block));
	free(block);
}

static void *resize(void *block, size_t size, const char *file, int line)
{
	if (size == 0) { /* as OpenSSL's own does */
		give_back(block, file, line);
		return NULL;
	}
	if (wiping == 0 || block == NULL)
		return realloc(block, size);
	void *moved = malloc(size);
	if (moved == NULL)
		return NULL;
	const size_t old = malloc_usable_size(block);
	memcpy(moved, block, old < size ? old : size);
	give_back(block, file, line);
	return moved;
}

bool kiln_openssl_memory_take_over(void)
{
	return CRYPTO_set_mem_functions(take, resize, give_back) == 1;
}

void kiln_openssl_wipe_begin(void)
{
	wiping++;
}

void kiln_openssl_wipe_end(void)
{
	wiping--;
}
