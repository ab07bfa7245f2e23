/* SPDX-License-Identifier: Apache-2.0
 * What every fuzz target needs: a check that ends the run, and input taken piece by piece. */
#ifndef KILN_TESTS_FUZZ_H
#define KILN_TESTS_FUZZ_H

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

static inline void require(bool condition)
{
	if (!condition)
		abort();
}

struct fuzz_input {
	const uint8_t *data;
	size_t left;
};

static inline uint8_t fuzz_byte(struct fuzz_input *in)
{
	if (in->left == 0)
		return 0;
	in->left--;
	return *in->data++;
}

static inline uint16_t fuzz_short(struct fuzz_input *in)
{
	const uint8_t high = fuzz_byte(in);
	return (uint16_t)(high << 8 | fuzz_byte(in));
}

/* At most max bytes, in memory of just that size; to be freed. */
static inline uint8_t *fuzz_bytes(struct fuzz_input *in, size_t max, size_t *len)
{
	*len = max < in->left ? max : in->left;
	uint8_t *copy = malloc(*len > 0 ? *len : 1);
	require(copy != NULL);
	memcpy(copy, in->data, *len);
	in->data += *len;
	in->left -= *len;
	return copy;
}

#endif
