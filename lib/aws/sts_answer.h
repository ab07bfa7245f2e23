/* SPDX-License-Identifier: Apache-2.0
 *
 * What all answers of STS share.
 */
#ifndef KILN_AWS_STS_ANSWER_H
#define KILN_AWS_STS_ANSWER_H

#include "aws/http.h"
#include "aws/json.h"

/* The object {action}Response.{action}Result of a good answer, in *root, which the caller wipes
 * (kiln_json_wipe) whatever comes back. A refusal of the request itself is reported with the code
 * refused, everything else with KILN_E_STS. */
KILN_NODISCARD enum kiln_code kiln_sts_result(const struct kiln_http_answer *answer,
					      const char *action, enum kiln_code refused,
					      json_t **root, const json_t **result,
					      struct kiln_error *err);

#endif
