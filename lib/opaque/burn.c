/* SPDX-License-Identifier: Apache-2.0
 * See burn.h. */
#include "opaque/burn.h"

#include <stdint.h>

#include "base/bytes.h"

/* Not instrumented: AddressSanitizer may put such an array somewhere else than on the stack. */
__attribute__((noinline, no_sanitize("address"))) void kiln_opaque_burn(void)
{
	uint8_t below[KILN_OPAQUE_BURN_SIZE];
	kiln_wipe(below, sizeof below);
}
