/* SPDX-License-Identifier: Apache-2.0
 *
 * Whom this gateway is: AWS credentials, found the way the SDKs find them and kept fresh, and the
 * role that STS says they belong to. Drives the credential chain of aws/chain.h: reads its files,
 * runs its commands, does its exchanges.
 */
#ifndef KILN_AGENT_IDENTITY_H
#define KILN_AGENT_IDENTITY_H

#include "agent/exchange.h"
#include "agent/message.h"
#include "aws/chain.h"
#include "aws/sts.h"

struct kiln_identity;

struct kiln_identity_options {
	struct kiln_exchanges *http; /* outlives it */
	const char *region;          /* NULL: as the SDKs find it */
	bool silent;                 /* nothing goes to the log */
	bool development;            /* STS may be on loopback */
	/* Called when the identity is there, has changed, or cannot be had; NULL for nobody. */
	void (*changed)(void *arg);
	void *arg;
};

struct kiln_identity *kiln_identity_new(const struct kiln_identity_options *options,
					struct kiln_error *err) KILN_NODISCARD;
void kiln_identity_free(struct kiln_identity *identity);

/* Reads the files that say where credentials come from, and goes no further. True when they name a
 * program to run (credential_process), and false as well when nothing good is said yet. */
bool kiln_identity_look(struct kiln_identity *identity);

/* From now on no program can be run. One that is named later is not tried; then
 * kiln_identity_wants_program. */
void kiln_identity_forbid_programs(struct kiln_identity *identity);
bool kiln_identity_wants_program(const struct kiln_identity *identity);

/* Begins what is due at now_ms (monotonic); returns ms until there is something to do, or -1: an
 * exchange is under way. */
int kiln_identity_turn(struct kiln_identity *identity, uint64_t now_ms);

/* Looks for credentials anew at the next turn; the old ones stay in use until there are new ones.
 */
void kiln_identity_refresh(struct kiln_identity *identity);

/* True when the first attempt has ended, well or not. */
bool kiln_identity_settled(const struct kiln_identity *identity);

/* NULL, with the reason in *err, while there are none whose role is known; KILN_E_AGAIN: soon. */
const struct kiln_aws_credentials *kiln_identity_credentials(const struct kiln_identity *identity,
							     const char **region,
							     struct kiln_error *err);
/* Their role; NULL while it is not known. */
const struct kiln_aws_role *kiln_identity_role(const struct kiln_identity *identity);

/* Where STS is, as the environment says. */
const struct kiln_sts_endpoints *kiln_identity_endpoints(const struct kiln_identity *identity);

/* What STS says about our credentials; NULL while they are not known. */
const struct kiln_sts_identity *kiln_identity_caller(const struct kiln_identity *identity);

/* For whoever wants to know how it was found. */
const struct kiln_chain *kiln_identity_chain(const struct kiln_identity *identity);

/* What is being waited for, as in "asking http://169.254.169.254/latest/api/token". */
#define KILN_IDENTITY_DOING_MAX 200u
void kiln_identity_doing(const struct kiln_identity *identity, char text[KILN_IDENTITY_DOING_MAX]);

/* The IDENTITY message as of now. */
void kiln_identity_describe(const struct kiln_identity *identity,
			    struct kiln_agent_message *message);

#endif
