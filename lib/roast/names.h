/* SPDX-License-Identifier: Apache-2.0
 *
 * The name that a client demands of the server's certificate. Roast's own client takes the TCP
 * address up to its first ':', which for every IPv6 address is the one character "[". A Kiln writes
 * the whole address, and as a server copies whatever comes, as Roast's does: so all four pairs
 * work.
 */
#ifndef KILN_ROAST_NAMES_H
#define KILN_ROAST_NAMES_H

#include <openssl/x509v3.h>

#include "roast/payload.h"

/* What to write for the target's address or name: "[2001:db8::1]" loses its brackets,
 * "fe80::1%eth0" its zone (it means nothing elsewhere), "::ffff:192.0.2.1" becomes IPv4 (Go
 * compares it as that). KILN_E_USAGE when it can be no name. */
enum kiln_code kiln_roast_name_from(const char *target, char out[KILN_ROAST_NAME_MAX + 1],
				    struct kiln_error *err) KILN_NODISCARD;

/* The subject alternative name for one of the client's names: an IP address or a DNS name. NULL
 * when there is no memory. */
GENERAL_NAME *kiln_roast_name_to_san(const char *name);

/* Is the certificate for that name? Exactly: no wildcards, and no common name. */
bool kiln_roast_name_matches(const X509 *cert, const char *name);

#endif
