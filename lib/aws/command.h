/* SPDX-License-Identifier: Apache-2.0
 *
 * A credential_process, cut into its words as a shell would, without a shell: quotes and
 * backslashes are understood, nothing is expanded.
 */
#ifndef KILN_AWS_COMMAND_H
#define KILN_AWS_COMMAND_H

#include <kiln/error.h>

#define KILN_COMMAND_WORDS_MAX 32u

struct kiln_command {
	char *text;
	const char *argv[KILN_COMMAND_WORDS_MAX + 1]; /* ends with NULL */
};

KILN_NODISCARD enum kiln_code kiln_command_split(const char *line, struct kiln_command *out,
						 struct kiln_error *err);
void kiln_command_clear(struct kiln_command *command);

#endif
