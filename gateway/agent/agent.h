/* SPDX-License-Identifier: Apache-2.0
 *
 * The identity agent: the one process that holds AWS credentials and talks to AWS. It signs hellos
 * for the workers (PROVE) and has the peers' hellos verified by STS (VERIFY), see message.h. Before
 * a request goes out, a proof passes every check that needs no network, the replay cache, the
 * limit of its source, and the limit of requests under way.
 */
#ifndef KILN_AGENT_AGENT_H
#define KILN_AGENT_AGENT_H

#include "aws/sts.h"
#include "cli/options.h"

#define KILN_AGENT_PULSE_MS 1000u

struct kiln_agent_job {
	const struct kiln_gateway_options *options;
	int channel; /* the supervisor's (supervisor/control.h); it brings the workers' channels */
	/* Shared with it. Of the loop, at least one in KILN_AGENT_PULSE_MS: a sign of life. */
	_Atomic uint64_t *turns;
};

/* Its exit status when a credential_process has come into the configuration: it entered a sandbox
 * in which no program can be run, and another agent will not. */
#define KILN_AGENT_BEGIN_ANEW 75

/* The process's main function after fork; returns the exit status. */
int kiln_agent_process(const struct kiln_agent_job *job);

#endif
