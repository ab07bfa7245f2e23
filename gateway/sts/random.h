/* SPDX-License-Identifier: Apache-2.0
 *
 * Key ids, secrets and tokens in the form that AWS's have.
 */
#ifndef KILN_STS_RANDOM_H
#define KILN_STS_RANDOM_H

#include <kiln/error.h>

#define KILN_STSD_TOKEN_LEN 244u /* characters of a session token, '=' at its end among them */

/* prefix (ASIA, AKIA) and 16 of A-Z2-7. */
KILN_NODISCARD enum kiln_code kiln_stsd_random_id(const char *prefix, char out[21],
						  struct kiln_error *err);
/* 40 of base64's characters, as secret access keys have. */
KILN_NODISCARD enum kiln_code kiln_stsd_random_secret(char out[41], struct kiln_error *err);
KILN_NODISCARD enum kiln_code kiln_stsd_random_token(char out[KILN_STSD_TOKEN_LEN + 1],
						     struct kiln_error *err);
/* A request id: 8-4-4-4-12 hexadecimal digits. */
KILN_NODISCARD enum kiln_code kiln_stsd_random_uuid(char out[37], struct kiln_error *err);

/* The id that AWS would give to what has this ARN: prefix (AROA, AIDA) and 17 of A-Z2-7, always the
 * same for the same ARN. */
KILN_NODISCARD enum kiln_code kiln_stsd_unique_id(const char *prefix, const char *arn, size_t len,
						  char out[22], struct kiln_error *err);

#endif
