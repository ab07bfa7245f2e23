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

/* A bound payload is good when all three of these say so; otherwise KILN_E_ROAST_BINDING. */

/* Of a server's: does it name this hash, that of our own client hello? Costs nothing. */
enum kiln_code kiln_roast_binding_answers(const struct kiln_roast_payload *payload,
					  const uint8_t hello[KILN_ROAST_HASH_LEN],
					  struct kiln_error *err) KILN_NODISCARD;

/* Does its signature hold under the one CA in it? Decoded, that is: without one it never does. */
enum kiln_code kiln_roast_binding_check(const struct kiln_roast_payload *payload,
					struct kiln_error *err) KILN_NODISCARD;

/* Is its role the one that STS names? */
enum kiln_code kiln_roast_binding_names(const struct kiln_roast_binding *binding,
					const struct kiln_aws_role *proved,
					struct kiln_error *err) KILN_NODISCARD;

#endif
