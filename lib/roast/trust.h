/* SPDX-License-Identifier: Apache-2.0
 *
 * Is the peer's TLS certificate signed by a CA from its hello? OpenSSL's chain builder cannot say:
 * subject and issuer of Roast's leaf are both empty, so it takes the leaf for signed by itself.
 * Here the one signature, the dates, the purposes and the name are checked one by one.
 *
 * Stricter than Go: a leaf that is a CA, a CA without CA:TRUE, weak keys or hashes, and extensions
 * that are critical and unknown are refused. Roast's own certificates have none of that.
 */
#ifndef KILN_ROAST_TRUST_H
#define KILN_ROAST_TRUST_H

#include "roast/payload.h"

#define KILN_ROAST_SKEW 300 /* seconds that the peer's clock may be ahead */

struct kiln_roast_trust {
	const struct kiln_roast_payload *peer; /* its roots, and whether it is client or server */
	const char *name; /* that a server's certificate must be for; NULL for a client's */
};

/* *x509_error is an X509_V_ERR_* that names the alert. KILN_E_CERT_INVALID, KILN_E_NAME_MISMATCH.
 */
enum kiln_code kiln_roast_trust_check(const struct kiln_roast_trust *trust, X509 *leaf, int64_t now,
				      int *x509_error, struct kiln_error *err) KILN_NODISCARD;

#endif
