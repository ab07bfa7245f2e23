/* SPDX-License-Identifier: Apache-2.0
 * How the chain's parts ask, and fail. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "aws/chain_inner.h"
#include "base/ascii.h"

#define COMMAND_TIMEOUT_MS 60000u
#define TRIES_MAX          3u

enum kiln_step kiln_chain_fail(struct kiln_chain *chain, enum kiln_code code, const char *format,
			       ...)
{
	char message[KILN_ERROR_MAX];
	va_list args;
	va_start(args, format);
	(void)vsnprintf(message, sizeof message, format, args);
	va_end(args);
	(void)kiln_fail(&chain->problem, code, "%s", message);
	return KILN_STEP_FAILED;
}

void kiln_chain_source(struct kiln_chain *chain, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	(void)vsnprintf(chain->fresh.source, sizeof chain->fresh.source, format, args);
	va_end(args);
}

static enum kiln_step ask(struct kiln_chain *chain, struct kiln_chain_question question)
{
	chain->question = question;
	chain->asking = true;
	chain->tries = 1;
	return KILN_STEP_ASK;
}

enum kiln_step kiln_chain_ask_file(struct kiln_chain *chain, const char *path, size_t max)
{
	kiln_text_clear(&chain->path);
	const char *home = kiln_chain_env(chain, "HOME");
	if (strncmp(path, "~/", 2) == 0 && home != NULL) {
		kiln_text_str(&chain->path, home);
		path++;
	}
	kiln_text_str(&chain->path, path);
	if (kiln_text_check(&chain->path, "a file's name", &chain->problem) != KILN_OK)
		return KILN_STEP_FAILED;
	return ask(chain, (struct kiln_chain_question){
			      .ask = KILN_CHAIN_FILE, .path = chain->path.data, .max = max});
}

enum kiln_step kiln_chain_ask_command(struct kiln_chain *chain, const char *line)
{
	kiln_command_clear(&chain->command);
	if (kiln_command_split(line, &chain->command, &chain->problem) != KILN_OK)
		return KILN_STEP_FAILED;
	return ask(chain, (struct kiln_chain_question){.ask = KILN_CHAIN_COMMAND,
						       .argv = chain->command.argv,
						       .timeout_ms = COMMAND_TIMEOUT_MS,
						       .max = 65536});
}

enum kiln_step kiln_chain_ask_http(struct kiln_chain *chain, enum kiln_code built)
{
	if (built != KILN_OK)
		return KILN_STEP_FAILED;
	return ask(chain,
		   (struct kiln_chain_question){.ask = KILN_CHAIN_HTTP, .http = &chain->http});
}

bool kiln_chain_again(struct kiln_chain *chain)
{
	if (chain->tries >= TRIES_MAX)
		return false;
	chain->tries++;
	chain->asking = true;
	return true;
}

bool kiln_chain_is_transient(const struct kiln_http_answer *http)
{
	return http->status == 0 || http->status == 429 || http->status >= 500;
}

enum kiln_step kiln_chain_take_token(struct kiln_chain *chain, const char *what,
				     const struct kiln_chain_answer *answer, size_t max)
{
	const char *data = (const char *)answer->data;
	size_t len = answer->len;
	if (answer->error != 0) {
		(void)kiln_fail_errno(&chain->problem, KILN_E_CREDENTIALS, answer->error,
				      "the token file %.100s cannot be read", chain->path.data);
		return KILN_STEP_FAILED;
	}
	while (len > 0 && (data[len - 1] == '\n' || data[len - 1] == '\r' || data[len - 1] == ' '))
		len--;
	if (len == 0 || len > max)
		return kiln_chain_fail(chain, KILN_E_CREDENTIALS, "%s in %.100s is %s", what,
				       chain->path.data, len == 0 ? "empty" : "too long");
	if (!kiln_ascii_is_printable(data, len))
		return kiln_chain_fail(chain, KILN_E_CREDENTIALS,
				       "%s in %.100s holds what cannot be sent (a line's end?)",
				       what, chain->path.data);
	kiln_text_clear(&chain->bearer);
	kiln_text_add(&chain->bearer, data, len);
	if (kiln_text_check(&chain->bearer, what, &chain->problem) != KILN_OK)
		return KILN_STEP_FAILED;
	return KILN_STEP_DONE;
}
