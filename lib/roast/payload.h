/* SPDX-License-Identifier: Apache-2.0
 *
 * What a hello's body says: who may sign the sender's TLS certificate, and, in a client's, for
 * which names the server's must be.
 *
 *   client {"ClientCA":b64(PEM),"ServerHostnames":["192.0.2.1"]}      server {"ServerCA":b64(PEM)}
 *
 * Between two Kilns there is a third key, "Kiln": the binding (binding.h). Go ignores it.
 *
 * A stranger's payload is read in two steps. What costs little (limits, form, names) comes first;
 * his certificates stay text, which nothing can be checked against, until it is known who he is.
 */
#ifndef KILN_ROAST_PAYLOAD_H
#define KILN_ROAST_PAYLOAD_H

#include <openssl/x509.h>

#include <kiln/tls.h>

#include "aws/role.h"
#include "roast/hello.h"

#define KILN_ROAST_ROOTS_MAX 4u
#define KILN_ROAST_NAMES_MAX 8u
#define KILN_ROAST_NAME_MAX  253u
#define KILN_ROAST_PEM_MAX   12288u
#define KILN_ROAST_HASH_LEN  32u

#define KILN_ROAST_BINDING_VERSION   1
#define KILN_ROAST_BINDING_NONCE_LEN 32u
#define KILN_ROAST_BINDING_SIG_MAX   72u /* ECDSA over P-256, DER */

struct kiln_roast_binding {
	char role[KILN_AWS_ROLE_ARN_MAX]; /* the sender's own, as kiln_aws_role_format writes it */
	uint8_t nonce[KILN_ROAST_BINDING_NONCE_LEN];
	uint8_t hello[KILN_ROAST_HASH_LEN]; /* a server's: SHA-256 of the client's hello */
	uint8_t sig[KILN_ROAST_BINDING_SIG_MAX];
	size_t sig_len;
};

struct kiln_roast_payload {
	enum kiln_role from;
	uint8_t *pem; /* read, not decoded yet: the CA as it came; owned */
	size_t pem_len;
	X509 *roots[KILN_ROAST_ROOTS_MAX]; /* owned; none before the CA is decoded */
	unsigned root_count;
	char names[KILN_ROAST_NAMES_MAX][KILN_ROAST_NAME_MAX + 1]; /* a client's */
	unsigned name_count;
	bool bound;
	struct kiln_roast_binding binding;
};

/* Writes the payload: *out is malloc'ed and has *len bytes and no NUL. */
enum kiln_code kiln_roast_payload_write(const struct kiln_roast_payload *payload, uint8_t **out,
					size_t *len, struct kiln_error *err) KILN_NODISCARD;

/* Reads the payload of a peer in the role from, all but the certificates: root_count is 0, and so
 * no binding and no leaf can be found good. KILN_E_ROAST_HELLO names the rule it breaks, also when
 * it is a payload of the other role or of both; KILN_E_ROAST_BINDING when the binding's form is
 * wrong (whether it holds is for binding.h). On failure *out is empty. */
enum kiln_code kiln_roast_payload_read(const void *data, size_t len, enum kiln_role from,
				       struct kiln_roast_payload *out,
				       struct kiln_error *err) KILN_NODISCARD;

/* Decodes the certificates of a payload that was read; once. KILN_E_ROAST_HELLO when one of them
 * cannot be read: *payload is empty then. */
enum kiln_code kiln_roast_payload_decode(struct kiln_roast_payload *payload,
					 struct kiln_error *err) KILN_NODISCARD;

void kiln_roast_payload_clear(struct kiln_roast_payload *payload);

#endif
