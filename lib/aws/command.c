/* SPDX-License-Identifier: Apache-2.0
 * Cutting a command line into words; see command.h. */
#include "aws/command.h"

#include <stdlib.h>
#include <string.h>

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Copies one word from *in to *out, NUL-terminated; false: a quote or backslash is left open. */
static bool take_word(const char **in, char **out)
{
	char quote = '\0';
	for (; **in != '\0' && (quote != '\0' || !is_blank(**in)); (*in)++) {
		const char c = **in;
		if (quote == '\0' && (c == '"' || c == '\'')) {
			quote = c;
		} else if (c == quote) {
			quote = '\0';
		} else if (c == '\\' && quote != '\'') {
			const char next = (*in)[1];
			if (next == '\0')
				return false;
			if (quote == '\0' || next == '"' || next == '\\')
				(*in)++;
			*(*out)++ = **in;
		} else {
			*(*out)++ = c;
		}
	}
	*(*out)++ = '\0';
	return quote == '\0';
}

static enum kiln_code split(const char *line, struct kiln_command *out, struct kiln_error *err)
{
	char *write = out->text;
	for (size_t count = 0;; count++) {
		while (is_blank(*line))
			line++;
		if (*line == '\0')
			return count > 0 ? KILN_OK
					 : kiln_fail(err, KILN_E_CONFIG,
						     "credential_process names no command");
		if (count == KILN_COMMAND_WORDS_MAX)
			return kiln_fail(err, KILN_E_CONFIG,
					 "credential_process has more than %u words",
					 KILN_COMMAND_WORDS_MAX);
		out->argv[count] = write;
		if (!take_word(&line, &write))
			return kiln_fail(err, KILN_E_CONFIG,
					 "credential_process has a quote that does not end");
	}
}

enum kiln_code kiln_command_split(const char *line, struct kiln_command *out,
				  struct kiln_error *err)
{
	*out = (struct kiln_command){.text = malloc(strlen(line) + 2)};
	if (out->text == NULL)
		return kiln_fail(err, KILN_E_NO_MEMORY, "no memory for credential_process");
	enum kiln_code code = split(line, out, err);
	if (code != KILN_OK)
		kiln_command_clear(out);
	return code;
}

void kiln_command_clear(struct kiln_command *command)
{
	free(command->text);
	*command = (struct kiln_command){0};
}
