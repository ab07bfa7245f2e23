/* SPDX-License-Identifier: Apache-2.0
 * Argon2id (RFC 9106) by libargon2, with the parameters of RFC 9807 7: libsodium has only one lane.
 * Its memory is mapped for it alone, kept out of core dumps, and wiped by libargon2.
 *
 * The lanes run one after the other. Where a thread cannot be started, libargon2 of 2017 returns
 * while others still run, over memory that it has freed. */
#include "opaque/ksf.h"

#include <argon2.h>
#include <string.h>
#include <sys/mman.h>

#include "base/bytes.h"
#include "opaque/hash.h"

#define SALT_SIZE 16u

static void *memory_get(size_t length)
{
	void *p = mmap(NULL, length, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	(void)madvise(p, length, MADV_DONTDUMP);
	return p;
}

static void memory_put(void *p, size_t length)
{
	(void)munmap(p, length);
}

const struct kiln_opaque_ksf_memory kiln_opaque_ksf_memory_linux = {memory_get, memory_put};
const struct kiln_opaque_ksf_memory *kiln_opaque_ksf_memory = &kiln_opaque_ksf_memory_linux;

static int allocate(uint8_t **memory, size_t length)
{
	*memory = kiln_opaque_ksf_memory->get(length);
	return *memory != NULL ? ARGON2_OK : ARGON2_MEMORY_ALLOCATION_ERROR;
}

static void deallocate(uint8_t *memory, size_t length)
{
	if (memory != NULL)
		kiln_opaque_ksf_memory->put(memory, length);
}

static bool custom_in_bounds(const struct kiln_opaque_ksf *ksf)
{
	return ksf->parallelism >= 1 && ksf->parallelism <= KILN_OPAQUE_KSF_PARALLELISM_MAX &&
	       ksf->iterations >= 1 && ksf->iterations <= KILN_OPAQUE_KSF_ITERATIONS_MAX &&
	       ksf->memory_kib >= 8 * ksf->parallelism &&
	       ksf->memory_kib <= KILN_OPAQUE_KSF_MEMORY_KIB_MAX;
}

enum kiln_code kiln_opaque_ksf_resolve(const struct kiln_opaque_ksf *ksf,
				       struct kiln_opaque_ksf *out, struct kiln_error *err)
{
	static const struct kiln_opaque_ksf profiles[] = {
	    [KILN_OPAQUE_KSF_DEFAULT] = {KILN_OPAQUE_KSF_DEFAULT, 1u << 16, 3, 4},
	    [KILN_OPAQUE_KSF_RFC9807] = {KILN_OPAQUE_KSF_RFC9807, 1u << 21, 1, 4},
	    [KILN_OPAQUE_KSF_SINGLE] = {KILN_OPAQUE_KSF_SINGLE, 1u << 16, 2, 1},
	};
	const enum kiln_opaque_ksf_profile profile =
	    ksf != NULL ? ksf->profile : KILN_OPAQUE_KSF_DEFAULT;
	switch (profile) {
	case KILN_OPAQUE_KSF_DEFAULT:
	case KILN_OPAQUE_KSF_RFC9807:
	case KILN_OPAQUE_KSF_SINGLE: *out = profiles[profile]; return KILN_OK;
	case KILN_OPAQUE_KSF_NONE:
		*out = (struct kiln_opaque_ksf){.profile = profile};
		return KILN_OK;
	case KILN_OPAQUE_KSF_CUSTOM:
		*out = *ksf;
		if (custom_in_bounds(ksf))
			return KILN_OK;
		return kiln_fail(err, KILN_E_USAGE,
				 "OPAQUE: Argon2id with %u KiB, %u iterations and parallelism %u "
				 "is out of bounds",
				 ksf->memory_kib, ksf->iterations, ksf->parallelism);
	}
	return kiln_fail(err, KILN_E_USAGE, "OPAQUE: there is no key stretching number %d",
			 (int)profile);
}

static enum kiln_code stretch(const struct kiln_opaque_ksf *ksf, const uint8_t *oprf_output,
			      uint8_t *stretched, struct kiln_error *err)
{
	uint8_t salt[SALT_SIZE] = {0};
	uint8_t input[KILN_OPAQUE_HASH_SIZE], out[KILN_OPAQUE_HASH_SIZE] = {0};
	argon2_context context = {
	    .out = out,
	    .outlen = sizeof out,
	    .pwd = input,
	    .pwdlen = sizeof input,
	    .salt = salt,
	    .saltlen = sizeof salt,
	    .t_cost = ksf->iterations,
	    .m_cost = ksf->memory_kib,
	    .lanes = ksf->parallelism,
	    .threads = 1,
	    .version = ARGON2_VERSION_13,
	    .allocate_cbk = allocate,
	    .free_cbk = deallocate,
	    .flags = ARGON2_DEFAULT_FLAGS,
	};
	memcpy(input, oprf_output, sizeof input);
	const int rc = argon2_ctx(&context, Argon2_id);
	memcpy(stretched, out, sizeof out);
	kiln_wipe(input, sizeof input);
	kiln_wipe(out, sizeof out);
	if (rc == ARGON2_MEMORY_ALLOCATION_ERROR)
		return kiln_fail(err, KILN_E_NO_MEMORY,
				 "OPAQUE: there are no %u KiB of memory for Argon2id",
				 ksf->memory_kib);
	if (rc != ARGON2_OK)
		return kiln_fail(err, KILN_E_SYSTEM, "OPAQUE: Argon2id failed: %s",
				 argon2_error_message(rc));
	return KILN_OK;
}

enum kiln_code kiln_opaque_randomize_password(const struct kiln_opaque_ksf *ksf,
					      const uint8_t oprf_output[KILN_OPAQUE_HASH_SIZE],
					      uint8_t randomized_password[KILN_OPAQUE_HASH_SIZE],
					      struct kiln_error *err)
{
	uint8_t stretched[KILN_OPAQUE_HASH_SIZE];
	enum kiln_code rc = KILN_OK;
	if (ksf->profile == KILN_OPAQUE_KSF_NONE)
		memcpy(stretched, oprf_output, sizeof stretched);
	else
		rc = stretch(ksf, oprf_output, stretched, err);
	if (rc == KILN_OK)
		kiln_opaque_extract(randomized_password,
				    KILN_OPAQUE_PARTS({oprf_output, KILN_OPAQUE_HASH_SIZE},
						      {stretched, sizeof stretched}));
	kiln_wipe(stretched, sizeof stretched);
	return rc;
}
