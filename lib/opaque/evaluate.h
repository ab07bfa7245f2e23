/* SPDX-License-Identifier: Apache-2.0
 *
 * The server's part of the OPRF, with the key of one user (RFC 9807 5.2.1 and 6.3.2.2).
 */
#ifndef KILN_OPAQUE_EVALUATE_H
#define KILN_OPAQUE_EVALUATE_H

#include <kiln/opaque.h>

/* false: blinded is no element, or the identity. */
bool kiln_opaque_evaluate(const struct kiln_opaque_server *server,
			  struct kiln_opaque_bytes credential_identifier,
			  const uint8_t blinded[KILN_OPAQUE_ELEMENT_SIZE],
			  uint8_t evaluated[KILN_OPAQUE_ELEMENT_SIZE]) KILN_NODISCARD;

#endif
