/* SPDX-License-Identifier: Apache-2.0
 *
 * Credentials as JSON: what the metadata service, a container endpoint or a credential_process
 * gives.
 */
#ifndef KILN_AWS_CREDENTIALS_JSON_H
#define KILN_AWS_CREDENTIALS_JSON_H

#include "aws/credentials.h"

enum kiln_credentials_form {
	KILN_CREDENTIALS_CONTAINER, /* AccessKeyId SecretAccessKey Token Expiration, all */
	KILN_CREDENTIALS_IMDS,      /* the same, and Code "Success" */
	KILN_CREDENTIALS_PROCESS,   /* Version 1, SessionToken and Expiration optional */
};

#define KILN_CREDENTIALS_JSON_MAX 65536u

/* KILN_E_CREDENTIALS with what is wrong, never with a value. */
KILN_NODISCARD enum kiln_code kiln_credentials_read(enum kiln_credentials_form form,
						    const uint8_t *data, size_t len,
						    struct kiln_aws_credentials *out,
						    struct kiln_error *err);

#endif
