/* SPDX-License-Identifier: Apache-2.0
 *
 * A hello: one JSON object that carries a signed request to STS, its body masked with XSalsa20 and
 * Poly1305 under a key that travels with it (obfuscation, not secrecy). Both hellos have this form;
 * what the body says is payload.h's.
 *
 *   {"Body":b64(nonce || box),"Mask":b64(key),"Region":"..","AmzAuthorization":"..",
 *    "XAmzSecurityToken":"..","XAmzDate":".."}
 *
 * No line feed is written behind it: Go takes one that arrives late for the first byte of TLS.
 */
#ifndef KILN_ROAST_HELLO_H
#define KILN_ROAST_HELLO_H

#include "aws/proof.h"

#define KILN_ROAST_HELLO_MAX   32768u /* from brace to brace */
#define KILN_ROAST_PAYLOAD_MAX 16384u
#define KILN_ROAST_MASK_LEN    32u
#define KILN_ROAST_NONCE_LEN   24u
#define KILN_ROAST_TAG_LEN     16u
#define KILN_ROAST_BODY_MIN    (KILN_ROAST_NONCE_LEN + KILN_ROAST_TAG_LEN)

/* Never used twice; a test gives fixed ones. */
struct kiln_roast_mask {
	uint8_t key[KILN_ROAST_MASK_LEN];
	uint8_t nonce[KILN_ROAST_NONCE_LEN];
};

enum kiln_code kiln_roast_mask_random(struct kiln_roast_mask *mask,
				      struct kiln_error *err) KILN_NODISCARD;

/* Writes the hello of a proof; *out is malloc'ed and has *len bytes and no NUL. KILN_E_CREDENTIALS
 * when the proof has no session token: no verifier takes such a one. */
enum kiln_code kiln_roast_hello_write(const struct kiln_aws_proof *proof,
				      const struct kiln_roast_mask *mask, char **out, size_t *len,
				      struct kiln_error *err) KILN_NODISCARD;

/* Reads one object as the scanner delimited it and opens the mask: the proof's body is then the
 * payload. The proof is not checked (kiln_aws_proof_check does that). On failure *out is empty. */
enum kiln_code kiln_roast_hello_read(const void *object, size_t len, struct kiln_aws_proof *out,
				     struct kiln_error *err) KILN_NODISCARD;

#endif
