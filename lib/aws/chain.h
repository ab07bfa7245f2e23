/* SPDX-License-Identifier: Apache-2.0
 *
 * The credential chain: where this machine's AWS credentials and region come from, found once and
 * kept fresh. It opens nothing: it asks one question after the other (read a file, run a command,
 * do an HTTP exchange), and its owner answers.
 *
 *   for (;;) {
 *           const struct kiln_chain_question *q = kiln_chain_step(chain, now);
 *           if (q == NULL)
 *                   wait until kiln_chain_wake_at(chain);
 *           else
 *                   kiln_chain_answer(chain, now, &what_came_of_it);
 *   }
 *
 * Order: environment; the profile; web identity (IRSA); container endpoint (ECS, EKS Pod Identity);
 * IMDSv2. With an explicit profile only that one counts. What is configured and fails is an error:
 * the chain never goes on to another identity. Credentials are refreshed ahead of their expiry; a
 * refresh that fails leaves the old ones in use while they are valid (those of an instance beyond:
 * its metadata service may be late), and is tried again, later each time.
 */
#ifndef KILN_AWS_CHAIN_H
#define KILN_AWS_CHAIN_H

#include "aws/credentials.h"
#include "aws/sts.h"

struct kiln_chain_options {
	const char *const *environ; /* "NAME=value", ends with NULL; AWS_* and HOME are copied */
	const char *profile;        /* explicit; NULL: AWS_PROFILE, or "default" */
	const char *region;         /* explicit; NULL: found */
	const char *session_name;   /* of roles that are assumed; NULL: "kiln" */
	bool development;           /* see struct kiln_sts_endpoints */
	uint64_t seed;              /* random: spreads the retries of many machines */
};

enum kiln_chain_ask {
	KILN_CHAIN_FILE,    /* read path, at most max bytes */
	KILN_CHAIN_COMMAND, /* run argv without a shell, read at most max bytes of its output */
	KILN_CHAIN_HTTP,
};

struct kiln_chain_question {
	enum kiln_chain_ask ask;
	const char *path;
	const char *const *argv;
	uint32_t timeout_ms; /* of the command */
	size_t max;          /* more is an error */
	const struct kiln_http_request *http;
};

/* In place of an exit status, of a command that was killed. */
#define KILN_CHAIN_TOO_SLOW (-1)
#define KILN_CHAIN_TOO_LONG (-2) /* what it printed */

struct kiln_chain_answer {
	int error;           /* file: 0 or errno; command: 0 or errno of not starting it */
	int exit_status;     /* command: 0 is good */
	const uint8_t *data; /* file or command; read during the call only, the asker wipes it */
	size_t len;
	const struct kiln_http_answer *http;
};

struct kiln_chain;

/* KILN_E_CONFIG for an explicit region that is none, and for an STS endpoint in the environment
 * that is refused: who starts with it should not find out later, even where a profile tells to
 * ignore it. */
KILN_NODISCARD enum kiln_code kiln_chain_new(const struct kiln_chain_options *options,
					     struct kiln_chain **out, struct kiln_error *err);
void kiln_chain_free(struct kiln_chain *chain); /* wipes everything */

/* The question to be answered now, the same until it is; NULL: none before kiln_chain_wake_at.
 * now is in seconds since 1970. */
const struct kiln_chain_question *kiln_chain_step(struct kiln_chain *chain, int64_t now);
void kiln_chain_answer(struct kiln_chain *chain, int64_t now,
		       const struct kiln_chain_answer *answer);
int64_t kiln_chain_wake_at(const struct kiln_chain *chain); /* INT64_MAX: not by itself */

/* Begins a refresh at the next step: after SIGHUP, or when AWS says that the credentials are no
 * longer good. It does nothing while one is under way. */
void kiln_chain_refresh(struct kiln_chain *chain);

/* The credentials to use now; valid until the next step or answer. KILN_E_CREDENTIALS with the
 * reason of the last failure, or that the search is not over. */
KILN_NODISCARD enum kiln_code kiln_chain_credentials(const struct kiln_chain *chain, int64_t now,
						     const struct kiln_aws_credentials **out,
						     struct kiln_error *err);

/* NULL: not known (yet). */
const char *kiln_chain_region(const struct kiln_chain *chain);
/* From environment and profile; good once there are credentials. */
const struct kiln_sts_endpoints *kiln_chain_endpoints(const struct kiln_chain *chain);
/* Whose word the region is: "AWS_REGION", "the instance's metadata", ...; NULL while there is none,
 * and for an explicit one. */
const char *kiln_chain_region_source(const struct kiln_chain *chain);

/* Where the last search looked and what it found there, in its order, for the operator who wonders
 * why there is nothing; NULL behind the last. No secrets. */
#define KILN_CHAIN_TRIED_MAX 6u
struct kiln_chain_tried {
	char where[32];
	char found[200];
};
const struct kiln_chain_tried *kiln_chain_tried(const struct kiln_chain *chain, unsigned index);

/* Whether the plan that the last search made out of environment and files has a command to run. */
bool kiln_chain_has_command(const struct kiln_chain *chain);

/* What the last refresh failed of; NULL: it did not. */
const struct kiln_error *kiln_chain_problem(const struct kiln_chain *chain);

#endif
