/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of `kiln sts`.
 */
#ifndef KILN_STS_OPTIONS_H
#define KILN_STS_OPTIONS_H

#include <stdio.h>

#include "log/level.h"
#include "net/address.h"
#include "sts/behave.h"

#define KILN_STSD_MAKE_ROLES_MAX 32u

struct kiln_stsd_options {
	const char *keys;
	const char *make_keys;
	const char *roles[KILN_STSD_MAKE_ROLES_MAX]; /* of --make-keys */
	size_t role_count;
	const char *listen_text;
	struct kiln_endpoint listen; /* a loopback address */
	const char *region;
	const char *imds; /* name of an identity; NULL: the first that is a role's */
	uint64_t session_ms;
	struct kiln_stsd_behaviour behaviour;
	bool control, print_env, force, help;
	int log_format; /* enum kiln_log_format */
	int log_level;  /* enum kiln_log_level */
};

extern const char kiln_stsd_help[];

/* Reads argv behind the command's name. KILN_E_CONFIG with a sentence for the user. */
KILN_NODISCARD enum kiln_code kiln_stsd_options_read(struct kiln_stsd_options *o, int argc,
						     char *const argv[], struct kiln_error *err);

#endif
