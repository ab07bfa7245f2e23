/* SPDX-License-Identifier: Apache-2.0
 *
 * What all requests to STS share: where it is. Internal to lib/aws, but for the development STS.
 */
#ifndef KILN_AWS_STS_REQUEST_H
#define KILN_AWS_STS_REQUEST_H

#include "aws/sts.h"

#define KILN_STS_HOST_MAX       128u
#define KILN_STS_URL_MAX        320u
#define KILN_STS_IDENTITY_QUERY "Action=GetCallerIdentity&Version=2011-06-15"
#define KILN_STS_TIMEOUT_MS     5000u

/* The host that a proof is signed for: the plain regional name, whatever the endpoints. */
void kiln_sts_proof_host(const char *region, char host[KILN_STS_HOST_MAX]);

/* Where our own requests go: scheme and host without a slash, and the host as the Host header has
 * it. KILN_E_CONFIG for a region that is none, or an override that is refused. */
KILN_NODISCARD enum kiln_code kiln_sts_url(const struct kiln_sts_endpoints *endpoints,
					   const char *region, char url[KILN_STS_URL_MAX],
					   char host[KILN_STS_URL_MAX], struct kiln_error *err);

#endif
