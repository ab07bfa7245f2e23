/* SPDX-License-Identifier: Apache-2.0
 * A machine in memory for the credential chain: its environment, files, commands, HTTP servers and
 * clock. What is asked and not foreseen fails the test. */
#ifndef KILN_TESTS_AWS_WORLD_H
#define KILN_TESTS_AWS_WORLD_H

#include "aws_test.h"

#include "aws/chain.h"

struct world_file {
	const char *path;
	const char *text; /* NULL: error */
	int error;
};

struct world_server {
	const char *request; /* "PUT http://169.254.169.254/latest/api/token" */
	const char *need; /* a header line, or text in the body, that must be there; NULL: none */
	int status;
	const char *type, *body;
};

struct world {
	const char *environ[16];
	struct world_file files[8]; /* others do not exist */
	struct world_server servers[12];
	const char *command; /* its words, joined by '|' */
	const char *output;
	int command_error, exit_status;
	int64_t now;
	unsigned asked_http, asked_files, asked_commands;
	struct kiln_chain *chain;
};

#define IMDS        "http://169.254.169.254/latest/"
#define IMDS_ROLES  "GET " IMDS "meta-data/iam/security-credentials/"
#define IMDS_TOKEN  "PUT " IMDS "api/token"
#define IMDS_REGION "GET " IMDS "meta-data/placement/region"
#define IMDS_NEED   "X-aws-ec2-metadata-token: t0k"
#define KEYS_JSON(token, expires)                                                                  \
	"{\"Code\":\"Success\",\"Version\":1,\"AccessKeyId\":\"ASIAEXAMPLEROLE00001\","            \
	"\"SecretAccessKey\":\"s3cr3t\",\"" token "\":\"t0k3n\",\"Expiration\":\"" expires "\"}"
#define STS_JSON(action, key, expires)                                                             \
	"{\"" action "Response\":{\"" action "Result\":{\"Credentials\":{\"AccessKeyId\":\"" key   \
	"\",\"SecretAccessKey\":\"s3cr3t\",\"SessionToken\":\"t0k3n\",\"Expiration\":" expires     \
	"}},\"ResponseMetadata\":{}}}"

/* A chain in this world, at noon. */
void world_open(struct world *world, const struct kiln_chain_options *options);
void world_close(struct world *world);

/* Answers questions until the chain rests. */
void world_run(struct world *world);
/* Lets time pass up to the chain's wake, which must be within these bounds, and runs. */
void world_sleep(struct world *world, int64_t at_least, int64_t at_most);

/* The chain has these credentials now, from this source. */
void world_has(struct world *world, const char *key_id, const char *source);
/* It has none, and says why. */
void world_lacks(struct world *world, const char *reason);

/* All of it: open, run, has or lacks, close. */
void world_gives(struct world world, const char *key_id, const char *source);
void world_refuses(struct world world, const char *reason);

#endif
