/* SPDX-License-Identifier: Apache-2.0
 * credential_process: a program of the operator's prints credentials as JSON. */
#include <string.h>

#include "aws/chain_inner.h"
#include "aws/credentials_json.h"

static enum kiln_step start(struct kiln_chain *chain, int64_t now)
{
	(void)now;
	return kiln_chain_ask_command(
	    chain, kiln_profile_get(&chain->profiles, chain->plan.profile, "credential_process"));
}

static enum kiln_step answer(struct kiln_chain *chain, int64_t now,
			     const struct kiln_chain_answer *answer)
{
	(void)now;
	const char *program = chain->command.argv[0];
	struct kiln_error why;
	if (answer->error != 0) {
		(void)kiln_fail_errno(&chain->problem, KILN_E_CREDENTIALS, answer->error,
				      "credential_process %.80s cannot be run", program);
		return KILN_STEP_FAILED;
	}
	if (answer->exit_status == KILN_CHAIN_TOO_SLOW)
		return kiln_chain_fail(chain, KILN_E_CREDENTIALS,
				       "credential_process %.80s, or who has its output, did not "
				       "end within %u s and was killed",
				       program, chain->question.timeout_ms / 1000);
	if (answer->exit_status == KILN_CHAIN_TOO_LONG)
		return kiln_chain_fail(chain, KILN_E_CREDENTIALS,
				       "credential_process %.80s printed more than %zu bytes and "
				       "was killed",
				       program, chain->question.max);
	if (answer->exit_status != 0)
		return kiln_chain_fail(chain, KILN_E_CREDENTIALS,
				       "credential_process %.80s failed with status %d", program,
				       answer->exit_status);
	if (kiln_credentials_read(KILN_CREDENTIALS_PROCESS, answer->data, answer->len,
				  &chain->fresh, &why) != KILN_OK)
		return kiln_chain_fail(chain, why.code, "credential_process %.80s: %s", program,
				       why.message);
	kiln_chain_source(chain, "credential_process of profile %.60s", chain->plan.profile);
	return KILN_STEP_DONE;
}

const struct kiln_provider kiln_provider_process = {start, answer};
