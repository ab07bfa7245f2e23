/* SPDX-License-Identifier: Apache-2.0
 *
 * The binding between two Kilns: the CA's key signs who its owner says it is, and a server's also
 * signs which client hello it answers. docs/roast.md has the format and what it is worth.
 */
#ifndef KILN_ROAST_BINDING_H
#define KILN_ROAST_BINDING_H

#include "roast/authority.h"
#include "roast/payload.h"

/* Signs the binding of payload (its role, and a server's hello, are filled in) with the CA's key
 * and marks the payload as bound. */
enum kiln_code kiln_roast_binding_sign(struct kiln_roast_payload *payload,
				       const struct kiln_roast_authority *authority,
				       struct kiln_error *err) KILN_NODISCARD;

/* Does a bound payload's signature hold under the one CA in it? For a server's, hello is the hash
 * of our own client hello. KILN_E_ROAST_BINDING otherwise. Whether the role is the one that STS
 * names is kiln_roast_binding_names'. */
enum kiln_code kiln_roast_binding_check(const struct kiln_roast_payload *payload,
					const uint8_t hello[KILN_ROAST_HASH_LEN],
					struct kiln_error *err) KILN_NODISCARD;

enum kiln_code kiln_roast_binding_names(const struct kiln_roast_binding *binding,
					const struct kiln_aws_role *proved,
					struct kiln_error *err) KILN_NODISCARD;

#endif
