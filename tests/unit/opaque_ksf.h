/* SPDX-License-Identifier: Apache-2.0
 * Argon2id alone, against known answers: salt of 16 zero bytes, the input 00 01 .. 3f. */
#ifndef KILN_TESTS_OPAQUE_KSF_H
#define KILN_TESTS_OPAQUE_KSF_H

#include "opaque_rig.h"

#include "base/hex.h"
#include "opaque/hash.h"
#include "opaque/ksf.h"

/* What randomize_password gives where the stretched password is this one. */
static inline void ksf_check(const struct kiln_opaque_ksf *ksf, const char *answer)
{
	struct kiln_opaque_ksf resolved;
	struct kiln_error err = {0};
	uint8_t input[64], stretched[64], expected[64], got[64];
	for (unsigned i = 0; i < sizeof input; i++)
		input[i] = (uint8_t)i;
	assert_int_equal(strlen(answer), 128);
	assert_true(kiln_hex_decode(answer, 128, stretched));
	kiln_opaque_extract(expected, KILN_OPAQUE_PARTS({input, 64}, {stretched, 64}));
	rig_ok(kiln_opaque_ksf_resolve(ksf, &resolved, &err), &err);
	rig_ok(kiln_opaque_randomize_password(&resolved, input, got, &err), &err);
	assert_memory_equal(got, expected, sizeof got);
}

#endif
