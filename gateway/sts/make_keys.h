/* SPDX-License-Identifier: Apache-2.0
 *
 * `kiln sts --make-keys`: random keys for roles, and the same as clients want them.
 */
#ifndef KILN_STS_MAKE_KEYS_H
#define KILN_STS_MAKE_KEYS_H

#include <stdio.h>

#include <kiln/error.h>

/* Writes path, path.credentials and per role path.NAME.env, .web-token and .container-token, all
 * with mode 0600; NAME is the role's, with its account where two roles have the same. Says on out
 * what there is. Without force an existing file is KILN_E_CONFIG and nothing is written. */
KILN_NODISCARD enum kiln_code kiln_stsd_make_keys(const char *path, const char *const roles[],
						  size_t count, const char *region, bool force,
						  FILE *out, struct kiln_error *err);

#endif
