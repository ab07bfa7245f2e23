/* SPDX-License-Identifier: Apache-2.0
 *
 * Key stretching: from the OPRF's output to the randomized password (RFC 9807 4.1.2, 4.1.3).
 */
#ifndef KILN_OPAQUE_KSF_H
#define KILN_OPAQUE_KSF_H

#include <kiln/opaque.h>

/* Whether ksf (NULL: the default) can be computed, before anything is spent on it; *out is then
 * what it stands for, memory_kib 0 for none. */
enum kiln_code kiln_opaque_ksf_resolve(const struct kiln_opaque_ksf *ksf,
				       struct kiln_opaque_ksf *out,
				       struct kiln_error *err) KILN_NODISCARD;

/* ksf: resolved. */
enum kiln_code kiln_opaque_randomize_password(const struct kiln_opaque_ksf *ksf,
					      const uint8_t oprf_output[KILN_OPAQUE_HASH_SIZE],
					      uint8_t randomized_password[KILN_OPAQUE_HASH_SIZE],
					      struct kiln_error *err) KILN_NODISCARD;

/* Where Argon2id's memory comes from; a test puts one in its place that fails. mmap's convention
 * is mapped to argon2's by ksf.c. */
struct kiln_opaque_ksf_memory {
	void *(*get)(size_t length); /* NULL: there is none */
	void (*put)(void *p, size_t length);
};
extern const struct kiln_opaque_ksf_memory kiln_opaque_ksf_memory_linux;
extern const struct kiln_opaque_ksf_memory *kiln_opaque_ksf_memory;

#endif
