/* SPDX-License-Identifier: Apache-2.0
 * Signing what a worker says as this gateway's own identity. */
#include <string.h>

#include "agent/parts.h"
#include "base/clock.h"

void kiln_agent_prove(struct kiln_agent *agent, uint64_t serial,
		      const struct kiln_agent_message *question)
{
	struct kiln_agent_message answer;
	struct kiln_error err = {0};
	const char *region;
	memset(&answer, 0, sizeof answer);
	answer.type = KILN_AGENT_PROVED;
	answer.id = question->id;
	const struct kiln_aws_credentials *credentials =
	    kiln_identity_credentials(agent->identity, &region, &err);
	/* The binding in it names a role, and a signature by another would look like an attack. */
	if (credentials != NULL &&
	    !kiln_aws_role_equal(kiln_identity_role(agent->identity), &question->role)) {
		(void)kiln_fail(&err, KILN_E_CREDENTIALS,
				"this gateway's role has changed during the handshake");
		credentials = NULL;
	}
	if (credentials == NULL ||
	    kiln_aws_prove(credentials, region, kiln_wall_clock(), question->proof.body,
			   question->proof.body_len, &answer.proof, &err) != KILN_OK) {
		kiln_agent_refuse(agent, serial, question->id, &err);
		return;
	}
	kiln_agent_say(agent, serial, &answer);
	kiln_agent_message_clear(&answer);
}
