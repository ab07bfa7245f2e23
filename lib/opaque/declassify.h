/* SPDX-License-Identifier: Apache-2.0
 *
 * Where a secret ends. The constant-time test builds these files with KILN_DECLASSIFY_BY_VALGRIND,
 * marks every secret as undefined memory, and lets valgrind report each branch and each index that
 * depends on one. What the protocol makes public is named here, so that nothing else is. In any
 * other build it is nothing.
 */
#ifndef KILN_OPAQUE_DECLASSIFY_H
#define KILN_OPAQUE_DECLASSIFY_H

#ifdef KILN_DECLASSIFY_BY_VALGRIND
#include <valgrind/memcheck.h>
#define KILN_DECLASSIFY(p, length) ((void)VALGRIND_MAKE_MEM_DEFINED((p), (length)))
#else
#define KILN_DECLASSIFY(p, length) ((void)0)
#endif

#endif
