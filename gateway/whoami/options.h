/* SPDX-License-Identifier: Apache-2.0
 *
 * The command line of `kiln whoami`.
 */
#ifndef KILN_WHOAMI_OPTIONS_H
#define KILN_WHOAMI_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <kiln/error.h>

struct kiln_whoami_options {
	const char *region; /* NULL: as the SDKs find it */
	uint64_t timeout_ms;
	bool development, json, help;
};

extern const char kiln_whoami_help[];

/* Reads argv behind the command's name. KILN_E_CONFIG with a sentence for the user. */
KILN_NODISCARD enum kiln_code kiln_whoami_options_read(struct kiln_whoami_options *o, int argc,
						       char *const argv[], struct kiln_error *err);

#endif
