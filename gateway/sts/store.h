/* SPDX-License-Identifier: Apache-2.0
 *
 * Who the development STS knows: the identities, roles and web identity tokens of the keys file,
 * and the sessions that it has issued itself. All of it secret, all of it wiped when it goes.
 */
#ifndef KILN_STS_STORE_H
#define KILN_STS_STORE_H

#include <kiln/error.h>

#define KILN_STSD_NAME_MAX     64u
#define KILN_STSD_ARN_MAX      255u
#define KILN_STSD_FIXED_MAX    256u  /* of each kind in the file */
#define KILN_STSD_ISSUED_MAX   1024u /* sessions at a time; one more and the oldest is forgotten */
#define KILN_STSD_FOREVER      INT64_MAX
#define KILN_STSD_DURATION_MIN 900 /* seconds, as AWS has it for AssumeRole */
#define KILN_STSD_DURATION_MAX 43200

/* A key pair and whose it is. */
struct kiln_stsd_key {
	char name[KILN_STSD_NAME_MAX + 1]; /* in the file; empty for issued ones */
	char access_key_id[129];
	char secret_access_key[257];
	char *session_token; /* NULL: a user's keys */
	char arn[KILN_STSD_ARN_MAX + 1];
	char account[13];
	char user_id[160];
	char *
	    container_token; /* what /_kiln/credentials/NAME wants as Authorization; NULL: closed */
	int64_t expires_at;  /* seconds since 1970, or KILN_STSD_FOREVER */
	bool by_role;        /* the ARN is an assumed role's */
};

/* A role that may be assumed, by any identity that is known. */
struct kiln_stsd_role {
	char arn[KILN_STSD_ARN_MAX + 1]; /* as in RoleArn, perhaps with a path */
	char *external_id;               /* NULL: none is asked for */
};

/* A token that AssumeRoleWithWebIdentity takes, for one role. */
struct kiln_stsd_web {
	char *token;
	char role_arn[KILN_STSD_ARN_MAX + 1];
	char subject[129];
};

struct kiln_stsd_store {
	struct kiln_stsd_key *keys;
	struct kiln_stsd_role *roles;
	struct kiln_stsd_web *webs;
	size_t key_count, role_count, web_count;
	struct kiln_stsd_key *issued; /* KILN_STSD_ISSUED_MAX of them */
	uint64_t issued_count;        /* ever */
};

/* Room for what is issued. */
KILN_NODISCARD enum kiln_code kiln_stsd_store_init(struct kiln_stsd_store *store,
						   struct kiln_error *err);
void kiln_stsd_store_clear(struct kiln_stsd_store *store);

void kiln_stsd_key_clear(struct kiln_stsd_key *key);

/* Fills account, user_id and by_role from key->arn; KILN_E_CONFIG when that is no caller's ARN. */
KILN_NODISCARD enum kiln_code kiln_stsd_key_derive(struct kiln_stsd_key *key,
						   struct kiln_error *err);

/* NULL: nobody has it. */
const struct kiln_stsd_key *kiln_stsd_key_find(const struct kiln_stsd_store *store, const char *id,
					       size_t len);
const struct kiln_stsd_key *kiln_stsd_key_named(const struct kiln_stsd_store *store,
						const char *name);
const struct kiln_stsd_role *kiln_stsd_role_find(const struct kiln_stsd_store *store,
						 const char *arn);
const struct kiln_stsd_web *kiln_stsd_web_find(const struct kiln_stsd_store *store,
					       const char *token);

/* A new session of the role, known from now on; NULL on failure. Owned by the store. */
const struct kiln_stsd_key *kiln_stsd_issue(struct kiln_stsd_store *store, const char *role_arn,
					    const char *session, int64_t expires_at,
					    struct kiln_error *err);

/* The same, for the role that a key of the file stands for. */
const struct kiln_stsd_key *kiln_stsd_issue_like(struct kiln_stsd_store *store,
						 const struct kiln_stsd_key *like,
						 int64_t expires_at, struct kiln_error *err);

/* "arn:aws:iam::A:role/path/Name" and "Session" to "arn:aws:sts::A:assumed-role/Name/Session";
 * KILN_E_CONFIG when it is no role's ARN. */
KILN_NODISCARD enum kiln_code kiln_stsd_assumed_arn(const char *role_arn, const char *session,
						    char out[KILN_STSD_ARN_MAX + 1],
						    struct kiln_error *err);

#endif
