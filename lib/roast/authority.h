/* SPDX-License-Identifier: Apache-2.0
 *
 * The certificates of one connection: a CA that goes into the hello, and the leaf that it signs for
 * TLS. Both keys are new, P-256, used for this connection only, and never leave memory. The profile
 * is Roast's own (empty names, no key identifiers in the leaf), but for NotBefore, which lies in
 * the past: a peer whose clock is behind would refuse them.
 */
#ifndef KILN_ROAST_AUTHORITY_H
#define KILN_ROAST_AUTHORITY_H

#include <openssl/x509.h>

#include <kiln/tls.h>

#include "roast/payload.h"

#define KILN_ROAST_CERT_LIFE 900 /* seconds from now on */
#define KILN_ROAST_CERT_BACK 300 /* and how far before: the window of X-Amz-Date */

struct kiln_roast_authority {
	X509 *ca, *leaf;
	EVP_PKEY *ca_key, *leaf_key;
};

/* Makes the CA at the time now (seconds since 1970). */
enum kiln_code kiln_roast_authority_make(struct kiln_roast_authority *authority, int64_t now,
					 struct kiln_error *err) KILN_NODISCARD;

/* Makes the leaf for the role; for a server with the names that the client's hello demands. Frees
 * the CA's key, which has nothing more to sign (the binding is signed before). */
enum kiln_code kiln_roast_authority_issue(struct kiln_roast_authority *authority,
					  enum kiln_role role,
					  const struct kiln_roast_payload *client, int64_t now,
					  struct kiln_error *err) KILN_NODISCARD;

void kiln_roast_authority_clear(struct kiln_roast_authority *authority);

#endif
