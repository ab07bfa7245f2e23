/* SPDX-License-Identifier: Apache-2.0
 *
 * The parameters of a query request: those behind '?' and those of a form in the body, decoded.
 */
#ifndef KILN_STS_PARAMS_H
#define KILN_STS_PARAMS_H

#include <kiln/error.h>

#define KILN_STSD_PARAMS_MAX 64u

struct kiln_stsd_params {
	char *text; /* all names and values, decoded, each with a NUL */
	size_t len, room;
	size_t count;
	struct {
		size_t name, value; /* offsets in text */
	} at[KILN_STSD_PARAMS_MAX];
};

/* Adds the pairs of "a=b&c=d" ('+' is a blank). NULL, or what is wrong: too many, a bad %XX, a NUL,
 * a name that came before: which of two would count is not for a reader to guess. */
const char *kiln_stsd_params_add(struct kiln_stsd_params *params, const char *text, size_t len);

/* NULL: it did not come. Names are compared with regard to case. */
const char *kiln_stsd_params_get(const struct kiln_stsd_params *params, const char *name);

/* Wipes: web identity tokens are parameters. */
void kiln_stsd_params_clear(struct kiln_stsd_params *params);

#endif
